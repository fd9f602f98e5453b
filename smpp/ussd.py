"""USSD over SMPP: what the operator's TLVs say of a session, as data per kind of operator.

`its` follows the standard's two parameters: ussd_service_op says what a step is, its_session_info holds the number of
the session in its first octet and the end of it in its last bit. Operators differ in both; a profile is all there is to
say about one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from gateway.core.model import Event
from smpp.pdu import Message, SubmitSm, Tag, Tlvs, find, number

SERVICE_TYPE: Final = "USSD"
PSSD, PSSR, USSR, USSN = 0, 1, 2, 3  # of the subscriber, of the subscriber, ask, tell
PSSR_ANSWER, USSR_ANSWER, USSN_ANSWER = 17, 18, 19
USER_ABORT = 0x81  # 6D and MICA


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one kind of operator marks its sessions.

    `session_from` holds the session's number, of which `mask` stays the same from step to step; a number is only
    unique with the subscriber's. `end_bit`: the last bit of its_session_info ends the session. `code_from` says where
    the dialled code stands at the beginning.
    """

    session_from: Literal["its", "umr"] = "its"
    mask: int = 0xFF00
    end_bit: bool = True
    begins: frozenset[int] = frozenset({PSSD, PSSR})
    aborts: frozenset[int] = frozenset({USER_ABORT})
    closes: frozenset[int] = frozenset({USSN_ANSWER})
    ask: int = USSR
    end: int = PSSR_ANSWER
    code_from: Literal["text", "destination"] = "text"


PROFILES: Final[Mapping[str, Profile]] = {
    "its": Profile(),
    "tata": Profile(mask=0xFFFE, end=USSR),
    "6d": Profile(mask=0xFFFE),
    "mica": Profile(session_from="umr", mask=0xFFFF, end_bit=False),
}


class Step(NamedTuple):
    """One step of a session; `number` is what the answer carries, `code` what was dialled if the text does not say."""

    session: str
    number: int
    event: Event
    code: str | None


def step(message: Message, text: str | None, profile: Profile) -> Step | None:
    """What `message` is in USSD; None for an SMS."""
    operation = number(message.tlvs, Tag.USSD_SERVICE_OP)
    if operation is None and message.service_type != SERVICE_TYPE:
        return None
    tag = Tag.ITS_SESSION_INFO if profile.session_from == "its" else Tag.USER_MESSAGE_REFERENCE
    info = number(message.tlvs, tag) or 0
    session = _session(message.source_addr, info & profile.mask)
    if operation in profile.aborts:
        return Step(session, info, Event.ABORT, None)
    if operation in profile.closes or (profile.end_bit and info & 1):
        return Step(session, info, Event.CLOSE, None)
    if operation in profile.begins or (operation is None and (text or "").startswith("*")):
        return Step(session, info, Event.BEGIN, _code(message, text, profile))
    return Step(session, info, Event.CONTINUE, None)


def answer(screen: SubmitSm, question: Message, step: Step, profile: Profile, *, more: bool) -> SubmitSm:
    """Address `screen` to the session of `question`: the same two parties, the session's number, and whether an answer
    is wanted."""
    number = step.number
    if profile.end_bit:
        number = number & ~1 if more else number | 1
    tag = Tag.ITS_SESSION_INFO if profile.session_from == "its" else Tag.USER_MESSAGE_REFERENCE
    tlvs: Tlvs = (
        (Tag.USSD_SERVICE_OP, bytes((profile.ask if more else profile.end,))),
        (tag, number.to_bytes(2, "big")),
    )
    payload = find(screen.tlvs, Tag.MESSAGE_PAYLOAD)
    return screen._replace(
        service_type=SERVICE_TYPE,
        source_addr_ton=question.dest_addr_ton,
        source_addr_npi=question.dest_addr_npi,
        source_addr=question.destination_addr,
        dest_addr_ton=question.source_addr_ton,
        dest_addr_npi=question.source_addr_npi,
        destination_addr=question.source_addr,
        registered_delivery=0,
        validity_period="",
        short_message=payload or screen.short_message,  # 182 characters fit, where an SMS would need the payload
        tlvs=tlvs,
    )


def _session(subscriber: str, number: int) -> str:
    """A name for the session that does not show the number in logs."""
    return f"{blake2b(subscriber.encode(), digest_size=6).hexdigest()}-{number:04x}"


def _code(message: Message, text: str | None, profile: Profile) -> str | None:
    """The organisation's code where the text does not hold it: `*123*4#` is read by the menu."""
    if profile.code_from == "text" and (text or "").lstrip()[:1] in ("*", "#"):
        return None
    return message.destination_addr or None
