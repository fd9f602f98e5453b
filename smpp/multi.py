"""submit_multi and its answer: the two PDUs whose bodies hold a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from smpplib import consts

from smpp.layout import Decoder, Encoder, PduError, Tlvs, finished, read, read_tlvs, steps_of, written, written_tlvs


class Destination(NamedTuple):
    """One addressee: an address, or a distribution list when `name` is set."""

    ton: int = 0
    npi: int = 0
    address: str = ""
    name: str = ""


class SubmitMulti(NamedTuple):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_address: tuple[Destination, ...] = ()
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


class Unsuccessful(NamedTuple):
    """An addressee that was not reached, and why."""

    ton: int = 0
    npi: int = 0
    address: str = ""
    status: int = 0


class SubmitMultiResp(NamedTuple):
    message_id: str = ""
    unsuccess_sme: tuple[Unsuccessful, ...] = ()
    tlvs: Tlvs = ()


def compiled_multi(command: int, params: Mapping[str, Any]) -> tuple[Decoder, Encoder]:
    fields = SubmitMulti._fields
    middle = fields.index("dest_address")
    head = steps_of(fields[:middle], params)
    tail = steps_of([*fields[middle + 1 : -2], "sm_length"], params)
    address = steps_of(("dest_addr_ton", "dest_addr_npi", "destination_addr"), params)
    listed = steps_of(("dl_name",), params)

    def decode(octets: bytes, position: int, end: int) -> SubmitMulti:
        first, position = read(head, octets, position, end)
        if position >= end:
            raise PduError(consts.SMPP_ESME_RINVNUMDESTS, "no destinations")
        count = octets[position]
        position += 1
        destinations = []
        for _ in range(count):
            flag = octets[position] if position < end else 0
            if flag == 1:
                one, position = read(address, octets, position + 1, end)
                destinations.append(Destination(*one))
            elif flag == 2:
                one, position = read(listed, octets, position + 1, end)
                destinations.append(Destination(name=one[0]))
            else:
                raise PduError(consts.SMPP_ESME_RINVDESTFLAG, f"dest_flag {flag}")
        last, position = read(tail, octets, position, end)
        stop = position + last.pop()
        if stop > end:
            raise PduError(consts.SMPP_ESME_RINVMSGLEN, "sm_length reaches beyond the PDU")
        values = (*first, tuple(destinations), *last, octets[position:stop], read_tlvs(octets, stop, end))
        return SubmitMulti._make(values)

    def encode(body: SubmitMulti, sequence: int, status: int) -> bytes:
        if not 1 <= len(body.dest_address) <= 254:
            raise PduError(consts.SMPP_ESME_RINVNUMDESTS, f"{len(body.dest_address)} destinations")
        if len(body.short_message) > 254:
            raise PduError(consts.SMPP_ESME_RINVMSGLEN, f"short_message of {len(body.short_message)} octets")
        out = [written(head, body[:middle]), bytes((len(body.dest_address),))]
        for destination in body.dest_address:
            if destination.name:
                out.append(b"\2" + written(listed, (destination.name,)))
            else:
                out.append(b"\1" + written(address, destination[:3]))
        out.append(written(tail, (*body[middle + 1 : -2], len(body.short_message))))
        out.append(body.short_message)
        out.append(written_tlvs(body.tlvs))
        return finished(command, sequence, status, b"".join(out))

    return decode, encode


def compiled_multi_resp(command: int, params: Mapping[str, Any]) -> tuple[Decoder, Encoder]:
    head = steps_of(("message_id",), params)
    address = steps_of(("dest_addr_ton", "dest_addr_npi", "destination_addr", "error_status_code"), params)

    def decode(octets: bytes, position: int, end: int) -> SubmitMultiResp:
        if position == end:
            return SubmitMultiResp()
        (message_id,), position = read(head, octets, position, end)
        if position >= end:
            raise PduError(consts.SMPP_ESME_RINVCMDLEN, "the body is too short")
        count = octets[position]
        position += 1
        failures = []
        for _ in range(count):
            one, position = read(address, octets, position, end)
            failures.append(Unsuccessful(*one))
        return SubmitMultiResp(message_id, tuple(failures), read_tlvs(octets, position, end))

    def encode(body: SubmitMultiResp, sequence: int, status: int) -> bytes:
        if len(body.unsuccess_sme) > 255:
            raise PduError(consts.SMPP_ESME_RINVNUMDESTS, f"{len(body.unsuccess_sme)} destinations")
        out = [written(head, (body.message_id,)), bytes((len(body.unsuccess_sme),))]
        out += [written(address, failure) for failure in body.unsuccess_sme]
        out.append(written_tlvs(body.tlvs))
        return finished(command, sequence, status, b"".join(out))

    return decode, encode
