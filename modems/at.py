"""One conversation with a modem in AT commands, without a port and without a clock: octets and time in, events out.

One command is in flight at a time. A command declares what its answer looks like; every other line is the modem's own
affair and comes out as `Unsolicited`, even in the middle of an answer. After any time-out the dialogue falls silent,
then asks "AT" until it hears a clean OK, so that a late answer is never taken for the next command's.
PDU mode only: no line of an answer is ever somebody's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from heapq import heappop, heappush

from modems.makes import is_unsolicited

LONGEST_LINE = 8192  # a PDU of 176 octets is 352 digits; what is longer without a line end is noise
END_OF_TEXT, ESCAPE = b"\x1a", b"\x1b"
PROMPT_WITHIN = 10.0
LOOSE_END_WITHIN = 3.0  # for the closing quote of a +CUSD over several lines

_END_OF_LINE = re.compile(rb"[\r\n]")
_FINAL = re.compile(
    r"OK|ERROR|COMMAND NOT SUPPORT|TOO MANY PARAMETERS|\+(?P<kind>CM[ES]) ERROR\s*:?\s*(?P<text>.*)", re.ASCII
)
_CALL_ENDED = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE"})
_DIALS = re.compile(r"AT[DA]", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{2,}")
_TWO_LINES = ("+CMT:", "+CDS:", "+CBM:")


class Patience(IntEnum):
    """How many seconds a command lets others go first. It ages, so that nothing waits for ever behind a busy queue."""

    NONE = 0  # sending and reading, in the order asked
    POLL = 10
    HEALTH = 30
    ACKNOWLEDGEMENT = -60  # CNMA: the network waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to say and how the answer looks.

    An information line begins with `prefix` (made from the command itself when None, "" for no such lines) or matches
    `bare` whole. `body_lines` lines after each of them belong to it. `payload` is written at the prompt with Ctrl-Z.
    An answer is complete `settles` seconds after its line even without a final result.
    """

    text: str
    prefix: str | None = None
    bare: re.Pattern[str] | None = None
    body_lines: int = 0
    payload: str | None = None
    limit: float = 5.0
    patience: Patience = Patience.NONE
    settles: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final result that is not OK: `kind` is CMS, CME or ERROR; `code` when the modem gave a number."""

    kind: str
    text: str = ""
    code: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Answered:
    ticket: int
    lines: tuple[str, ...]
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class TimedOut:
    """No final result in time; `written` when the payload had gone out, so that it may have taken effect."""

    ticket: int
    written: bool


@dataclass(frozen=True, slots=True)
class Unsolicited:
    line: str
    body: str | None = None


class Condition(Enum):
    RECOVERED = "answers again"
    SILENT = "does not answer"


Event = Answered | TimedOut | Unsolicited | Condition


class _State(Enum):
    IDLE = "nothing in flight"
    ASKED = "waiting for the final result"
    PROMPT = "waiting for the prompt"
    QUIET = "waiting for silence"
    PROBE = "asked AT"
    SETTLE = "heard OK, listening whether it was the only one"
    DEAD = "gave up"


class Dialogue:
    """Give it octets and times, take its events, and write what `outgoing` returns."""

    def __init__(self, *, quiet: float = 0.6, settle: float = 0.3, probe_limit: float = 2.0, probes: int = 4) -> None:
        self._quiet, self._settle, self._probe_limit, self._most_probes = quiet, settle, probe_limit, probes
        self._state = _State.IDLE
        self._queue: list[tuple[float, int, Command]] = []
        self._sequence = 0
        self._buffer = b""
        self._out: list[bytes] = []
        self._heard = self._since = 0.0
        self._deadline: float | None = None
        self._asked: Command | None = None
        self._ticket = 0
        self._lines: list[str] = []
        self._body_left = 0
        self._written = False
        self._header: str | None = None  # a two-line notice whose second line is still to come
        self._quote: list[str] = []  # a +CUSD whose quote is still open
        self._loose_since = 0.0
        self._probes = 0
        self._mute = False  # the last AT was not answered at all: perhaps it went into a prompt

    def start(self, now: float) -> None:
        """Begin with whatever a former user of the modem left: a prompt, half an answer, other people's echo."""
        self._resync(now, escape=True)

    def ask(self, command: Command, now: float) -> int:
        """Queue `command`; its ticket comes back in `Answered` or `TimedOut`."""
        self._sequence += 1
        heappush(self._queue, (now + command.patience, self._sequence, command))
        self._next(now)
        return self._sequence

    def outgoing(self) -> bytes:
        """What is to be written now."""
        octets, self._out = b"".join(self._out), []
        return octets

    def restart(self, now: float) -> tuple[TimedOut, ...]:
        """The modem has rebooted and forgotten all: begin again; returns what it will never answer."""
        lost = self.close()
        self._buffer, self._header, self._quote = b"", None, []
        self._resync(now, escape=False)
        return lost

    def close(self) -> tuple[TimedOut, ...]:
        """The port is gone: every ticket that will never be answered."""
        lost = [TimedOut(sequence, False) for _, sequence, _ in sorted(self._queue)]
        if self._asked is not None:
            lost.insert(0, TimedOut(self._ticket, self._written))
        self._queue, self._asked, self._state, self._deadline = [], None, _State.DEAD, None
        return tuple(lost)

    @property
    def due(self) -> float | None:
        """When `tick` has something to do, if nothing is heard before."""
        times = [self._deadline] if self._deadline is not None else []
        if self._state is _State.QUIET:
            times.append(min(self._heard + self._quiet, self._since + 5.0))
        if self._quote:
            times.append(self._loose_since + LOOSE_END_WITHIN)
        return min(times, default=None)

    def receive(self, octets: bytes, now: float) -> list[Event]:
        self._buffer += octets.replace(b"\0", b"")
        self._heard = now
        events: list[Event] = []
        while True:
            if self._state is _State.PROMPT and (rest := self._buffer.lstrip(b"\r\n ")).startswith(b">"):
                self._buffer = rest[1:]
                self._write_payload(now)
                continue
            end = _END_OF_LINE.search(self._buffer)
            if end is None:
                break
            line, self._buffer = self._buffer[: end.start()], self._buffer[end.end() :]
            if text := line.decode("latin-1").strip():
                events.extend(self._line(text, now))
        if len(self._buffer) > LONGEST_LINE:
            self._buffer = b""
        return events

    def tick(self, now: float) -> list[Event]:
        """What the passing of time brings."""
        events: list[Event] = []
        if self._quote and now >= self._loose_since + LOOSE_END_WITHIN:
            events.append(Unsolicited("\n".join(self._quote)))
            self._quote = []
        if self.due is None or now < self.due:
            return events
        match self._state:
            case _State.ASKED | _State.PROMPT:
                events.append(self._run_out(now))
            case _State.QUIET:
                self._probe(now)
            case _State.PROBE:
                self._mute = True
                events.extend(self._once_more(now))
            case _State.SETTLE:
                self._state, self._deadline = _State.IDLE, None
                events.append(Condition.RECOVERED)
                self._next(now)
        return events

    # Lines

    def _line(self, line: str, now: float) -> Iterator[Event]:
        if self._header is not None and now > self._loose_since + LOOSE_END_WITHIN:
            yield Unsolicited(self._header)
            self._header = None
        if self._quote:
            yield from self._continue_quote(line)
        elif self._header is not None and _is_body(line):
            header, self._header = self._header, None
            yield Unsolicited(header, line)
        else:
            final = _FINAL.fullmatch(line)
            if final and self._header is not None:
                yield Unsolicited(self._header)
                self._header = None
            if self._asked is not None:
                yield from self._answer(line, final, now)
            elif final and self._state in (_State.PROBE, _State.SETTLE):
                yield from self._probed(clean=self._state is _State.PROBE and line == "OK", now=now)
            elif line != "AT" and not (final and self._state is _State.QUIET):
                yield from self._notice(line, now)

    def _answer(self, line: str, final: re.Match[str] | None, now: float) -> Iterator[Event]:
        asked = self._asked
        assert asked is not None
        if self._written:
            line = line.lstrip("> ")  # of a prompt that was repeated
        if line.rstrip("\x1a") in (asked.text, asked.payload, ""):
            return  # the echo, which some modems cannot be talked out of
        if final:
            yield self._finish(_refusal(final), now)
        elif line in _CALL_ENDED and _DIALS.match(asked.text):
            # Else it tells of a member who rang and hung up: the command's own result is still to come.
            yield self._finish(Refusal("ERROR", line), now)
        elif self._body_left and _is_body(line):
            self._body_left -= 1
            self._lines.append(line)
        elif self._declared(asked, line):
            self._lines.append(line)
            self._body_left = asked.body_lines
            if asked.settles is not None:
                self._deadline = min(now + asked.settles, self._deadline or now + asked.settles)
        else:
            yield from self._notice(line, now)

    def _notice(self, line: str, now: float) -> Iterator[Event]:
        if line.startswith(_TWO_LINES):
            self._header, self._loose_since = line, now
        elif line.startswith("+CUSD:") and line.count('"') % 2:
            self._quote, self._loose_since = [line], now
        else:
            yield Unsolicited(line)

    def _continue_quote(self, line: str) -> Iterator[Event]:
        self._quote.append(line)
        if '"' in line or len(self._quote) > 40:
            yield Unsolicited("\n".join(self._quote))
            self._quote = []

    @staticmethod
    def _declared(asked: Command, line: str) -> bool:
        prefix = prefix_of(asked.text) if asked.prefix is None else asked.prefix
        return bool((prefix and line.startswith(prefix)) or (asked.bare and asked.bare.fullmatch(line)))

    # Commands

    def _next(self, now: float) -> None:
        if self._state is not _State.IDLE or not self._queue:
            return
        _, self._ticket, self._asked = heappop(self._queue)
        self._lines, self._body_left, self._written = [], 0, False
        self._out.append(self._asked.text.encode("latin-1", "replace") + b"\r")
        waits = self._asked.payload is not None
        self._state = _State.PROMPT if waits else _State.ASKED
        self._deadline = now + (PROMPT_WITHIN if waits else self._asked.limit)

    def _write_payload(self, now: float) -> None:
        assert self._asked is not None
        assert self._asked.payload is not None
        self._out.append(self._asked.payload.encode("latin-1", "replace") + END_OF_TEXT)
        self._written, self._state, self._deadline = True, _State.ASKED, now + self._asked.limit

    def _finish(self, refusal: Refusal | None, now: float) -> Answered:
        answered = Answered(self._ticket, tuple(self._lines), refusal)
        self._asked, self._state, self._deadline = None, _State.IDLE, None
        self._next(now)
        return answered

    def _run_out(self, now: float) -> Event:
        asked, written = self._asked, self._written
        assert asked is not None
        self._asked = None
        self._resync(now, escape=asked.payload is not None and not written)
        if asked.settles is not None and self._lines:
            return Answered(self._ticket, tuple(self._lines))
        return TimedOut(self._ticket, written)

    # Finding each other again

    def _resync(self, now: float, *, escape: bool) -> None:
        if escape:
            self._out.append(ESCAPE)
        self._state, self._since, self._heard, self._deadline = _State.QUIET, now, now, None
        self._probes, self._mute = 0, False

    def _probe(self, now: float) -> None:
        in_prompt = self._mute or self._buffer.lstrip().startswith(b">")
        self._buffer = b""
        self._out.append((ESCAPE if in_prompt else b"") + b"AT\r")
        self._probes, self._mute = self._probes + 1, False
        self._state, self._deadline = _State.PROBE, now + self._probe_limit

    def _probed(self, *, clean: bool, now: float) -> Iterator[Event]:
        if clean:
            self._state, self._deadline = _State.SETTLE, now + self._settle
        else:
            # A second result, or an error: somebody else's answer is still under way.
            yield from self._once_more(now)

    def _once_more(self, now: float) -> Iterator[Event]:
        if self._probes < self._most_probes:
            self._state, self._since, self._deadline = _State.QUIET, now, None
        else:
            self._state, self._deadline = _State.DEAD, None
            yield Condition.SILENT


def prefix_of(command: str) -> str:
    """How the information lines of `command` begin: "+CMGR:" for AT+CMGR=1."""
    name = re.match(r"AT([+^*#%$_&][A-Z0-9]+)", command, re.IGNORECASE)
    return f"{name[1].upper()}:" if name else ""


def _is_body(line: str) -> bool:
    """Whether a second line is one. It should be hexadecimal; one that came damaged is kept rather than lost."""
    if _HEXADECIMAL.fullmatch(line):
        return True
    return not (_FINAL.fullmatch(line) or is_unsolicited(line))


def _refusal(final: re.Match[str]) -> Refusal | None:
    if final[0] == "OK":
        return None
    if final["kind"]:
        text = final["text"].strip()
        return Refusal(final["kind"], text, int(text) if text.isdecimal() else None)
    return Refusal("ERROR", "" if final[0] == "ERROR" else final[0])
