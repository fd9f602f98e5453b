"""A serial device kept open: locked against others, opened again when it is lost, closed by force when it is stuck."""

from __future__ import annotations

import fcntl
import os
import termios
from collections.abc import Callable
from glob import glob
from pathlib import Path
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.serialport import SerialPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from modems.at import Answered, Command, Condition, Dialogue, Refusal, TimedOut, Unsolicited

DRAIN_WITHIN = 15.0  # a modem that takes no octet for so long takes none any more
LONGEST_WAIT = 60.0


class Refused(Exception):
    """The modem answered with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Unanswered(Exception):
    """The modem did not answer, or its port was lost; `written` when the payload had gone out."""

    def __init__(self, reason: str, *, written: bool) -> None:
        super().__init__(reason)
        self.written = written


class Conversation(Protocol):
    """The dialogue on a transport: commands become Deferreds, notices and conditions go to who asked for them."""

    def __init__(
        self,
        clock: IReactorTime,
        *,
        dialogue: Dialogue,
        opened: Callable[[], None],
        noticed: Callable[[Unsolicited], None],
        condition: Callable[[Condition], None],
        lost: Callable[[str], None],
    ) -> None:
        self._clock, self._dialogue = clock, dialogue
        self._opened, self._noticed, self._condition, self._lost = opened, noticed, condition, lost
        self._waiting: dict[int, Deferred[tuple[str, ...]]] = {}
        self._timer: IDelayedCall | None = None
        self.connected_to_modem = False

    def connectionMade(self) -> None:
        self.connected_to_modem = True
        self._dialogue.start(self._clock.seconds())
        self._flush()
        self._opened()

    def dataReceived(self, data: bytes) -> None:
        self._take(self._dialogue.receive(data, self._clock.seconds()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected_to_modem = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        # An unplugged device arrives as ConnectionDone, "closed cleanly": every loss is a loss. It is told before the
        # commands fail: who hears of a failure and asks at once must find the link down.
        self._lost("unplugged" if reason.check(ConnectionDone) else reason.getErrorMessage())
        self._buried(self._dialogue.close(), "the port was lost")

    def ask(self, command: Command) -> Deferred[tuple[str, ...]]:
        """The information lines of the answer; fails with `Refused` or `Unanswered`."""
        answer: Deferred[tuple[str, ...]] = Deferred()
        if not self.connected_to_modem:
            answer.errback(Unanswered("the port is closed", written=False))
            return answer
        ticket = self._dialogue.ask(command, self._clock.seconds())
        self._waiting[ticket] = answer
        self._flush()
        return answer

    def restart(self) -> None:
        """The modem has rebooted: nothing that was asked will be answered."""
        self._buried(self._dialogue.restart(self._clock.seconds()), "the modem rebooted")
        self._flush()

    def say_blindly(self, text: str) -> None:
        """Write a line to a modem that no longer answers; it may still listen."""
        if self.transport is not None:
            self.transport.write(text.encode() + b"\r")

    def _buried(self, lost: tuple[TimedOut, ...], reason: str) -> None:
        for each in lost:
            self._settle(each.ticket, Unanswered(reason, written=each.written))

    def _take(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case Answered(ticket, lines, refusal):
                    self._settle(ticket, Refused(refusal) if refusal else lines)
                case TimedOut(ticket, written):
                    self._settle(ticket, Unanswered("no answer in time", written=written))
                case Unsolicited():
                    self._noticed(event)
                case Condition():
                    self._condition(event)
        self._flush()

    def _settle(self, ticket: int, result: Any) -> None:
        # A caller that was cancelled has gone; the modem answers all the same.
        answer = self._waiting.pop(ticket, None)
        if answer is None or answer.called:
            return
        if isinstance(result, Exception):
            answer.errback(result)
        else:
            answer.callback(result)

    def _flush(self) -> None:
        if not self.connected_to_modem:
            return
        if (octets := self._dialogue.outgoing()) and self.transport is not None:
            self.transport.write(octets)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        due = self._dialogue.due
        self._timer = None if due is None else self._clock.callLater(max(0.0, due - self._clock.seconds()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._take(self._dialogue.tick(self._clock.seconds()))


class Port(Service):
    """Keeps `device()` open with a fresh protocol from `build` each time; says what it could not open to `failed`.

    `device` is asked before every opening, since a device may come back under another name.
    """

    log = Logger()

    def __init__(
        self,
        device: Callable[[], str],
        build: Callable[[], Protocol],
        *,
        reactor: Any,
        random: Random,
        failed: Callable[[str], None] = lambda reason: None,
        baudrate: int = 115200,
        first_wait: float = 1.0,
        drain_within: float = DRAIN_WITHIN,
    ) -> None:
        self._device, self._build, self._failed = device, build, failed
        self._reactor, self._random, self._baudrate = reactor, random, baudrate
        self._first_wait, self._drain_within = first_wait, drain_within
        self._attempt = 0
        self._again: IDelayedCall | None = None
        self._serial: _Serial | None = None

    def startService(self) -> None:
        super().startService()
        self._open()

    def stopService(self) -> None:
        super().stopService()
        if self._again is not None and self._again.active():
            self._again.cancel()
        self.hang_up("stopped")

    def hang_up(self, reason: str) -> None:
        """Close now, whatever is still unwritten; it is opened again unless the service has stopped."""
        if self._serial is not None:
            self._serial.force_closed(reason)

    def steady(self) -> None:
        """The modem works: the next loss is the first again."""
        self._attempt = 0

    def _open(self) -> None:
        self._again = None
        protocol = self._build()
        try:
            self._serial = _Serial(
                protocol, self._device(), self._reactor, self._baudrate, self._drain_within, self._closed
            )
        except OSError as error:  # SerialException is one
            self._failed(f"cannot open: {error.strerror or error}")
            self._retry()

    def _closed(self) -> None:
        self._serial = None
        self._retry()

    def _retry(self) -> None:
        if not self.running:
            return
        wait = min(LONGEST_WAIT, self._first_wait * 2.0 ** min(self._attempt, 10))
        self._attempt += 1
        self._again = self._reactor.callLater(wait * self._random.uniform(0.8, 1.2), self._open)


class Candidates:
    """Device names to try in turn for a modem that is known by its IMEI only."""

    def __init__(self, patterns: tuple[str, ...] = ("/dev/serial/by-path/*", "/dev/ttyUSB*", "/dev/ttyACM*")) -> None:
        self._patterns = patterns
        self._last = ""

    def __call__(self) -> str:
        found = sorted({str(Path(name).resolve()) for pattern in self._patterns for name in glob(pattern)})
        if not found:
            raise FileNotFoundError(2, "no serial device is plugged in")
        self._last = next((name for name in found if name > self._last), found[0])
        return self._last


class _Serial(SerialPort):
    """Twisted's serial port, ours alone, and watched for a modem that stops reading."""

    def __init__(
        self,
        protocol: Protocol,
        device: str,
        reactor: Any,
        baudrate: int,
        drain_within: float,
        closed: Callable[[], None],
    ) -> None:
        self._drain_within, self._closed = drain_within, closed
        self._timers: IReactorTime = reactor
        self._stuck: IDelayedCall | None = None
        self._over = False
        self._lock = _locked(device)
        try:
            super().__init__(protocol, device, reactor, baudrate=baudrate)
        except BaseException:
            os.close(self._lock)
            raise
        fcntl.ioctl(self.fileno(), termios.TIOCEXCL)

    def write(self, data: bytes) -> None:
        super().write(data)
        if self._stuck is None and not self._over:
            self._stuck = self._timers.callLater(self._drain_within, self.force_closed, "the modem takes no octets")

    def doWrite(self) -> Any:
        result = super().doWrite()
        if not self.dataBuffer and not self._tempDataBuffer:
            self._drained()
        return result

    def force_closed(self, reason: str) -> None:
        """loseConnection would wait for a buffer that never empties."""
        self.connectionLost(Failure(OSError(reason)))

    def connectionLost(self, reason: Failure) -> None:
        if self._over:
            return
        self._over = True
        self._drained()
        try:
            # Closing a tty waits up to 30 s for octets that a hung modem does not take.
            termios.tcflush(self.fileno(), termios.TCIOFLUSH)
            fcntl.ioctl(self.fileno(), termios.TIOCNXCL)
        except (OSError, termios.error):
            pass  # unplugged: there is nothing left to flush
        super().connectionLost(reason)
        os.close(self._lock)
        self._closed()

    def _drained(self) -> None:
        if self._stuck is not None and self._stuck.active():
            self._stuck.cancel()
        self._stuck = None


def _locked(device: str) -> int:
    """A descriptor that holds the lock on `device`; pyserial opens the device a second time under it."""
    descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise OSError(f"{device} is in use by another program") from None
    return descriptor
