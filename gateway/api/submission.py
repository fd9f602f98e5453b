"""What another system asks to be sent, read from JSON: every mistake is named by its field, or all of it is right.

This runs for every message of a list in the reactor, so the usual message takes no detour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from config.model import ApiKey
from gateway.core import phone

MOST_MESSAGES = 1000  # in one request
LONGEST_TEXT = 1530  # characters: ten parts of GSM 7-bit
LONGEST_URL = 2000
LIFE = timedelta(hours=72)  # a message that says nothing else is not worth sending after it
FARTHEST = timedelta(days=31)  # ahead
MOST_PROBLEMS = 20  # that one answer names


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: `[3].to`."""

    field: str
    message: str


class Invalid(Exception):
    """The request is not one; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))
        self.problems = problems


@dataclass(slots=True)
class Message:
    """One message as asked for, with its number in E.164."""

    to: str
    text: str
    sender: str | None = None
    callback: str | None = None
    not_before: datetime | None = None
    expires: datetime | None = None


def read(body: bytes, account: ApiKey, country: str, now: datetime) -> tuple[list[Message], bool]:
    """The messages of `body` and whether it was a list; raises Invalid."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid([Problem("", f"is not JSON: {error}")]) from None
    listed = type(content) is list
    items: list[Any] = content if listed else [content]
    if not 0 < len(items) <= MOST_MESSAGES:
        raise Invalid([Problem("", f"must hold 1 to {MOST_MESSAGES} messages")])
    problems: list[Problem] = []
    messages: list[Message] = []
    sender = account.sources[0] if account.sources else None
    expires = now + LIFE
    for index, item in enumerate(items):
        if type(item) is dict and len(item) == 2:
            to, text = item.get("to"), item.get("text")
            if (
                type(to) is str
                and type(text) is str
                and 0 < len(text) <= LONGEST_TEXT
                and "\0" not in text
                and not text.isspace()
                and len(to) <= 40
                and (number := phone.e164(to, country)) is not None
            ):
                messages.append(Message(number, text, sender, None, None, expires))
                continue
        message = _slowly(item, f"[{index}]." if listed else "", account, country, now, problems)
        if len(problems) >= MOST_PROBLEMS:
            break
        if message is not None:
            messages.append(message)
    if problems:
        raise Invalid(problems[:MOST_PROBLEMS])
    return messages, listed


def _slowly(
    item: Any, where: str, account: ApiKey, country: str, now: datetime, problems: list[Problem]
) -> Message | None:
    """A message with more than a number and a text, or with something wrong in it."""
    before = len(problems)

    def wrong(field: str, message: str) -> None:
        problems.append(Problem(f"{where}{field}", message))

    if not isinstance(item, dict):
        problems.append(Problem(where.rstrip("."), 'must be an object like {"to": "+86...", "text": "..."}'))
        return None
    fields: dict[str, Any] = dict(item)
    number = _number(fields.pop("to", None), country, wrong)
    text = _text(fields.pop("text", None), wrong)
    sender = _sender(fields.pop("from", None), account, wrong)
    callback = _callback(fields.pop("callback", None), wrong)
    not_before = _time(fields.pop("not_before", None), "not_before", now, wrong)
    expires = _time(fields.pop("expires", None), "expires", now, wrong)
    if expires is not None and expires <= max(now, not_before or now):
        wrong("expires", "is over before it could be sent")
    for name in fields:
        wrong(str(name)[:50], "no such field")
    if len(problems) > before or number is None or text is None:
        return None
    if expires is None:
        expires = (not_before or now) + LIFE
    return Message(number, text, sender, callback, not_before, expires)


def _number(value: Any, country: str, wrong: Any) -> str | None:
    if not isinstance(value, str):
        wrong("to", "must be a phone number as a text, like +8613800000007")
        return None
    number = phone.e164(value, country) if len(value) <= 40 else None
    if number is None:
        reason = phone.why_not(value, country) if len(value) <= 40 else None
        wrong("to", f"is no mobile number ({reason or 'impossible'})")
    return number


def _text(value: Any, wrong: Any) -> str | None:
    if not isinstance(value, str) or not value.strip():
        wrong("text", "must be a text that is not empty")
    elif len(value) > LONGEST_TEXT:
        wrong("text", f"has {len(value)} characters, {LONGEST_TEXT} are the most")
    elif "\0" in value:
        wrong("text", "must not hold the character NUL")
    else:
        return value
    return None


def _sender(value: Any, account: ApiKey, wrong: Any) -> str | None:
    if value is None:
        return account.sources[0] if account.sources else None
    if not isinstance(value, str) or value not in account.sources:
        wrong("from", "is not a sender this key may use")
        return None
    return value


def _callback(value: Any, wrong: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and len(value) <= LONGEST_URL and value.isascii() and value.isprintable():
        try:
            url = urlsplit(value)
            proper = url.scheme in ("http", "https") and url.hostname and (url.port or 1) > 0
        except ValueError:
            proper = False
        if proper and " " not in value and url.username is None:
            return value
    wrong("callback", "must be an http or https address")
    return None


def _time(value: Any, name: str, now: datetime, wrong: Any) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        wrong(name, "must be a time with its zone, like 2026-08-17T09:00:00+08:00")
        return None
    try:
        found = found.astimezone(UTC)
        if found <= now + FARTHEST:
            return found
    except (OverflowError, ValueError):
        pass
    wrong(name, f"is more than {FARTHEST.days} days ahead")
    return None
