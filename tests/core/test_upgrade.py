"""The migrations: what they make is what the tables say, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text, update

from gateway.core import guards, upgrade
from gateway.core.engines import DatabaseProblem, engine
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.staff import fact
from tests.conftest import EmptyDatabase


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/muster.db"
        return
    with EmptyDatabase(request.getfixturevalue("postgresql_server")) as url:
        yield url


def test_the_migrations_make_what_the_tables_say(empty: str, keys: Keys) -> None:
    assert upgrade.upgrade(empty, keys) == (None, upgrade.head())
    made = engine(empty)
    with made.connect() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        differences: Any = compare_metadata(context, METADATA)
    made.dispose()
    assert differences == []


def test_an_upgrade_guards_the_ledger_as_new_tables_do(empty: str, keys: Keys) -> None:
    made = engine(empty, create=True)
    METADATA.create_all(made)
    with made.begin() as conn:
        new = guards.installed(conn)
        METADATA.drop_all(conn)
        guards.remove(conn)
    assert len(new) > 20
    for _ in range(2):
        upgrade.upgrade(empty, keys)
        with made.begin() as conn:
            assert guards.installed(conn) == new
            assert guards.missing(conn) == []
    made.dispose()


def test_a_guard_that_is_another_is_found(empty: str, keys: Keys) -> None:
    upgrade.upgrade(empty, keys)
    made = engine(empty)
    with made.begin() as conn:
        if conn.dialect.name == "postgresql":
            conn.execute(text("ALTER TABLE txn DISABLE TRIGGER guard_txn_update"))
        else:
            conn.execute(text("DROP TRIGGER guard_txn_update"))
            conn.execute(text("CREATE TRIGGER guard_txn_update BEFORE UPDATE ON txn BEGIN SELECT 1; END"))
        assert guards.missing(conn) == ["guard_txn_update"]
        with pytest.raises(DatabaseProblem, match="muster verify"):
            upgrade.check(conn, keys)
    made.dispose()


def test_an_upgrade_twice_changes_nothing(empty: str, keys: Keys) -> None:
    upgrade.upgrade(empty, keys)
    assert upgrade.upgrade(empty, keys) == (upgrade.head(), upgrade.head())


def test_a_database_of_another_version_is_refused(empty: str, keys: Keys) -> None:
    upgrade.upgrade(empty, keys)
    made = engine(empty)
    with made.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with made.connect() as conn, pytest.raises(DatabaseProblem, match="muster upgrade"):
        upgrade.check(conn, keys)
    made.dispose()
    with pytest.raises(DatabaseProblem, match="newer"):
        upgrade.upgrade(empty, keys)


def test_a_database_of_another_key_is_refused(empty: str, keys: Keys) -> None:
    upgrade.upgrade(empty, keys)
    other = Keys(bytes(32))
    made = engine(empty)
    with made.connect() as conn, pytest.raises(DatabaseProblem, match="another key"):
        upgrade.check(conn, other)
    with made.begin() as conn:
        upgrade.check(conn, keys)
        conn.execute(update(fact).where(fact.c.name == "key").values(value=other.fingerprint()))
    made.dispose()
    with pytest.raises(DatabaseProblem, match="another key"):
        upgrade.upgrade(empty, keys)
