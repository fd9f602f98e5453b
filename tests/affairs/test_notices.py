"""Bulk notices from the draft to the last recipient, on both engines, with the links played by a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, insert, select, update

from gateway.affairs import consent, destinations, settings
from gateway.affairs.notices import (
    approval,
    drafts,
    expansion,
    hours,
    lists,
    progress,
    questions,
    report,
    running,
    series,
    topics,
    weekdays,
)
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.affairs.notices.handover import DUE, Handover
from gateway.affairs.notices.hours import Quiet
from gateway.affairs.notices.wording import Voice
from gateway.core import outcomes, recovery
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Lane, Outbound, Part, State
from gateway.core.outcomes import Answer
from gateway.core.release import Released, Wanted, release
from gateway.core.tables.messages import message, part
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.organisation import member, number
from smpp.submit import split as smpp_split
from tests.affairs import people

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # ten in the morning in Shanghai
ZONE = ZoneInfo("Asia/Shanghai")
AUTHOR, OTHER, THIRD = (
    Person(actor="staff:qian", phone="+8613800009001"),
    Person(actor="staff:sun", phone="+8613800009002"),
    Person(actor="member:7", phone="+8613800009003"),
)


def split(outbound: Outbound) -> tuple[Part, ...]:
    return smpp_split(outbound, "udh16")


class House:
    """An organisation with members, and one link that takes what it is given."""

    def __init__(self, conn: Connection, ids: Ids, keys: Keys) -> None:
        self.conn, self.ids, self.keys = conn, ids, keys
        voice = Voice({"zh": "安河组织", "en": "Anhe"}, "zh", _money, _month)
        self.place = Place(ids, ZONE, voice)
        self.handover = Handover(self.place)
        self.branch = people.branch(conn, ids, "530102")
        self.other = people.branch(conn, ids, "530103")
        self.now = NOW
        self.members: list[int] = []

    def join(self, count: int, *, branch: int | None = None, phones: bool = True, **values: object) -> list[str]:
        """Members with a phone each; their numbers."""
        found = []
        for _ in range(count):
            index = len(self.members) + 1
            id_ = people.person(self.conn, self.ids, f"A{index:04}", branch or self.branch)
            self.conn.execute(
                update(member).where(member.c.id == id_).values(created=NOW - timedelta(days=1), **values)
            )
            self.members.append(id_)
            if phones:
                text = f"+86138{index:08}"
                self.conn.execute(
                    insert(number), {"number": text, "member_id": id_, "main": True, "bound": NOW - timedelta(days=1)}
                )
                found.append(text)
        return found

    def write(self, text: str = "明晚八点开会", **values: object) -> Notice:
        said = Wording(title="开会", texts={"zh": text}, audience=Audience())
        said = replace(said, **values)  # type: ignore[arg-type]  # its fields
        return drafts.create(self.conn, self.ids, said, AUTHOR, self.now)

    def submitted(self, text: str = "明晚八点开会", **values: object) -> Notice:
        return approval.submit(self.conn, self.place, self.write(text, **values), AUTHOR, self.now)

    def approved(self, text: str = "明晚八点开会", **values: object) -> Notice:
        """Approved, its recipients frozen, running."""
        found = self.submitted(text, **values)
        for who in (OTHER, THIRD):
            if found.state == drafts.WAITING:
                found = approval.approve(self.conn, self.place, found, who, self.now)
        self.freeze()
        running.start(self.conn, self.now)
        return drafts.get(self.conn, found.id)

    def freeze(self, piece: int = 1000) -> None:
        while expansion.step(self.conn, self.place, (("+86", "mobile"),), piece) is not None:
            pass

    def came_round(self) -> int:
        """What the clock brings of the series, counted and sent on its way."""
        found = series.due(self.conn, self.place, self.now)
        for question in questions.waiting(self.conn):
            while series.copy_list(self.conn, question.notice_id):
                pass
            figures = questions.figures(self.conn, self.place, question, self.now)
            assert not isinstance(figures, progress.Progress)
            assert questions.close(self.conn, question)
            series.go_on(self.conn, self.place, drafts.get(self.conn, question.notice_id), figures, self.now)
        return found

    def turn(self, slots: int = 100, chosen: tuple[Part, ...] = (), link: str = "mobile") -> Released:
        """One turn of an outbox."""
        wanted = Wanted(slots=slots, bulk=slots, room=slots, below=len(Lane))
        return release(self.conn, self.keys, link, split, chosen, wanted, self.now, self.handover)

    def answer(self, parts: tuple[Part, ...], state: State = State.SENT, error: str | None = None) -> None:
        outcomes.record(
            self.conn,
            "mobile",
            [Answer(p, state, self.now, remote_id=f"r{p.outbound}-{p.number}", error=error) for p in parts],
        )

    def counted(self, found: Notice) -> progress.Progress:
        return progress.progress(self.conn, drafts.get(self.conn, found.id))


def _money(minor: int, language: str) -> str:
    return f"{minor / 100:.2f}元"


def _month(month: int, language: str) -> str:
    return f"{month % 100}月"


@pytest.fixture
def house(conn: Connection, ids: Ids, keys: Keys) -> House:
    settings.change(conn, ids, "approval.solo_limit", 2, actor="test", now=NOW - timedelta(days=1))
    return House(conn, ids, keys)


def refused(why: str, work: Callable[[], object]) -> None:
    with pytest.raises(Refused) as found:
        work()
    assert found.value.why == why


def limited(house: House, **written: object) -> None:
    for name, value in written.items():
        settings.change(house.conn, house.ids, f"destinations.{name}", value, actor="test", now=NOW - timedelta(days=1))


# --- the whole way ------------------------------------------------------------------------------------------------


def test_a_notice_goes_to_everybody_once(house: House) -> None:
    numbers = house.join(5)
    found = house.approved()
    released = house.turn()
    assert sorted(p.to for p in released.write) == numbers
    assert {p.lane for p in released.write} == {Lane.BULK}
    assert released.write[0].octets.decode("utf-16-be") == "【安河组织】明晚八点开会"
    house.answer(released.write)
    assert house.turn().write == ()
    assert running.finish(house.conn, house.now) == 1
    assert drafts.get(house.conn, found.id).state == drafts.DONE
    counted = house.counted(found)
    assert (counted.recipients, counted.waiting, counted.messages) == (5, 0, {"sent": 5})


def test_it_waits_for_somebody_else(house: House) -> None:
    house.join(3)
    found = house.submitted()
    assert (found.state, found.needed) == (drafts.WAITING, 1)
    refused("author", lambda: approval.approve(house.conn, house.place, found, AUTHOR, house.now))
    same = Person(actor="member:99", phone=AUTHOR.phone)  # the author's own phone
    refused("author", lambda: approval.approve(house.conn, house.place, found, same, house.now))
    assert approval.approve(house.conn, house.place, found, OTHER, house.now).state == drafts.SCHEDULED


def test_a_small_one_needs_nobody(house: House) -> None:
    house.join(2)
    assert house.submitted().state == drafts.SCHEDULED


def test_an_emergency_needs_two_whatever_its_size(house: House) -> None:
    house.join(1)
    found = house.submitted(emergency=True)
    assert found.needed == 2
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    assert found.state == drafts.WAITING
    assert approval.approve(house.conn, house.place, found, THIRD, house.now).state == drafts.SCHEDULED


def test_two_approvers_at_once_are_one_campaign(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    # The second has read it before the first one's commit.
    refused("state", lambda: approval.approve(house.conn, house.place, drafts.get(house.conn, found.id), THIRD, NOW))
    with pytest.raises(Refused):
        approval.schedule(house.conn, house.place, found, house.now)
    house.freeze()
    assert drafts.get(house.conn, found.id).recipients == 3


def test_denied_it_is_a_draft_again(house: House) -> None:
    house.join(3)
    found = approval.deny(house.conn, house.place, house.submitted(), OTHER, "日期不对", house.now)
    assert (found.state, found.reason) == (drafts.DRAFT, "日期不对")
    found = approval.submit(house.conn, house.place, found, AUTHOR, house.now)
    assert found.state == drafts.WAITING


def test_who_decides_about_a_draft_follows_its_audience(house: House) -> None:
    found = house.write(audience=Audience(paths=("/530102/",)))
    assert found.paths == ("/530102/",)
    said = Wording(title="开会", texts={"zh": "开会"}, audience=Audience(paths=("",)))
    assert drafts.change(house.conn, found.id, said).paths == ("",)


def test_a_small_branch_finds_its_notices_behind_many_of_others(house: House) -> None:
    """Also from behind one of them, and no more of them than were asked for."""
    theirs = Audience(paths=("/530103/",))
    first, second = (house.write(text, audience=theirs) for text in ("一", "二"))
    made = house.write("别人的")
    rows = [made.id + at for at in range(1, 1200)]
    copied = house.conn.execute(select(notice).where(notice.c.id == made.id)).mappings().one()
    house.conn.execute(
        insert(notice), [dict(copied) | {"id": id_, "number": made.number + at} for at, id_ in enumerate(rows, 1)]
    )
    within = theirs.paths
    assert [each.id for each in drafts.listing(house.conn, within=within)] == [second.id, first.id]
    assert [each.id for each in drafts.listing(house.conn, within=within, before=second.number)] == [first.id]
    assert [each.id for each in drafts.listing(house.conn, within=within, limit=1)] == [second.id]
    assert len(drafts.listing(house.conn, limit=31)) == 31


def test_the_same_form_twice_is_one_notice(house: House) -> None:
    said = Wording(title="x", texts={"zh": "x"}, audience=Audience())
    one = drafts.create(house.conn, house.ids, said, AUTHOR, house.now, request_key="form:1")
    assert drafts.create(house.conn, house.ids, said, AUTHOR, house.now, request_key="form:1") == one
    assert house.conn.scalar(select(func.count()).select_from(notice)) == 1


def test_the_same_text_within_hours_is_a_slip(house: House) -> None:
    house.join(3)
    house.approved("防汛值班")
    refused("same", lambda: house.submitted("防 汛值班"))
    again = approval.submit(house.conn, house.place, house.write("防汛值班"), AUTHOR, house.now, repeat=True)
    assert again.state == drafts.WAITING
    house.now += timedelta(hours=13)


def test_the_same_text_is_a_slip_though_the_first_was_written_days_before(house: House) -> None:
    house.join(3)
    house.approved("防汛值班", starts=NOW + timedelta(days=2))
    house.now += timedelta(days=2, hours=1)
    refused("same", lambda: house.submitted("防汛值班"))
    house.now += timedelta(hours=12)
    assert house.submitted("防汛值班").state == drafts.WAITING


# --- who gets it --------------------------------------------------------------------------------------------------


def test_a_stop_after_approval_is_honoured_at_the_link(house: House) -> None:
    numbers = house.join(3)
    found = house.approved()
    consent.stop(house.conn, house.ids, numbers[1], how="STOP", now=house.now)
    assert sorted(p.to for p in house.turn().write) == [numbers[0], numbers[2]]
    assert house.counted(found).left == {"opted out": 1}


def test_a_stop_counts_in_an_emergency_too(house: House) -> None:
    numbers = house.join(3)
    house.approved(emergency=True)
    consent.stop(house.conn, house.ids, numbers[0], how="STOP", now=house.now)
    assert sorted(p.to for p in house.turn().write) == numbers[1:]


def test_a_locked_phone_gets_nothing(house: House) -> None:
    numbers = house.join(3)
    found = house.approved()
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(locked=house.now))
    assert len(house.turn().write) == 2
    assert house.counted(found).left == {"locked": 1}


def test_who_guessed_a_code_too_often_gets_it_all_the_same(house: House) -> None:
    numbers = house.join(2)
    until = house.now + timedelta(minutes=15)
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(locked_until=until))
    house.approved()
    assert sorted(p.to for p in house.turn().write) == numbers


def test_who_joins_after_approval_is_not_in_it(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    expansion.step(house.conn, house.place, (("", "mobile"),), 2)
    late = house.join(1)
    house.conn.execute(
        update(member).where(member.c.id == house.members[-1]).values(created=NOW + timedelta(seconds=1))
    )
    house.freeze()
    reached = set(house.conn.scalars(select(notice_recipient.c.number)))
    assert len(reached) == 3
    assert late[0] not in reached


def test_values_are_each_reader_s_own(house: House) -> None:
    numbers = house.join(3)
    people.owes(house.conn, house.members[0], 202611, 300)
    people.owes(house.conn, house.members[0], 202610, 600)
    house.approved("{branch}{month}应交{due}")
    texts = {p.to: p.octets.decode("utf-16-be") for p in house.turn().write}
    assert texts[numbers[0]] == "【安河组织】安河村支部53010211月应交9.00元"
    assert texts[numbers[1]] == "【安河组织】安河村支部53010211月应交0.00元"


def test_everybody_reads_their_own_language(house: House) -> None:
    house.join(2)
    house.join(1, language="en")
    house.join(1, language="bo")
    house.approved(texts={"zh": "明晚开会", "en": "Meeting tomorrow"})
    written = list(house.turn().write)
    english = [p for p in written if p.octets.startswith(b"Anhe: Meeting")]
    assert (len(written), len(english)) == (4, 1)


# --- when ---------------------------------------------------------------------------------------------------------


def test_own_quiet_hours_put_it_off_and_the_organisation_s_end_it(house: House) -> None:
    numbers = house.join(3)
    quiet = {"quiet_from": 9, "quiet_until": 12}
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(**quiet))
    late = {"quiet_from": 9, "quiet_until": 23}
    house.conn.execute(update(number).where(number.c.number == numbers[1]).values(**late))
    found = house.approved()
    assert found.funnel.quiet == 2
    assert [p.to for p in house.turn().write] == [numbers[2]]
    assert house.counted(found).left == {"quiet hours": 1}  # it would be the organisation's night
    house.now = NOW + timedelta(hours=2, seconds=1)
    assert [p.to for p in house.turn().write] == [numbers[0]]


def test_the_rest_never_goes_next_morning(house: House) -> None:
    house.join(5)
    found = house.approved()
    assert found.expires == datetime(2026, 11, 23, 13, 0, tzinfo=UTC)  # 21:00 there
    house.answer(house.turn(2).write)
    house.now = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert house.turn().write == ()
    assert running.expire(house.conn, house.now) == 1
    assert drafts.get(house.conn, found.id).state == drafts.EXPIRED
    house.now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    assert house.turn().write == ()
    assert house.counted(found).waiting == 3


def test_what_is_approved_at_night_starts_in_the_morning(house: House) -> None:
    house.join(3)
    house.now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # 23:00 there
    found = house.approved()
    assert found.state == drafts.SCHEDULED
    assert found.starts == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert house.turn().write == ()


def test_an_emergency_goes_at_night(house: House) -> None:
    house.join(3)
    house.now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    house.approved(emergency=True)
    assert len(house.turn().write) == 3


@pytest.mark.parametrize(
    ("quiet", "hour", "holds"),
    [
        (Quiet(21, 8), 21, True),
        (Quiet(21, 8), 3, True),
        (Quiet(21, 8), 8, False),
        (Quiet(9, 12), 9, True),
        (Quiet(9, 12), 12, False),
        (Quiet(0, 0), 0, False),
        (Quiet(0, 24), 23, True),
    ],
)
def test_quiet_hours(quiet: Quiet, hour: int, holds: bool) -> None:
    assert quiet.holds(datetime(2026, 11, 23, hour, 30, tzinfo=ZONE)) is holds


def test_quiet_hours_where_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 3, 28, 22, 0, tzinfo=berlin)  # the night that lacks an hour
    ends = Quiet(21, 8).ends(evening)
    assert (ends.hour, ends.astimezone(UTC).hour) == (8, 6)
    found = hours.span(evening.astimezone(UTC), None, timedelta(hours=12), Quiet(21, 8), berlin)
    assert found.starts == ends.astimezone(UTC)
    assert found.expires == found.starts + timedelta(hours=12)


# --- pause, cancel, restart -----------------------------------------------------------------------------------------


def test_a_pause_holds_at_the_next_turn_and_what_was_held_goes_back(house: House) -> None:
    house.join(4)
    text = "长" * 100  # two parts each
    found = house.approved(text)
    first = house.turn(3)
    assert len(first.write) == 3
    assert len(first.hold) == 3
    running.pause(house.conn, house.place, found, OTHER, house.now)
    second = house.turn(10, chosen=first.hold)
    assert second.write == ()
    assert {p.outbound for p in first.hold} == second.parked
    house.answer(first.write)
    found = running.resume(house.conn, house.place, drafts.get(house.conn, found.id), OTHER, house.now)
    assert found.state == drafts.RUNNING
    rest = house.turn(20)
    sent = [(p.to, p.number) for p in (*first.write, *rest.write)]
    assert len(sent) == len(set(sent)) == 8


def test_a_pause_that_came_too_late_ends_with_the_last_report(house: House) -> None:
    house.join(3)
    found = house.approved()
    parts_ = house.turn().write
    paused = running.pause(house.conn, house.place, found, AUTHOR, house.now)
    assert running.finish(house.conn, house.now) == 0
    house.answer(parts_)
    assert running.finish(house.conn, house.now) == 1
    assert drafts.get(house.conn, paused.id).state == drafts.DONE


def test_a_cancelled_notice_stops_for_good(house: House) -> None:
    house.join(5)
    found = house.approved()
    house.answer(house.turn(2).write)
    found = running.kill(house.conn, house.place, found, OTHER, house.now)
    assert house.turn().write == ()
    refused("state", lambda: running.resume(house.conn, house.place, found, OTHER, house.now))
    assert running.kill(house.conn, house.place, found, OTHER, house.now) == found


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_a_restart_in_the_middle_of_the_expansion(house: House, piece: int) -> None:
    numbers = house.join(20)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    running.start(house.conn, house.now)
    went: list[str] = []
    for step in range(40):
        expansion.step(house.conn, house.place, (("", "mobile"),), piece)
        house.conn.commit()
        # The kill: a piece that was not committed leaves nothing behind.
        expansion.step(house.conn, house.place, (("", "mobile"),), piece)
        house.conn.rollback()
        if step % 3 == 0:
            released = house.turn(2)
            went += [p.to for p in released.write]
            house.answer(released.write)
    house.freeze(piece)
    released = house.turn()
    went += [p.to for p in released.write]
    assert sorted(went) == numbers


def test_a_turn_that_was_rolled_back_comes_again(house: House) -> None:
    """The page goes on behind those who had their turn, and what is left behind is found at the end."""
    numbers = house.join(7)
    house.approved()
    with house.conn.begin_nested() as lost:
        house.turn(3)
        lost.rollback()
    went: list[str] = []
    while released := house.turn(2):
        went += [p.to for p in released.write]
        if not released.more:
            break
    assert sorted(went) == numbers


def test_who_comes_from_another_link_waits_for_nobody(house: House) -> None:
    """Also when their numbers lie ahead of those who had their turn already."""
    numbers = house.join(6)
    found = house.approved()
    moved = notice_recipient.c.number.in_(numbers[:2])
    house.conn.execute(update(notice_recipient).where(moved).values(link="other"))
    house.turn(2)
    house.conn.execute(update(notice_recipient).where(moved).values(link="mobile"))
    while house.turn(2).more:
        pass
    assert house.counted(found).waiting == 0


def test_after_a_kill_what_was_leased_goes_and_what_was_written_is_unknown(house: House) -> None:
    house.join(2)
    found = house.approved("长" * 100)
    first = house.turn(2)  # one message inflight, one leased
    assert (len(first.write), len(first.hold)) == (2, 2)
    assert recovery.recover(house.conn, house.now) == (1, 2)
    second = house.turn()
    assert {p.outbound for p in second.write} == {p.outbound for p in first.hold}
    assert house.counted(found).messages == {"unknown": 1, "leased": 1}


def test_a_link_that_goes_away_gives_its_recipients_to_another(house: House) -> None:
    house.join(3)
    house.approved()
    assert expansion.reroute(house.conn, "mobile", lambda number: "other") is None
    assert house.turn().write == ()
    assert len(house.turn(link="other").write) == 3


def test_what_may_go_to_a_prefix_in_a_day_is_used_up(house: House) -> None:
    """Also over several turns and several notices; whoever got nothing is in the report."""
    house.join(5)
    limited(house, budgets=("+86138=4", "+=0"))
    first = house.approved("第一份")
    assert [len(house.turn(2).write) for _ in range(3)] == [2, 2, 0]
    assert house.counted(first).left == {"budget": 1}
    house.now += timedelta(minutes=1)
    second = house.approved("第二份")
    house.turn()
    assert house.counted(second).left == {"budget": 5}
    assert destinations.refused(house.conn, house.place.today(house.now)) == (("budget", "+86138", 4, 6),)
    house.now += timedelta(days=1)
    assert len(house.turn().write) == 0
    third = house.approved("第三份")
    assert len(house.turn().write) == 4
    assert house.counted(third).left == {"budget": 1}


def test_an_emergency_is_not_counted_but_never_is_never(house: House) -> None:
    house.join(3)
    limited(house, budgets=("+86138=1", "+8613800000002=0"))
    found = house.approved(emergency=True)
    assert len(house.turn().write) == 2
    assert house.counted(found).left == {"budget": 1}


def test_a_list_of_numbers_in_a_row_is_no_audience(house: House) -> None:
    """Members may have such numbers; of others more than a few side by side are somebody's who earns by them."""
    numbers = house.join(4)
    limited(house, adjacent=2)
    written = house.write(audience=Audience(listed=True))
    lists.append(house.conn, written.id, (*numbers, *(f"1370000010{n}" for n in range(4))), "CN")
    found = approval.submit(house.conn, house.place, written, AUTHOR, house.now)
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    house.freeze()
    running.start(house.conn, house.now)
    assert len(house.turn().write) == 6
    assert house.counted(found).left == {"adjacent": 2}


