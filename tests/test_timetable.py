"""Jobs by the clock: each at its time, none lost by its own fault, none complaining when it is told to stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from gateway.timetable import Job, Timetable


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []

    keep = cast(ILogObserver, events.append)
    globalLogPublisher.addObserver(keep)
    yield events
    globalLogPublisher.removeObserver(keep)


def test_a_job_that_fails_is_logged_and_tried_again(logged: list[LogEvent]) -> None:
    clock, runs = Clock(), []

    async def fails() -> int:
        runs.append(clock.seconds())
        raise ValueError("not today")

    table = Timetable(clock, [Job("erase", 60.0, fails)])
    table.start()
    clock.pump([1.0, 60.0])
    assert runs == [1.0, 61.0]
    assert [event["job"] for event in logged if "log_failure" in event] == ["erase", "erase"]


def test_a_job_that_is_stopped_says_nothing(logged: list[LogEvent]) -> None:
    clock = Clock()
    waiting: Deferred[int] = Deferred()

    async def waits() -> int:
        return await waiting

    table = Timetable(clock, [Job("erase", 60.0, waits)])
    table.start()
    clock.advance(1.0)
    table.stop()
    assert logged == []
    assert clock.getDelayedCalls() == []
