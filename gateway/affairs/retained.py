"""What retention did last, for the people whose rule it is: when it looked, and what it took day by day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.core import facts

_LOOKED, _TAKEN = "retention looked", "retention taken"
_DAYS = 31  # that are shown


@dataclass(frozen=True, slots=True)
class Retained:
    """`taken` is how many rows went, by day (the newest first) and by kind."""

    looked: datetime | None = None
    taken: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def looked(conn: Connection, now: datetime) -> None:
    """It has looked, and nothing is left that should go."""
    facts.put(conn, _LOOKED, now.isoformat())


def took(conn: Connection, kind: str, rows: int, now: datetime, zone: ZoneInfo) -> None:
    if not rows:
        return
    here = now.astimezone(zone).date()
    taken = {day: kinds for day, kinds in _taken(conn).items() if day > f"{here - timedelta(days=_DAYS)}"}
    today = taken.setdefault(f"{here}", {})
    today[kind] = today.get(kind, 0) + rows
    facts.put(conn, _TAKEN, json.dumps(taken))


def last(conn: Connection) -> Retained:
    at = facts.known(conn, _LOOKED)
    return Retained(datetime.fromisoformat(at) if at else None, dict(sorted(_taken(conn).items(), reverse=True)))


def _taken(conn: Connection) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(facts.known(conn, _TAKEN) or "{}")
    return found