def test_a_number_that_no_link_takes_is_left_out(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    while expansion.step(house.conn, house.place, (("+49", "mobile"),), 1000) is not None:
        pass
    assert house.counted(found).left == {"no link": 3}


# --- afterwards -----------------------------------------------------------------------------------------------------


def test_the_report_counts_people_and_parts(house: House) -> None:
    numbers = house.join(4)
    house.join(1, branch=house.other)
    found = house.approved("长" * 100)
    released = house.turn()
    assert len(released.write) == 10
    by_number = {text: [p for p in released.write if p.to == text] for text in {p.to for p in released.write}}
    house.answer(tuple(by_number[numbers[0]]), State.FAILED, "1")
    house.answer(tuple(by_number[numbers[1]][:1]), State.FAILED, "11")
    house.answer(tuple(by_number[numbers[1]][1:]))
    for text in (*numbers[2:], *(set(by_number) - set(numbers))):
        house.answer(tuple(by_number[text]))
    consent.stop(house.conn, house.ids, numbers[3], how="STOP", now=house.now + timedelta(minutes=5))
    told = report.report(house.conn, drafts.get(house.conn, found.id), house.now + timedelta(hours=1))
    assert told.people.messages == {"failed": 2, "sent": 3}
    assert told.parts == {"failed": 3, "sent": 7}
    assert told.opted_out == 1
    assert [(each.code, each.count) for each in told.branches] == [("530102", 2)]
    assert len(report.unreached(house.conn, drafts.get(house.conn, found.id))) == 2


def test_only_what_passes_is_sent_again(house: House) -> None:
    house.join(3)
    found = house.approved()
    one, two, three = house.turn().write
    house.answer((one,), State.FAILED, "mobile:6")  # absent
    house.answer((two,), State.FAILED, "5")  # barred
    house.answer((three,))
    numbers = report.to_send_again(house.conn, found)
    assert numbers == [one.to]
    again = series.again(house.conn, house.place, found, numbers, AUTHOR, house.now)
    again = approval.submit(house.conn, house.place, again, AUTHOR, house.now)
    house.freeze()
    running.start(house.conn, house.now)
    assert [p.to for p in house.turn().write] == [one.to]


@pytest.mark.parametrize(
    ("state", "error", "passes"),
    [
        ("failed", "mobile:006", True),
        ("failed", "88", True),
        ("failed", "11", False),  # SMPP: no such address
        ("failed", "mobile:1", False),
        ("failed", "000", False),
        ("failed", None, False),
        ("expired", "mobile:0", True),  # by the operator, who tried all the time
        ("expired", "expired", False),  # by us: its time was over
        ("cancelled", "opted out", False),
        ("unknown", None, False),
    ],
)
def test_what_passes(state: str, error: str | None, passes: bool) -> None:
    assert report.is_passing(state, error) is passes


def test_nobody_is_sent_it_again_twice(house: House) -> None:
    house.join(4)
    found = house.approved()
    one, two, three, _ = house.turn().write
    house.answer((one,), State.FAILED, "mobile:6")
    conn, place = house.conn, house.place
    first = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    assert series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now) == first
    first = approval.submit(conn, place, first, AUTHOR, house.now)
    house.freeze()
    running.start(conn, house.now)
    house.answer(house.turn().write)
    refused("nobody", lambda: series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now))
    house.answer((two, three), State.FAILED, "mobile:6")  # their reports came later
    assert report.to_send_again(conn, found) == [two.to, three.to]
    second = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    running.kill(conn, place, second, AUTHOR, house.now)
    assert report.to_send_again(conn, found) == [two.to, three.to]  # nobody was
    third = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    assert third.id != second.id


