"""SMPP 3.4 PDUs as values: octets in, named tuples out, and back; no socket, no clock.

The layout of every body is compiled at import (`smpp.layout`) from smpplib's command tables. What smpplib has no table
for (submit_multi, cancel_sm, replace_sm, outbind) is written down here and in `smpp.multi`. smpplib's own encoder and
decoder are not used: `docs/decisions.md` has the figures. Both directions of every PDU are here, so that an operator
can be played with the same codec.

Decoding is strict about structure (lengths, terminators, sizes) and raises only `PduError`, which carries the status to
answer with. Optional parameters (TLVs) stay raw: those of vendors survive, and a surprising one harms nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import error as StructError
from typing import Any, Final, NamedTuple

from smpplib import command as smpplib_commands
from smpplib import consts
from smpplib.command_codes import commands as smpplib_codes

from smpp.layout import HEADER, MAX_LENGTH, Decoder, Encoder, compiled
from smpp.layout import PduError as PduError
from smpp.layout import Tlvs as Tlvs
from smpp.multi import Destination as Destination
from smpp.multi import SubmitMulti as SubmitMulti
from smpp.multi import SubmitMultiResp as SubmitMultiResp
from smpp.multi import Unsuccessful as Unsuccessful
from smpp.multi import compiled_multi, compiled_multi_resp


class Bind(NamedTuple):
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = consts.SMPP_VERSION_34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    tlvs: Tlvs = ()

    def __repr__(self) -> str:
        """Say who, never the password: a representation ends up in logs."""
        return f"{type(self).__name__}(system_id={self.system_id!r})"


class BindReceiver(Bind):
    __slots__ = ()


class BindTransmitter(Bind):
    __slots__ = ()


class BindTransceiver(Bind):
    __slots__ = ()


class BindResp(NamedTuple):
    system_id: str = ""
    tlvs: Tlvs = ()


class BindReceiverResp(BindResp):
    __slots__ = ()


class BindTransmitterResp(BindResp):
    __slots__ = ()


class BindTransceiverResp(BindResp):
    __slots__ = ()


class Outbind(NamedTuple):
    system_id: str = ""
    password: str = ""
    tlvs: Tlvs = ()

    def __repr__(self) -> str:
        return f"Outbind(system_id={self.system_id!r})"


class Plain(NamedTuple):
    """A PDU that is its header."""

    tlvs: Tlvs = ()


class Unbind(Plain):
    __slots__ = ()


class UnbindResp(Plain):
    __slots__ = ()


class EnquireLink(Plain):
    __slots__ = ()


class EnquireLinkResp(Plain):
    __slots__ = ()


class GenericNack(Plain):
    __slots__ = ()


class CancelSmResp(Plain):
    __slots__ = ()


class ReplaceSmResp(Plain):
    __slots__ = ()


class Message(NamedTuple):
    """submit_sm and deliver_sm; sm_length is the length of `short_message`."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class SubmitSm(Message):
    __slots__ = ()


class DeliverSm(Message):
    __slots__ = ()


class MessageResp(NamedTuple):
    message_id: str = ""
    tlvs: Tlvs = ()


class SubmitSmResp(MessageResp):
    __slots__ = ()


class DeliverSmResp(MessageResp):
    __slots__ = ()


class DataSmResp(MessageResp):
    __slots__ = ()


class DataSm(NamedTuple):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = ()


class QuerySm(NamedTuple):
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    tlvs: Tlvs = ()


class QuerySmResp(NamedTuple):
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0
    tlvs: Tlvs = ()


class CancelSm(NamedTuple):
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    tlvs: Tlvs = ()


class ReplaceSm(NamedTuple):
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class AlertNotification(NamedTuple):
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: Tlvs = ()


Body = (
    Bind
    | BindResp
    | Outbind
    | Plain
    | Message
    | MessageResp
    | DataSm
    | QuerySm
    | QuerySmResp
    | CancelSm
    | ReplaceSm
    | SubmitMulti
    | SubmitMultiResp
    | AlertNotification
)


class Pdu(NamedTuple):
    """A body with its header; command_id is the body's type."""

    body: Body
    sequence: int
    status: int = 0


