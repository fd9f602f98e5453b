"""Alarms: told once, in the organisation's language, to every number; the end of a trouble too."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from commands import standard
from commands.office import Office
from commands.texts import Texts
from config.model import Organisation
from gateway.alarms import Alarms
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Busy, Lane, LinkState, LinkStatus, Outbound
from gateway.links import Board

NUMBERS = ("+8613800000001", "+8613800000002")


class Link:
    """A link that is what the test says."""

    window, rate = 10, 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = LinkStatus.READY

    @property
    def state(self) -> LinkState:
        return LinkState(link=self.name, status=self.status, since=datetime(2026, 11, 23, tzinfo=UTC))

    def split(self, outbound: Outbound) -> tuple[()]:
        return ()

    def send(self, part: Any) -> Deferred[str]:
        raise AssertionError("an alarm goes through the queue")

    def startService(self) -> None:
        pass

    def stopService(self) -> None:
        pass


class House:
    def __init__(self, language: str = "zh", numbers: Sequence[str] = NUMBERS) -> None:
        organisation = Organisation(name="Anhe", signature={"zh": "安河", "en": "Anhe"}, language=language)
        office = Office(
            registry=standard.registry(organisation),
            texts=Texts.load(),
            organisation=organisation,
            keys=Keys(bytes(32)),
            new_id=Ids(),
        )
        board = Board(lambda: 0.0)
        self.link = Link("mobile")
        board.add(self.link, kind="smpp")
        self.now = datetime(2026, 11, 23, tzinfo=UTC)
        self.quarantined = 0
        self.full = False
        self.sent: list[Outbound] = []
        self.alarms = Alarms(
            office,
            board,
            self,
            numbers=numbers,
            quarantined=lambda: self.quarantined,
            now=lambda: self.now,
        )

    async def submit(self, outbounds: Sequence[Outbound], *, actor: str) -> list[int]:
        if self.full:
            raise Busy("too much waits")
        assert actor == "system:alarms"
        self.sent.extend(outbounds)
        return [outbound.id for outbound in outbounds]

    def look(self, later: float = 0) -> list[str]:
        """What is told now, once however many hear it."""
        self.now += timedelta(seconds=later)
        self.sent.clear()
        _run(self.alarms.look())
        return list(dict.fromkeys(outbound.text for outbound in self.sent))


def _run(work: Coroutine[Any, Any, Any]) -> None:
    with pytest.raises(StopIteration):
        work.send(None)


def test_a_link_that_stays_away_is_told_of_once_and_so_is_its_return() -> None:
    house = House()
    assert house.look() == []
    house.link.status = LinkStatus.DOWN
    assert house.look() == []
    house.link.status = LinkStatus.CONNECTING
    assert house.look(60) == []
    assert house.look(60) == ["【安河】线路mobile中断已超过2分钟，请查看"]
    assert [(outbound.to, outbound.lane) for outbound in house.sent] == [(number, Lane.NOTICE) for number in NUMBERS]
    assert house.look(3600) == []
    house.link.status = LinkStatus.THROTTLED
    assert house.look() == ["【安河】线路mobile已恢复"]
    assert house.look() == []


def test_a_short_absence_is_nobodys_business() -> None:
    house = House()
    house.link.status = LinkStatus.DOWN
    assert house.look() == []
    house.link.status = LinkStatus.READY
    assert house.look(100) == []
    house.link.status = LinkStatus.DOWN
    assert house.look(100) == []


def test_messages_set_aside_are_counted_and_told_at_most_every_hour() -> None:
    house = House("en")
    house.quarantined = 1
    assert house.look() == [
        "Anhe: Messages that could not be handled and were set aside: 1. Please look at the log",
    ]
    house.quarantined = 4
    assert house.look(60) == []
    assert house.look(3600) == [
        "Anhe: Messages that could not be handled and were set aside: 3. Please look at the log",
    ]
    assert house.look(7200) == []


def test_nobody_to_tell_and_no_room_are_survived() -> None:
    lonely = House(numbers=())
    lonely.quarantined = 1
    assert lonely.look() == []
    house = House()
    house.quarantined, house.full = 1, True
    assert house.look() == []
