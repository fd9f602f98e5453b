"""The live stream: hints, at most one a second and topic, none lost, none with content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.server import Request

from gateway.console.events import HEARTBEAT, Events, Full, Stream


class Connection:
    """The other side of a stream, as far as a stream looks at it."""

    def __init__(self) -> None:
        self.written = ""
        self.finished = False
        self._ends: list[Deferred[None]] = []

    def setHeader(self, name: bytes, value: bytes) -> None:
        """Headers are looked at over real HTTP."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming

    def unregisterProducer(self) -> None:
        """Nothing to undo."""

    def notifyFinish(self) -> Deferred[None]:
        self._ends.append(Deferred())
        return self._ends[-1]

    def write(self, octets: bytes) -> None:
        assert not self.finished
        self.written += octets.decode()

    def finish(self) -> None:
        self.finished = True
        for end in self._ends:
            end.callback(None)

    @property
    def events(self) -> list[str]:
        return [line[7:] for line in self.written.splitlines() if line.startswith("event: ")]

    @property
    def last_id(self) -> str:
        return [line[4:] for line in self.written.splitlines() if line.startswith("id: ")][-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events(clock: Clock) -> Events:
    return Events(clock, ("messages", "cases"), mark="m")


Open = Callable[..., tuple[Connection, Stream]]


@pytest.fixture
def open_(events: Events) -> Open:
    def opened(*topics: str, last: str | None = None, session: str = "s") -> tuple[Connection, Stream]:
        connection = Connection()
        return connection, events.open(cast("Request", connection), session, topics or ("messages",), last)

    return opened


def test_a_stream_begins_with_the_pause_before_coming_back(open_: Open) -> None:
    connection, _ = open_()
    assert connection.written.startswith("retry: 3000\n\n")
    assert connection.events == []


def test_a_hint_names_the_topic_and_says_nothing_else(events: Events, open_: Open) -> None:
    connection, _ = open_()
    other, _ = open_("cases")
    events.hint("messages")
    assert connection.written.endswith("id: m-1\nevent: messages\ndata: messages\n\n")
    assert other.events == []


def test_many_changes_within_a_second_are_two_hints_the_last_one_included(
    events: Events, open_: Open, clock: Clock
) -> None:
    connection, _ = open_()
    for _ in range(1000):
        events.hint("messages")
    assert connection.events == ["messages"]
    clock.advance(1)
    assert connection.events == ["messages"] * 2
    clock.advance(10)
    assert connection.events == ["messages"] * 2


def test_many_readers_are_told_less_often(events: Events, open_: Open, clock: Clock) -> None:
    """Two hundred pages that all reload every second would leave no time for messages."""
    connections = [open_(session=str(number))[0] for number in range(200)]
    for _ in range(11 * 20):
        events.hint("messages")
        clock.advance(0.05)
    assert {len(connection.events) for connection in connections} <= {1, 2}
    for _ in range(20 * 20):
        clock.advance(0.05)
    assert {len(connection.events) for connection in connections} <= {2, 3}


def test_many_readers_are_told_one_after_the_other(events: Events, open_: Open, clock: Clock) -> None:
    """If all asked for their pages again in the same moment, whoever turns a page would wait behind all of them."""
    connections = [open_("messages", "cases", session=str(number))[0] for number in range(50)]
    events.hint("messages")
    events.hint("cases")
    told = sum(bool(connection.events) for connection in connections)
    for _ in range(100):
        clock.advance(0.05)
        now = sum(bool(connection.events) for connection in connections)
        assert now - told <= 1
        told = now
    assert {tuple(sorted(connection.events)) for connection in connections} == {("cases", "messages")}
    assert clock.getDelayedCalls() == []


def test_who_leaves_before_being_told_holds_nobody_up(events: Events, open_: Open, clock: Clock) -> None:
    connections = [open_(session=str(number))[0] for number in range(3)]
    events.hint("messages")
    left = [connection for connection in connections if not connection.events]
    assert len(left) == 2
    for connection in left:
        connection.finish()
    clock.advance(0.05)
    assert [connection.events for connection in left] == [[], []]
    assert clock.getDelayedCalls() == []


def test_who_comes_back_is_told_what_it_missed(events: Events, open_: Open, clock: Clock) -> None:
    first, stream = open_("messages", "cases")
    events.hint("messages")
    stream.end()
    clock.advance(2)
    again, _ = open_("messages", "cases", last=first.last_id)
    assert again.events == []
    events.hint("cases")
    late, _ = open_("messages", "cases", last=first.last_id)
    assert late.events == ["cases"]


@pytest.mark.parametrize("last", ["other-1", "nonsense", "", "m-x"])
def test_an_id_of_another_process_means_look_at_everything(events: Events, open_: Open, last: str) -> None:
    events.hint("messages")
    events.hint("cases")
    connection, _ = open_("messages", "cases", last=last)
    assert connection.events == ["cases", "messages"]


def test_unknown_topics_are_ignored(events: Events, open_: Open) -> None:
    connection, stream = open_("passwords", "messages")
    events.hint("passwords")
    assert connection.events == []
    assert stream.topics == {"messages"}


def test_the_heart_beats_and_asks_whether_the_session_lives(events: Events, open_: Open, clock: Clock) -> None:
    asked: list[Stream] = []
    events.alive = asked.append
    events.start()
    connection, stream = open_()
    clock.advance(HEARTBEAT)
    assert connection.written.endswith(": .\n\n")
    assert asked == [stream]
    stream.end("signed-out")
    assert connection.events == ["signed-out"]
    assert connection.finished
    clock.advance(HEARTBEAT)
    assert asked == [stream]
    events.stop()
    assert clock.getDelayedCalls() == []


def test_a_browser_that_does_not_read_is_not_buffered_for(events: Events, open_: Open, clock: Clock) -> None:
    connection, stream = open_()
    stream.pauseProducing()
    for _ in range(5):
        events.hint("messages")
        clock.advance(1)
    assert connection.events == []
    stream.resumeProducing()  # it is sent away, comes back with its last id and is told
    assert connection.finished
    assert len(events) == 0


def test_one_session_cannot_take_all_streams(open_: Open) -> None:
    for _ in range(8):
        open_()
    with pytest.raises(Full):
        open_()
    open_(session="another")


def test_a_stream_that_breaks_off_is_forgotten(events: Events, open_: Open) -> None:
    connection, stream = open_()
    connection.finish()
    assert len(events) == 0
    assert stream.done.called
    events.hint("messages")


def test_stopping_ends_all_streams_and_all_timers(events: Events, open_: Open, clock: Clock) -> None:
    events.start()
    connection, _ = open_()
    events.hint("messages")
    events.hint("messages")
    events.stop()
    assert connection.finished
    assert clock.getDelayedCalls() == []
