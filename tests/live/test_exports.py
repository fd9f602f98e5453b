"""A console that is killed in the middle of an export: it is written anew, whole, and nothing is left behind."""

from __future__ import annotations

import csv
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bench.harness import free_port
from gateway.affairs import roles, staff
from gateway.console.passwords import hashed
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.desk import export_job
from gateway.core.tables.messages import message
from tests.console.served import PASSWORD, Browser
from tests.live.operator import until
from tests.live.test_split import Split

pytestmark = pytest.mark.peer
_ROWS = 20_000


@pytest.fixture
def home(tmp_path: Path) -> Split:
    port = free_port()
    pages = f'[console]\nlisten = "tcp:{port}:interface=127.0.0.1"\npublic_url = "http://127.0.0.1:{port}"'
    made = Split(tmp_path, port, more=pages)
    opened = engine(made.url)
    with opened.begin() as conn:
        _fill(conn)
    opened.dispose()
    made.decide("staff.second_factor", [])  # this is not about it
    return made


def _fill(conn: Connection) -> None:
    ids, now = Ids(slot=3), datetime.now(UTC)
    row = {
        "direction": "in", "state": "received", "channel": "sms", "link": "mobile", "number": "+8613800000007",
        "at": now, "log_class": "A", "command": "0", "text": "=cmd|' /C calc'!A0",
    }  # fmt: skip
    conn.execute(message.insert(), [row | {"id": ids()} for _ in range(_ROWS)])
    for name in ("zhao", "qin"):
        made = staff.add(conn, ids, name, password_hash=hashed(PASSWORD), now=now)
        roles.grant(conn, ids, "lead", staff_id=made, branch_id=None, by="test", now=now, today=now.date())


def _state(home: Split) -> str:
    return str(home.read(lambda conn: conn.execute(select(export_job.c.state)).scalar_one()))


def test_a_console_killed_in_the_middle_of_an_export_writes_it_anew(home: Split) -> None:
    folder = home.folder / "exports"
    with home.gateway("console", says="ready") as console:
        browser = Browser(home.console)
        until(home.serves, 60)
        assert browser.sign_in("zhao").status == 303
        browser.get("/log")
        assert browser.post("/exports/ask", {"query": "", "form": "csv", "reason": "月报核对"}).status == 303
        until(lambda: any(file.stat().st_size for file in folder.glob("*.csv")), 60)
        assert _state(home) == "writing"
        console.kill()
        console.wait()
    [half] = folder.iterdir()
    os.utime(half, (time.time() - 7200,) * 2)  # it was killed hours ago
    with home.gateway("console", says="ready"):
        until(home.serves, 60)
        until(lambda: _state(home) == "asked", 90)
        until(lambda: not half.exists())
        [whole] = folder.iterdir()
        assert whole.stat().st_mode & 0o077 == 0
        assert browser.sign_in("zhao").status == 303
        page = browser.get("/exports")
        id_ = home.read(lambda conn: conn.execute(select(export_job.c.id)).scalar_one())
        assert "20,000" in page.text
        browser.post(f"/exports/{id_}/decide", {"decision": "yes"})
        assert _state(home) == "asked", "nobody decides of their own"
        assert browser.get(f"/exports/{id_}/file").status == 404
        other = Browser(home.console)
        assert other.sign_in("qin").status == 303
        other.get("/exports")
        assert other.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 303
        assert other.get(f"/exports/{id_}/file").status == 404, "it is for who asked"
        fetched = browser.get(f"/exports/{id_}/file")
        lines = list(csv.reader(fetched.octets.decode("utf-8-sig").splitlines()))
        assert len(lines) == _ROWS + 2
        assert "zhao" in lines[0][0]
        assert "月报核对" in lines[0][0]
        assert re.fullmatch(r"\+86138\*{4}0007", lines[-1][2].lstrip("'"))
        assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)
