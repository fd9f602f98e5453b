"""What a short message says: data coding, user data header, octets (3GPP TS 23.038 4, 23.040 9.2.3.24)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.core import text
from gateway.core.model import Coding, Fragment
from modems.semioctets import TpduError

MAXIMUM = 140  # octets of user data in one TPDU


class Waiting(StrEnum):
    """What a message-waiting indication speaks of."""

    VOICEMAIL = "voicemail"
    FAX = "fax"
    EMAIL = "email"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indication:
    """A message-waiting lamp, on or off; `store` says whether the text is worth keeping."""

    waiting: Waiting
    active: bool
    store: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a data coding octet means."""

    coding: Coding
    message_class: int | None = None
    compressed: bool = False
    delete: bool = False  # marked for automatic deletion
    indication: Indication | None = None


def scheme(dcs: int) -> Scheme:
    """What a data coding octet means; what is reserved reads as the default alphabet (23.038 4)."""
    return _SCHEMES[dcs]


def _scheme(dcs: int) -> Scheme:
    group = dcs >> 4
    if group < 8:
        return Scheme(
            coding=(Coding.GSM7, Coding.BINARY, Coding.UCS2, Coding.GSM7)[dcs >> 2 & 3],
            message_class=dcs & 3 if dcs & 0x10 else None,
            compressed=bool(dcs & 0x20),
            delete=bool(dcs & 0x40),
        )
    if group < 12:
        return Scheme(coding=Coding.GSM7)
    if group == 15:
        return Scheme(coding=Coding.BINARY if dcs & 4 else Coding.GSM7, message_class=dcs & 3)
    return Scheme(
        coding=Coding.UCS2 if group == 14 else Coding.GSM7,
        indication=Indication(waiting=tuple(Waiting)[dcs & 3], active=bool(dcs & 8), store=group != 12),
    )


_SCHEMES = tuple(map(_scheme, range(256)))
_IN_SEPTETS = tuple(meant.coding is Coding.GSM7 and not meant.compressed for meant in _SCHEMES)


def data_coding(coding: Coding, message_class: int | None = None) -> int:
    """The data coding octet of a plain message; class 0 is shown at once and not stored."""
    octet = {Coding.GSM7: 0x00, Coding.BINARY: 0x04, Coding.UCS2: 0x08}[coding]
    return octet if message_class is None else octet | 0x10 | message_class


_CONCATENATED_8, _PORTS_8, _PORTS_16, _CONCATENATED_16 = 0x00, 0x04, 0x05, 0x08
_SINGLE_SHIFT, _LOCKING_SHIFT = 0x24, 0x25


