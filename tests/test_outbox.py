"""The way out of one link, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.affairs import consent
from gateway.core import messages, outcomes, recovery
from gateway.core.database import Inline
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import (
    Lane,
    LinkDown,
    LinkState,
    LinkStatus,
    Outbound,
    Part,
    Rejected,
    State,
    Throttled,
    Unknown,
)
from gateway.core.recovery import Left
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import message, part
from gateway.outbox import Outbox
from gateway.pace import Pace
from gateway.wire import Wire, discard, left
from tests.core.test_messages import split

START = datetime(2026, 8, 20, 8, 0, tzinfo=UTC)


class Line:
    """A link that the test answers for."""

    def __init__(self, *, window: int = 3, rate: float = 0.0) -> None:
        self.name = "a"
        self.window = window
        self.rate = rate
        self.status = LinkStatus.READY
        self.unanswered: list[tuple[Part, Deferred[str]]] = []
        self.written: list[str] = []

    @property
    def state(self) -> LinkState:
        return LinkState(link="a", status=self.status, since=START)

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        return split(outbound)

    def send(self, part: Part) -> Deferred[str]:
        done: Deferred[str] = Deferred()
        if self.status is LinkStatus.DOWN:
            done.errback(LinkDown("down"))
            return done
        self.written.append(part.octets.decode("utf-8", "replace"))
        self.unanswered.append((part, done))
        return done

    def answer(self, count: int = 1) -> None:
        for _ in range(count):
            part, done = self.unanswered.pop(0)
            done.callback(f"id-{part.outbound}-{part.number}")

    def refuse(self, error: Exception) -> None:
        _, done = self.unanswered.pop(0)
        done.errback(error)

    def startService(self) -> None: ...

    def stopService(self) -> None: ...


class Crowd:
    """Recipients of a notice; their messages are made when the outbox has room."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.waiting = 0
        self.stopped = False
        self.asked: list[int] = []  # for how many

    def pick(self, conn: Connection, link: str, room: int, now: datetime) -> tuple[list[Outbound], bool]:
        self.asked.append(room)
        count = 0 if self.stopped else min(room, self.waiting)
        self.waiting -= count
        made = [
            Outbound(id=self._house.ids(), to=f"+8613900{n:06}", text=f"bulk {n}", link=link, lane=Lane.BULK, notice=7)
            for n in range(self.waiting, self.waiting + count)
        ]
        rows = [
            messages.row(each, now, link=link, state=State.LEASED, log_class="A", text=each.text, actor="notice:7")
            for each in made
        ]
        messages.log_out(conn, rows)
        return made, bool(made)

    def judge(
        self, conn: Connection, made: Sequence[tuple[int, int, str]], now: datetime
    ) -> tuple[dict[int, tuple[State, str]], dict[int, datetime]]:
        return {}, {id_: now + timedelta(hours=1) for id_, _, _ in made} if self.stopped else {}


class House:
    """A database, a link and its outbox."""

    bulk: Crowd

    def __init__(self, conn: Connection, line: Line, wire: Wire | None = None) -> None:
        self.conn = conn
        self.line = line
        self.clock = Clock()
        self.ids = Ids()
        self.bulk = Crowd(self)
        self.outbox = Outbox(line, Inline(conn), Keys(bytes(32)), self.clock, self.now, wire=wire, bulk=self.bulk)
        self.outbox.start()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.clock.seconds())

    def queue(self, *texts: str, lane: Lane = Lane.NOTICE) -> None:
        outbounds = [
            Outbound(id=self.ids(), to=f"+86138000{i:05}", text=text, link="a", lane=lane)
            for i, text in enumerate(texts)
        ]
        with self.conn.begin():
            messages.queue(self.conn, outbounds, self.now(), actor="test")
        self.outbox.poke()
        self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        for _ in range(5):
            self.clock.advance(0)

    def states(self) -> list[str]:
        with self.conn.begin():
            return sorted(self.conn.scalars(select(message.c.state)))

    def inflight(self) -> int:
        with self.conn.begin():
            return len(self.conn.execute(select(part.c.number).where(part.c.state == "inflight")).all())


@pytest.fixture
def house() -> Iterator[House]:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        yield House(conn, Line())
    made.dispose()


def test_a_window_and_no_more_is_written(house: House) -> None:
    house.queue(*"abcdefg")
    assert house.line.written == ["a", "b", "c"]
    assert house.inflight() == 3
    house.line.answer()
    house.turn()
    assert house.line.written == ["a", "b", "c", "d"]
    assert house.inflight() == 3