class Tag:
    """Optional parameters we read or write ourselves; any other is carried by its number."""

    RECEIPTED_MESSAGE_ID: Final[int] = consts.OPTIONAL_PARAMS["receipted_message_id"]
    MESSAGE_STATE: Final[int] = consts.OPTIONAL_PARAMS["message_state"]
    NETWORK_ERROR_CODE: Final[int] = consts.OPTIONAL_PARAMS["network_error_code"]
    MESSAGE_PAYLOAD: Final[int] = consts.OPTIONAL_PARAMS["message_payload"]
    USER_MESSAGE_REFERENCE: Final[int] = consts.OPTIONAL_PARAMS["user_message_reference"]
    SAR_MSG_REF_NUM: Final[int] = consts.OPTIONAL_PARAMS["sar_msg_ref_num"]
    SAR_TOTAL_SEGMENTS: Final[int] = consts.OPTIONAL_PARAMS["sar_total_segments"]
    SAR_SEGMENT_SEQNUM: Final[int] = consts.OPTIONAL_PARAMS["sar_segment_seqnum"]
    SC_INTERFACE_VERSION: Final[int] = consts.OPTIONAL_PARAMS["sc_interface_version"]
    USSD_SERVICE_OP: Final[int] = consts.OPTIONAL_PARAMS["ussd_service_op"]
    ITS_SESSION_INFO: Final[int] = consts.OPTIONAL_PARAMS["its_session_info"]
    CONGESTION_STATE: Final = 0x0428  # SMPP 5.0


TAG_NAMES: Final[Mapping[int, str]] = {code: name for name, code in consts.OPTIONAL_PARAMS.items()} | {
    Tag.CONGESTION_STATE: "congestion_state"
}


def find(tlvs: Tlvs, tag: int) -> bytes | None:
    """The first value under `tag`."""
    for known, value in tlvs:
        if known == tag:
            return value
    return None


def number(tlvs: Tlvs, tag: int) -> int | None:
    """The value under `tag` as an unsigned number, of whatever width the peer chose."""
    value = find(tlvs, tag)
    return None if value is None else int.from_bytes(value, "big")


def string(tlvs: Tlvs, tag: int) -> str | None:
    """The value under `tag` as text, with or without its final NUL (both occur)."""
    value = find(tlvs, tag)
    return None if value is None else value.partition(b"\0")[0].decode("latin-1")


def content(message: Message | DataSm) -> bytes:
    """The user data of a message, wherever it is carried."""
    if isinstance(message, Message) and message.short_message:
        return message.short_message
    return find(message.tlvs, Tag.MESSAGE_PAYLOAD) or b""


def decode(octets: bytes) -> Pdu:
    """Read exactly one PDU."""
    if len(octets) < 16:
        raise PduError(consts.SMPP_ESME_RINVCMDLEN, f"a PDU of {len(octets)} octets", fatal=True)
    length, command, status, sequence = HEADER.unpack_from(octets)
    if length != len(octets) or length > MAX_LENGTH:
        raise _bad_length(length, command, sequence)
    return _decode(octets, 0, length, command, status, sequence)


def encode(body: Body, sequence: int, status: int = 0) -> bytes:
    """Write one PDU; a field that does not fit is an error, never cut."""
    try:
        return _ENCODERS[type(body)](body, sequence, status)
    except StructError as error:
        raise PduError(consts.SMPP_ESME_RSYSERR, f"{type(body).__name__}: {error}") from None


