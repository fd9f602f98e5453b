"""The values between a request and its page, and what an extension of the console is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gateway.console.permissions import Staff

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.web.server import Request

    from gateway.console.app import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a form or an address carries: the first value of a name, or all of them."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __call__(self, name: str, default: str = "") -> str:
        found = self.values.get(name)
        return found[0].strip() if found else default

    def text(self, name: str) -> str:
        """As typed, with the line ends of a plain phone; what a browser sends is CR LF."""
        found = self.values.get(name)
        return found[0].replace("\r\n", "\n").replace("\r", "\n") if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came with a form, by the name it had there."""

    name: str
    content: IO[bytes]


def inside(address: str) -> str:
    """An address of ours, never another site's."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if ours and address.isascii() and address.isprintable() else "/"


def identifier(written: str) -> int | None:
    """An id as an address or a form carries it; None when it is none."""
    if not (written.isascii() and written.isdecimal() and len(written) <= 19):
        return None
    number = int(written)
    return number if 0 < number < 1 << 63 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request, with who makes it. `staff` is None on public pages only."""

    console: Console
    request: Request
    now: datetime
    language: str
    csrf: str
    session: str | None  # hash of the session's token
    staff: Staff | None
    address: str  # the browser's, behind trusted proxies too
    path: Mapping[str, str]
    query: Fields
    form: Fields
    fragment: bool  # asked for by htmx: without the frame of the page
    file: File | None = None  # that came with the form
    waiting: int = 0  # open cases this person could take

    @property
    def who(self) -> Staff:
        """Who is signed in; the guard has seen to it that somebody is."""
        if self.staff is None:
            raise Refused(403)
        return self.staff

    def gettext(self, message: str, **values: Any) -> str:
        return self.console.languages.gettext(self.language, message, **values)

    def ngettext(self, one: str, many: str, number: int, **values: Any) -> str:
        return self.console.languages.ngettext(self.language, one, many, number, **values)


@dataclass(frozen=True, slots=True)
class Page:
    """A template and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    cookies: Mapping[str, str | None] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Redirect:
    """See other: what a form answers, so that reloading the page does nothing twice."""

    to: str
    cookies: Mapping[str, str | None] = field(default_factory=dict)  # None takes the cookie away


@dataclass(frozen=True, slots=True)
class Content:
    """Something that is no page: JSON, a file."""

    body: bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Streaming:
    """The handler has taken the request over; `done` fires when the connection has ended."""

    done: Deferred[None]


Answer = Page | Redirect | Content | Streaming
Handler = Callable[[Visit], Awaitable[Answer]]


class Refused(Exception):
    """Not this page, not for you, or not so: shown as a friendly page with that status."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason  # a translatable sentence


class TooOld(Refused):
    """A form of a session that has ended meanwhile: what was written in it is shown again, so that it is not lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address. `may` names the permission it needs; "" is anybody signed in, None is anybody at all."""

    rule: str  # "/case/<number>"
    handler: Handler
    post: bool = False
    may: str | None = ""
    early: bool = False  # open to who still has to enrol a second factor

    @property
    def unenrolled(self) -> bool:
        return self.early or self.may is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the navigation. `title` is translatable; `may` as in Route.

    `group` is one of app.GROUPS, in whose order they stand; `also` are the beginnings of other addresses that belong
    to it ("/case/").
    """

    href: str
    title: str
    may: str | None = ""
    group: str = ""
    also: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether the page at `path` is this entry's."""
        return path == self.href or path.startswith((f"{self.href}/", *self.also))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """More pages for the console, from outside of it.

    `folder` may hold `templates/` (rendered as "NAME/x.html", extending "base.html"), `static/` (in a template
    `static("NAME/x.js")`) and `translations/LANGUAGE/LC_MESSAGES/console.po`. A handler gets a `Visit` after
    session, permission, Origin and CSRF token were checked. `topics` are subjects of the live stream beside the
    console's own: `console.events.hint(topic)` makes every open page reload what has `data-live="topic"`.
    """

    name: str
    routes: Sequence[Route]
    entries: Sequence[Entry] = ()
    folder: Path | None = None
    topics: Sequence[str] = ()
