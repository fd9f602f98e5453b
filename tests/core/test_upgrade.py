"""The migrations: what they make is what the tables say, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text, update

from config.model import Organisation
from gateway.affairs import payments, refund_rows, refunds
from gateway.affairs.books import Books
from gateway.core import guards, upgrade
from gateway.core.engines import DatabaseProblem, engine
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.staff import fact
from tests.affairs import people
from tests.affairs.test_payments import CASH, payment
from tests.commands.people import IDS, a_member
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


def test_from_each_version_to_this_one_and_back(empty: str, keys: Keys) -> None:
    """Every step of the way is one that a database may have stopped at."""
    made = engine(empty, create=True)
    with made.connect() as conn, conn.begin():
        config = upgrade.config(conn)
        versions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
        for version in versions:
            command.upgrade(config, version)
            assert upgrade.revision(conn) == version
        for version in [*versions[-2::-1], "base"]:
            command.downgrade(config, version)
            command.upgrade(config, "+1")
            command.downgrade(config, version)
        assert set(inspect(conn).get_table_names()) == {"alembic_version"}
    assert upgrade.upgrade(empty, keys) == (None, upgrade.head())
    with made.connect() as conn:
        differences: Any = compare_metadata(MigrationContext.configure(conn, opts={"compare_type": True}), METADATA)
        assert differences == []
        assert guards.missing(conn) == []
    made.dispose()


def test_what_a_member_asked_is_kept_by_both_ways(empty: str, keys: Keys) -> None:
    upgrade.upgrade(empty, keys)
    made = engine(empty)
    with made.begin() as conn:
        place = people.branch(conn, IDS)
        zhang = people.person(conn, IDS, "A1", place)
        books = Books(Organisation(name="Anhe"), keys, IDS)
        paid = payments.receive(conn, books, payment(zhang, 300), people.NOW)
        case = refunds.ask(
            conn, books, member=a_member(id=zhang), receipt=paid, number=people.ZHANG, language="zh", text="16",
            message_id=None, now=people.NOW,
        )  # fmt: skip
        guards.remove(conn)
        command.downgrade(upgrade.config(conn), "0013")
        (row,) = conn.execute(text("SELECT state, case_id, receipt_id FROM refund_request"))
        assert tuple(row) == ("asked", case.id, paid.id)
        assert conn.execute(text("SELECT count(*) FROM refund")).scalar() == 0
    upgrade.upgrade(empty, keys)
    with made.begin() as conn:
        (found,) = refund_rows.listing(conn)
        assert (found.state, found.case_id, found.receipt_id) == (refund_rows.State.ASKED, case.id, paid.id)
        assert (found.amount, found.source) == (300, CASH)
    made.dispose()


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
