"""A GSM modem without a port that speaks AT and PDU mode: octets in, octets out through `write`.

What real modems do differently, and what they do wrong, is in `Behaviour` and may be changed while it runs.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.core import text as texts
from gateway.core.model import Fragment
from modems import tpdu
from modems.at import END_OF_TEXT, ESCAPE
from modems.emulated_commands import Refusing, length, name_of, obey
from modems.userdata import UserData, concatenation, data_coding

ACKNOWLEDGE_WITHIN = 15.0  # +CMT and +CDS with AT+CSMS=1
NEW_YEAR_2025 = 1735689600  # where a test's clock begins: a TPDU cannot say 1970
KEPT = 1000  # messages and commands remembered for those who want to look
_VERBOSE = {
    10: "SIM not inserted",
    11: "SIM PIN required",
    12: "SIM PUK required",
    14: "SIM busy",
    16: "incorrect password",
}


@dataclass(kw_only=True)
class Behaviour:
    """Who the modem is, and its quirks and faults."""

    maker: str = "Muster"
    model: str = "Emulator"
    imei: str = "490154203237518"
    imsi: str = "460001234567890"
    iccid: str = "89860012345678901234"
    number: str = ""  # the SIM's own
    smsc: str = "+8613800100500"
    pin: str = ""  # asked for when set
    pin_tries: int = 3
    sim: bool = True
    registration: int = 1
    signal: int = 20
    capacity: dict[str, int] = field(default_factory=lambda: {"SM": 30, "ME": 50})
    cnmi: str = "(0-2),(0-3),(0),(0-2),(0,1)"
    report_after: float = 0.2
    report_status: int = 0
    reports_in: str = "SM"  # where a report lies with <ds> 2, whatever +CDSI says
    ussd: Callable[[str], str] = "You dialled {}".format
    ussd_first: bool = False  # it is said before the OK of AT+CUSD
    # Quirks
    prompt: bytes = b"\r\n> "
    echo_stuck: bool = False
    verbose_errors: bool = False
    blank_in_errors: bool = True
    empty_read_is_ok: bool = False  # AT+CMGR of an empty place answers OK, not 321
    scts_in_answer: bool = False  # `+CMGS: 7,"26/11/23,10:00:00+32"`
    unfinished_pin: bool = False  # "+CPIN: READY" and no OK
    # Faults
    chatter: str = ""  # a notice inside every answer
    before_prompt: str = ""  # a notice between AT+CMGS and the prompt
    garbage: bytes = b""  # before every answer
    delay: float = 0.0
    delays: dict[str, float] = field(default_factory=dict)  # by command, "+CSQ"
    errors: dict[str, list[str]] = field(default_factory=dict)  # by command: final results to give, in turn
    mute: set[str] = field(default_factory=set)  # commands that get no answer
    stuck: bool = False  # hears nothing, says nothing
    frozen: bool = False  # answers nothing until it is told to reboot
    lose_submits: int = 0  # messages taken, and never answered
    no_prompt: bool = False


@dataclass
class Stored:
    pdu: bytes
    status: int = 0  # unread


class Emulator:
    """One modem. `on_sent` is called with each message it is given to send."""

    def __init__(
        self,
        clock: IReactorTime,
        write: Callable[[bytes], None],
        *,
        behaviour: Behaviour | None = None,
        on_sent: Callable[[tpdu.Submit], None] = lambda submit: None,
    ) -> None:
        self.behaviour: Behaviour = behaviour or Behaviour()
        self.on_sent = on_sent
        self.stores: dict[str, dict[int, Stored]] = {name: {} for name in self.behaviour.capacity}
        self.network: deque[bytes] = deque()  # what the service centre holds for us
        self.sent: deque[tpdu.Submit] = deque(maxlen=KEPT)
        self.heard: deque[str] = deque(maxlen=KEPT)  # command lines
        self._clock, self.write = clock, write
        self._timers: set[IDelayedCall] = set()
        self._reference = self._concatenation = 0
        self.function = 1  # AT+CFUN: 4 is the radio off
        self.smsc = self.behaviour.smsc
        self.unlocked = not self.behaviour.pin
        self._reset()

    def power_on(self) -> None:
        """Start anew, as after being plugged in: what is stored stays, what was set is forgotten."""
        self.unlocked = not self.behaviour.pin
        self._reset()

    def power_off(self) -> None:
        """Nothing more comes of what was begun."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def later(self, seconds: float, work: Callable[..., None], *arguments: Any) -> None:
        def run() -> None:
            self._timers.discard(timer)
            work(*arguments)

        timer = self._clock.callLater(seconds, run)
        self._timers.add(timer)

    def _reset(self) -> None:
        self.echo = True
        self._line = b""
        self.payload: int | None = None  # the length announced by AT+CMGS
        self.errors = 0
        self.charset = "IRA"
        self.service = 0
        self.notices = [0, 0, 0, 0, 0]
        self.memories = ["SM"] * 3 if "SM" in self.stores else [next(iter(self.stores))] * 3
        self.registration_notices = 0
        self.unacknowledged: list[bytes] = []

    # The air

    def receive(self, sender: str, text: str, *, sent_at: datetime | None = None) -> None:
        """A phone sends `text`; a long one comes in parts."""
        cut = texts.segments(text, header=6)
        self._concatenation = (self._concatenation + 1) % 256
        total = len(cut.parts)
        for number, octets in enumerate(cut.parts, start=1):
            part = Fragment(reference=self._concatenation, total=total, number=number)
            udh = concatenation(part) if total > 1 else b""
            self.receive_pdu(
                tpdu.encode(
                    tpdu.Deliver(
                        sender=tpdu.Number.of(sender),
                        data=UserData(octets=octets, dcs=data_coding(cut.coding), udh=udh),
                        scts=sent_at or self._time(),
                        smsc=tpdu.Number.of(self.smsc) if self.smsc else None,
                    )
                )
            )

    def receive_pdu(self, pdu: bytes) -> None:
        """The network has a message for us, sense or no sense."""
        self.network.append(pdu)
        self.deliver()

    def say(self, line: str) -> None:
        """The modem says something by itself."""
        self.write(b"\r\n" + line.encode("latin-1") + b"\r\n")

    def deliver(self) -> None:
        while self.network:
            pdu = self.network[0]
            if self.notices[1] in (2, 3):
                self.network.popleft()
                self._direct("+CMT: ,", pdu)
                continue
            store = self.memories[2]
            if (index := self._free(store)) is None:
                return  # full: the service centre waits
            self.network.popleft()
            self.stores[store][index] = Stored(pdu)
            if self.notices[1] == 1 and self.notices[0]:
                self.say(f'+CMTI: "{store}",{index}')

    def _direct(self, header: str, pdu: bytes) -> None:
        self.say(f"{header}{length(pdu)}\r\n{pdu.hex().upper()}")
        if self.service:
            self.unacknowledged.append(pdu)
            self.later(ACKNOWLEDGE_WITHIN, self._not_acknowledged, pdu)

    def _not_acknowledged(self, pdu: bytes) -> None:
        if pdu in self.unacknowledged:
            self.unacknowledged.remove(pdu)
            self.notices[1] = self.notices[3] = 0
            self.receive_pdu(pdu)

    def _report(self, submit: tpdu.Submit, reference: int, scts: datetime) -> None:
        pdu = tpdu.encode(
            tpdu.StatusReport(
                reference=reference,
                recipient=submit.recipient,
                status=self.behaviour.report_status,
                scts=scts,
                discharge=self._time(),
                smsc=tpdu.Number.of(self.smsc) if self.smsc else None,
            )
        )
        if self.notices[3] == 1:
            self._direct("+CDS: ", pdu)
        elif self.notices[3] == 2 and (index := self._free(self.behaviour.reports_in)) is not None:
            self.stores[self.behaviour.reports_in][index] = Stored(pdu)
            self.say(f'+CDSI: "{self.memories[2]}",{index}')

    def _free(self, store: str) -> int | None:
        held = self.stores[store]
        return next((n for n in range(1, self.behaviour.capacity[store] + 1) if n not in held), None)

    def _time(self) -> datetime:
        seconds = int(self._clock.seconds())
        return datetime.fromtimestamp(seconds if seconds >= NEW_YEAR_2025 else NEW_YEAR_2025 + seconds, UTC)

    # The port

    def hear(self, octets: bytes) -> None:
        """What comes in through the port."""
        if self.behaviour.stuck:
            return
        for octet in (octets[n : n + 1] for n in range(len(octets))):
            if self.echo or self.behaviour.echo_stuck:
                self.write(octet)
            if self.payload is not None:
                self._hear_payload(octet)
            elif octet == b"\r":
                line, self._line = self._line.decode("latin-1").strip(), b""
                self._command(line)
            elif octet == ESCAPE:
                self._line = b""
            elif octet != b"\n":
                self._line += octet

    def _hear_payload(self, octet: bytes) -> None:
        if octet not in (END_OF_TEXT, ESCAPE):
            self._line += octet
            return
        announced, self.payload = self.payload, None
        line, self._line = self._line.decode("latin-1"), b""
        if octet == ESCAPE or announced is None:
            self._answer([], "OK")
            return
        try:
            self._answer(self._send(line.strip(), announced), "OK", "+CMGS")
        except Refusing as error:
            self._answer([], self._worded(error))

    def _send(self, digits: str, announced: int) -> list[str]:
        self._scripted("+CMGS")
        try:
            octets = bytes.fromhex(digits)
            if tpdu.tpdu_length(octets) != announced:
                raise Refusing("CMS", 304)
            submit = tpdu.decode(octets, direction=tpdu.Direction.SENT)
        except ValueError:
            raise Refusing("CMS", 304) from None
        if not isinstance(submit, tpdu.Submit):
            raise Refusing("CMS", 304)
        if self.behaviour.registration not in (1, 5, 6, 7):
            raise Refusing("CMS", 331)
        if not self.smsc and submit.smsc is None:
            raise Refusing("CMS", 330)
        reference = self._reference = (self._reference + 1) % 256
        self.sent.append(submit)
        self.on_sent(submit)
        scts = self._time()
        if submit.report:
            self.later(self.behaviour.report_after, self._report, submit, reference, scts)
        if self.behaviour.lose_submits:
            self.behaviour.lose_submits -= 1
            raise Refusing("", None)
        after = f',"{scts:%y/%m/%d,%H:%M:%S}+00"' if self.behaviour.scts_in_answer else ""
        return [f"+CMGS: {reference}{after}"]

    def _command(self, line: str) -> None:
        if not line:
            return
        self.heard.append(line)
        if self.behaviour.frozen and not line.endswith("AT+CFUN=1,1"):
            return
        self.behaviour.frozen = False
        if not line.upper().startswith("AT"):
            self._answer([], "ERROR")
            return
        lines: list[str] = []
        name = ""
        for each in _split(line[2:]):
            name = name_of(each)
            if name in self.behaviour.mute:
                return
            try:
                self._scripted(name)
                lines += obey(self, each)
            except Refusing as error:
                self._answer(lines, self._worded(error), name)
                return
            except ValueError:  # a letter where a number belongs
                self._answer(lines, "ERROR", name)
                return
            if self.payload is not None:
                return
        pin_only = name == "+CPIN" and self.behaviour.unfinished_pin and bool(lines)
        self._answer(lines, "" if pin_only else "OK", name)

    def _answer(self, lines: list[str], final: str, name: str = "") -> None:
        if not final and not lines:
            return
        chatter = [self.behaviour.chatter] if self.behaviour.chatter else []
        said = [*lines[:1], *chatter, *lines[1:], *([final] if final else [])]
        octets = self.behaviour.garbage + b"".join(b"\r\n" + line.encode("latin-1") + b"\r\n" for line in said)
        delay = self.behaviour.delays.get(name, self.behaviour.delay)
        if delay:
            self.later(delay, self.write, octets)
        else:
            self.write(octets)

    def _scripted(self, name: str) -> None:
        waiting = self.behaviour.errors.get(name)
        if waiting:
            raise Refusing(waiting.pop(0))

    def _worded(self, error: Refusing) -> str:
        if error.code is None:
            return error.kind
        blank = " " if self.behaviour.blank_in_errors else ""
        if error.kind == "CMS":
            return f"+CMS ERROR:{blank}{error.code}"
        if self.errors == 0:
            return "ERROR"
        verbose = self.behaviour.verbose_errors or self.errors == 2
        return f"+CME ERROR:{blank}{_VERBOSE.get(error.code, error.code) if verbose else error.code}"


def _split(line: str) -> list[str]:
    """The commands of a line, at semicolons outside quotes."""
    return [each for each in re.findall(r'(?:[^;"]|"[^"]*"?)+', line) if each] or [""]
