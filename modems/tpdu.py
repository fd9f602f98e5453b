"""Short messages as a modem stores and sends them: SMS-DELIVER, SMS-SUBMIT, SMS-STATUS-REPORT (3GPP TS 23.040 9.2).

Octets in, frozen values out, and back. Whatever the octets are, the only error is `TpduError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from gateway.core.model import State
from modems.semioctets import Number, TpduError, read_number, read_time, swap, write_number, write_time
from modems.userdata import UserData, read_user_data, write_user_data

__all__ = [
    "Deliver",
    "Direction",
    "Enhanced",
    "Number",
    "StatusReport",
    "Submit",
    "Tpdu",
    "TpduError",
    "UserData",
    "decode",
    "encode",
    "tpdu_length",
]


class Direction(Enum):
    """Whose TPDU it is; the same type bits mean different things each way."""

    STORED = "stored"  # as AT+CMGR, AT+CMGL, +CMT and +CDS show it: from the network, or stored to be sent
    SENT = "sent"  # as AT+CMGS and AT+CMGW take it


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A message from the network to us."""

    sender: Number
    data: UserData
    scts: datetime | None = None  # the service centre's time, with its zone; None when it sent none
    pid: int = 0
    more: bool = False  # more messages wait at the service centre
    loop: bool = False  # forwarded, or by a machine: not to be forwarded again
    reply_path: bool = False
    report: bool = False  # the sender has asked for a status report
    smsc: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enhanced:
    """A validity period in the enhanced format: `lasts` None is the service centre's own."""

    lasts: timedelta | None = None
    single_shot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """A message from us to the network. A `validity` that is a timedelta is rounded up to what can be said."""

    recipient: Number
    data: UserData
    reference: int = 0
    pid: int = 0
    validity: timedelta | datetime | Enhanced | None = None
    report: bool = False  # a status report is asked for
    reject_duplicates: bool = False
    reply_path: bool = False
    smsc: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What became of a message we sent: the one with this `reference`."""

    reference: int
    recipient: Number
    status: int
    scts: datetime | None = None  # when the service centre took the message
    discharge: datetime | None = None  # when it was delivered, or last tried
    more: bool = False
    loop: bool = False
    of_command: bool = False  # the report is about an SMS-COMMAND
    pid: int | None = None
    data: UserData | None = None
    smsc: Number | None = None

    @property
    def state(self) -> State:
        """SENT while the service centre still tries, or cannot know (23.040 9.2.3.15)."""
        if self.status == 0x00:
            return State.DELIVERED
        if self.status in (0x01, 0x02) or 0x20 <= self.status <= 0x3F:
            return State.SENT
        return State.EXPIRED if self.status == _VALIDITY_EXPIRED else State.FAILED


Tpdu = Deliver | Submit | StatusReport

_DELIVER, _SUBMIT, _REPORT, _RESERVED = range(4)
_VALIDITY_EXPIRED = 0x46

# The first octet's flags, named for the kind they belong to.
_MORE_OFF = 0x04  # deliver, report: set when nothing waits
_LOOP = 0x08  # deliver, report
_REJECT_DUPLICATES = 0x04  # submit
_REPORT_BIT = 0x20  # status report asked for; of a report: it is about a command
_HEADER = 0x40
_REPLY_PATH = 0x80


def decode(pdu: bytes | str, *, direction: Direction = Direction.STORED, with_smsc: bool = True) -> Tpdu:
    """Read a TPDU, in octets or hexadecimal, with the service centre's number before it or without."""
    reader = _Reader(_octets(pdu))
    smsc = _read_smsc(reader) if with_smsc else None
    first = reader.octet("the first octet")
    kind = first & 3
    if direction is Direction.SENT and kind != _SUBMIT:
        raise TpduError(f"a message to be sent has type 1, not {kind}")
    if kind == _SUBMIT:
        found: Tpdu = _read_submit(reader, first, smsc)
    elif kind == _REPORT:
        found = _read_report(reader, first, smsc)
    else:  # a reserved type is to be taken for a deliver (23.040 9.2.3.1)
        found = _read_deliver(reader, first, smsc)
    reader.finish()
    return found


def encode(tpdu: Tpdu, *, with_smsc: bool = True) -> bytes:
    """The octets of a TPDU; without a service centre's number the modem uses its own."""
    match tpdu:
        case Deliver():
            body = _write_deliver(tpdu)
        case Submit():
            body = _write_submit(tpdu)
        case StatusReport():
            body = _write_report(tpdu)
    return _write_smsc(tpdu.smsc) + body if with_smsc else body


def tpdu_length(pdu: bytes | str) -> int:
    """The octets behind the service centre's number: what AT+CMGS and the answers of AT+CMGR count."""
    octets = _octets(pdu)
    if not octets or len(octets) < octets[0] + 1:
        raise TpduError("the service centre's number is cut off")
    return len(octets) - octets[0] - 1


