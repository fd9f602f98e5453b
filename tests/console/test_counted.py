"""Sums that take a while: shown as they were, counted again behind the page, exact in a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection, create_engine
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from gateway.console.dues.counted import Counted, Counts
from gateway.core.database import Runs
from gateway.core.tasks import Tasks


class Slowly:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def read(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        conn = create_engine("sqlite://").connect()
        self.asked.append((done, lambda: work(conn, *args)))
        return done

    def answer(self) -> None:
        done, work = self.asked.pop(0)
        done.callback(work())

    def fail(self) -> None:
        self.asked.pop(0)[0].errback(RuntimeError("gone"))


class Counting:
    """Counts of which each takes `long` seconds; the value is how many there were before."""

    def __init__(self, long: float) -> None:
        self.clock, self.database, self.long = Clock(), Slowly(), long
        self.made = self.changes = 0
        self.counts: Counts[int] = Counts(
            cast(Runs, self.database), self._now, Tasks(), self._count, self._changed, seconds=self.clock.seconds
        )

    def _now(self) -> datetime:
        return datetime(2026, 8, 20, tzinfo=UTC) + timedelta(seconds=self.clock.seconds())

    def _count(self, conn: Connection, year: int) -> int:
        self.clock.advance(self.long)
        self.made += 1
        return self.made

    def _changed(self) -> None:
        self.changes += 1

    def asks(self, *, exactly: bool = False) -> list[Counted[int]]:
        """What a page gets, once it gets it."""
        got: list[Counted[int]] = []
        waiting = ensureDeferred(self.counts.exactly(2026) if exactly else self.counts.of(2026))
        waiting.addCallback(got.append)
        return got


def test_what_takes_an_instant_is_counted_for_every_page() -> None:
    quick = Counting(0.001)
    for number in (1, 2, 3):
        got = quick.asks()
        quick.database.answer()
        assert [each.value for each in got] == [number]
        assert not got[0].lags


def test_the_first_page_waits_and_the_next_ones_get_the_same() -> None:
    slow = Counting(2.0)
    first, beside = slow.asks(), slow.asks()
    assert first == beside == []
    slow.database.answer()
    slow.database.answer()
    assert (first[0].value, beside[0].value) == (1, 2)  # both asked before anything was counted
    assert [each.value for each in slow.asks()] == [2]
    assert slow.database.asked == []


def test_after_a_while_it_is_counted_again_behind_the_page() -> None:
    slow = Counting(2.0)
    slow.asks()
    slow.database.answer()
    slow.clock.advance(101)
    late = slow.asks()
    assert [(each.value, each.again) for each in late] == [(1, True)]
    slow.asks()
    assert len(slow.database.asked) == 1, "counted twice at a time"
    assert slow.changes == 0
    slow.database.answer()
    assert slow.changes == 1
    assert [(each.value, each.again) for each in slow.asks()] == [(2, False)]


def test_a_file_has_what_was_counted_after_it_was_asked_for() -> None:
    slow = Counting(2.0)
    slow.asks()
    slow.database.answer()
    slow.clock.advance(1)
    file = slow.asks(exactly=True)
    assert file == []
    slow.database.answer()
    assert file[0].value == 2


def test_a_count_that_failed_is_tried_again_by_the_next_page() -> None:
    slow = Counting(2.0)
    slow.asks()
    slow.database.answer()
    slow.clock.advance(101)
    slow.asks()
    slow.database.fail()
    again = slow.asks()
    assert [(each.value, each.again) for each in again] == [(1, True)]
    slow.database.answer()
    assert slow.asks()[0].value == 2
