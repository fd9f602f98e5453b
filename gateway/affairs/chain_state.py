"""Whether the chains are whole, as a page can say it: links on the spot, what they cover as it was compared last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from gateway.affairs import chain
from gateway.affairs.chain import Link, Name
from gateway.core import facts
from gateway.core.keys import Keys
from gateway.core.tables.money import chain as links

_COMPARED = "chains compared"


class Proven(NamedTuple):
    """A link, and whether it follows from the one before and covers what it covered."""

    link: Link
    right: bool


class State(NamedTuple):
    """One chain: its links, the newest first, and when their rows were compared last."""

    name: Name
    links: tuple[Proven, ...]
    compared: datetime | None

    @property
    def broken(self) -> tuple[str, ...]:
        """The days whose links do not hold, the oldest first."""
        return tuple(each.link.day for each in reversed(self.links) if not each.right)


def state(conn: Connection, keys: Keys, name: Name) -> State:
    at, changed = compared(conn)
    before, found = "", []
    for link in chain.links(conn, name):
        fits = chain.link_hash(keys, before, link) == link.hash
        found.append(Proven(link, fits and link.day not in changed.get(name, ())))
        before = link.hash
    return State(name, tuple(reversed(found)), at)


def compared(conn: Connection) -> tuple[datetime | None, Mapping[str, Sequence[str]]]:
    """When all rows were compared last, and the days that were not as they had been, by chain."""
    text = facts.known(conn, _COMPARED)
    if text is None:
        return None, {}
    at, changed = json.loads(text)
    return datetime.fromisoformat(at), changed


def due(conn: Connection) -> bool:
    """Whether a link was closed since."""
    newest = conn.scalar(select(func.max(links.c.at)))
    at, _ = compared(conn)
    return newest is not None and (at is None or at < newest)


def keep(conn: Connection, changed: Mapping[str, Sequence[str]], now: datetime) -> None:
    facts.put(conn, _COMPARED, json.dumps([now.isoformat(), changed]))
