"""kill -9 at random instants under load: nothing acknowledged is lost, no effect twice, unknown at most a window."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import kill
from gateway.core.outcomes import stub
from gateway.wire import Wire, boot
from tests.conftest import EmptyDatabase
from tests.live.house import Home
from tests.live.operator import operator, until

pytestmark = pytest.mark.peer
_MEMBER = "8613800000007"


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


def test_what_a_link_knew_that_is_configured_no_more_is_not_believed_twice(tmp_path: Path) -> None:
    """Its part has gone by another link since."""
    home = Home(tmp_path)
    with home.gateway("links,api", says="no connection"):
        [id_] = home.post((f"+{_MEMBER}", "once"))
    Wire(tmp_path, "gone", 10, boot()).ready([stub(int(id_), 1, 1, f"+{_MEMBER}")])
    with operator(home.port) as smsc:
        smsc.on_submit = lambda submitted: None
        with home.gateway():
            until(lambda: home.parts() == {"inflight": 1} and smsc.to(_MEMBER))
        with home.gateway():
            assert home.parts() == {"unknown": 1}
    assert len(smsc.to(_MEMBER)) == 1


def test_killed_under_load_on_postgresql(tmp_path: Path, postgresql_server: str) -> None:
    with EmptyDatabase(postgresql_server) as url:
        outcome = kill.run(tmp_path, count=400, kills=2, url=url)
    assert outcome.good, outcome
    assert outcome.logged == outcome.acknowledged == 400
    assert outcome.sent + outcome.unknown >= 400