def test_what_looks_for_work_is_not_shown_as_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.queue("a")
    assert house.outbox.unanswered == 1
    asked: list[Deferred[object]] = []

    def busy(*_: object, **__: object) -> Deferred[object]:
        asked.append(Deferred())
        return asked[-1]

    monkeypatch.setattr(Inline, "run", busy)
    house.outbox.poke()
    house.turn()
    assert asked
    assert (house.outbox.inflight, house.outbox.unanswered) == (3, 1)


def test_everything_is_sent_once_and_in_order(house: House) -> None:
    house.queue(*"abcdefghij")
    while house.line.unanswered:
        house.line.answer()
        house.turn()
    assert house.line.written == list("abcdefghij")
    assert house.states() == ["sent"] * 10


def test_a_code_overtakes_what_is_held(house: House) -> None:
    house.queue(*"abcdefghijklmnopqrstuvwxyz", lane=Lane.BULK)
    assert house.line.written == ["a", "b"]  # 80 % of three
    house.queue("code", lane=Lane.CODE)
    assert house.line.written[-1] == "code"


def test_throttling_slows_down_keeps_order_and_counts_no_attempt(house: House) -> None:
    house.queue(*"abcdef")
    house.line.answer()
    house.line.refuse(Throttled("0x58", code=0x58))
    house.line.refuse(Throttled("0x58", code=0x58))
    house.turn()
    assert house.line.written == ["a", "b", "c"]
    for _ in range(300):
        house.turn(0.1)
        while house.line.unanswered:
            house.line.answer()
    assert house.line.written == ["a", "b", "c", "b", "c", "d", "e", "f"]
    assert house.states() == ["sent"] * 6


def test_unknown_is_parked(house: House) -> None:
    house.queue("a")
    house.line.refuse(Unknown("no answer in 60 s"))
    house.turn()
    assert house.states() == ["unknown"]
    house.turn(5)
    assert house.line.written == ["a"]


def test_a_refusal_that_may_pass_is_tried_again_later_and_one_for_good_is_not(house: House) -> None:
    house.queue("a", "b")
    house.line.refuse(Rejected("system error", code=8, retry_after=5.0))
    house.line.refuse(Rejected("bad address", code=11))
    house.turn()
    assert house.states() == ["failed", "queued"]
    house.turn(6)
    with house.conn.begin():
        recovery.due(house.conn, house.now())
    house.turn(1)
    assert house.line.written == ["a", "b", "a"]


def test_it_gives_up_after_some_attempts(house: House) -> None:
    house.queue("a")
    for _ in range(20):
        if house.line.unanswered:
            house.line.refuse(Rejected("system error", code=8, retry_after=1.0))
        house.turn(200)
        with house.conn.begin():
            recovery.due(house.conn, house.now())
        house.turn(1)
    assert house.states() == ["failed"]
    assert len(house.line.written) == outcomes.ATTEMPTS


def test_what_is_held_goes_back_when_the_link_goes_down(house: House) -> None:
    house.queue(*"abcdef")
    house.line.status = LinkStatus.DOWN
    house.outbox.lost()
    for _ in range(3):
        house.line.refuse(Unknown("the link was lost"))
    house.turn()
    assert house.states() == ["queued"] * 3 + ["unknown"] * 3
    house.line.status = LinkStatus.READY
    house.outbox.poke()
    house.turn()
    assert house.line.written == list("abcdef")


def test_a_part_that_could_not_be_written_is_queued_again(house: House) -> None:
    house.line.status = LinkStatus.DOWN
    house.queue("a")
    assert house.line.written == []
    assert house.states() == ["queued"]
    house.line.status = LinkStatus.READY
    house.turn(1)
    assert house.line.written == ["a"]


def test_reserved_slots_are_not_used_twice(house: House) -> None:
    assert house.outbox.reserve(2) == 2
    house.queue("a", "b")
    assert house.line.written == ["a"]
    house.outbox.unreserve(2)
    house.turn()
    assert house.line.written == ["a", "b"]


def test_stop_waits_for_what_is_on_its_way(house: House) -> None:
    house.queue(*"abcdef")
    stopped: list[None] = []
    house.outbox.stop().addBoth(lambda _: stopped.append(None))
    house.turn()
    assert stopped == []
    house.line.answer(3)
    house.turn()
    assert stopped == [None]
    assert house.states() == ["queued"] * 3 + ["sent"] * 3


# --- an operator that takes its time --------------------------------------------------------------------------


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[House]:
    """A house whose link remembers what is marked and not written."""
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        yield House(conn, Line(), Wire(tmp_path, "a", 3, "this boot"))
    made.dispose()