# --- topics and series ----------------------------------------------------------------------------------------------


def test_a_topic_goes_to_its_subscribers_in_its_window(house: House) -> None:
    numbers = house.join(4)
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, windows="2,5 8-11", most=1)
    for text in numbers[:3]:
        topics.want(house.conn, house.ids, text, paper, wants=True, how="SUB", now=house.now)
    refused("long", lambda: house.submitted("长" * 100, audience=Audience(topic=paper.id), topic=paper.id))
    found = house.approved("小麦", audience=Audience(topic=paper.id), topic=paper.id)
    assert found.starts == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)  # Tuesday, eight there
    topics.want(house.conn, house.ids, numbers[0], paper, wants=False, how="UNSUB", now=house.now)
    house.now = datetime(2026, 11, 24, 0, 0, 1, tzinfo=UTC)
    running.start(house.conn, house.now)
    assert sorted(p.to for p in house.turn().write) == numbers[1:3]
    assert house.counted(found).left == {"left the topic": 1}


@pytest.mark.parametrize(
    ("windows", "starts"),
    [
        ("2 20-23", datetime(2026, 12, 1, 12, 0, tzinfo=UTC)),  # the next Tuesday at eight in the evening
        ("2 22-23", datetime(2026, 11, 25, 0, 0, tzinfo=UTC)),  # no such hour that is not quiet: when they are over
    ],
)
def test_quiet_hours_within_a_window_put_a_topic_off_to_the_next(house: House, windows: str, starts: datetime) -> None:
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, windows=windows, everyone=True)
    house.join(3)
    house.now = datetime(2026, 11, 24, 14, 10, tzinfo=UTC)  # Tuesday, ten at night
    assert house.approved("小麦", audience=Audience(topic=paper.id), topic=paper.id).starts == starts


