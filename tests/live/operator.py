"""An operator that does what a test says, over real TCP: SMPP by hand, sharing no code with ours.

By itself it accepts every bind and every message, answers enquiries, and is silent otherwise.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

OK, THROTTLED, TRY_AGAIN = 0x00, 0x58, 0x64
_SUBMIT, _DELIVER, _UNBIND, _ENQUIRE, _RESPONSE = 0x04, 0x05, 0x06, 0x15, 0x8000_0000
_BINDS = (0x01, 0x02, 0x09)


def until(what: Callable[[], object], seconds: float = 30) -> None:
    """Wait until `what` is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@dataclass(frozen=True)
class Submitted:
    """One submit_sm."""

    line: Line
    sequence: int
    to: str
    coding: int
    octets: bytes
    service: str
    at: float

    @property
    def text(self) -> str:
        return self.octets.decode("utf-16-be" if self.coding == 8 else "latin-1", "replace")


@dataclass(eq=False)
class Line:
    """One connection to us."""

    operator: Operator
    socket: socket.socket
    opened: float
    bound: bool = False
    closed: float | None = None
    answers: dict[int, int] = field(default_factory=dict)  # status by sequence, of what we delivered
    sequence: int = 0
    enquiries: int = 0
    nacks: int = 0
    unbinds: int = 0
    last: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, octets: bytes) -> None:
        with self.lock, suppress(OSError):
            self.socket.sendall(octets)

    def pdu(self, command: int, sequence: int, body: bytes = b"", status: int = OK) -> None:
        self.write(struct.pack(">4I", 16 + len(body), command, status, sequence) + body)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def answer(self, submitted: Submitted, status: int = OK, id_: str | None = None) -> str:
        """Take a message, or not; the id it got."""
        given = id_ or self.operator.new_id()
        body = b"" if status else given.encode() + b"\0"
        self.pdu(_SUBMIT | _RESPONSE, submitted.sequence, body, status)
        return given

    def deliver(self, source: str, text: str, *, esm_class: int = 0, to: str = "10690", more: bytes = b"") -> int:
        """Deliver a text from a phone; the sequence number its answer will have."""
        plain = text.isascii()
        octets = text.encode("ascii" if plain else "utf-16-be")
        with self.lock:
            self.sequence += 1
            sequence = self.sequence
        body = b"\0\1\1" + source.encode() + b"\0\0\1" + to.encode() + b"\0"
        body += bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, 0 if plain else 8, 0, len(octets))) + octets + more
        self.pdu(_DELIVER, sequence, body)
        return sequence

    def report(self, to: str, id_: str, state: str = "DELIVRD", error: str = "000") -> int:
        text = f"id:{id_} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:{state} err:{error} text:"
        return self.deliver(to.lstrip("+"), text, esm_class=0x04)

    def status(self, sequence: int, seconds: float = 30) -> int:
        """What the gateway answered."""
        until(lambda: sequence in self.answers, seconds)
        return self.answers[sequence]

    def read(self) -> None:
        waiting = b""
        with suppress(OSError):
            while octets := self.socket.recv(65536):
                waiting += octets
                while len(waiting) >= 4 and len(waiting) >= (length := struct.unpack(">I", waiting[:4])[0]):
                    self.last = time.monotonic()
                    command, status, sequence = struct.unpack(">3I", waiting[4:16])
                    self._take(command, status, sequence, waiting[16:length])
                    waiting = waiting[length:]
        self.bound = False
        self.closed = time.monotonic()
        self.socket.close()

    def _take(self, command: int, status: int, sequence: int, body: bytes) -> None:
        operator = self.operator
        if command in _BINDS:
            self.pdu(command | _RESPONSE, sequence, b"smsc\0")
            self.bound = True
        elif command == _SUBMIT:
            operator.submitted.append(submitted := _submitted(self, sequence, body))
            operator.on_submit(submitted)
        elif command == _DELIVER | _RESPONSE:
            self.answers[sequence] = status
        elif command == _ENQUIRE:
            self.enquiries += 1
            self.pdu(_ENQUIRE | _RESPONSE, sequence)
        elif command == _UNBIND:
            self.unbinds += 1
            operator.on_unbind(self, sequence)
        elif command == _RESPONSE:
            self.nacks += 1


class Operator:
    """`on_submit` and `on_connect` may be replaced at any time."""

    def __init__(self, port: int) -> None:
        self.lines: list[Line] = []
        self.submitted: list[Submitted] = []
        self.on_submit: Callable[[Submitted], object] = lambda submitted: submitted.line.answer(submitted)
        self.on_connect: Callable[[Line], object] = lambda line: None
        self.on_unbind: Callable[[Line, int], object] = lambda line, sequence: line.pdu(_UNBIND | _RESPONSE, sequence)
        self._ids = int(time.time()) * 1000
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def new_id(self) -> str:
        with self._lock:
            self._ids += 1
            return str(self._ids)

    @property
    def line(self) -> Line:
        """The newest that is bound."""
        until(lambda: any(line.bound for line in self.lines))
        return next(line for line in reversed(self.lines) if line.bound)

    def to(self, number: str) -> list[Submitted]:
        """What was sent to `number`, in order."""
        return [one for one in list(self.submitted) if one.to == number.lstrip("+")]

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept, and would keep the port
        self._listening.close()
        for line in self.lines:
            line.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line = Line(self, accepted, time.monotonic())
                self.lines.append(line)
                self.on_connect(line)
                threading.Thread(target=line.read, daemon=True).start()


@contextmanager
def operator(port: int) -> Iterator[Operator]:
    made = Operator(port)
    try:
        yield made
    finally:
        made.close()


def _submitted(line: Line, sequence: int, body: bytes) -> Submitted:
    service, rest = _string(body)
    _, rest = _string(rest[2:])
    to, rest = _string(rest[2:])
    _, rest = _string(rest[3:])
    _, rest = _string(rest)
    coding, length = rest[2], rest[4]
    return Submitted(line, sequence, to, coding, rest[5 : 5 + length], service, time.monotonic())


def _string(octets: bytes) -> tuple[str, bytes]:
    text, _, rest = octets.partition(b"\0")
    return text.decode("latin-1"), rest
