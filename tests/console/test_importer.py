"""What a start finds of imports that were begun: by a process that has ended, or by one that still works at them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import import_rows
from gateway.console import importer as importing
from gateway.console.importer import Importer
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.staff import import_job
from tests.console.serve import ORGANISATION

# Another process, which holds the job until its standard input ends.
_AT_WORK = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def importer(tmp_path: Path, keys: Keys, ids: Ids) -> Importer:
    return Importer(
        url="", folder=tmp_path, keys=keys, ids=ids, organisation=ORGANISATION, reactor=cast(Any, None),
        now=lambda: datetime.now(UTC),
    )  # fmt: skip


def _begun(conn: Connection, ids: Ids, state: str) -> int:
    made = ids()
    conn.execute(
        import_job.insert().values(
            id=made, what="members", file="m.csv", state=state, options="{}", actor="staff:root", at=datetime.now(UTC)
        )
    )
    return made


def _states(conn: Connection) -> dict[int, str]:
    return {row.id: row.state for row in conn.execute(select(import_job.c.id, import_job.c.state))}


def test_what_was_stopped_in_the_middle_can_be_begun_again(conn: Connection, ids: Ids, importer: Importer) -> None:
    jobs = {state: _begun(conn, ids, state) for state in ("waiting", "running", "undoing", "checked", "undone")}
    importer.recover(conn)
    found = _states(conn)
    assert {state: found[job] for state, job in jobs.items()} == {
        "waiting": "failed", "running": "failed", "undoing": "done", "checked": "checked", "undone": "undone"
    }  # fmt: skip


def test_what_is_kept_for_undoing_goes_after_a_day_but_not_under_who_undoes_it(conn: Connection, ids: Ids) -> None:
    jobs = {state: _begun(conn, ids, state) for state in ("undoing", "done")}
    now = datetime.now(UTC)
    conn.execute(import_job.update().values(finished=now))
    for job in jobs.values():
        import_rows.keep_members(conn, job, [{"id": ids()}], {})
    assert importing.forget(conn, now + importing.UNDO - timedelta(minutes=1)) == 0
    later = now + importing.UNDO + timedelta(minutes=1)
    assert importing.forget(conn, later) == 1
    assert [import_rows.left(conn, job) for job in jobs.values()] == [1, 0]
    importing.put(conn, jobs["undoing"], state="undone")
    assert importing.forget(conn, later) == 1


def test_what_another_process_works_at_goes_on_until_that_ends(
    conn: Connection, ids: Ids, importer: Importer, tmp_path: Path
) -> None:
    theirs, nobodys = _begun(conn, ids, "running"), _begun(conn, ids, "running")
    lock = tmp_path / f"{theirs}.lock"
    with subprocess.Popen(
        [sys.executable, "-c", _AT_WORK, os.fspath(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        importer.recover(conn)
        assert _states(conn) == {theirs: "running", nobodys: "failed"}
        other.kill()
    importer.recover(conn)
    assert _states(conn) == {theirs: "failed", nobodys: "failed"}
