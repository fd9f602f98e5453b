"""Who is in which menu: the USSD sessions, in memory only, because an answer may be a secret."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.core.model import LogClass

UNFINISHED = timedelta(minutes=10)  # how long a session that broke off may be taken up again


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An answer that a reply left open: its digit leads to a command."""

    command: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Menu:
    """A screen of the tree."""

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A parameter is asked for; `arguments` are those answered so far."""

    command: str
    parameter: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """One more digit and it is done; `text` is what the command itself asks, where it has something to ask."""

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sealed: bool = False
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    command: str
    text: str = field(repr=False)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    sealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Languages:
    """Which language?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """The last session broke off: go on with `stack`, or start over."""

    stack: tuple[Place, ...]


Place = Menu | Question | Confirmation | Answer | Languages | Resume


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where one session stands after its last screen."""

    link: str
    id: str
    number: str
    started: datetime
    seen: datetime
    stack: tuple[Place, ...]
    page: int = 0
    wrong: int = 0  # in a row
    language: str | None = None  # chosen in this session
    typed: str = field(
        default="", repr=False
    )  # the last input as it came, all of it where the vendor repeats what went before
    mark: str | None = None  # the vendor's own mark of the last input, where it has one
    screen: str = field(default="", repr=False)
    log_class: LogClass = LogClass.A  # of that screen
    open: bool = True  # the last screen left the session open
    broken_off: bool = False  # by the phone, the network or time, not by us

    @property
    def sealed(self) -> bool:
        """It holds an answer that may not outlive it."""
        return any(getattr(place, "sealed", False) for place in self.stack)

    def unfinished(self, now: datetime) -> bool:
        """Whether it is worth an offer to go on: below the root, not yet answered, and nothing sealed in it."""
        return (
            self.open and len(self.stack) > 1 and not self.answered and not self.sealed and now - self.seen < UNFINISHED
        )

    @property
    def answered(self) -> bool:
        """It stands at an answer that asks for nothing more: people read it and hang up."""
        last = self.stack[-1]
        return isinstance(last, Answer) and not last.choices


class Sessions:
    """All sessions by link and vendor's id, the oldest falling out; for one batch at a time.

    `find` changes nothing and `keep` is called after the commit, so that a work that is run again finds what the
    first run found.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()  # the longest unseen first
        self._latest: dict[str, tuple[str, str]] = {}  # number -> key of its newest session

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, link: str, session: str | None, number: str) -> Session | None:
        """This session; a vendor that sends no id has one session a number, and no other number goes on with it."""
        found = self._sessions.get((link, session or number))
        return found if found is not None and found.number == number else None

    def unfinished(self, number: str, now: datetime) -> Session | None:
        """The newest session of `number`, when it can be taken up again."""
        key = self._latest.get(number)
        session = self._sessions.get(key) if key is not None else None
        return session if session is not None and session.unfinished(now) else None

    def keep(self, session: Session) -> None:
        key = (session.link, session.id)
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        self._latest[session.number] = key
        self._drop_old(session.seen)

    def _drop_old(self, now: datetime) -> None:
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if len(self._sessions) <= self._most and now - oldest.seen < UNFINISHED:
                return
            del self._sessions[key]
            if self._latest.get(oldest.number) == key:
                del self._latest[oldest.number]
