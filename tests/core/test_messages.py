"""The log and the queue: every change of state, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select

from gateway.core import messages, outcomes, recovery, release
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Coding, Lane, Outbound, Part, Report, Resend, State
from gateway.core.outcomes import Answer
from gateway.core.release import Released, Wanted
from gateway.core.tables.messages import early_report, message, part
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import fact

NOW = datetime(2026, 8, 20, 8, 0, tzinfo=UTC)


def split(outbound: Outbound) -> tuple[Part, ...]:
    """As many parts as there are lines."""
    lines = outbound.text.split("\n")
    return tuple(
        Part(
            outbound=outbound.id,
            number=position,
            total=len(lines),
            reference=outbound.id & 0xFFFF,
            octets=line.encode(),
            coding=Coding.GSM7,
            to=outbound.to,
            lane=outbound.lane,
            expires=outbound.expires,
        )
        for position, line in enumerate(lines, 1)
    )


def queued(
    conn: Connection, ids: Ids, *texts: str, lane: Lane = Lane.NOTICE, expires: datetime | None = None
) -> list[int]:
    outbounds = [
        Outbound(id=ids(), to=f"+86138000000{i:02}", text=text, link="a", lane=lane, expires=expires)
        for i, text in enumerate(texts)
    ]
    return messages.queue(conn, outbounds, NOW, actor="test")


def let_out(
    conn: Connection, keys: Keys, *, slots: int = 10, room: int = 10, now: datetime = NOW, **more: object
) -> Released:
    chosen = more.get("chosen", ())
    assert isinstance(chosen, tuple)
    return release.release(conn, keys, "a", split, chosen, Wanted(slots, slots, room, len(Lane)), now)


def states(conn: Connection) -> dict[int, str]:
    return {row.id: row.state for row in conn.execute(select(message.c.id, message.c.state))}


def part_states(conn: Connection, id_: int) -> list[str]:
    return list(conn.scalars(select(part.c.state).where(part.c.message_id == id_).order_by(part.c.number)))


def sent(parts: tuple[Part, ...], *, first: int = 0) -> list[Answer]:
    return [Answer(p, State.SENT, NOW, remote_id=f"r{first + i}") for i, p in enumerate(parts)]


def report(remote_id: str, to: str, state: State = State.DELIVERED) -> Report:
    return Report(link="a", remote_id=remote_id, to=to, state=state, error=None, at=NOW)


def test_from_the_queue_to_delivered(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    assert [p.octets for p in released.write] == [b"one"]
    assert part_states(conn, id_) == ["inflight"]
    outcomes.record(conn, "a", sent(released.write))
    assert states(conn) == {id_: "sent"}
    outcomes.report(conn, "a", [report("r0", released.write[0].to)], ids)
    assert states(conn) == {id_: "delivered"}
    assert part_states(conn, id_) == ["delivered"]


def test_no_more_than_the_slots_are_inflight(conn: Connection, keys: Keys, ids: Ids) -> None:
    queued(conn, ids, *"abcdefgh")
    released = let_out(conn, keys, slots=3, room=6)
    assert len(released.write) == 3
    assert len(released.hold) == 3
    found = sorted(conn.scalars(select(part.c.state)))
    assert found == ["inflight"] * 3 + ["leased"] * 3
    assert sorted(states(conn).values()) == ["leased"] * 6 + ["queued"] * 2


def test_the_lower_lane_goes_first(conn: Connection, keys: Keys, ids: Ids) -> None:
    queued(conn, ids, "bulk", lane=Lane.BULK)
    queued(conn, ids, "code", lane=Lane.CODE)
    assert [p.octets for p in let_out(conn, keys, slots=1, room=1).write] == [b"code"]


def test_bulk_leaves_a_share_of_the_window(conn: Connection, keys: Keys, ids: Ids) -> None:
    queued(conn, ids, *"abc", lane=Lane.BULK)
    found = release.release(conn, keys, "a", split, (), Wanted(slots=3, bulk=1, room=3, below=len(Lane)), NOW)
    assert len(found.write) == 1
    assert len(found.hold) == 2


@pytest.mark.parametrize("held", [False, True])
def test_what_is_too_old_is_not_sent(conn: Connection, keys: Keys, ids: Ids, held: bool) -> None:
    (id_,) = queued(conn, ids, "late", expires=NOW + timedelta(minutes=10))
    chosen = let_out(conn, keys, slots=0).hold if held else ()
    released = let_out(conn, keys, chosen=chosen, now=NOW + timedelta(minutes=10))
    assert released.write == ()
    assert states(conn) == {id_: "expired"}


@pytest.mark.parametrize("held", [False, True])
def test_opted_out_numbers_get_only_what_they_asked_for(conn: Connection, keys: Keys, ids: Ids, held: bool) -> None:
    (other,) = queued(conn, ids, "other systems", lane=Lane.REMINDER)
    (answer,) = queued(conn, ids, "answer", lane=Lane.ANSWER)
    chosen = let_out(conn, keys, slots=0).hold if held else ()
    conn.execute(insert(number), {"number": "+8613800000000", "opted_out": True})
    released = let_out(conn, keys, chosen=chosen)
    assert [p.outbound for p in released.write] == [answer]
    assert states(conn) == {other: "cancelled", answer: "leased"}


def test_after_a_restore_only_answers_go_out(conn: Connection, keys: Keys, ids: Ids) -> None:
    conn.execute(insert(fact), {"name": "hold", "value": "restored"})
    queued(conn, ids, "notice", lane=Lane.NOTICE)
    (answer,) = queued(conn, ids, "answer", lane=Lane.ANSWER)
    assert [p.outbound for p in let_out(conn, keys).write] == [answer]


def test_a_report_may_come_before_the_answer(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    to = released.write[0].to
    assert outcomes.report(conn, "a", [report("r0", to)], ids) == 1
    outcomes.record(conn, "a", sent(released.write))
    assert states(conn) == {id_: "delivered"}
    assert conn.execute(select(early_report)).all() == []


def test_reports_before_the_answer_may_come_in_any_order(conn: Connection, keys: Keys, ids: Ids) -> None:
    """The operator says DELIVRD and then ENROUTE, as one with two receipt senders does, all before its response."""
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    to = released.write[0].to
    outcomes.report(conn, "a", [report("r0", to, State.SENT), report("r0", to), report("r0", to, State.SENT)], ids)
    outcomes.report(conn, "a", [report("r0", to, State.FAILED), report("r0", to, State.SENT)], ids)
    outcomes.record(conn, "a", sent(released.write))
    assert states(conn) == {id_: "delivered"}
    assert conn.execute(select(early_report)).all() == []


def test_the_same_report_twice_and_backwards_states_change_nothing(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    to = released.write[0].to
    outcomes.record(conn, "a", sent(released.write))
    outcomes.report(conn, "a", [report("r0", to), report("r0", to)], ids)
    outcomes.report(conn, "a", [report("r0", to, State.SENT), report("r0", to, State.FAILED)], ids)
    assert states(conn) == {id_: "delivered"}


def test_an_id_used_again_belongs_to_the_newest_message_of_that_number(conn: Connection, keys: Keys, ids: Ids) -> None:
    first, second = queued(conn, ids, "one")[0], queued(conn, ids, "two")[0]
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [Answer(p, State.SENT, NOW, remote_id="17") for p in released.write])
    outcomes.report(conn, "a", [report("17", released.write[0].to)], ids)
    assert states(conn) == {first: "sent", second: "delivered"}


def test_a_long_message_is_delivered_when_all_parts_are(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo\nthree")
    released = let_out(conn, keys)
    assert len({p.reference for p in released.write}) == 1
    outcomes.record(conn, "a", sent(released.write))
    to = released.write[0].to
    outcomes.report(conn, "a", [report("r0", to), report("r1", to)], ids)
    assert states(conn) == {id_: "sent"}
    outcomes.report(conn, "a", [report("r2", to)], ids)
    assert states(conn) == {id_: "delivered"}


def test_only_the_failed_part_is_sent_again_with_the_same_reference(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo\nthree")
    released = let_out(conn, keys)
    answers = sent(released.write)
    later = NOW + timedelta(seconds=5)
    answers[1] = Answer(released.write[1], State.QUEUED, NOW, error="8", again=later)
    outcomes.record(conn, "a", answers)
    assert states(conn) == {id_: "queued"}
    assert let_out(conn, keys).write == ()
    assert recovery.due(conn, later) == 1
    again = let_out(conn, keys)
    assert [p.number for p in again.write] == [2]
    assert again.write[0].reference == released.write[0].reference
    outcomes.record(conn, "a", sent(again.write, first=9))
    assert states(conn) == {id_: "sent"}


def test_one_failed_part_fails_the_message(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo")
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [Answer(released.write[0], State.FAILED, NOW, error="11"), *sent(released.write[1:])])
    assert states(conn) == {id_: "failed"}


def test_after_a_crash_inflight_is_unknown_and_leased_is_queued(conn: Connection, keys: Keys, ids: Ids) -> None:
    first, second, third = queued(conn, ids, *"abc")
    let_out(conn, keys, slots=1, room=2)
    assert recovery.recover(conn, NOW) == (1, 1)
    assert states(conn) == {first: "unknown", second: "queued", third: "queued"}
    assert [p.outbound for p in let_out(conn, keys).write] == [second, third]


def test_what_a_lost_commit_leased_comes_back(conn: Connection, keys: Keys, ids: Ids) -> None:
    """The connection breaks in COMMIT, the server has committed: the link never hears of what it was given."""
    first, second, third, fourth = queued(conn, ids, *"abcd")
    let_out(conn, keys, slots=1, room=3)
    later = NOW + timedelta(minutes=21)
    assert recovery.reclaim(conn, "a", NOW, ()) == 0
    assert recovery.reclaim(conn, "b", later, ()) == 0
    assert recovery.reclaim(conn, "a", later, {third}) == 2
    assert states(conn) == {first: "unknown", second: "queued", third: "leased", fourth: "queued"}
    assert recovery.reclaim(conn, "a", later, {third}) == 0


def test_a_begun_message_goes_on_where_it_stopped(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo\nthree")
    let_out(conn, keys, slots=1, room=1)
    recovery.recover(conn, NOW)
    again = let_out(conn, keys)
    assert [p.number for p in again.write] == [2, 3]
    assert part_states(conn, id_) == ["unknown", "inflight", "inflight"]


def test_unknown_goes_once_more_after_ten_minutes_and_never_again(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [Answer(released.write[0], State.UNKNOWN, NOW)])
    assert recovery.resend_unknown(conn, NOW + timedelta(minutes=9)) == 0
    later = NOW + timedelta(minutes=11)
    assert recovery.resend_unknown(conn, later) == 1
    again = let_out(conn, keys, now=later)
    assert len(again.write) == 1
    outcomes.record(conn, "a", [Answer(again.write[0], State.UNKNOWN, later)])
    assert recovery.resend_unknown(conn, later + timedelta(hours=1)) == 0
    assert states(conn) == {id_: "unknown"}


def test_an_unknown_that_is_reported_is_not_sent_again(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [replace(sent(released.write)[0], state=State.UNKNOWN)])
    outcomes.report(conn, "a", [report("r0", released.write[0].to)], ids)
    assert recovery.resend_unknown(conn, NOW + timedelta(minutes=11)) == 0
    assert states(conn) == {id_: "delivered"}


def test_a_report_that_it_is_on_its_way_is_the_answer_that_was_missed(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [replace(sent(released.write)[0], state=State.UNKNOWN)])
    outcomes.report(conn, "a", [report("r0", released.write[0].to, State.SENT)], ids)
    assert states(conn) == {id_: "sent"}
    assert recovery.resend_unknown(conn, NOW + timedelta(minutes=11)) == 0


def test_what_must_not_come_twice_is_never_sent_again(conn: Connection, keys: Keys, ids: Ids) -> None:
    code = Outbound(id=ids(), to="+8613800000001", text="5830", link="a", lane=Lane.CODE, resend=Resend.NEVER)
    messages.queue(conn, [code], NOW, actor="test")
    outcomes.record(conn, "a", [Answer(p, State.UNKNOWN, NOW) for p in let_out(conn, keys).write])
    assert recovery.resend_unknown(conn, NOW + timedelta(hours=1)) == 0


def test_a_second_attempt_that_went_back_into_the_queue_is_the_second_still(
    conn: Connection, keys: Keys, ids: Ids
) -> None:
    (id_,) = queued(conn, ids, "one")
    outcomes.record(conn, "a", [Answer(p, State.UNKNOWN, NOW) for p in let_out(conn, keys).write])
    later = NOW + timedelta(minutes=11)
    recovery.resend_unknown(conn, later)
    let_out(conn, keys, slots=0, now=later)
    recovery.unlease(conn, [id_])  # the link went down with it in hand
    outcomes.record(conn, "a", [Answer(p, State.UNKNOWN, later) for p in let_out(conn, keys, now=later).write])
    assert recovery.resend_unknown(conn, later + timedelta(hours=1)) == 0


def test_the_worst_of_its_parts_is_what_became_of_a_message(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo\nthree")
    ends = (State.EXPIRED, State.FAILED, State.SENT)
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [Answer(p, end, NOW) for p, end in zip(released.write, ends, strict=True)])
    assert states(conn) == {id_: "failed"}


def test_what_has_begun_on_a_link_goes_no_other_way(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one\ntwo")
    let_out(conn, keys, slots=1, room=1)
    recovery.unlease(conn, [id_])
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert recovery.waiting_numbers(conn, "a", later) == []


def test_what_waits_for_a_link_that_is_away_may_go_another_way(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    let_out(conn, keys, slots=0)
    recovery.unlease(conn, [id_])
    later = datetime.now(UTC) + timedelta(minutes=1)
    (waiting,) = recovery.waiting_numbers(conn, "a", later)
    assert recovery.move(conn, "a", "b", waiting, later) == 1
    assert conn.scalar(select(message.c.link)) == "b"


def test_throttled_parts_stay_leased_and_count_no_attempt(conn: Connection, keys: Keys, ids: Ids) -> None:
    (id_,) = queued(conn, ids, "one")
    released = let_out(conn, keys)
    outcomes.record(conn, "a", [Answer(released.write[0], State.LEASED, NOW)])
    assert part_states(conn, id_) == ["leased"]
    assert let_out(conn, keys, chosen=released.write, room=0).write == released.write
    assert conn.execute(select(message.c.attempt)).scalar_one() == 0


def test_a_secret_is_encrypted_while_it_waits_and_gone_when_sent(conn: Connection, keys: Keys, ids: Ids) -> None:
    outbound = Outbound(id=ids(), to="+8613800000000", text="Y 5830", link="a", lane=Lane.CODE)
    sealed = keys.seal("secret", outbound.text.encode())
    row = messages.row(outbound, NOW, link="a", state=State.QUEUED, log_class="C", text=None, sealed=sealed)
    messages.log_out(conn, [row])
    assert b"5830" not in sealed
    released = let_out(conn, keys)
    assert released.write[0].octets == b"Y 5830"
    outcomes.record(conn, "a", sent(released.write))
    assert conn.execute(select(message.c.text, message.c.sealed)).one() == (None, None)


def test_refused_here_a_message_may_go_another_way_if_nothing_of_it_has_gone(
    conn: Connection, keys: Keys, ids: Ids
) -> None:
    short, long = queued(conn, ids, "one", "one\ntwo")
    released = let_out(conn, keys)
    refused = [Answer(p, State.QUEUED, NOW, error="69", again=NOW, link="b") for p in released.write if p.number == 1]
    outcomes.record(conn, "a", refused)
    links = {row.id: row.link for row in conn.execute(select(message.c.id, message.c.link))}
    assert links == {short: "b", long: "a"}
    assert part_states(conn, short) == []