class _Reader:
    """Octets, read from the front."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def octet(self, what: str) -> int:
        if self._at >= len(self._octets):
            raise TpduError(f"cut off before {what}")
        self._at += 1
        return self._octets[self._at - 1]

    def take(self, count: int, what: str) -> bytes:
        taken = self._octets[self._at : self._at + count]
        if len(taken) < count:
            raise TpduError(f"cut off in {what}: {count} octets announced, {len(taken)} came")
        self._at += count
        return taken

    def number(self, what: str) -> Number:
        half_octets = self.octet(f"{what}'s length")
        if half_octets > 20:
            raise TpduError(f"{what} of {half_octets} half octets; 20 are the most")
        kind = self.octet(f"{what}'s type")
        return read_number(self.take((half_octets + 1) // 2, what), half_octets, kind)

    def user_data(self, dcs: int, *, header: bool) -> UserData:
        length = self.octet("the length of the user data")
        data, taken = read_user_data(self._octets[self._at :], length, dcs, header=header)
        self._at += taken
        return data

    def padded(self) -> bool:
        """Nothing but filler is left: a SIM's record is padded with FF, and some modems show it all."""
        return not self._octets[self._at :].strip(b"\xff")

    def finish(self) -> None:
        rest = self._octets[self._at :]
        if rest.strip(b"\xff") and rest.strip(b"\x00"):
            raise TpduError(f"{len(rest)} octets behind the message")


def _octets(pdu: bytes | str) -> bytes:
    if isinstance(pdu, bytes):
        return pdu
    try:
        return bytes.fromhex(pdu)
    except ValueError:
        raise TpduError("not hexadecimal, or an odd number of digits") from None


def _read_smsc(reader: _Reader) -> Number | None:
    """The service centre's number; its length counts octets, not digits (3GPP TS 27.005 3.1)."""
    length = reader.octet("the service centre's number")
    if not length:
        return None
    if length > 11:
        raise TpduError(f"a service centre's number of {length} octets; 11 are the most")
    octets = reader.take(length, "the service centre's number")
    return read_number(octets[1:], 2 * (length - 1), octets[0])


def _write_smsc(smsc: Number | None) -> bytes:
    if smsc is None:
        return b"\x00"
    _, octets = write_number(smsc)
    return bytes([len(octets)]) + octets


def _read_deliver(reader: _Reader, first: int, smsc: Number | None) -> Deliver:
    sender = reader.number("the sender")
    middle = reader.take(9, "protocol identifier, data coding and time")
    pid, dcs = middle[0], middle[1]
    return Deliver(
        sender=sender,
        scts=read_time(middle[2:]),
        data=reader.user_data(dcs, header=bool(first & _HEADER)),
        pid=pid,
        more=not first & _MORE_OFF,
        loop=bool(first & _LOOP),
        reply_path=bool(first & _REPLY_PATH),
        report=bool(first & _REPORT_BIT),
        smsc=smsc,
    )


def _write_deliver(deliver: Deliver) -> bytes:
    first = (
        _DELIVER
        | (0 if deliver.more else _MORE_OFF)
        | (_LOOP if deliver.loop else 0)
        | (_REPORT_BIT if deliver.report else 0)
        | (_HEADER if deliver.data.udh else 0)
        | (_REPLY_PATH if deliver.reply_path else 0)
    )
    return b"".join(
        (
            bytes([first]),
            _address(deliver.sender),
            bytes([deliver.pid, deliver.data.dcs]),
            write_time(deliver.scts),
            write_user_data(deliver.data),
        )
    )


def _read_submit(reader: _Reader, first: int, smsc: Number | None) -> Submit:
    reference = reader.octet("the message reference")
    recipient = reader.number("the recipient")
    pid = reader.octet("the protocol identifier")
    dcs = reader.octet("the data coding")
    return Submit(
        recipient=recipient,
        reference=reference,
        pid=pid,
        validity=_read_validity(reader, first >> 3 & 3),
        data=reader.user_data(dcs, header=bool(first & _HEADER)),
        report=bool(first & _REPORT_BIT),
        reject_duplicates=bool(first & _REJECT_DUPLICATES),
        reply_path=bool(first & _REPLY_PATH),
        smsc=smsc,
    )


def _write_submit(submit: Submit) -> bytes:
    form, validity = _write_validity(submit.validity)
    first = (
        _SUBMIT
        | (_REJECT_DUPLICATES if submit.reject_duplicates else 0)
        | form << 3
        | (_REPORT_BIT if submit.report else 0)
        | (_HEADER if submit.data.udh else 0)
        | (_REPLY_PATH if submit.reply_path else 0)
    )
    return b"".join(
        (
            bytes([first, submit.reference]),
            _address(submit.recipient),
            bytes([submit.pid, submit.data.dcs]),
            validity,
            write_user_data(submit.data),
        )
    )


# The parameter indicator of a status report (23.040 9.2.3.27).
_HAS_PID, _HAS_DCS, _HAS_DATA, _EXTENDED = 0x01, 0x02, 0x04, 0x80


