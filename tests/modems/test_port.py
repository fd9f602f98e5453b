"""A port: ours alone, opened again, and closed even when the other side takes nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import ANY

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from modems.port import Candidates, Port
from tests.modems.rig import ModemTest


class Listener(Protocol):
    def __init__(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        self.heard = b""
        self.opened = False

    def connectionMade(self) -> None:
        self.opened = True

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost(reason.getErrorMessage())


class Ports(ModemTest):
    def setUp(self) -> None:
        super().setUp()
        self.lost: list[str] = []
        self.failed: list[str] = []
        self.built: list[Listener] = []

    def port(self, drain_within: float = 15.0) -> Port:
        def build() -> Listener:
            self.built.append(Listener(self.lost.append))
            return self.built[-1]

        port = Port(
            lambda: self.modem.device,
            build,
            reactor=self.reactor,
            random=random.Random(1),
            failed=self.failed.append,
            first_wait=0.02,
            drain_within=drain_within,
        )
        port.startService()
        self.addCleanup(port.stopService)
        return port

    def lost_so_often(self, times: int) -> bool:
        return len(self.lost) == times

    def opened_so_often(self, times: int) -> bool:
        return sum(each.opened for each in self.built) == times

    def say(self, octets: bytes) -> None:
        transport = self.built[-1].transport
        assert transport is not None
        transport.write(octets)

    async def test_opened_again_by_its_name(self) -> None:
        self.modem.startService()
        self.port()
        for times in range(1, 4):
            self.say(b"AT\r")
            await self.until(lambda: b"OK" in self.built[-1].heard)
            self.modem.unplug()
            await self.until(partial(self.lost_so_often, times))
            self.modem.plug()
            await self.until(partial(self.opened_so_often, times + 1))

    async def test_waits_longer_each_time(self) -> None:
        started = self.reactor.seconds()
        self.port()
        await self.until(lambda: len(self.failed) == 5)
        assert self.reactor.seconds() - started >= 0.8 * 0.02 * (1 + 2 + 4 + 8)
        assert "No such file" in self.failed[0]

    async def test_locked_against_others(self) -> None:
        self.modem.startService()
        first = self.port()
        self.port()
        await self.until(lambda: self.failed)
        assert "in use by another program" in self.failed[0]
        first.stopService()
        await self.until(lambda: self.built[-1].opened)

    async def test_a_modem_that_takes_nothing_is_given_up(self) -> None:
        self.modem.startService()
        self.port(drain_within=0.2)
        self.modem.stop_reading()
        self.say(b"x" * 500_000)
        await self.until(lambda: self.lost)
        assert self.lost == ["the modem takes no octets"]

    async def test_what_is_taken_in_time_is_no_reason(self) -> None:
        self.modem.startService()
        self.port(drain_within=0.2)
        for _ in range(4):
            self.say(b"AT\r")
            await self.sleep(0.1)
        assert not self.lost

    async def test_no_descriptor_is_left_open(self) -> None:
        self.modem.startService()
        before = len(os.listdir("/proc/self/fd"))
        port = self.port()
        port.stopService()
        assert len(os.listdir("/proc/self/fd")) == before
        assert self.lost == [ANY]


def test_a_device_is_found_by_trying_each(tmp_path: Path) -> None:
    for name in ("ttyUSB0", "ttyUSB1", "ttyUSB2"):
        (tmp_path / name).touch()
    tried = Candidates((f"{tmp_path}/ttyUSB*",))
    assert [Path(tried()).name for _ in range(4)] == ["ttyUSB0", "ttyUSB1", "ttyUSB2", "ttyUSB0"]
