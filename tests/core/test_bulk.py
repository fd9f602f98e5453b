"""Statements for a whole batch say what they did, and fail as SQLAlchemy's do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from gateway.core.bulk import Inserts, Updates
from gateway.core.driver import execute
from gateway.core.lookup import Lookup
from gateway.core.tables.messages import early_report
from gateway.core.tables.staff import fact

NOW = datetime(2026, 8, 20, 8, 0, 0, 123456, UTC)
put = Inserts(early_report, ("id", "remote_id", "number", "error", "at"), link="it's", state="sent")
change = Updates(early_report, ("id",), ("number", "at"), kept=("error",))
by_number = Lookup(lambda among: select(early_report.c.id).where(among(early_report.c.number)))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 100, 201])
def test_rows_are_written_as_they_are(conn: Connection, count: int) -> None:
    hostile = '\'; DROP TABLE "fact" -- \\x00 %s ? {} 会费\U0001f600'
    rows = [(i, f"r{i}", f"+{i}", hostile if i % 2 else None, NOW + timedelta(seconds=i)) for i in range(count)]
    with conn.begin():
        put(conn, rows)
        names = [early_report.c[name] for name in put.names]
        assert [tuple(row) for row in conn.execute(select(*names).order_by(early_report.c.id))] == rows
        assert set(conn.scalars(select(early_report.c.link))) <= {"it's"}


def test_updates_change_their_rows_only_and_keep_what_is_null(conn: Connection) -> None:
    with conn.begin():
        put(conn, [(i, f"r{i}", f"+{i}", "old", NOW) for i in range(70)])
        change(conn, [(i, f"n{i}", NOW, None if i % 2 else "new") for i in range(69)])
        rows = conn.execute(select(early_report.c.number, early_report.c.error).order_by(early_report.c.id)).all()
    assert [row.number for row in rows] == [*(f"n{i}" for i in range(69)), "+69"]
    assert [row.error for row in rows] == ["old" if i % 2 else "new" for i in range(69)] + ["old"]


@pytest.mark.parametrize("count", [0, 1, 3, 64, 130])
def test_a_lookup_finds_exactly_those(conn: Connection, count: int) -> None:
    with conn.begin():
        put(conn, [(i, f"r{i}", f"+{i}", None, NOW) for i in range(140)])
        assert sorted(row[0] for row in by_number(conn, [f"+{i}" for i in range(count)])) == list(range(count))


def test_errors_are_those_of_sqlalchemy(conn: Connection) -> None:
    with conn.begin():
        conn.execute(insert(fact), {"name": "a", "value": "1"})
    twice = Inserts(fact, ("name", "value"))
    with pytest.raises(IntegrityError), conn.begin():
        twice(conn, [("a", "2")])
    with pytest.raises((ProgrammingError, OperationalError)) as caught, conn.begin():
        execute(conn, "SELECT no_such_column FROM fact", ())
    assert not caught.value.connection_invalidated
    with conn.begin():
        assert conn.scalar(select(fact.c.value)) == "1"


def test_it_belongs_to_the_transaction(conn: Connection) -> None:
    with conn.begin() as outer:
        put(conn, [(1, "r", "+1", None, NOW)])
        outer.rollback()
    with conn.begin():
        assert by_number(conn, ["+1"]) == []
