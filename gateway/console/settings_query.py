"""What the pages of settings read and write; a change is judged by what the commands can bear before it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from commands import chosen, standard
from commands.registry import Registry
from commands.texts import Texts
from config.model import LANGUAGES, Organisation
from gateway.affairs import settings
from gateway.affairs.declarations import DECLARED, Setting
from gateway.affairs.settings import Change, Proposal, Snapshot
from gateway.console.permissions import Staff


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A setting in a list."""

    name: str
    declaration: Setting
    shown: str
    changed: bool
    ahead: datetime | None  # another value counts from then on


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """A setting on its page."""

    line: Line
    shipped: str
    history: tuple[Change, ...]
    waiting: Proposal | None

    @property
    def seen(self) -> str:
        """What was known of it when its page was shown."""
        return f"{self.history[0].id if self.history else 0}-{self.waiting.id if self.waiting else 0}"


def group_of(name: str) -> str:
    return name.partition(".")[0]


def groups() -> tuple[str, ...]:
    """The tabs, in the order of the declarations."""
    return tuple(dict.fromkeys(group_of(each.name) for each in DECLARED))


def listed(conn: Connection, organisation: Organisation, group: str, now: datetime) -> tuple[Line, ...]:
    """The settings of a group; of a family, every member there could be."""
    taken = settings.snapshot(conn)
    found: list[Line] = []
    for each in DECLARED:
        if group_of(each.name) == group:
            names = _members(organisation, each, taken, now) if each.family else (each.name,)
            found += [_line(taken, name, each, now) for name in names]
    return tuple(found)


def one(conn: Connection, organisation: Organisation, name: str, now: datetime) -> One:
    """`settings.Refused` when there is no such setting."""
    declaration, taken = settings.declared(name), settings.snapshot(conn)
    return One(
        line=_line(taken, name, declaration, now),
        shipped=shipped(organisation, name),
        history=settings.history(conn, name),
        waiting=next((each for each in settings.proposals(conn) if each.name == name), None),
    )


def put(
    conn: Connection,
    organisation: Organisation,
    new_id: Callable[[], int],
    person: Staff,
    name: str,
    value: Any,
    now: datetime,
    *,
    valid_from: datetime | None,
    reason: str,
    seen: str,
) -> bool:
    """Set it, or put it before a second person; True when it counts already. Nothing is written over that somebody
    else has set or proposed since the page was shown."""
    declaration = settings.declared(name)
    if seen and seen != one(conn, organisation, name, now).seen:
        raise settings.Refused("somebody else has changed %(name)s meanwhile; look at it, then save again", name=name)
    _judge(conn, organisation, name, value, valid_from or now)
    act = settings.propose if declaration.two else settings.change
    act(conn, new_id, name, value, actor=person.actor, now=now, valid_from=valid_from, reason=reason or None)
    return not declaration.two


def decide(
    conn: Connection,
    organisation: Organisation,
    new_id: Callable[[], int],
    person: Staff,
    proposal_id: int,
    now: datetime,
    *,
    accepted: bool,
) -> None:
    waiting = next((each for each in settings.proposals(conn) if each.id == proposal_id), None)
    if accepted and waiting is not None:
        _judge(conn, organisation, waiting.name, waiting.value, waiting.valid_from or now)
    settings.decide(conn, new_id, proposal_id, accepted=accepted, actor=person.actor, now=now)


def shipped(organisation: Organisation, name: str) -> str:
    """What Muster brings along for `name`, as it would be typed."""
    group, _, rest = name.partition(".")
    language, _, key = rest.partition(".")
    if group == "texts":
        texts = _shipped_texts()
        return texts.template(key, language).source if texts.has(key) else ""
    if group == "words":
        command = _shipped_registry(organisation.currency).get(key)
        return ", ".join(command.words.get(language, ())) if command is not None else ""
    declaration = settings.declared(name)
    return settings.shown(declaration, declaration.default)


@lru_cache(maxsize=1)
def _shipped_texts() -> Texts:
    """Read once: a page shows hundreds of them."""
    return Texts.load()


@lru_cache(maxsize=1)
def _shipped_registry(currency: str) -> Registry:
    return standard.registry(Organisation(name="", currency=currency))


def _judge(conn: Connection, organisation: Organisation, name: str, value: Any, moment: datetime) -> None:
    if name.startswith(chosen.FAMILIES):
        choice = chosen.with_change(chosen.chosen(settings.snapshot(conn), moment), name, value)
        if (problem := chosen.problem(organisation, choice)) is not None:
            raise settings.Refused(problem.message, **problem.values)


def _line(taken: Snapshot, name: str, declaration: Setting, now: datetime) -> Line:
    value = taken.value(name, now)
    ahead = [moment for moment, _ in taken.rows.get(name, ()) if moment > now]
    return Line(
        name=name,
        declaration=declaration,
        shown=settings.shown(declaration, value),
        changed=value != declaration.default,
        ahead=min(ahead, default=None),
    )


def _members(organisation: Organisation, family: Setting, taken: Snapshot, now: datetime) -> Iterator[str]:
    prefix = family.name[:-1]
    known: list[str] = []
    if prefix == "texts.":
        texts = _shipped_texts()
        known = [f"{prefix}{language}.{key}" for language in texts.languages for key in texts.keys(language)]
    elif prefix == "words.":
        codes = [command.code for command in _shipped_registry(organisation.currency)]
        known = [f"{prefix}{language}.{code}" for code in codes for language in LANGUAGES]
    yield from dict.fromkeys([*known, *(prefix + name for name in taken.family(prefix, now))])
