"""The writer thread, its transactions and its fairness, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from gateway.core.database import Database, Queue, wake
from gateway.core.engines import DatabaseProblem, Plans, engine, is_engine_failure
from gateway.core.tables.everything import METADATA
from gateway.core.tables.staff import fact
from tests.conftest import EmptyDatabase


def put(conn: Connection, name: str, value: str = "") -> str:
    conn.execute(insert(fact), {"name": name, "value": value})
    return name


def names(conn: Connection) -> list[str]:
    return list(conn.scalars(select(fact.c.name).order_by(fact.c.name)))


def fail(conn: Connection, name: str) -> None:
    put(conn, name)
    raise LookupError(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Any]:
    """A Database whose reactor calls are made at once, in the thread that asks."""
    made = Database(database_url, Here())
    made.start()
    yield made
    finished = made.stop()
    result(finished)


def on_file(folder: Any) -> Database:
    """A started Database on `folder`/one.db."""
    url = f"sqlite:///{folder}/one.db"
    made = engine(url, create=True)
    METADATA.create_all(made)
    made.dispose()
    database = Database(url, Here())
    database.start()
    return database


@implementer(IReactorFromThreads)
class Here:
    """callFromThread without a reactor."""

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002  # Twisted's name
        callable(*args, **kwargs)


def result(done: Deferred[Any], seconds: float = 5) -> Any:
    """What `done` fires with, waiting at most so long."""
    ready = threading.Event()
    found: list[Any] = []

    def fired(value: Any) -> None:
        found.append(value)
        ready.set()

    done.addBoth(fired)
    assert ready.wait(seconds), f"nothing in {seconds} seconds"
    return found[0]


def test_works_commit_together_and_return_their_values(database: Database) -> None:
    waiting = [database.run(put, f"n{i}") for i in range(50)]
    assert [result(done) for done in waiting] == [f"n{i}" for i in range(50)]
    assert len(result(database.read(names))) == 50


def test_one_that_fails_takes_nobody_with_it(database: Database) -> None:
    waiting: list[Deferred[Any]] = [database.run(put, "a"), database.run(fail, "b"), database.run(put, "c")]
    answers = [result(done) for done in waiting]
    assert answers[0] == "a"
    assert answers[2] == "c"
    assert answers[1].check(LookupError)
    assert result(database.run(names)) == ["a", "c"]


def test_a_released_savepoint_does_not_survive_the_outer_rollback(conn: Connection) -> None:
    with conn.begin() as outer:
        with conn.begin_nested():
            put(conn, "inner")
        outer.rollback()
    with conn.begin():
        assert names(conn) == []


def test_subscribers_hear_after_the_commit(database: Database) -> None:
    heard: list[list[str]] = []
    database.subscribe("messages", lambda: heard.append(["woken"]))

    def work(conn: Connection) -> None:
        put(conn, "x")
        wake(conn, "messages")

    result(database.run(work))
    result(database.run(names))
    assert heard == [["woken"]]


def test_background_work_gets_its_share(database: Database) -> None:
    background = [database.run(put, f"b{i}", queue=Queue.BACKGROUND) for i in range(3)]
    first = [database.run(put, f"f{i}", queue=Queue.FIRST) for i in range(300)]
    assert [result(done) for done in background] == ["b0", "b1", "b2"]
    assert len([result(done) for done in first]) == 300


def test_plans_are_made_anew_and_more_and_more_seldom(conn: Connection) -> None:
    plans = Plans()
    seen: list[float] = []
    asked: list[str] = []
    event.listen(conn, "before_cursor_execute", lambda *said: asked.append(said[2]))
    for tenths in range(400):
        asked.clear()
        plans.renew(conn, tenths / 10)
        if "DISCARD PLANS" in asked:
            seen.append(tenths / 10)
    assert seen == ([0, 1, 3, 7, 15, 25, 35] if conn.dialect.name == "postgresql" else [])


def test_readers_cannot_write(database: Database) -> None:
    failure = result(database.read(put, "x"))
    assert "read" in str(failure.value).lower()


def test_a_missing_database_is_not_made_by_mistake(tmp_path: Any) -> None:
    with pytest.raises(DatabaseProblem, match="muster upgrade"):
        engine(f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()


def test_two_gateways_cannot_share_a_file(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    engine(url, create=True).connect().close()
    first = Database(url, Here())
    first.start()
    with pytest.raises(DatabaseProblem, match="another gateway"):
        Database(url, Here()).start()
    first.stop()


def test_one_process_holds_the_links_of_a_database_on_a_server(postgresql_server: str) -> None:
    with EmptyDatabase(postgresql_server) as url:
        first, pages = Database(url, Here(), links=True), Database(url, Here())
        first.start()
        pages.start()
        with pytest.raises(DatabaseProblem, match="another gateway holds the links"):
            Database(url, Here(), links=True).start()
        result(first.stop())
        second = Database(url, Here(), links=True)
        second.start()
        assert result(second.run(lambda conn: conn.scalar(select(1)))) == 1
        for each in (second, pages):
            result(each.stop())


def test_who_lost_the_links_with_its_connection_to_another_writes_nothing_more(postgresql_server: str) -> None:
    with EmptyDatabase(postgresql_server) as url:
        made = engine(url)
        METADATA.create_all(made)
        first, second = Database(url, Here(), links=True), Database(url, Here(), links=True)
        first.start()
        waits = threading.Thread(target=second.start)
        waits.start()
        holder = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted = :granted")
        with made.connect() as conn:
            while conn.scalar(holder, {"granted": False}) is None:
                conn.rollback()
            conn.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": conn.scalar(holder, {"granted": True})})
        waits.join()
        assert result(second.run(put, "of the second")) == "of the second"
        waiting = [first.run(put, f"of the first {n}") for n in range(3)]
        for done in waiting:
            assert "another gateway holds the links" in str(result(done, 30).value)
        assert "another gateway holds the links" in str(result(first.lost))
        assert result(second.read(names)) == ["of the second"]
        for each in (first, second):
            result(each.stop())
        made.dispose()


def test_sqlite_is_durable(tmp_path: Any) -> None:
    with engine(f"sqlite:///{tmp_path}/one.db", create=True).connect() as conn:
        assert conn.scalar(text("PRAGMA synchronous")) == 2
        assert conn.scalar(text("PRAGMA journal_mode")) == "wal"
        assert conn.scalar(text("PRAGMA foreign_keys")) == 1


def test_a_database_that_was_deleted_takes_nothing_more(tmp_path: Any) -> None:
    database = on_file(tmp_path)
    try:
        assert result(database.run(put, "kept")) == "kept"
        (tmp_path / "one.db").unlink()
        for _ in range(2):
            assert "while the gateway was using it" in str(result(database.run(put, "lost")).value)
        assert "No such file" in str(result(database.lost))
    finally:
        database.stop()


def test_a_database_that_became_read_only_takes_nothing_more(tmp_path: Any) -> None:
    database = on_file(tmp_path)
    try:
        result(database.run(lambda conn: conn.exec_driver_sql("PRAGMA query_only = ON") and None))
        assert "readonly" in str(result(database.run(put, "x")).value)
        result(database.run(put, "y"))
        assert "readonly" in str(result(database.lost))
    finally:
        database.stop()


def test_a_statement_that_is_wrong_is_no_failure_of_the_engine(database: Database) -> None:
    failure = result(database.run(lambda conn: conn.exec_driver_sql("SELECT nothing FROM nowhere") and None))
    assert not is_engine_failure(failure.value)


def test_a_server_that_ended_all_connections_is_asked_again(postgresql_server: str) -> None:
    ended = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with EmptyDatabase(postgresql_server) as url:
        made = engine(url)
        METADATA.create_all(made)
        database = Database(url, Here(), readers=1)
        database.start()
        try:
            result(database.run(put, "a"))
            assert result(database.read(names)) == ["a"]
            with made.connect() as conn:
                conn.execute(ended)
            assert result(database.run(put, "b")) == "b"
            with made.connect() as conn:
                conn.execute(ended)
            assert result(database.read(names)) == ["a", "b"]
        finally:
            result(database.stop())
            made.dispose()
