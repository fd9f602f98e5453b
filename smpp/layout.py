"""How the body of a PDU lies in octets: tables of fields in, a decoder and an encoder out.

A body is C-octet strings, each followed by some one-octet numbers, then perhaps a counted short_message, then perhaps
TLVs. Such a row of steps compiles to one bytes pattern for reading and, per combination of string lengths, one struct
for writing, so that a PDU costs one call into C each way. The pattern is possessive throughout: it cannot backtrack.
When it does not match, the same steps are walked one by one to say what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple, cast

from smpplib import command as smpplib_commands
from smpplib import consts
from smpplib.ptypes import ostr

MAX_LENGTH: Final = 65536  # of a whole PDU; message_payload fits but for its last hundred octets
MAX_TLVS: Final = 128  # keeps the worst PDU under a millisecond; the richest seen in the wild has about 20
HEADER: Final = Struct(">IIII")

Tlvs = tuple[tuple[int, bytes], ...]
Decoder = Callable[[bytes, int, int], Any]  # octets, start of the body, its end -> body
Encoder = Callable[[Any, int, int], bytes]  # body, sequence, status -> the whole PDU


class PduError(Exception):
    """The peer sent octets that are no PDU (or we were asked to build one that cannot be)."""

    def __init__(self, status: int, reason: str, *, command: int = 0, sequence: int = 0, fatal: bool = False) -> None:
        super().__init__(reason)
        self.status = status  # what to answer it with
        self.reason = reason
        self.command = command
        self.sequence = sequence
        self.fatal = fatal  # the next PDU cannot be found any more


class Step(NamedTuple):
    """A C-octet string (unless `longest` is 0) and the numbers that follow it."""

    name: str
    longest: int  # with its NUL
    status: int  # what to say when it is wrong
    address: bool
    format: str  # of the numbers


def steps_of(fields: Sequence[str], params: Mapping[str, Any]) -> list[Step]:
    """Group `fields` into strings with the numbers behind them."""
    steps: list[Step] = []
    name, longest, formats = "", 0, ""
    for field in [*fields, None]:
        param = None if field is None else params[field]
        if param is not None and param.type is int:
            formats += consts.INT_PACK_FORMATS[param.size]
        elif param is None or param.type is str:
            if longest or formats:
                status = _STATUS_OF.get(name, consts.SMPP_ESME_RINVCMDLEN)
                steps.append(Step(name, longest, status, name in _ADDRESSES, formats))
            name, longest, formats = field or "", getattr(param, "max", 0), ""
    return steps


def compiled(body: type[Any], command: int, params: Mapping[str, Any]) -> tuple[Decoder, Encoder]:
    """The two directions of a body whose fields are named as in `params`; the last field is `tlvs`."""
    fields = [name for name in body._fields if name != "tlvs"]
    octets_at_end = bool(fields) and params[fields[-1]].type is ostr
    if octets_at_end:
        longest_octets = params[fields[-1]].max
        fields[-1] = params[fields[-1]].len_field
    steps = steps_of(fields, params)
    texts = _is_text(steps)
    match = _pattern(steps).match
    empty = tuple.__new__(body, tuple(body()))
    may_be_empty = bool(command & 0x8000_0000)  # a response may come without its body (5.1.4 and daily practice)
    new = tuple.__new__

    def decode(octets: bytes, start: int, end: int) -> Any:
        if start == end and (may_be_empty or not texts):
            return empty
        found = match(octets, start, end)
        if found is None:
            read(steps, octets, start, end)
            raise PduError(consts.SMPP_ESME_RINVCMDLEN, "the body is too short")
        values: list[Any] = []
        for text, group in zip(texts, found.groups(), strict=True):
            if text:
                values.append(group.decode("latin-1") if group else "")
            else:
                values += group
        position = found.end()
        if octets_at_end:
            stop = position + values[-1]
            if stop > end:
                raise PduError(consts.SMPP_ESME_RINVMSGLEN, "sm_length reaches beyond the PDU")
            values[-1] = octets[position:stop]
            position = stop
        values.append(() if position == end else read_tlvs(octets, position, end))
        return new(body, values)

    structs: dict[tuple[int, ...], Struct] = {}
    strings = _strings(steps)

    def encode(values: Any, sequence: int, status: int) -> bytes:
        row = list(values)
        tlvs = row.pop()
        text = b""
        if octets_at_end:
            text = row[-1]
            row[-1] = size = len(text)
            if size > longest_octets:
                raise PduError(consts.SMPP_ESME_RINVMSGLEN, f"short_message of {size} octets")
        lengths: list[int] = []
        for index, step in strings:
            string = row[index]
            size = len(string)
            if size < step.longest and string.isascii() and string.isprintable():  # as nearly all are, and the empty
                row[index] = string.encode("ascii")
                lengths.append(size)
            else:
                row[index] = c_octets(string, step)
                lengths.append(len(row[index]))
        key = tuple(lengths)
        struct = structs.get(key)
        if struct is None:
            if len(structs) >= 4096:
                structs.clear()
            struct = structs[key] = Struct(_format(steps, key))
        if tlvs:
            text += written_tlvs(tlvs)
        length = struct.size + len(text)
        if length > MAX_LENGTH:
            raise PduError(consts.SMPP_ESME_RINVCMDLEN, f"a PDU of {length} octets")
        return struct.pack(length, command, status, sequence, *row) + text

    return decode, encode


def read(steps: Sequence[Step], octets: bytes, position: int, end: int) -> tuple[list[Any], int]:
    """The values of `steps` one by one, and where they end: for lists inside a body, and to say what is wrong."""
    values: list[Any] = []
    for step in steps:
        if step.longest:
            stop = octets.find(b"\0", position, min(position + step.longest, end))
            if stop < 0:
                raise PduError(step.status, f"{step.name} has no end")
            text = octets[position:stop].decode("latin-1")
            if step.address and not text.isprintable():
                raise PduError(step.status, f"{step.name} holds control characters")
            values.append(text)
            position = stop + 1
        numbers = Struct(">" + step.format)
        if position + numbers.size > end:
            raise PduError(consts.SMPP_ESME_RINVCMDLEN, "the body is too short")
        values += numbers.unpack_from(octets, position)
        position += numbers.size
    return values, position


def written(steps: Sequence[Step], values: Sequence[Any]) -> bytes:
    """The octets of `steps`, for lists inside a body."""
    row = list(values)
    lengths = []
    for index, step in _strings(steps):
        row[index] = c_octets(row[index], step)
        lengths.append(len(row[index]))
    return Struct(">" + _format(steps, lengths)[5:]).pack(*row)


def c_octets(text: str, step: Step) -> bytes:
    """`text` as it will stand before its NUL; what does not fit is an error, never cut."""
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        raise PduError(step.status, f"{step.name} cannot be carried") from None
    if len(octets) >= step.longest:
        raise PduError(step.status, f"{step.name} is longer than {step.longest - 1} characters")
    if b"\0" in octets or (step.address and not text.isprintable()):
        raise PduError(step.status, f"{step.name} holds control characters")
    return octets


def read_tlvs(octets: bytes, position: int, end: int) -> Tlvs:
    """All optional parameters, raw, in their order."""
    found: list[tuple[int, bytes]] = []
    while position < end:
        if end - position < 4:
            if octets[position:end] == b"\0" and not found:
                break  # a NUL after short_message: several operators send one
            raise PduError(consts.SMPP_ESME_RINVOPTPARSTREAM, "octets left over after the last parameter")
        tag, length = _TLV.unpack_from(octets, position)
        position += 4
        stop = position + length
        if stop > end:
            raise PduError(consts.SMPP_ESME_RINVOPTPARSTREAM, f"parameter 0x{tag:04X} is longer than the PDU")
        if (tag in _NUMBER_TLVS and not 1 <= length <= 4) or length > _LONGEST_TLV.get(tag, MAX_LENGTH):
            raise PduError(consts.SMPP_ESME_RINVPARLEN, f"parameter 0x{tag:04X} of {length} octets")
        found.append((tag, octets[position:stop]))
        position = stop
        if len(found) > MAX_TLVS:
            raise PduError(consts.SMPP_ESME_RINVOPTPARSTREAM, f"more than {MAX_TLVS} parameters")
    return tuple(found)


def written_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """The octets of optional parameters."""
    out: list[bytes] = []
    for tag, value in tlvs:
        if len(value) > 0xFFFF:
            raise PduError(consts.SMPP_ESME_RINVPARLEN, f"parameter 0x{tag:04X} of {len(value)} octets")
        out.append(_TLV.pack(tag, len(value)))
        out.append(value)
    return b"".join(out)


def finished(command: int, sequence: int, status: int, octets: bytes) -> bytes:
    """A whole PDU around the octets of its body."""
    length = len(octets) + 16
    if length > MAX_LENGTH:
        raise PduError(consts.SMPP_ESME_RINVCMDLEN, f"a PDU of {length} octets")
    return HEADER.pack(length, command, status, sequence) + octets


_TLV = Struct(">HH")

# What each field's own error is; anything else is told by the length of the command.
_STATUS_OF: Mapping[str, int] = {
    "service_type": consts.SMPP_ESME_RINVSERTYP,
    "source_addr": consts.SMPP_ESME_RINVSRCADR,
    "destination_addr": consts.SMPP_ESME_RINVDSTADR,
    "esme_addr": consts.SMPP_ESME_RINVDSTADR,
    "dl_name": consts.SMPP_ESME_RINVDLNAME,
    "system_id": consts.SMPP_ESME_RINVSYSID,
    "password": consts.SMPP_ESME_RINVPASWD,
    "system_type": consts.SMPP_ESME_RINVSYSTYP,
    "address_range": consts.SMPP_ESME_RBINDFAIL,
    "message_id": consts.SMPP_ESME_RINVMSGID,
    "schedule_delivery_time": consts.SMPP_ESME_RINVSCHED,
    "validity_period": consts.SMPP_ESME_RINVEXPIRY,
}
_ADDRESSES = frozenset({"source_addr", "destination_addr", "esme_addr", "dl_name"})


def _pattern(steps: Sequence[Step]) -> re.Pattern[bytes]:
    """All strings and runs of numbers of `steps`, a group each. The class of addresses is what `isprintable` accepts
    in Latin-1: a control character there would be an injection if it were ever written again."""
    pattern = b""
    for step in steps:
        if step.longest:
            accepted = rb"[ -~\xa1-\xac\xae-\xff]" if step.address else rb"[^\0]"
            pattern += rb"(%b{0,%d}+)\0" % (accepted, step.longest - 1)
        if step.format:
            pattern += rb"(.{%d})" % Struct(">" + step.format).size
    return re.compile(pattern, re.DOTALL)


def _is_text(steps: Sequence[Step]) -> list[bool]:
    """For each group of the pattern whether it is a string."""
    return [text for step in steps for text in [True] * bool(step.longest) + [False] * bool(step.format)]


def _strings(steps: Sequence[Step]) -> list[tuple[int, Step]]:
    """Where in the row of values the strings are."""
    found = []
    index = 0
    for step in steps:
        if step.longest:
            found.append((index, step))
            index += 1
        index += len(step.format)
    return found


def _format(steps: Sequence[Step], lengths: Iterable[int]) -> str:
    """The struct of header and body when the strings have these lengths."""
    remaining = iter(lengths)
    return ">IIII" + "".join((f"{next(remaining)}sx" if step.longest else "") + step.format for step in steps)


# Sizes as smpplib has them, but where the standard says otherwise (message_payload is 64 kB, not 260 octets).
# A number may be wider than it should be: operators are seen to send message_state in two octets.
_LONGEST_TLV: dict[int, int] = {}
_NUMBER_TLVS: set[int] = set()
for _table in vars(smpplib_commands).values():
    for _name, _param in cast(Mapping[str, Any], getattr(_table, "params", {})).items():
        _code = consts.OPTIONAL_PARAMS.get(_name)
        if _code is None or _name == "message_payload":
            continue
        if _param.type is int:
            _NUMBER_TLVS.add(_code)
        elif _limit := getattr(_param, "max", None):
            _LONGEST_TLV[_code] = max(_limit, _LONGEST_TLV.get(_code, 0))
