"""A bulk notice on its way, with a real operator at the other end: killed, paused, cancelled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from sqlalchemy import func, select

from bench.harness import figures
from gateway.affairs import settings
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient
from tests.live.house import Home
from tests.live.operator import until

COUNT = 6_000
_OPENER = build_opener(ProxyHandler({}))
KEYS = '[api.keys.noticing]\nkey = "a-key-for-notices"\nmay = ["notices", "approve"]'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A register, and no quiet hours at whatever hour the tests run."""
    made = Home(tmp_path, window=10, more="")
    written = made.config.read_text("utf-8")
    made.config.write_text(written.replace("[smpp.mobile]", f"{KEYS}\n\n[smpp.mobile]", 1), "utf-8")
    made.members(COUNT)
    opened = engine(made.url)
    with opened.begin() as conn:
        settings.change(conn, Ids(), "quiet.hours", "", actor="system:test", now=datetime.now(UTC))
    opened.dispose()
    return made


def ask(home: Home, path: str, body: Any = None) -> Any:
    request = Request(
        f"http://127.0.0.1:{home.api}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer a-key-for-notices"},
    )
    with _OPENER.open(request, timeout=30) as answer:
        return json.loads(answer.read())


def begin(home: Home) -> str:
    made = ask(home, "/v1/notices", {"text": "明晚八点在村部开会", "to": {}, "title": "开会"})
    return f"/v1/notices/{made['id']}"


def gone(home: Home) -> int:
    count = select(func.count()).where(message.c.notice_id.is_not(None))
    return home.read(lambda conn: conn.scalar(count) or 0)


def kill(gateway: subprocess.Popen[bytes]) -> None:
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.wait()


def test_killed_while_a_notice_is_frozen_and_sent(home: Home) -> None:
    """Nobody gets it twice and nobody is left out; what was on the wire at a kill is unknown, a window at most."""
    kills = 3
    with home.operator("--dlr", "--latency-ms", "2", seconds=400) as operator:
        with home.gateway("links,api") as gateway:
            begin(home)
            until(lambda: gone(home) > 20, 60)
            kill(gateway)
        for turn in range(2, kills + 1):
            with home.gateway("links,api") as gateway:
                until(lambda least=turn: gone(home) > least * 400, 60)  # type: ignore[misc]  # bound now
                kill(gateway)
        with home.gateway("links,api"):
            state = select(notice.c.state)
            until(lambda: home.read(lambda conn: conn.scalar(state)) == "done", 120)
            operator.send_signal(signal.SIGTERM)
            counted = figures(operator, 60)
    assert counted["duplicates"] == 0
    frozen = home.read(lambda conn: conn.scalar(select(func.count()).select_from(notice_recipient)))
    assert frozen == COUNT
    states = home.states()
    unknown = states.get("unknown", 0)
    assert unknown <= kills * 10
    assert sum(states.values()) == COUNT
    assert COUNT - unknown <= counted["distinct"] <= COUNT


def test_a_pause_and_a_cancellation_hold_at_the_link(home: Home) -> None:
    """After the answer to the pause at most what was on the wire goes, and after the cancellation nothing."""
    with home.operator("--dlr", "--latency-ms", "20", seconds=400) as operator, home.gateway("links,api"):
        at = begin(home)
        until(lambda: gone(home) > 50, 60)
        at_pause = sum(ask(home, f"{at}/pause", {})["messages"].values())
        assert ask(home, at)["state"] == "paused"
        settled = ("delivered", "sent")
        until(lambda: set(ask(home, at)["messages"]) <= {*settled, "queued"}, 30)
        after = ask(home, at)
        out = sum(after["messages"].get(state, 0) for state in settled)
        assert out <= at_pause
        ask(home, f"{at}/resume", {})
        until(lambda: gone(home) > at_pause + 50, 60)
        at_end = sum(ask(home, f"{at}/cancel", {})["messages"].values())
        until(lambda: set(ask(home, at)["messages"]) <= {*settled, "cancelled"}, 30)
        operator.send_signal(signal.SIGTERM)
        counted = figures(operator, 30)
    assert counted["duplicates"] == 0
    assert counted["distinct"] <= at_end < COUNT