class Framer:
    """Cuts a stream of octets into PDUs, whatever pieces it arrives in; holds at most one PDU and one read."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._need = 16
        self._lost = False

    def feed(self, octets: bytes) -> list[Pdu | PduError]:
        """All PDUs that are complete now. One that cannot be read is in its place as an error; after a fatal error
        (a length that cannot be true) nothing more is found."""
        if self._held:
            self._held += octets
            if len(self._held) < self._need:
                return []
            octets = bytes(self._held)
            self._held.clear()
        if self._lost:
            return []
        found: list[Pdu | PduError] = []
        size = len(octets)
        start = 0
        self._need = 16
        while size - start >= 16:
            length, command, status, sequence = HEADER.unpack_from(octets, start)
            if not 16 <= length <= MAX_LENGTH:
                self._lost = True
                found.append(_bad_length(length, command, sequence))
                return found
            stop = start + length
            if stop > size:
                self._need = length
                break
            try:
                found.append(_decode(octets, start, stop, command, status, sequence))
            except PduError as error:
                found.append(error)
            start = stop
        if start < size:
            self._held += octets[start:]
        return found


def response_to(body: Body) -> type[Body] | None:
    """The class of body that answers `body`; None for a response and for what is never answered."""
    return _RESPONSE_OF.get(type(body))


def response_class(command: int) -> type[Body] | None:
    """The same by command_id, for a request that could not be read."""
    known = _CLASSES.get(command)
    return None if known is None else _RESPONSE_OF.get(known)


_EVERY_PARAM: Mapping[str, Any] = {
    **smpplib_commands.AlertNotification.params,
    **smpplib_commands.DataSM.params,
    **smpplib_commands.QuerySM.params,
    **smpplib_commands.QuerySMResp.params,
    **smpplib_commands.SubmitSM.params,
    **smpplib_commands.BindTransceiver.params,
    "error_status_code": smpplib_commands.Param(type=int, size=4),
    "dl_name": smpplib_commands.Param(type=str, max=21),
}

_CODES: Mapping[type[Body], int] = {
    BindReceiver: smpplib_codes["bind_receiver"],
    BindReceiverResp: smpplib_codes["bind_receiver_resp"],
    BindTransmitter: smpplib_codes["bind_transmitter"],
    BindTransmitterResp: smpplib_codes["bind_transmitter_resp"],
    BindTransceiver: smpplib_codes["bind_transceiver"],
    BindTransceiverResp: smpplib_codes["bind_transceiver_resp"],
    Outbind: smpplib_codes["outbind"],
    Unbind: smpplib_codes["unbind"],
    UnbindResp: smpplib_codes["unbind_resp"],
    EnquireLink: smpplib_codes["enquire_link"],
    EnquireLinkResp: smpplib_codes["enquire_link_resp"],
    GenericNack: smpplib_codes["generic_nack"],
    SubmitSm: smpplib_codes["submit_sm"],
    SubmitSmResp: smpplib_codes["submit_sm_resp"],
    DeliverSm: smpplib_codes["deliver_sm"],
    DeliverSmResp: smpplib_codes["deliver_sm_resp"],
    DataSm: smpplib_codes["data_sm"],
    DataSmResp: smpplib_codes["data_sm_resp"],
    QuerySm: smpplib_codes["query_sm"],
    QuerySmResp: smpplib_codes["query_sm_resp"],
    CancelSm: smpplib_codes["cancel_sm"],
    CancelSmResp: smpplib_codes["cancel_sm_resp"],
    ReplaceSm: smpplib_codes["replace_sm"],
    ReplaceSmResp: smpplib_codes["replace_sm_resp"],
    SubmitMulti: smpplib_codes["submit_multi"],
    SubmitMultiResp: smpplib_codes["submit_multi_resp"],
    AlertNotification: smpplib_codes["alert_notification"],
}

_CLASSES: Mapping[int, type[Body]] = {code: body for body, code in _CODES.items()}
_RESPONSE_OF: Mapping[type[Body], type[Body]] = {
    body: _CLASSES[code | 0x8000_0000]
    for body, code in _CODES.items()
    if not code & 0x8000_0000 and code | 0x8000_0000 in _CLASSES
}
COMMAND_NAMES: Final[Mapping[int, str]] = {code: name for name, code in smpplib_codes.items()}


def command_of(body: Body) -> int:
    """The command_id of a body."""
    return _CODES[type(body)]


_DECODERS: dict[int, Decoder] = {}
_ENCODERS: dict[type[Any], Encoder] = {}
for _body, _code in _CODES.items():
    _compiler = {SubmitMulti: compiled_multi, SubmitMultiResp: compiled_multi_resp}.get(_body)
    _DECODERS[_code], _ENCODERS[_body] = (
        _compiler(_code, _EVERY_PARAM) if _compiler else compiled(_body, _code, _EVERY_PARAM)
    )


def _decode(octets: bytes, start: int, end: int, command: int, status: int, sequence: int) -> Pdu:
    decoder = _DECODERS.get(command)
    if decoder is None:
        raise PduError(
            consts.SMPP_ESME_RINVCMDID, f"command 0x{command:08X} is unknown", command=command, sequence=sequence
        )
    try:
        return tuple.__new__(Pdu, (decoder(octets, start + 16, end), sequence, status))
    except PduError as error:
        error.command = command
        error.sequence = sequence
        raise


def _bad_length(length: int, command: int, sequence: int) -> PduError:
    return PduError(
        consts.SMPP_ESME_RINVCMDLEN,
        f"a PDU of {length} octets",
        command=command,
        sequence=sequence if length >= 16 else 0,
        fatal=True,
    )
