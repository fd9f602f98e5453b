"""A backup brought back while a bulk notice was on its way (RELIABILITY 18)."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from bench.harness import FIRST_NUMBER, muster
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice
from tests.live.house import Home
from tests.live.operator import Operator, Submitted, operator, until
from tests.live.test_notices import ask, begin, kill, prepared

COUNT, WINDOW = 3000, 10
SHARE = 8  # of a window that bulk may have
TEXT = "【安河组织】明晚八点在村部开会"
ASKING = str(FIRST_NUMBER)


def told(command: str, home: Home, *more: str) -> str:
    """What the command says."""
    ended = subprocess.run([muster(), command, str(home.config), *more], capture_output=True, text=True, check=True)
    return ended.stdout


def bulk(mobile: Operator) -> list[str]:
    return [one.to for one in list(mobile.submitted) if one.text == TEXT]


def asks(mobile: Operator, home: Home) -> None:
    """A member asks what they owe and is answered: the link has had its turns meanwhile."""
    had = len(mobile.to(ASKING))
    mobile.line.deliver(ASKING, "11")
    until(lambda: any("会费" in one.text for one in mobile.to(ASKING)[had:]))


def states(home: Home) -> dict[str, str]:
    """The state of the notice's message to each number."""
    found = select(message.c.number, message.c.state).where(message.c.notice_id.is_not(None))
    return home.read(lambda conn: {row[0].lstrip("+"): row[1] for row in conn.execute(found)})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A notice that had begun when the backup was taken, and went on until the gateway was lost."""
    made = prepared(tmp_path)
    made.members(COUNT)
    return made


def lost(home: Home, mobile: Operator) -> tuple[str, list[str]]:
    """The address of the notice, and who had got it by then."""
    with home.gateway("links,api") as gateway:
        at = begin(home)
        until(lambda: len(bulk(mobile)) > 50, 60)
        held: list[Submitted] = []
        mobile.on_submit = held.append  # so that the backup has some of which nobody knows
        until(lambda: len(held) >= SHARE)
        told("backup", home, str(home.folder / "copy.db"))
        mobile.on_submit = lambda one: one.line.answer(one)
        for one in held:
            one.line.answer(one)
        until(lambda: len(bulk(mobile)) > 200, 60)
        kill(gateway)
    until(lambda: all(line.closed is not None for line in mobile.lines))  # all that it had written is read
    return at, bulk(mobile)


def test_a_notice_waits_for_the_release_and_comes_twice_only_to_whom_the_backup_does_not_know(home: Home) -> None:
    with operator(home.port) as mobile:
        at, before = lost(home, mobile)
        assert "1 bulk notice" in told("restore", home, str(home.folder / "copy.db"), "--force")
        known = states(home)
        with home.gateway("links,api"):
            asks(mobile, home)
            asks(mobile, home)
            assert ask(home, at)["state"] == "running"
            assert bulk(mobile) == before
            assert "goes out now" in told("release", home)
            state = select(notice.c.state)
            until(lambda: home.read(lambda conn: conn.scalar(state)) == "done", 60)
        after = Counter(bulk(mobile))
    assert set(known.values()) <= {"sent", "unknown"}
    assert 0 < list(known.values()).count("unknown") <= WINDOW
    assert {after[number] for number in known} == {1}
    others = {str(FIRST_NUMBER + n) for n in range(COUNT)} - known.keys()
    assert {number for number in others if after[number] == 2} == others & set(before)
    assert all(after[number] == 1 for number in others - set(before))


def test_a_notice_that_is_cancelled_before_the_release_goes_to_nobody_more(home: Home) -> None:
    with operator(home.port) as mobile:
        at, before = lost(home, mobile)
        told("restore", home, str(home.folder / "copy.db"), "--force")
        with home.gateway("links,api"):
            assert ask(home, f"{at}/cancel", {})["state"] == "killed"
            assert told("release", home) == "released\n"
            asks(mobile, home)
            asks(mobile, home)
            assert bulk(mobile) == before
