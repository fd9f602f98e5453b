"""The values that flow through the gateway: frozen, slotted, keyword-only.

Inside, a phone number is an E.164 string, a time is an aware UTC datetime, text is str and money is an int of minor
units. Octets become these values in the first function that sees them, and nothing further in asks again.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple, Protocol, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen, slotted, keyword-only dataclass whose freezing is the type checker's to guard.

    Guarded at run time it takes three times as long to make, and a message is a dozen values.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


class AddressKind(StrEnum):
    E164 = "e164"
    SHORT = "short"
    ALPHANUMERIC = "alphanumeric"
    UNKNOWN = "unknown"


@value
class Address:
    """Who sent or received: only E164 can be a member or be answered. `text` is "+8613..." or as received."""

    kind: AddressKind
    text: str

    def __str__(self) -> str:
        return self.text


class Channel(StrEnum):
    SMS = "sms"
    USSD = "ussd"
    CALL = "call"


class Event(StrEnum):
    """Where in a session an inbound stands; an SMS or a call is always MESSAGE."""

    MESSAGE = "message"
    BEGIN = "begin"
    CONTINUE = "continue"
    CLOSE = "close"
    ABORT = "abort"


class Lane(IntEnum):
    """Who goes first on a link, the smallest number being first (DESIGN 5)."""

    CODE = 0
    ANSWER = 1
    NOTICE = 2
    REMINDER = 3
    BULK = 4


class Resend(StrEnum):
    """What may happen to a part whose fate is unknown."""

    NEVER = "never"
    ONCE = "once"


class LogClass(StrEnum):
    """How much of a text the log keeps (SERVICES 7.7)."""

    A = "A"  # text, 90 days
    B = "B"  # amounts, codes and member numbers masked
    C = "C"  # sealed: command name and result only
    D = "D"  # kept in the case, visible to assigned staff


class State(StrEnum):
    """The life of a part; a message takes the first of FAILED, EXPIRED, UNKNOWN, SENT that any part has."""

    RECEIVED = "received"  # inbound only
    QUARANTINED = "quarantined"  # inbound only: it failed alone
    QUEUED = "queued"
    LEASED = "leased"
    INFLIGHT = "inflight"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Coding(StrEnum):
    """How the octets of a part are to be read; GSM7 octets are unpacked septets, one an octet."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"
    BINARY = "binary"


@value
class Fragment:
    """Where a part stands in a long message (3GPP 23.040 9.2.3.24.1 and .8); `bits` is 8 or 16, 0 for SAR TLVs."""

    reference: int
    total: int
    number: int
    bits: int = 8


@value
class Inbound:
    """One message or USSD step from a phone. `id` is made at accept and is the once-guard of everything after."""

    id: int
    link: str
    sender: Address
    recipient: Address
    received: datetime
    remote_id: str | None = None
    channel: Channel = Channel.SMS
    event: Event = Event.MESSAGE
    text: str | None = None
    data: bytes | None = None  # binary content, or an MMS push
    sent_at: datetime | None = None  # the operator's time (SCTS)
    session: str | None = None  # the operator's USSD session
    code: str | None = None  # the USSD code dialled
    part: Fragment | None = None
    octets: bytes = b""  # user data as it came, without UDH: what a repeat is recognised by
    udh: bytes = b""
    coding: Coding = Coding.GSM7
    damaged: bool = False  # octets that were no text became U+FFFD
    trusted: bool = False  # the operator itself vouches for the sender (trusted_msisdn)
    language: str | None = None  # which the channel knows, else the number's own


class Member(NamedTuple):
    """A member as a command sees one; a tuple, because one is made for every message that comes in."""

    id: int
    member_no: str
    branch_id: int
    branch_code: str
    branch_name: str
    branch_path: str
    language: str
    dues_class: str
    roles: frozenset[str] = frozenset()


@value
class Request:
    """What a command is given beside the connection.

    `arguments` holds the command's parameters by name, already of their types. `read` is what the command's own
    `reads` found for this sender, read once for the whole batch.
    """

    number: str
    member: Member | None
    language: str
    channel: Channel
    arguments: Mapping[str, Any]
    now: datetime
    organisation: Any  # config.model.Organisation; Any because core knows no configuration file
    random: random.Random
    link: str = ""
    message: int = 0  # id of the Inbound
    trusted: bool = False
    text: str = ""  # the whole text as sent, for commands that keep free text
    read: Any = None
    desk: Any = None  # the registry and texts, for commands that speak of other commands


