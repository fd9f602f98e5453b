"""Numbers and times as a TPDU carries them, in swapped half octets (3GPP TS 23.040 9.1.2 and 9.2.3.11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum

from gateway.core import text
from gateway.core.model import Coding


class TpduError(ValueError):
    """These octets are no TPDU we can read; the reason says where they go wrong."""


class Ton(IntEnum):
    """Type of number, the upper bits of an address (3GPP TS 23.040 9.1.2.5)."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6
    RESERVED = 7


_ALPHANUMERIC = int(Ton.ALPHANUMERIC)
_ISDN = 1
_MAXIMUM_DIGITS = 20  # an address is at most 12 octets, two of them length and type
_DIGITS = "0123456789*#abc"  # 0xF fills the last octet
_PAIRS = tuple(
    "" if octet & 15 == 15 else _DIGITS[octet & 15] + ("" if octet >> 4 == 15 else _DIGITS[octet >> 4])
    for octet in range(256)
)
_HALF = {digit: value for value, digit in enumerate(_DIGITS)}


@dataclass(frozen=True, slots=True)
class Number:
    """An address as it came. `text` is the digits without "+", or the name of an alphanumeric sender."""

    text: str
    ton: int = Ton.UNKNOWN
    npi: int = _ISDN

    @classmethod
    def of(cls, written: str) -> Number:
        """The address a person means: "+86138..." is international, digits are as dialled, the rest is a name."""
        digits = written.removeprefix("+").lower()
        if digits and all(digit in _HALF for digit in digits):
            return cls(digits, Ton.INTERNATIONAL if written.startswith("+") else Ton.UNKNOWN)
        return cls(written, Ton.ALPHANUMERIC, 0)

    def __str__(self) -> str:
        return f"+{self.text}" if self.ton == Ton.INTERNATIONAL and self.text else self.text


def read_number(octets: bytes, half_octets: int, kind: int) -> Number:
    """An address whose type octet is `kind` and which is `half_octets` long; `octets` are exactly its digits."""
    ton, npi = kind >> 4 & 7, kind & 15
    if ton == _ALPHANUMERIC:
        return Number(text.decode_gsm7(text.unpack(octets, half_octets * 4 // 7)), ton, npi)
    digits = []
    for octet in octets:
        pair = _PAIRS[octet]
        digits.append(pair)
        if len(pair) < 2:
            break  # the filler ends it, whatever the length says
    return Number("".join(digits)[:half_octets], ton, npi)


def write_number(number: Number) -> tuple[int, bytes]:
    """The length in half octets, and the type octet with the digits."""
    kind = bytes([0x80 | number.ton << 4 | number.npi])
    if number.ton == Ton.ALPHANUMERIC:
        encoded = text.encode(number.text)
        if encoded.coding is not Coding.GSM7:
            raise TpduError(f"{number.text!r} cannot be a sender: GSM 03.38 has not all of its characters")
        half_octets = (len(encoded.octets) * 7 + 3) // 4
        packed = text.pack(encoded.octets)
    else:
        half_octets = len(number.text)
        packed = swap(number.text)
    if half_octets > _MAXIMUM_DIGITS:
        raise TpduError(f"an address of {half_octets} half octets; {_MAXIMUM_DIGITS} are the most")
    return half_octets, kind + packed


def swap(digits: str) -> bytes:
    """Digits as half octets, the first one in the lower half; 0xF fills the last octet."""
    try:
        halves = [_HALF[digit] for digit in digits]
    except KeyError as error:
        raise TpduError(f"{error.args[0]!r} cannot be dialled") from None
    if len(halves) % 2:
        halves.append(15)
    return bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))


_TENS = tuple((octet & 15) * 10 + (octet >> 4) if octet & 15 < 10 and octet >> 4 < 10 else -1 for octet in range(256))
_QUARTER = timedelta(minutes=15)
_ZONES = tuple(
    # Some networks count the zone's units beyond nine; the sum is what they mean.
    timezone((-_QUARTER if octet & 8 else _QUARTER) * ((octet & 7) * 10 + (octet >> 4))) if octet & 0xF7 else UTC
    for octet in range(256)
)
_CENTURY = 90  # there was no SMS before 1992
_YEARS = tuple(year + (1900 if year >= _CENTURY else 2000) if year >= 0 else -1 for year in _TENS)


def read_time(octets: bytes) -> datetime | None:
    """A time stamp, or None when it is empty (00 or FF) or no time at all; senders of both kinds exist."""
    year, month, day, hour, minute, second, zone = octets
    try:
        return datetime(
            _YEARS[year], _TENS[month], _TENS[day], _TENS[hour], _TENS[minute], _TENS[second], tzinfo=_ZONES[zone]
        )
    except ValueError:
        return None


def write_time(at: datetime | None) -> bytes:
    """Seven octets; None is written as zeros."""
    if at is None:
        return bytes(7)
    offset = at.utcoffset()
    if offset is None:
        raise TpduError("a time without its zone cannot be written")
    if not 1900 + _CENTURY <= at.year < 2000 + _CENTURY:
        raise TpduError(f"the year {at.year} does not fit two digits")
    quarters, rest = divmod(abs(offset), _QUARTER)
    if rest or quarters > 79:
        raise TpduError(f"the zone {offset} is not in quarters of an hour")
    zone = swap(f"{quarters:02}")[0] | (8 if offset < timedelta(0) else 0)
    return swap(at.strftime("%y%m%d%H%M%S")) + bytes([zone])