@dataclass(frozen=True, slots=True)
class Element:
    """One information element of a user data header."""

    iei: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ports:
    """Between which applications a message goes, instead of to a person."""

    destination: int
    source: int
    bits: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """`octets` are the user data without its header, GSM 7 bit unpacked to one septet an octet, as in `Part`.

    `udh` is the header without its length octet.
    """

    octets: bytes
    dcs: int = 0
    udh: bytes = b""

    @property
    def scheme(self) -> Scheme:
        return scheme(self.dcs)

    @property
    def coding(self) -> Coding:
        """BINARY whenever there is no text in it, as when it is compressed."""
        meant = scheme(self.dcs)
        return Coding.BINARY if meant.compressed else meant.coding

    def read(self) -> tuple[str | None, bool]:
        """The text, None of binary data; and whether octets that are no text were replaced."""
        coding = self.coding
        if coding is Coding.BINARY:
            return None, False
        if coding is Coding.UCS2:
            return text.decode_ucs2(self.octets)
        locking, single = self._tables() if self.udh else (0, 0)
        return text.clean(text.decode_gsm7(self.octets, locking=locking, single=single))

    @property
    def text(self) -> str | None:
        return self.read()[0]

    def _tables(self) -> tuple[int, int]:
        """The national language tables the header asks for: locking and single shift (23.040 9.2.3.24.15, .16)."""
        locking = single = 0
        for element in self.elements:
            if element.iei == _LOCKING_SHIFT and len(element.data) == 1:
                locking = element.data[0]
            elif element.iei == _SINGLE_SHIFT and len(element.data) == 1:
                single = element.data[0]
        return locking, single

    @property
    def elements(self) -> tuple[Element, ...]:
        """All information elements. A header whose last one overruns it counts as none (23.040 9.2.3.24)."""
        found = []
        at = 0
        while at < len(self.udh):
            start = at + 2
            if start > len(self.udh):
                return ()
            at = start + self.udh[start - 1]
            if at > len(self.udh):
                return ()
            found.append(Element(self.udh[start - 2], self.udh[start:at]))
        return tuple(found)

    @property
    def fragment(self) -> Fragment | None:
        """Where it stands in a long message; the last element that says so counts."""
        found = None
        for element in self.elements:
            data = element.data
            if element.iei == _CONCATENATED_8 and len(data) == 3:
                candidate = Fragment(reference=data[0], total=data[1], number=data[2], bits=8)
            elif element.iei == _CONCATENATED_16 and len(data) == 4:
                candidate = Fragment(reference=data[0] << 8 | data[1], total=data[2], number=data[3], bits=16)
            else:
                continue
            if 1 <= candidate.number <= candidate.total:
                found = candidate
        return found

    @property
    def ports(self) -> Ports | None:
        found = None
        for element in self.elements:
            data = element.data
            if element.iei == _PORTS_16 and len(data) == 4:
                found = Ports(data[0] << 8 | data[1], data[2] << 8 | data[3], 16)
            elif element.iei == _PORTS_8 and len(data) == 2:
                found = Ports(data[0], data[1], 8)
        return found


def concatenation(part: Fragment) -> bytes:
    """The information element that says where a part stands."""
    if part.bits == 16:
        return bytes([_CONCATENATED_16, 4, part.reference >> 8 & 255, part.reference & 255, part.total, part.number])
    return bytes([_CONCATENATED_8, 3, part.reference & 255, part.total, part.number])


def read_user_data(octets: bytes, length: int, dcs: int, *, header: bool) -> tuple[UserData, int]:
    """The user data whose length octet said `length`, and how many of `octets` they took."""
    septets = _IN_SEPTETS[dcs]
    taken = (length * 7 + 7) // 8 if septets else length
    if taken > MAXIMUM:
        raise TpduError(f"user data of {taken} octets; {MAXIMUM} are the most")
    if taken > len(octets):
        raise TpduError(f"user data of {taken} octets announced, {len(octets)} came")
    if not header:
        plain = text.unpack(octets[:taken], length) if septets else octets[:taken]
        return UserData(octets=plain, dcs=dcs), taken
    if not taken:
        raise TpduError("a user data header announced in empty user data")
    before = octets[0] + 1
    if before > taken:
        raise TpduError(f"a user data header of {before} octets in user data of {taken}")
    udh = octets[1:before]
    if not septets:
        return UserData(octets=octets[before:taken], dcs=dcs, udh=udh), taken
    left = length - _septets(before)
    if left < 0:
        raise TpduError(f"a user data header of {before} octets in user data of {length} septets")
    plain = text.unpack(octets[before:taken], left, _fill(before))
    return UserData(octets=plain, dcs=dcs, udh=udh), taken


def write_user_data(data: UserData) -> bytes:
    """The length octet, the header with its own length octet, and the user data."""
    if len(data.udh) >= MAXIMUM:
        raise TpduError(f"a user data header of {len(data.udh)} octets")
    header = bytes([len(data.udh)]) + data.udh if data.udh else b""
    if _IN_SEPTETS[data.dcs]:
        length = _septets(len(header)) + len(data.octets)
        body = header + text.pack(data.octets, _fill(len(header)))
    else:
        length = len(header) + len(data.octets)
        body = header + data.octets
    if len(body) > MAXIMUM:
        raise TpduError(f"user data of {len(body)} octets; {MAXIMUM} are the most")
    return bytes([length]) + body


def _septets(octets: int) -> int:
    return (octets * 8 + 6) // 7


def _fill(octets: int) -> int:
    """The bits between a header and the first septet, so that septets stay aligned with the start."""
    return -octets * 8 % 7
