"""Single values that the gateway keeps for itself, by name."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.core.engines import upsert
from gateway.core.tables.staff import fact


def known(conn: Connection, name: str) -> str | None:
    return conn.scalar(select(fact.c.value).where(fact.c.name == name))


def put(conn: Connection, name: str, value: str) -> None:
    row = upsert(conn, fact).values(name=name, value=value)
    conn.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
