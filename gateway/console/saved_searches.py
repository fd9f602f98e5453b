"""Searches of the log that somebody keeps by a name: their own, and nobody else's."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection, delete, func, select

from gateway.console.permissions import Staff
from gateway.console.web import Answer, Redirect, Route, Visit, identifier
from gateway.core.tables.desk import saved_search

MOST = 30  # of one person
LONGEST = 40  # characters of a name


class Saved(NamedTuple):
    id: int
    name: str
    query: str


def of(conn: Connection, person: Staff) -> tuple[Saved, ...]:
    rows = conn.execute(
        select(saved_search.c.id, saved_search.c.name, saved_search.c.query)
        .where(saved_search.c.staff_id == person.id)
        .order_by(saved_search.c.name)
    )
    return tuple(Saved(*row) for row in rows)


async def save(visit: Visit) -> Answer:
    """Keep the search that is shown; the same name again is the new search."""
    name, query = visit.form("name")[:LONGEST], clean(visit.form("query"))
    if name and query and not await visit.console.database.run(_save, visit, name, query):
        return Redirect(f"/log?{query}&kept=full")
    return Redirect(f"/log?{query}")


async def forget(visit: Visit) -> Answer:
    await visit.console.database.run(_forget, visit, identifier(visit.path["id"]) or 0)
    return Redirect("/log")


def _save(conn: Connection, visit: Visit, name: str, query: str) -> bool:
    """False when this person has too many already."""
    own = saved_search.c.staff_id == visit.who.id
    conn.execute(delete(saved_search).where(own, saved_search.c.name == name))
    if (conn.scalar(select(func.count()).select_from(saved_search).where(own)) or 0) >= MOST:
        return False
    conn.execute(
        saved_search.insert().values(
            id=visit.console.ids(), staff_id=visit.who.id, name=name, query=query, created=visit.now
        )
    )
    return True


def _forget(conn: Connection, visit: Visit, id_: int) -> None:
    conn.execute(delete(saved_search).where(saved_search.c.id == id_, saved_search.c.staff_id == visit.who.id))


def clean(query: str) -> str:
    """Only what the log's form could have made: a link of ours leads nowhere else."""
    from gateway.console.log import FACETS

    return urlencode([(name, value[:100]) for name, value in parse_qsl(query) if name in FACETS])


ROUTES = (
    Route(rule="/log/save", handler=save, post=True, may="log"),
    Route(rule="/log/saved/<id>/forget", handler=forget, post=True, may="log"),
)