def test_the_next_window_stands_ready_and_goes_as_the_operator_answers(patient: House) -> None:
    patient.queue(*"abcdefghij")
    assert patient.inflight() == 3
    patient.turn(0.01)
    assert patient.inflight() == 6
    assert patient.line.written == list("abc")
    patient.line.answer(2)
    patient.clock.advance(0)
    assert patient.line.written == list("abcde")
    assert len(patient.line.unanswered) == patient.line.window
    for _ in range(20):
        patient.turn(0.01)
        assert len(patient.line.unanswered) <= patient.line.window
        if patient.line.unanswered:
            patient.line.answer()
    assert patient.line.written == list("abcdefghij")
    assert patient.states() == ["sent"] * 10
    assert patient.outbox.inflight == 0


def test_after_a_crash_what_stood_ready_is_queued_and_only_the_rest_unknown(
    patient: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient.queue(*"abcdefghij")
    patient.turn(0.01)
    with monkeypatch.context() as killed:  # before this answer is recorded
        killed.setattr(Inline, "run", lambda *_, **__: Deferred())
        patient.line.answer()
        patient.turn()
    assert patient.line.written == list("abcd")
    known = left(tmp_path, "this boot")
    with patient.conn.begin():
        assert recovery.recover(patient.conn, patient.now(), known) == (2, 3)
    assert patient.states() == ["queued"] * 6 + ["sent"] + ["unknown"] * 3
    with patient.conn.begin():
        [remote_id] = patient.conn.scalars(select(part.c.remote_id).where(part.c.state == "sent"))
    assert remote_id.startswith("id-")


class Accident:
    """What happens to a work in the database instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._run: Any = Inline.run

    def killed(self, *, committed: bool) -> None:
        """At its end, when nobody has been told yet."""
        self._becomes(lambda conn, work: work() if committed else None, told=False)

    def refused(self) -> None:
        """It cannot be committed."""

        def work_and_fail(conn: Connection, work: Callable[[], Any]) -> None:
            work()
            raise OSError(28, "No space left on device")

        self._becomes(work_and_fail, told=True)

    def over(self) -> None:
        self._patch.setattr(Inline, "run", self._run)

    def _becomes(self, instead: Callable[[Connection, Callable[[], Any]], Any], *, told: bool) -> None:
        def run(database: Inline, work: Callable[..., Any], *args: Any, **options: Any) -> Deferred[Any]:
            done: Deferred[Any] = self._run(database, lambda conn: instead(conn, lambda: work(conn, *args)), **options)
            return done if told else Deferred()

        self._patch.setattr(Inline, "run", run)


@pytest.fixture
def accident(monkeypatch: pytest.MonkeyPatch) -> Accident:
    return Accident(monkeypatch)


def recovered(house: House, folder: Path) -> tuple[int, int]:
    """After kill -9 and another start: how many are queued again, how many unknown."""
    with house.conn.begin():
        return recovery.recover(house.conn, house.now(), left(folder, "this boot"))


def test_killed_when_the_next_window_is_marked_and_nobody_was_told(
    patient: House, tmp_path: Path, accident: Accident
) -> None:
    patient.queue(*"abcdefghij")
    accident.killed(committed=True)
    patient.turn(0.01)
    accident.over()
    assert patient.inflight() == 6
    assert recovered(patient, tmp_path) == (3, 3)


def test_killed_when_what_stood_ready_is_stood_down_and_not_recorded(
    patient: House, tmp_path: Path, accident: Accident
) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    accident.killed(committed=False)
    patient.outbox.recall()
    patient.turn()
    accident.over()
    assert patient.inflight() == 6
    assert recovered(patient, tmp_path) == (3, 3)


def test_what_could_not_be_marked_is_not_taken_for_unwritten_later(
    patient: House, tmp_path: Path, accident: Accident
) -> None:
    patient.queue(*"abcdef")
    accident.refused()
    patient.turn(0.01)
    accident.over()
    assert left(tmp_path, "this boot") == Left(set(), {})
    patient.line.answer(3)
    patient.turn(1)
    patient.turn(1)
    assert patient.line.written == list("abcdef")
    assert recovered(patient, tmp_path) == (0, 3)


def test_answers_that_could_not_be_recorded_when_the_link_went_keep_the_window_whole(
    patient: House, accident: Accident
) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    accident.refused()
    patient.outbox.lost()
    accident.over()
    patient.line.answer(3)
    patient.turn(1)
    assert patient.states() == ["leased"] * 3 + ["sent"] * 3
    assert patient.outbox.inflight == 0
    with patient.conn.begin():
        recovery.reclaim(patient.conn, "a", patient.now() + timedelta(hours=1), patient.outbox.holds)
    patient.turn(1)
    assert patient.line.written == list("abcdef")


def test_octets_leave_before_the_answers_that_made_room_are_recorded(patient: House) -> None:
    """Else the thread of the database holds the interpreter while the socket waits."""
    patient.queue(*"abcdef")
    patient.turn(0.01)
    patient.line.answer(3)
    patient.turn()
    assert patient.line.written == list("abcdef")
    assert patient.inflight() == 6
    patient.turn(0.001)
    assert patient.inflight() == 3


def test_what_is_recorded_is_forgotten(patient: House, tmp_path: Path) -> None:
    patient.queue(*"abcdefghij")
    for _ in range(20):
        patient.turn(0.01)
        if patient.line.unanswered:
            patient.line.answer()
    patient.turn()
    assert left(tmp_path, "this boot") == Left(set(), {})


@pytest.mark.parametrize("boot", ["another boot", ""])
def test_after_the_machine_went_down_nothing_is_known_of_them(patient: House, tmp_path: Path, boot: str) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    known = left(tmp_path, boot)
    with patient.conn.begin():
        assert recovery.recover(patient.conn, patient.now(), known) == (0, 6)


def test_what_was_known_is_said_once(patient: House, tmp_path: Path) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    (tmp_path / "c.wire").mkdir()
    assert recovered(patient, tmp_path) == (3, 3)
    discard(tmp_path)
    assert left(tmp_path, "this boot") == Left(set(), {})


def test_a_file_cut_short_or_of_another_kind_names_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.wire").write_bytes(b"muster 1 this boot")
    (tmp_path / "b.wire").write_bytes(b"x" * 200)
    (tmp_path / "c.wire").mkdir()
    assert left(tmp_path, "this boot") == Left(set(), {})


def test_a_code_goes_before_what_stands_ready(patient: House) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    patient.queue("code", lane=Lane.CODE)
    patient.line.answer()
    patient.turn()
    assert patient.line.written == [*"abc", "code"]
    while patient.line.unanswered:
        patient.line.answer()
        patient.turn(0.01)
    assert sorted(patient.line.written) == sorted([*"abcdef", "code"])


def test_who_opts_out_while_a_part_stands_ready_for_long_does_not_get_it(patient: House) -> None:
    patient.queue(*"abcdef", lane=Lane.REMINDER)
    patient.turn(0.01)
    with patient.conn.begin():
        consent.stop(patient.conn, patient.ids, "+8613800000004", how="STOP", now=patient.now())
    patient.turn(1.0)
    patient.turn(1.0)
    while patient.line.unanswered:
        patient.line.answer()
        patient.turn(0.01)
    assert patient.line.written == list("abcdf")
    assert patient.states() == ["cancelled"] + ["sent"] * 5


def test_what_stands_ready_goes_back_when_the_link_goes_down(patient: House, tmp_path: Path) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    patient.line.status = LinkStatus.DOWN
    patient.outbox.lost()
    for _ in range(3):
        patient.line.refuse(Unknown("the link was lost"))
    patient.turn()
    assert patient.states() == ["queued"] * 3 + ["unknown"] * 3
    assert left(tmp_path, "this boot") == Left(set(), {})
    patient.line.status = LinkStatus.READY
    patient.outbox.poke()
    patient.turn()
    assert patient.line.written == list("abcdef")


def test_what_is_throttled_comes_before_what_stands_ready(patient: House) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    for _ in range(3):
        patient.line.refuse(Throttled("0x58", code=0x58))
    for _ in range(300):
        patient.turn(0.1)
        while patient.line.unanswered:
            patient.line.answer()
    assert patient.line.written == [*"abc", *"abcdef"]
    assert patient.states() == ["sent"] * 6


def test_an_answer_that_comes_with_a_throttling_lets_nothing_overtake(patient: House) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    patient.line.answer()
    patient.line.refuse(Throttled("0x58", code=0x58))
    patient.line.refuse(Throttled("0x58", code=0x58))
    for _ in range(300):
        patient.turn(0.1)
        while patient.line.unanswered:
            patient.line.answer()
    assert patient.line.written == [*"abc", *"bcdef"]
    assert patient.states() == ["sent"] * 6


def test_stopping_returns_what_stands_ready(patient: House) -> None:
    patient.queue(*"abcdef")
    patient.turn(0.01)
    stopped: list[None] = []
    patient.outbox.stop().addBoth(lambda _: stopped.append(None))
    patient.line.answer(3)
    patient.turn()
    assert stopped == [None]
    assert patient.line.written == list("abc")
    assert patient.states() == ["queued"] * 3 + ["sent"] * 3


@pytest.mark.parametrize("kind", ["house", "patient"])
def test_bulk_keeps_within_its_share_and_does_not_rest(kind: str, request: pytest.FixtureRequest) -> None:
    patient: House = request.getfixturevalue(kind)
    patient.queue(*"abcdefghij", lane=Lane.BULK)
    for _ in range(30):
        patient.turn(0.01)
        assert len(patient.line.unanswered) <= 2
        if patient.line.unanswered:
            patient.line.answer()
    assert patient.line.written == list("abcdefghij")


def test_the_pace_is_kept_in_parts() -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        house = House(conn, Line(window=100, rate=10.0))
        house.queue(*(["x\ny"] * 50))
        seen = []
        for _ in range(50):
            house.turn(0.1)
            while house.line.unanswered:
                house.line.answer()
            seen.append(len(house.line.written))
    assert 40 <= seen[-1] <= 52  # five seconds at ten parts
    made.dispose()


def test_the_pace_halves_and_recovers() -> None:
    pace = Pace(100.0, 0.0)
    pace.throttled(0.0, 1.0)
    assert pace.allowed(0.5) == 0
    got = 0
    for tenth in range(10, 30):
        found = pace.allowed(tenth / 10)
        pace.spend(found)
        got += found
    assert 80 <= got <= 130  # two seconds at about fifty
    for second in range(3, 40):
        pace.allowed(float(second))
    assert not pace.limited


# --- bulk notices -------------------------------------------------------------------------------------------------


def test_a_notice_goes_on_as_fast_as_the_operator_answers(house: House) -> None:
    """Not a window a second: whenever a slot for bulk is free somebody else's message is made for it."""
    house.line.window = 10
    house.bulk.waiting = 50
    house.outbox.poke()
    house.turn()
    assert len(house.line.written) == 8  # four fifths of the window
    for _ in range(60):
        if house.line.unanswered:
            house.line.answer()
            house.turn()
    assert len(house.line.written) == 50
    assert house.clock.seconds() < 0.1
    assert house.states() == ["sent"] * 50


def test_a_full_share_of_bulk_asks_for_no_more(house: House) -> None:
    house.line.window = 10
    house.bulk.waiting = 50
    house.outbox.poke()
    house.turn()
    asked = len(house.bulk.asked)
    house.turn()
    house.turn()
    assert len(house.bulk.asked) == asked
    house.queue("a code", lane=Lane.CODE)
    assert "a code" in house.line.written


def test_after_a_pause_not_even_what_stood_ready_is_written(house: House) -> None:
    house.line.window = 2
    house.bulk.waiting = 10
    house.outbox.poke()
    house.turn(0.01)
    house.turn(0.01)
    before = len(house.line.written)
    house.bulk.stopped = True
    house.outbox.recall()
    house.turn()
    while house.line.unanswered:
        house.line.answer()
        house.turn()
    assert len(house.line.written) == before
    assert set(house.states()) <= {"sent", "queued"}


@pytest.mark.parametrize("kind", ["house", "patient"])
def test_what_a_turn_marked_while_the_link_went_away_was_never_begun(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may go by another link, and the share of bulk is what it was."""
    house: House = request.getfixturevalue(kind)
    house.line.window = 10
    house.bulk.waiting = 50
    pick = house.bulk.pick

    def goes_away(*args: Any) -> Any:
        house.line.status = LinkStatus.DOWN
        return pick(*args)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(house.bulk, "pick", goes_away)
        house.outbox.poke()
        house.turn()
    assert house.line.written == []
    with house.conn.begin():
        assert set(house.conn.execute(select(message.c.state, message.c.attempt))) == {("queued", 0)}
        assert house.conn.execute(select(part)).all() == []
    house.line.status = LinkStatus.READY
    house.outbox.poke()
    house.turn()
    assert len(house.line.written) == 8
    assert len(house.line.unanswered) == 8


def test_what_is_in_hand_of_bulk_counts_once(house: House) -> None:
    house.line.window = 10
    house.bulk.stopped = True
    house.queue(*(f"{n}" for n in range(10)), lane=Lane.BULK)
    assert len(house.line.written) == 8
    house.bulk.asked.clear()
    house.line.answer(8)
    house.turn()
    assert house.bulk.asked[0] == 6  # two of the eight are in hand