def _read_report(reader: _Reader, first: int, smsc: Number | None) -> StatusReport:
    reference = reader.octet("the message reference")
    recipient = reader.number("the recipient")
    scts = read_time(reader.take(7, "the time"))
    discharge = read_time(reader.take(7, "the discharge time"))
    status = reader.octet("the status")
    pid, data = _read_optional(reader, header=bool(first & _HEADER))
    return StatusReport(
        reference=reference,
        recipient=recipient,
        scts=scts,
        discharge=discharge,
        status=status,
        more=not first & _MORE_OFF,
        loop=bool(first & _LOOP),
        of_command=bool(first & _REPORT_BIT),
        pid=pid,
        data=data,
        smsc=smsc,
    )


def _read_optional(reader: _Reader, *, header: bool) -> tuple[int | None, UserData | None]:
    if reader.padded():
        return None, None
    indicator = extension = reader.octet("the parameter indicator")
    while extension & _EXTENDED:
        extension = reader.octet("the parameter indicator's extension")
    pid = reader.octet("the protocol identifier") if indicator & _HAS_PID else None
    dcs = reader.octet("the data coding") if indicator & _HAS_DCS else 0
    data = reader.user_data(dcs, header=header) if indicator & _HAS_DATA else None
    return pid, data


def _write_report(report: StatusReport) -> bytes:
    data = report.data
    first = (
        _REPORT
        | (0 if report.more else _MORE_OFF)
        | (_LOOP if report.loop else 0)
        | (_REPORT_BIT if report.of_command else 0)
        | (_HEADER if data and data.udh else 0)
    )
    indicator = (0 if report.pid is None else _HAS_PID) | (_HAS_DCS | _HAS_DATA if data else 0)
    return b"".join(
        (
            bytes([first, report.reference]),
            _address(report.recipient),
            write_time(report.scts),
            write_time(report.discharge),
            bytes([report.status]),
            bytes([indicator]) if indicator else b"",
            b"" if report.pid is None else bytes([report.pid]),
            bytes([data.dcs]) + write_user_data(data) if data else b"",
        )
    )


def _address(number: Number) -> bytes:
    half_octets, octets = write_number(number)
    return bytes([half_octets]) + octets


_NONE, _ENHANCED, _RELATIVE, _ABSOLUTE = range(4)
_MINUTE, _HOUR, _DAY, _WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


def _read_validity(reader: _Reader, form: int) -> timedelta | datetime | Enhanced | None:
    if form == _NONE:
        return None
    if form == _RELATIVE:
        return _relative(reader.octet("the validity period"))
    octets = reader.take(7, "the validity period")
    return read_time(octets) if form == _ABSOLUTE else _read_enhanced(octets)


def _write_validity(validity: timedelta | datetime | Enhanced | None) -> tuple[int, bytes]:
    match validity:
        case None:
            return _NONE, b""
        case timedelta():
            return _RELATIVE, bytes([next((n for n, lasts in enumerate(_STEPS) if lasts >= validity), 255)])
        case datetime():
            return _ABSOLUTE, write_time(validity)
        case Enhanced():
            return _ENHANCED, _write_enhanced(validity)


def _relative(step: int) -> timedelta:
    """23.040 9.2.3.12.1."""
    if step <= 143:
        return (step + 1) * 5 * _MINUTE
    if step <= 167:
        return 12 * _HOUR + (step - 143) * 30 * _MINUTE
    if step <= 196:
        return (step - 166) * _DAY
    return (step - 192) * _WEEK


_STEPS = tuple(_relative(step) for step in range(256))

# The enhanced format's first octet (23.040 9.2.3.12.3).
_SINGLE_SHOT = 0x40
_STEP, _SECONDS, _CLOCK = 1, 2, 3


def _read_enhanced(octets: bytes) -> Enhanced:
    single_shot = bool(octets[0] & _SINGLE_SHOT)
    at = 1
    while octets[at - 1] & _EXTENDED:
        at += 1
        if at == len(octets):
            raise TpduError("a validity period of nothing but extensions")
    form = octets[0] & 7
    if form == _STEP:
        return Enhanced(lasts=_relative(octets[at]), single_shot=single_shot)
    if form == _SECONDS:
        return Enhanced(lasts=timedelta(seconds=octets[at]), single_shot=single_shot)
    if form == _CLOCK:
        if at + 3 > len(octets):
            raise TpduError("a validity period that is cut off")
        hours, minutes, seconds = ((octet & 15) * 10 + (octet >> 4) for octet in octets[at : at + 3])
        return Enhanced(lasts=timedelta(hours=hours, minutes=minutes, seconds=seconds), single_shot=single_shot)
    return Enhanced(single_shot=single_shot)


def _write_enhanced(validity: Enhanced) -> bytes:
    first = _SINGLE_SHOT if validity.single_shot else 0
    if validity.lasts is None:
        return bytes([first]) + bytes(6)
    seconds = round(validity.lasts.total_seconds())
    if not 0 < seconds < 100 * 3600:
        raise TpduError(f"a validity period of {seconds} seconds does not fit the enhanced format")
    if seconds <= 255:
        return bytes([first | _SECONDS, seconds]) + bytes(5)
    clock = swap(f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}")
    return bytes([first | _CLOCK]) + clock + bytes(3)
