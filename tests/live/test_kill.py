"""kill -9 at random instants under load: nothing acknowledged is lost, no effect twice, unknown at most a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import kill
from tests.conftest import EmptyDatabase

pytestmark = pytest.mark.peer


def test_killed_under_load(tmp_path: Path) -> None:
    outcome = kill.run(tmp_path, count=1000, kills=4)
    assert outcome.good, outcome
    assert outcome.logged == outcome.acknowledged == 1000
    assert outcome.sent + outcome.unknown >= 1000


def test_killed_while_the_next_window_stands_ready(tmp_path: Path) -> None:
    outcome = kill.run(tmp_path, count=800, kills=4, latency=20)
    assert outcome.good, outcome
    assert outcome.logged == outcome.acknowledged == 800
    assert outcome.sent + outcome.unknown >= 800


def test_killed_under_load_on_postgresql(tmp_path: Path, postgresql_server: str) -> None:
    with EmptyDatabase(postgresql_server) as url:
        outcome = kill.run(tmp_path, count=400, kills=2, url=url)
    assert outcome.good, outcome
    assert outcome.logged == outcome.acknowledged == 400
    assert outcome.sent + outcome.unknown >= 400
