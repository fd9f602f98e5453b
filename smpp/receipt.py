"""Delivery receipts: which deliver_sm is one, and what it says.

`esm_class` alone decides what a receipt is: a member who texts "id:123 stat:DELIVRD" has written a message. The TLVs
are believed before the text; the text is scanned for its keys one by one, in any order, in linear time (message_payload
may carry 64 kB of somebody's words).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from gateway.core.model import State
from smpp.pdu import DataSm, Message, Tag, content, find, number, string

MessageIds = Literal["exact", "int", "hex>dec", "dec>hex", "strip"]
MESSAGE_IDS: Final[tuple[str, ...]] = get_args(MessageIds)

_KIND = 0x3C  # bits 5-2 of esm_class
_RECEIPT = 0x04
_ACKNOWLEDGEMENTS = frozenset({0x08, 0x10, 0x18})  # of the handset or its user, or a conversation's end
_INTERMEDIATE = 0x20
_KINDS = frozenset({_RECEIPT, _INTERMEDIATE}) | _ACKNOWLEDGEMENTS

_BY_NUMBER: Mapping[int, State] = {
    0: State.SENT,  # scheduled (5.0)
    1: State.SENT,  # en route
    2: State.DELIVERED,
    3: State.EXPIRED,
    4: State.FAILED,  # deleted
    5: State.FAILED,  # undeliverable
    6: State.SENT,  # accepted by the operator's own staff for the subscriber
    7: State.FAILED,  # "invalid state"
    8: State.FAILED,  # rejected
    9: State.FAILED,  # skipped (5.0)
}
# By the first five letters: spellings beyond the standard's seven-letter words are common.
_BY_WORD: Mapping[str, State] = {
    "DELIV": State.DELIVERED,
    "EXPIR": State.EXPIRED,
    "DELET": State.FAILED,
    "UNDEL": State.FAILED,
    "ACCEP": State.SENT,
    "ACKED": State.SENT,
    "UNKNO": State.FAILED,
    "REJEC": State.FAILED,
    "FAILE": State.FAILED,
    "ENROU": State.SENT,
    "BUFFE": State.SENT,
    "BUFFR": State.SENT,
    "SCHED": State.SENT,
    "SKIPP": State.FAILED,
}
_SCANNED = 1024  # octets of text that are looked at; a receipt has about 120
_NETWORKS: Mapping[int, str] = {1: "ansi136", 2: "is95", 3: "gsm"}


class Receipt(NamedTuple):
    """What the operator says of a message it took. `remote_id` is in the link's normal form."""

    remote_id: str
    state: State | None
    error: str | None


def is_receipt(esm_class: int) -> bool:
    return esm_class & _KIND in _KINDS


def parse(message: Message | DataSm, ids: MessageIds = "exact") -> Receipt | None:
    """What a receipt says, or None when it names no message."""
    remote_id = state = error = None
    if message.tlvs:
        remote_id = string(message.tlvs, Tag.RECEIPTED_MESSAGE_ID)
        reported = number(message.tlvs, Tag.MESSAGE_STATE)
        if reported is not None:
            state = _BY_NUMBER.get(reported)
        network = find(message.tlvs, Tag.NETWORK_ERROR_CODE)
        if network and len(network) == 3 and any(network[1:]):
            error = f"{_NETWORKS.get(network[0], network[0])}:{int.from_bytes(network[1:], 'big')}"
    if not remote_id or state is None or error is None:
        text = unquoted(content(message)[:_SCANNED].decode("latin-1"))
        remote_id = remote_id or field(text, "id")
        if state is None:
            state = _BY_WORD.get((field(text, "stat") or "")[:5].upper())
        if error is None:
            error = field(text, "err")
            if error is not None and not error.strip("0"):
                error = None
    if not remote_id:
        return None
    return Receipt(normal(remote_id, ids, receipt=True), state, error)


def field(text: str, key: str) -> str | None:
    """The word after the first `key:` that begins a word."""
    position = _key(text.lower(), key)
    if position < 0:
        return None
    words = text[position + len(key) + 1 :].split(maxsplit=1)
    # "err: text:..." has no error
    return words[0] if words and not words[0].lower().startswith(_KEYS) else None


_KEYS = ("id:", "sub:", "dlvrd:", "submit", "done", "stat:", "err:", "text:")


def unquoted(text: str) -> str:
    """The text before the quotation of the message, which may hold anything; all of it where the operator begins
    with the quotation."""
    lower = text.lower()
    quoted = _key(lower, "text")
    return text[:quoted] if quoted >= 0 and _key(lower[:quoted], "id") >= 0 else text


def normal(remote_id: str, ids: MessageIds, *, receipt: bool) -> str:
    """The form of an id that the response and the receipt have in common.

    `hex>dec`: hexadecimal in submit_sm_resp, decimal in the receipt; `dec>hex` the other way round. What is no such
    number stays as it is.
    """
    if ids == "exact":
        return remote_id
    plain = remote_id.strip()
    if ids == "strip":
        return plain.lstrip("0").upper() or "0"
    base = 10
    if (ids == "hex>dec" and not receipt) or (ids == "dec>hex" and receipt):
        base = 16
        plain = plain.removeprefix("0x").removeprefix("0X")
    if not plain or not set(plain) <= _DIGITS[base]:
        return remote_id
    return str(int(plain, base))


_DIGITS: Mapping[int, frozenset[str]] = {10: frozenset("0123456789"), 16: frozenset("0123456789abcdefABCDEF")}


def _key(lower: str, key: str) -> int:
    """Where `key:` stands as a word of its own."""
    wanted = key + ":"
    position = lower.find(wanted)
    while position > 0 and lower[position - 1].isalnum():
        position = lower.find(wanted, position + 1)
    return position
