"""The values of settings: as people type them, as they are shown, and what each may be."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Any

from gateway.affairs.declarations import Kind, Setting
from gateway.affairs.refusal import Refusal


class Refused(Refusal, ValueError):
    """This setting cannot be changed so; the sentence says why."""


_TRUE, _FALSE = ("on", "true", "yes", "1", "开", "是"), ("off", "false", "no", "0", "关", "否")
_HOURS = re.compile(r"([01]?\d|2[0-3])-([01]?\d|2[0-4])")
_DATES = re.compile(r"(\d{4}-\d\d-\d\d)(?:/(\d{4}-\d\d-\d\d))?")
_PREFIX = re.compile(r"\+\d{0,15}(?:=\d{1,9})?", re.ASCII)
_WEEK = re.compile(r"([1-7](?:-[1-7])?(?:,[1-7](?:-[1-7])?)*)((?: \d\d:\d\d-\d\d:\d\d)+)")


def read(declaration: Setting, name: str, typed: str) -> Any:
    """The value that somebody typed; `Refused` says what is wrong with it."""
    found: Any = typed
    match declaration.kind:
        case Kind.FLAG:
            if typed.casefold() not in _TRUE + _FALSE:
                raise Refused("%(name)s is on or off, not %(typed)s", name=name, typed=typed)
            found = typed.casefold() in _TRUE
        case Kind.NUMBER:
            try:
                found = int(typed)
            except ValueError:
                raise Refused("%(name)s is a whole number, not %(typed)s", name=name, typed=typed or "-") from None
        case Kind.WORDS | Kind.DATES | Kind.PREFIXES:
            found = tuple(filter(None, (piece.strip() for piece in re.split(r"[,，、\n]", typed))))
        case Kind.WEEK:
            found = "; ".join(filter(None, (" ".join(piece.split()) for piece in re.split(r"[;；\n]", typed))))
        case Kind.TEXT | Kind.CHOICE | Kind.HOURS:
            pass
    check(declaration, found, name)
    return found


def shown(declaration: Setting, value: Any) -> str:
    """A value as `read` takes it."""
    if declaration.kind is Kind.FLAG:
        return "on" if value else "off"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def check(declaration: Setting, value: Any, name: str | None = None) -> None:
    """`Refused` unless `value` may be the value of this setting."""
    if (problem := _problem(declaration, value)) is not None:
        bounds = {"least": declaration.least, "most": declaration.most, "unit": declaration.unit}
        wanted = {key: each for key, each in bounds.items() if f"%({key})s" in problem}
        if "%(choices)s" in problem:
            wanted["choices"] = ", ".join(declaration.choices)
        raise Refused(problem, name=name or declaration.name, **wanted)


def _problem(declaration: Setting, value: Any) -> str | None:
    """Why not, as a sentence before its values."""
    least, most = declaration.least, declaration.most
    match declaration.kind:
        case Kind.FLAG:
            return None if isinstance(value, bool) else "%(name)s is on or off"
        case Kind.NUMBER:
            if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
                return None
            return (
                "%(name)s is %(least)s to %(most)s %(unit)s"
                if declaration.unit
                else "%(name)s is %(least)s to %(most)s"
            )
        case Kind.CHOICE:
            return None if value in declaration.choices else "%(name)s is one of %(choices)s"
        case Kind.TEXT:
            fine = isinstance(value, str) and least <= len(value) <= most and "\0" not in value
            return None if fine else "%(name)s is a text of %(least)s to %(most)s characters"
        case Kind.HOURS:
            fine = isinstance(value, str) and (value == "" or _HOURS.fullmatch(value) is not None)
            return None if fine else "%(name)s is written 21-8, from and until, or left empty"
        case Kind.WEEK:
            fine = isinstance(value, str) and _is_week(value)
            return None if fine else "%(name)s is written 1-5 09:00-12:00 14:00-17:30; 6 09:00-12:00"
        case Kind.WORDS | Kind.DATES | Kind.PREFIXES:
            return _listed_problem(declaration, value)


def _listed_problem(declaration: Setting, value: Any) -> str | None:
    if not isinstance(value, tuple | list) or not all(isinstance(each, str) and each for each in value):
        return "%(name)s is a list with commas between"
    if len(value) > declaration.most:
        return "%(name)s holds %(most)s at most"
    if declaration.kind is Kind.DATES and not all(map(_is_date, value)):
        return "%(name)s holds days, as in 2026-10-01 or 2026-10-01/2026-10-07"
    if declaration.kind is Kind.PREFIXES and not all(_PREFIX.fullmatch(each) for each in value):
        return "%(name)s holds prefixes with how many a day, as in +86, +882=0, +=200"
    return None


def _is_date(text: str) -> bool:
    found = _DATES.fullmatch(text)
    try:
        days = [date.fromisoformat(day) for day in found.groups() if day] if found else []
    except ValueError:
        return False
    return bool(days) and days[0] <= days[-1]


def _is_week(text: str) -> bool:
    return text == "" or all(_is_piece(piece) for piece in text.split("; "))


def _is_piece(text: str) -> bool:
    found = _WEEK.fullmatch(text)
    if found is None:
        return False
    try:
        spans = [tuple(time.fromisoformat(at) for at in span.split("-")) for span in found[2].split()]
    except ValueError:
        return False
    return all(begin < end for begin, end in spans)