@value
class Ask:
    """What a reply leaves open: the next short answer, until `expires`.

    `choices` maps an answer as typed ("1", "Y 5830" -> "Y") to a command code and its arguments. `parameter` names
    the missing parameter of `command` that the next text fills; `arguments` are those already known.
    """

    expires: datetime
    choices: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    command: str | None = None
    parameter: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None  # it was asked in; a digit tells none


@value
class Told:
    """A text to somebody else than who asked: the member who is to confirm, the treasurer who is to know.

    `ask` opens a dialogue with them, unless they are in one already.
    """

    number: str
    text: str
    language: str
    member: Member | None = None
    lane: Lane = Lane.NOTICE
    secret: bool = False
    ask: Ask | None = None
    case: int | None = None
    expires: datetime | None = None  # when it is not worth sending any more


@value
class Reply:
    """What a command answers. `more` keeps a USSD session open; `ask` opens a dialogue."""

    text: str
    more: bool = False
    lane: Lane = Lane.ANSWER
    ask: Ask | None = None
    secret: bool = False
    key: str | None = None  # the text's name in config/texts, for the log
    error: str | None = None  # E01 ... when the reply is an error text
    language: str | None = None  # what it is written in, and signed
    case: int | None = None
    log_class: LogClass | None = None  # when it differs from the command's own
    told: tuple[Told, ...] = ()  # what others are to hear of it


@value
class Outbound:
    """One message to a phone, before it is split."""

    id: int
    to: str
    text: str
    channel: Channel = Channel.SMS
    link: str | None = None
    sender: str | None = None  # source address; the link's own when None
    lane: Lane = Lane.ANSWER
    more: bool = False
    session: str | None = None
    not_before: datetime | None = None
    expires: datetime | None = None
    resend: Resend = Resend.ONCE
    notice: int | None = None
    case: int | None = None


@value
class Part:
    """What a link writes, and what the operator's id belongs to.

    `number` counts from 1. `octets` are the user data without the UDH (GSM7 unpacked), `udh` the header without its
    length octet. `reference` is the concatenation reference, 16 bits; `attempt` is what user_message_reference carries.
    """

    outbound: int
    number: int
    total: int
    reference: int
    octets: bytes
    coding: Coding
    to: str
    sender: str | None = None
    udh: bytes = b""
    expires: datetime | None = None
    report: bool = True
    lane: Lane = Lane.ANSWER
    channel: Channel = Channel.SMS
    session: str | None = None
    more: bool = False
    notice: int | None = None  # the bulk notice it is one of


@value
class Report:
    """A delivery report. `remote_id` is already in the link's normal form."""

    link: str
    remote_id: str
    to: str
    state: State  # SENT for an intermediate state, else DELIVERED, FAILED or EXPIRED
    error: str | None
    at: datetime


class LinkStatus(Enum):
    DOWN = "down"
    CONNECTING = "connecting"
    READY = "ready"
    THROTTLED = "throttled"


@value
class LinkState:
    link: str
    status: LinkStatus
    since: datetime
    detail: str = ""
    signal: int | None = None  # dBm
    balance: str | None = None


class Receiver(Protocol):
    """What a link hands everything to that comes in; given to it when it is made."""

    def accept(self, message: Inbound) -> Awaitable[Part | None]:
        """Take `message`: safe with us once this fires, and only then may it be acknowledged or deleted.

        For USSD the result is the screen to answer with at once. A failure means: not taken, let the operator
        send it again (SMPP 0x64; on a modem the message stays where it is).
        """

    def report(self, report: Report) -> Awaitable[None]:
        """Take a delivery report; safe with us once this fires."""

    def changed(self, state: LinkState) -> None:
        """The link's state is another."""


class NotTaken(Exception):
    """A message or report is not safe with us; the operator should send it again."""


class Full(NotTaken):
    """The disk is full; make room, and it goes on by itself."""


class Busy(NotTaken):
    """Too much waits already; the sender should come again in a moment."""


class SendError(Exception):
    """A part was not taken. `retry_after` seconds, or None when trying again cannot help."""

    retry_after: float | None = None
    other_link = False  # another link may take it

    def __init__(self, reason: str, *, code: int | str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        if retry_after is not None:
            self.retry_after = retry_after


class LinkDown(SendError):
    """The link was not there; nothing was written."""

    retry_after = 5.0
    other_link = True


class Throttled(SendError):
    """The operator asked us to slow down; the attempt does not count."""

    retry_after = 1.0


class Rejected(SendError):
    """The operator refused this part; with `retry_after` it may be tried again, on another link if `other_link`."""


class Expired(SendError):
    """Its time was over before it could be written."""


class Unknown(SendError):
    """It was written and never answered: it may or may not have arrived, and is not sent again blindly."""