def test_a_series_comes_again_and_each_time_once(house: House) -> None:
    house.join(3)
    first = house.approved(recurrence="weekly 1 10:30")
    assert first.next_at == datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    house.now = datetime(2026, 11, 23, 2, 30, 5, tzinfo=UTC)
    house.join(1)
    assert house.came_round() == 1
    assert house.came_round() == 0
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state) == (first.id, drafts.SCHEDULED)
    house.freeze()
    assert drafts.get(house.conn, second.id).recipients == 4
    assert drafts.get(house.conn, first.id).next_at == datetime(2026, 11, 30, 2, 30, tzinfo=UTC)


def test_a_series_with_a_list_keeps_it(house: House) -> None:
    numbers = house.join(4)
    first = house.write(recurrence="daily 10:30", audience=Audience(listed=True))
    lists.append(house.conn, first.id, numbers[:3], "CN")
    first = approval.submit(house.conn, house.place, first, AUTHOR, house.now)
    approval.approve(house.conn, house.place, first, OTHER, house.now)
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    house.freeze()
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state, second.recipients) == (first.id, drafts.SCHEDULED, 3)


def test_a_series_that_a_key_approved_goes_on(house: House) -> None:
    house.join(3)
    first = house.submitted(recurrence="daily 10:30")
    approval.schedule(house.conn, house.place, first, house.now)  # as the API does for a key that approves
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.SCHEDULED


