"""The emulated modem on a pseudo terminal, where any program may use it as a serial device; plugged in and out."""

from __future__ import annotations

import os
import termios
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet import fdesc
from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from modems import tpdu
from modems.emulated import Behaviour, Emulator

MOST_UNREAD = 1 << 20  # said to nobody; a real modem's buffer overflows earlier


class EmulatedModem(Service):
    """`device` is where to open it; with `path` that is a symbolic link which stays the same when plugged in again."""

    def __init__(
        self,
        reactor: Any,
        *,
        path: Path | None = None,
        behaviour: Behaviour | None = None,
        on_sent: Callable[[tpdu.Submit], None] = lambda submit: None,
    ) -> None:
        self._reactor, self._path = reactor, path
        self._pty: _Master | None = None
        self.emulator = Emulator(reactor, self._write, behaviour=behaviour, on_sent=on_sent)

    @property
    def behaviour(self) -> Behaviour:
        return self.emulator.behaviour

    @property
    def device(self) -> str:
        if self._path is not None:
            return str(self._path)
        if self._pty is None:
            raise FileNotFoundError(2, "the modem is not plugged in")
        return self._pty.name

    def startService(self) -> None:
        super().startService()
        self.plug()

    def stopService(self) -> None:
        super().stopService()
        self.unplug()

    def receive(self, sender: str, text: str) -> None:
        """A phone sends `text`."""
        self.emulator.receive(sender, text)

    def plug(self) -> None:
        """The modem appears; whatever was asked before is forgotten."""
        if self._pty is None:
            self._pty = _Master(self._reactor, self.emulator.hear)
            self.emulator.power_on()
            if self._path is not None:
                beside = self._path.with_name(self._path.name + ".new")
                beside.unlink(missing_ok=True)
                beside.symlink_to(self._pty.name)
                beside.replace(self._path)

    def unplug(self) -> None:
        if self._pty is not None:
            pty, self._pty = self._pty, None
            self.emulator.power_off()
            pty.connectionLost(Failure(CONNECTION_DONE))
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def stop_reading(self) -> None:
        """Hung so thoroughly that not even octets are taken."""
        if self._pty is not None:
            self._pty.stopReading()

    def _write(self, octets: bytes) -> None:
        if self._pty is not None:
            self._pty.say(octets)


class _Master(FileDescriptor):
    """The modem's end. The other one is kept open, so that users may come and go."""

    connected = 1

    def __init__(self, reactor: Any, hear: Callable[[bytes], None]) -> None:
        super().__init__(reactor)
        self._hear = hear
        self._fd, self._user_end = os.openpty()
        self.name = os.ttyname(self._user_end)
        tty.setraw(self._user_end, termios.TCSANOW)
        fdesc.setNonBlocking(self._fd)
        self.startReading()

    def fileno(self) -> int:
        return self._fd

    def doRead(self) -> Any:
        return fdesc.readFromFD(self._fd, self._hear)

    def say(self, octets: bytes) -> None:
        if len(self.dataBuffer) < MOST_UNREAD:
            self.write(octets)

    def writeSomeData(self, data: bytes) -> Any:
        return fdesc.writeToFD(self._fd, data)

    def connectionLost(self, reason: Failure) -> None:
        if self.connected:
            super().connectionLost(reason)
            self.connected = 0
            os.close(self._fd)
            os.close(self._user_end)
