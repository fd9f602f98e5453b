"""How the vendors of USSD over HTTP speak: what a request of theirs means, and how they want to be answered.

A vendor is one `Vendor`: a function that reads a request, one that writes the answer, and the `Profile` of the
channel, which also describes USSD that comes over other links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.core.model import Event
from menus.pages import Budget

Form = Mapping[str, Sequence[str]]  # field -> its values, as a query or a posted form has them


class NotUnderstood(Exception):
    """The request is not what this vendor sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the session engine must know of a channel."""

    budget: Budget = field(default_factory=Budget)
    life: timedelta = timedelta(seconds=180)  # a session unheard of for so long is over
    # Each request repeats all that was typed since the session began, joined by "*".
    cumulative: bool = False
    # The same input within this time is the vendor's retry and gets the same screen. Not where a link has its own
    # way to tell a repeat: somebody may well type 1 and 1 again within a few seconds.
    repeat: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """A request of any vendor."""

    event: Event
    session: str
    number: str  # as the vendor writes it
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One way to speak USSD over HTTP."""

    name: str
    profile: Profile
    read: Callable[[Form], Dialled]
    write: Callable[[str, bool], str]  # text, more -> body
    content_type: str = "text/plain; charset=utf-8"


def _one(form: Form, name: str, *, most: int, needed: bool = True) -> str:
    values = form.get(name, ())
    if len(values) > 1 or (needed and not values):
        raise NotUnderstood(f"{name} must be given once")
    value = values[0] if values else ""
    if len(value) > most or "\0" in value or (needed and not value.strip()):
        raise NotUnderstood(f"{name} must have 1 to {most} characters")
    return value


def _read_africastalking(form: Form) -> Dialled:
    """sessionId, phoneNumber, networkCode, serviceCode and text; the notification of the end has a status instead.

    The text is empty when a session begins, but a session may also begin with what was dialled behind the code.
    """
    session = _one(form, "sessionId", most=100)
    number = _one(form, "phoneNumber", most=20)
    code = _one(form, "serviceCode", most=40)
    if "status" in form or "durationInMillis" in form:
        return Dialled(event=Event.CLOSE, session=session, number=number, code=code, text="")
    text = _one(form, "text", most=2000, needed=False)
    event = Event.CONTINUE if text else Event.BEGIN
    return Dialled(event=event, session=session, number=number, code=code, text=text)


_BARE_CR = re.compile(r"\r\n?")


def _write_africastalking(text: str, more: bool) -> str:
    return f"{'CON' if more else 'END'} {_BARE_CR.sub(chr(10), text)}"


AFRICASTALKING = Vendor(
    name="africastalking",
    profile=Profile(cumulative=True, repeat=timedelta(seconds=5)),
    read=_read_africastalking,
    write=_write_africastalking,
)

VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (AFRICASTALKING,)}
