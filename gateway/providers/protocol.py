"""What the worker asks of a mobile money provider, and the values that come back, whichever API it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from commands.shown import decimals
from gateway.affairs.intents import Intent


class Outcome(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    PENDING = "pending"
    ABSENT = "absent"  # the provider does not know our request
    BLIND = "blind"  # there is no way to ask


class Reason(StrEnum):
    """Why there was no payment, as far as a member can do something about it."""

    PIN = "pin"
    CANCELLED = "cancelled"
    FUNDS = "funds"
    TIMEOUT = "timeout"  # no PIN was entered, or the phone was not reached
    LIMIT = "limit"
    BUSY = "busy"  # another request is open on that phone
    NO_WALLET = "no_wallet"
    UNAVAILABLE = "unavailable"  # the provider; nothing was asked of the phone
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a provider says of a request, in its own words; None is what it does not tell."""

    outcome: Outcome
    remote: str | None = None
    transaction: str | None = None
    amount: int | None = None
    currency: str | None = None
    payer: str | None = None
    payee: str | None = None
    reason: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A callback. What it `claims` is never believed; `evidence` is, if `answers` names the question we have asked."""

    answers: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)
    evidence: Seen | None = None


_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


class Unreadable(ValueError):
    """A callback that is none of this provider's."""


class Provider(Protocol):
    """Every method raises `NotSent` or `Unclear` when there is no answer."""

    @property
    def name(self) -> str: ...

    async def submit(self, intent: Intent, callback: str) -> Seen:
        """Ask the wallet for the money."""

    async def give_back(self, intent: Intent, transaction: str, callback: str) -> Seen:
        """Reverse a transaction, or the part of it that `intent` says."""

    async def query(self, intent: Intent, callback: str, now: datetime) -> Seen:
        """What became of it."""

    async def probe(self) -> str:
        """Whether it can be used, without moving money; "" or what is odd."""

    def read(self, content: Any) -> Notice:
        """A callback's JSON; raises `Unreadable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """A line of a provider's statement of our account; the amount is positive when it came to us, None unreadable."""

    transaction: str
    amount: int | None
    currency: str
    at: datetime | None
    payer: str = ""
    text: str = ""


@runtime_checkable
class GivesStatements(Protocol):
    """A provider whose statement can be asked for."""

    async def statement(self, first: datetime, last: datetime, offset: int) -> list[StatementEntry]:
        """Some of what moved from `first` until before `last`, from that many on; nothing when there is no more."""


def written(amount: int, currency: str) -> str:
    """900 as "9.00"."""
    places = decimals(currency)
    whole, part = divmod(amount, 10**places)
    return f"{whole}.{part:0{places}d}" if places else str(whole)


def minor(text: Any, currency: str) -> int | None:
    """ "9.00" as 900; None when it is no amount of this currency."""
    if isinstance(text, bool) or not _AMOUNT.fullmatch(str(text)):
        return None  # Decimal reads 1e999999, 1_000 and the digits of every script
    amount = Decimal(str(text)).scaleb(decimals(currency))
    return int(amount) if amount == amount.to_integral_value() else None


def same_number(one: str, other: str) -> bool:
    """Whether two ways of writing name the same phone: +254 7.., 2547.."""
    return "".join(filter(str.isdigit, one)) == "".join(filter(str.isdigit, other))
