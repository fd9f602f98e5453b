"""The values of settings: as people type them, as they are shown, and what each may be."""

from __future__ import annotations

import re
from datetime import date, time
from typing import Any

from gateway.affairs.declarations import Kind, Setting


class Refused(ValueError):
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
                raise Refused(f"{name} is on or off, not {typed}")
            found = typed.casefold() in _TRUE
        case Kind.NUMBER:
            try:
                found = int(typed)
            except ValueError:
                raise Refused(f"{name} is a whole number, not {typed or 'nothing'}") from None
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
        raise Refused(f"{name or declaration.name} {problem}")


def _problem(declaration: Setting, value: Any) -> str | None:
    least, most = declaration.least, declaration.most
    match declaration.kind:
        case Kind.FLAG:
            return None if isinstance(value, bool) else "is on or off"
        case Kind.NUMBER:
            fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
            return None if fine else f"is {least} to {most}{' ' + declaration.unit if declaration.unit else ''}"
        case Kind.CHOICE:
            return None if value in declaration.choices else f"is one of {', '.join(declaration.choices)}"
        case Kind.TEXT:
            fine = isinstance(value, str) and least <= len(value) <= most and "\0" not in value
            return None if fine else f"is a text of {least} to {most} characters"
        case Kind.HOURS:
            fine = isinstance(value, str) and (value == "" or _HOURS.fullmatch(value) is not None)
            return None if fine else "is written 21-8, from and until, or left empty"
        case Kind.WEEK:
            return (
                None
                if isinstance(value, str) and _is_week(value)
                else "is written 1-5 09:00-12:00 14:00-17:30; 6 09:00-12:00"
            )
        case Kind.WORDS | Kind.DATES | Kind.PREFIXES:
            return _listed_problem(declaration, value)


def _listed_problem(declaration: Setting, value: Any) -> str | None:
    if not isinstance(value, tuple | list) or not all(isinstance(each, str) and each for each in value):
        return "is a list with commas between"
    if len(value) > declaration.most:
        return f"holds {declaration.most} at most"
    if declaration.kind is Kind.DATES and not all(map(_is_date, value)):
        return "holds days, as in 2026-10-01 or 2026-10-01/2026-10-07"
    if declaration.kind is Kind.PREFIXES and not all(_PREFIX.fullmatch(each) for each in value):
        return "holds prefixes with how many a day, as in +86, +882=0, +=200"
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