def test_a_series_that_has_outgrown_its_approval_waits(house: House) -> None:
    house.join(2)
    first = house.submitted(recurrence="daily 10:30")
    assert first.state == drafts.SCHEDULED
    house.join(1)
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.WAITING


def test_of_the_times_of_a_series_that_were_missed_the_last_is_made_up_for(house: House) -> None:
    house.join(3)
    first = house.approved(recurrence="daily 10:30")
    house.now = NOW + timedelta(days=3, hours=1)  # eleven, after three days of standstill
    assert house.came_round() == 1
    assert [each.series_of for each in drafts.listing(house.conn)] == [first.id, None]
    assert drafts.get(house.conn, first.id).next_at == datetime(2026, 11, 27, 2, 30, tzinfo=UTC)


def test_a_series_that_was_missed_by_hours_waits_for_its_next_time(house: House) -> None:
    house.join(3)
    house.approved(recurrence="daily 10:30")
    house.now = NOW + timedelta(days=3)
    assert house.came_round() == 1
    assert len(drafts.listing(house.conn)) == 1


def test_a_series_that_was_counted_too_late_is_left_out(house: House) -> None:
    """The gateway stood still between its turn and the count."""
    house.join(3)
    house.approved(recurrence="daily 10:30")
    house.now += timedelta(hours=1)
    assert series.due(house.conn, house.place, house.now) == 1
    house.now += timedelta(hours=13)
    assert house.came_round() == 0
    assert drafts.listing(house.conn)[0].state == drafts.DRAFT
    house.now = NOW + timedelta(days=1, hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.SCHEDULED


def test_the_lines_of_a_list_are_copied_piece_by_piece(house: House) -> None:
    numbers = house.join(5)
    first, second = (house.write(text, audience=Audience(listed=True)) for text in ("一", "二"))
    lists.append(house.conn, first.id, numbers, "CN")
    assert [lists.copy_on(house.conn, first.id, second.id, 2) for _ in range(3)] == [True, True, False]
    assert lists.count(house.conn, second.id) == 5
    assert not lists.copy_on(house.conn, first.id, second.id, 2)
    assert lists.count(house.conn, second.id) == 5


@pytest.mark.parametrize(
    ("written", "after", "next_"),
    [
        ("daily 09:00", "2026-11-23 09:00", "2026-11-24 09:00"),
        ("weekly 2,5 09:00", "2026-11-24 09:00", "2026-11-27 09:00"),
        ("monthly 31 09:00", "2026-11-05 09:00", "2026-11-30 09:00"),
        ("monthly 31 09:00", "2026-11-30 09:00", "2026-12-31 09:00"),
        ("monthly 15 09:00", "2026-11-15 09:00", "2026-12-15 09:00"),
    ],
)
def test_when_a_series_is_next(written: str, after: str, next_: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=ZONE)
    assert weekdays.following(written, moment, ZONE) == datetime.fromisoformat(next_).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("written", "kept", "zh", "en"),
    [
        ("daily 9:00", "daily 9:00", "每天 9:00", "daily 9:00"),
        ("每天09：00", "daily 09:00", "每天 09:00", "daily 09:00"),
        ("每周二、五 09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("每周二、周五09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("星期天 20:30", "weekly 7 20:30", "每周日 20:30", "weekly Sun 20:30"),
        ("weekly Tue, fri 09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("每月31日 09:00", "monthly 31 09:00", "每月31日 09:00", "monthly 31 09:00"),
    ],
)
def test_when_it_comes_again_is_written_in_words(written: str, kept: str, zh: str, en: str) -> None:
    assert weekdays.recurrence(written) == kept
    assert (weekdays.said(kept, "zh"), weekdays.said(kept, "en")) == (zh, en)
    assert weekdays.recurrence(zh) == weekdays.recurrence(en) == kept


@pytest.mark.parametrize(
    "written", ["", "每周 09:00", "每月32日 09:00", "每天 25:00", "monthly 0 09:00", "daily", "每天每天 9:00"]
)
def test_what_is_no_recurrence(written: str) -> None:
    refused("recurrence", lambda: weekdays.recurrence(written))


@pytest.mark.parametrize(
    ("written", "kept", "zh", "en"),
    [
        ("2,5 8-11", "2,5 8-11", "二、五 8-11", "Tue,Fri 8-11"),
        ("周二、五 8-11时", "2,5 8-11", "二、五 8-11", "Tue,Fri 8-11"),
        ("Tue,Fri 8-11", "2,5 8-11", "二、五 8-11", "Tue,Fri 8-11"),
        ("", "", "", ""),
    ],
)
def test_the_window_of_a_topic_is_written_in_words(written: str, kept: str, zh: str, en: str) -> None:
    assert weekdays.windows(written) == kept
    assert (weekdays.said(kept, "zh"), weekdays.said(kept, "en")) == (zh.replace("二", "周二", 1), en)


def test_a_series_keeps_its_hour_where_clocks_change() -> None:
    """Once on the night that has its hour twice, an hour later on the one that has not."""
    zone = ZoneInfo("Europe/Berlin")

    def after(moment: datetime) -> datetime:
        return weekdays.following("daily 02:30", moment, zone)

    before = datetime(2026, 3, 27, 22, 0, tzinfo=UTC)
    first = after(before)
    spring = after(first)
    assert (first, spring) == (datetime(2026, 3, 28, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert after(spring) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    autumn = after(datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert after(autumn) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    evening = weekdays.following("weekly 7 20:00", datetime(2026, 3, 29, 0, 0, tzinfo=UTC), zone)
    assert evening == datetime(2026, 3, 29, 18, 0, tzinfo=UTC)


def test_a_monthly_series_of_the_31st_goes_on_over_short_months_and_a_standstill(house: House) -> None:
    house.join(3)
    house.now = datetime(2027, 1, 31, 1, 0, tzinfo=UTC)
    first = house.approved(recurrence="monthly 31 10:00", starts=datetime(2027, 1, 31, 2, 0, tzinfo=UTC))
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 2, 28, 2, 0, tzinfo=UTC)
    house.now = datetime(2027, 2, 28, 9, 0, tzinfo=UTC)  # the gateway was down for seven hours
    assert house.came_round() == 1
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state) == (first.id, drafts.SCHEDULED)
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 3, 31, 2, 0, tzinfo=UTC)
    house.now = datetime(2027, 5, 2, 2, 0, tzinfo=UTC)  # down over two times, the last long ago
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].id == second.id
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 5, 31, 2, 0, tzinfo=UTC)


