"""`muster settings`: what the organisation decides while the gateway runs.

Whoever may run this on the machine may do everything, so a change that wants two persons in the console is made here by
one; the audit says that it came from the command line.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from commands import chosen
from gateway.affairs import settings
from gateway.affairs.declarations import DECLARED
from gateway.cli.opening import ACTOR, Opened, opened
from gateway.cli.problems import Problem


def listed(config: Path, *, changed: bool = False) -> Iterator[str]:
    """Every setting, its value and what it does."""
    with opened(config) as at:
        taken = settings.snapshot(at.conn)
        for each in DECLARED:
            if each.family:
                prefix = each.name[:-1]
                for name, value in taken.family(prefix, at.now).items():
                    yield f"{prefix}{name}\t{settings.shown(each, value)}\t{each.en}"
                continue
            value = taken.value(each.name, at.now)
            if not changed or value != each.default:
                unit = f" {each.unit}" if each.unit else ""
                yield f"{each.name}\t{settings.shown(each, value)}{unit}\t{each.en}"


def get(config: Path, name: str) -> Iterator[str]:
    """The value now, then what it was and will be."""
    declaration = settings.declared(name)
    with opened(config) as at:
        yield settings.shown(declaration, settings.value(at.conn, name, at.now))
        for change in settings.history(at.conn, name):
            value = "what is shipped" if change.value is None else settings.shown(declaration, change.value)
            by = change.actor if change.second is None else f"{change.actor} and {change.second}"
            why = f": {change.reason}" if change.reason else ""
            yield f"  from {_local(at, change.valid_from)}  {value}  by {by}{why}"


def put(
    config: Path, name: str, typed: str | None, *, valid_from: datetime | None = None, reason: str | None = None
) -> str:
    """Set it, or with None bring back what is shipped."""
    declaration = settings.declared(name)
    value = None if typed is None else settings.read(name, typed)
    with opened(config) as at:
        begins = valid_from.replace(tzinfo=at.zone) if valid_from is not None else None
        _set(at, {name: value}, valid_from=begins, reason=reason)
        now = declaration.default if value is None else value
    when = f" from {valid_from:%Y-%m-%d %H:%M}" if valid_from is not None else ""
    return f"{name} is {settings.shown(declaration, now)}{when}"


def exported(config: Path) -> str:
    """TOML of all that differs from what is shipped."""
    with opened(config) as at:
        lines = [f"{_quoted(name)} = {_toml(value)}" for name, value in settings.exported(at.conn, at.now)]
    return "".join(f"{line}\n" for line in lines)


def imported(config: Path, file: Path, *, reason: str | None = None) -> str:
    """Take what `exported` wrote; all of it or nothing."""
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{file}: {error}") from error
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    with opened(config) as at:
        for name, value in values.items():
            settings.check(settings.declared(name), value, name)
        news = {name: value for name, value in values.items() if settings.value(at.conn, name, at.now) != value}
        _set(at, news, reason=reason)
    return f"{len(values)} settings read, {len(news)} changed"


def _set(at: Opened, values: dict[str, Any], *, valid_from: datetime | None = None, reason: str | None) -> None:
    choice = chosen.chosen(settings.snapshot(at.conn), valid_from or at.now)
    for name, value in values.items():
        choice = chosen.with_change(choice, name, value)
    concerned = any(name.startswith(chosen.FAMILIES) for name in values)
    if concerned and (problem := chosen.problem(at.gateway.organisation, choice)) is not None:
        raise Problem(str(problem))
    for name, value in values.items():
        settings.change(at.conn, at.new_id, name, value, actor=ACTOR, now=at.now, valid_from=valid_from, reason=reason)


def _local(at: Opened, moment: datetime) -> str:
    return f"{moment.astimezone(at.zone):%Y-%m-%d %H:%M}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return (
        '"'
        + "".join(named.get(c) or (c if c.isprintable() or ord(c) > 127 else f"\\u{ord(c):04x}") for c in escaped)
        + '"'
    )


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int) else _quoted(value)