def test_nothing_of_a_part_is_left_behind(house: House) -> None:
    house.join(3)
    house.approved()
    house.answer(house.turn().write)
    states = set(house.conn.scalars(select(part.c.state))) | set(house.conn.scalars(select(message.c.state)))
    assert states == {"sent"}


def test_the_look_at_the_clock_walks_no_recipients(house: House) -> None:
    """It comes every second, in the thread that writes: of a million handed over it must find the first that waits."""
    if house.conn.dialect.name != "sqlite":
        return  # PostgreSQL plans by statistics, which an empty table has not
    question = (
        select(notice.c.id).where(running._finished()).compile(house.conn, compile_kwargs={"literal_binds": True})
    )
    plan = [row[3] for row in house.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")]
    assert any("ix_notice_recipient_due" in line for line in plan)
    assert not any("notice_recipient USING PRIMARY" in line for line in plan)


def test_a_window_of_recipients_is_read_in_the_order_of_the_index(house: House) -> None:
    """Else all of a million would be sorted for each window."""
    if house.conn.dialect.name == "sqlite":
        rows = house.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {DUE}", (1, "mobile", 1, 0, "", 160, 0))
        plan = [row[3] for row in rows]
        assert any("ix_notice_recipient_due" in line and "(due,number)>" in line for line in plan)
        return
    house.join(2)
    house.approved()
    written = DUE.replace("?", "%s")
    house.conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
    asked = (1, "mobile", NOW, NOW, "", 160, 0)
    plan = [row[0] for row in house.conn.exec_driver_sql(f"EXPLAIN {written}", asked)]
    page = next(index for index, line in enumerate(plan) if "ix_notice_recipient_due" in line)
    assert "Limit" in plan[page - 1]
