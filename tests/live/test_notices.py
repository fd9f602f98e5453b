"""A bulk notice on its way, with a real operator at the other end: killed, paused, cancelled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from sqlalchemy import func, insert, select

from bench.harness import FIRST_NUMBER, figures, free_port
from gateway.affairs.notices.audience import FEW
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.organisation import role_grant
from tests.conftest import EmptyDatabase
from tests.console.served import Browser, staff_member
from tests.live.house import Home
from tests.live.operator import Submitted, operator, until

COUNT = 6_000
LARGE = 150_000  # frozen in forty pieces, which takes a second and more
PUBLISHER, APPROVER = str(FIRST_NUMBER), str(FIRST_NUMBER + 1)
_OPENER = build_opener(ProxyHandler({}))
KEYS = '[api.keys.noticing]\nkey = "a-key-for-notices"\nmay = ["notices", "approve"]'


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """No quiet hours at whatever hour the tests run, and nobody in it yet."""
    if request.param == "sqlite":
        yield prepared(tmp_path)
    else:
        with EmptyDatabase(request.getfixturevalue("postgresql_server")) as url:
            yield prepared(tmp_path, url)


def prepared(folder: Path, url: str | None = None) -> Home:
    made = Home(folder, window=10, url=url)
    written = made.config.read_text("utf-8")
    made.config.write_text(written.replace("[smpp.mobile]", f"{KEYS}\n\n[smpp.mobile]", 1), "utf-8")
    made.decide("quiet.hours", "")
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


def frozen(home: Home) -> int:
    return home.read(lambda conn: conn.scalar(select(func.count()).select_from(notice_recipient)) or 0)


def appoint(home: Home, held: Mapping[int, str]) -> None:
    """Give members a role in the whole organisation."""
    now = datetime.now(UTC)
    rows = [{"id": id_, "role": role, "member_id": id_, "granted_by": "test", "at": now} for id_, role in held.items()]
    opened = engine(home.url)
    with opened.begin() as conn:
        conn.execute(insert(role_grant), rows)
    opened.dispose()


def kill(gateway: subprocess.Popen[bytes]) -> None:
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.wait()


def test_killed_while_a_notice_is_frozen_and_sent(home: Home) -> None:
    """Nobody gets it twice and nobody is left out; what was on the wire at a kill is unknown, a window at most."""
    kills = 3
    home.members(COUNT)
    with home.operator("--dlr", "--latency-ms", "2", seconds=400) as peer:
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
            peer.send_signal(signal.SIGTERM)
            counted = figures(peer, 60)
    assert counted["duplicates"] == 0
    assert frozen(home) == COUNT
    states = home.states()
    unknown = states.get("unknown", 0)
    assert unknown <= kills * 10
    assert sum(states.values()) == COUNT
    assert COUNT - unknown <= counted["distinct"] <= COUNT


def test_killed_while_its_recipients_are_frozen(home: Home) -> None:
    """Each gateway goes on behind the last piece that was committed; nobody is left out or in it twice."""
    home.members(LARGE)
    at, torn = "", 0
    with operator(home.port):
        for least, says in ((1, "bound"), (LARGE // 3, "")):  # the second one is not waited for
            with home.gateway("links,api", says=says) as gateway:
                at = at or begin(home)
                until(lambda least=least: frozen(home) >= least, 60)  # type: ignore[misc]  # bound now
                kill(gateway)
            assert frozen(home) >= least
            torn += frozen(home) < LARGE
        with home.gateway("links,api"):
            until(lambda: ask(home, at)["frozen"], 60)
            assert ask(home, f"{at}/cancel", {})["recipients"] == LARGE
    assert torn, "every kill came when all were frozen"
    assert frozen(home) == LARGE
    texts = select(func.count(), func.count(message.c.number.distinct())).where(message.c.notice_id.is_not(None))
    made, people = home.read(lambda conn: tuple(conn.execute(texts).one()))
    assert made == people


def test_by_sms_to_many(home: Home) -> None:
    """Written, counted, approved, paused and let go on by two phones; who has stopped meanwhile gets nothing."""
    home.members(FEW + 500)
    appoint(home, {1: "publisher", 2: "approver"})
    last = [str(FIRST_NUMBER + FEW + 400 + i) for i in range(50)]
    with operator(home.port) as mobile, home.gateway("links"):
        line = mobile.line

        def says(phone: str, text: str, answers: int) -> str:
            """The last of so many texts that a phone gets then."""
            had = len(mobile.to(phone))
            line.deliver(phone, text)
            until(lambda: len(mobile.to(phone)) >= had + answers)
            return mobile.to(phone)[had + answers - 1].text

        waits = "【安河组织】草稿D101：1500人，0人不发，实发1500人×1条。待审批，撤回：撤D101"
        assert says(PUBLISHER, "群发 全体 明晚八点开会", 2) == waits
        until(lambda: bool(mobile.to(APPROVER)))
        assert mobile.to(APPROVER)[0].text == "【安河组织】D101待审批：1500人，“明晚八点开会”。批准回：批准D101"
        code = re.search(r"Y (\d{4})", says(APPROVER, "批准D101", 1))
        assert code is not None
        held: list[Submitted] = []
        mobile.on_submit = lambda one: held.append(one) if "八点" in one.text else one.line.answer(one)
        line.deliver(APPROVER, f"Y {code[1]}")
        until(lambda: len(held) >= 8)  # the share of a window that bulk may have
        for phone in last:
            line.deliver(phone, "TD")
        until(lambda: all(mobile.to(phone) for phone in last))
        assert re.search(r"已暂停：已发\d+，未发\d+", says(PUBLISHER, "暂停D101", 2))
        mobile.on_submit = lambda one: one.line.answer(one)
        for one in held:
            one.line.answer(one)
        out = len(held)
        assert re.search(r"继续发送：已发\d+，未发\d+", says(APPROVER, "继续D101", 2))
        state = select(notice.c.state)
        until(lambda: home.read(lambda conn: conn.scalar(state)) == "done", 60)
    bulk = [one.to for one in mobile.submitted if one.text == "【安河组织】明晚八点开会"]
    assert out <= 10
    assert len(bulk) == len(set(bulk)) == FEW + 450
    assert not set(bulk) & set(last)


def test_a_pause_and_a_cancellation_hold_at_the_link(home: Home) -> None:
    """After the answer to the pause at most what was on the wire goes, and after the cancellation nothing."""
    home.members(COUNT)
    with home.operator("--dlr", "--latency-ms", "20", seconds=400) as peer, home.gateway("links,api"):
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
        peer.send_signal(signal.SIGTERM)
        counted = figures(peer, 30)
    assert counted["duplicates"] == 0
    assert counted["distinct"] <= at_end < COUNT


def console(home: Home) -> int:
    """The port of a console at which wen writes notices, signing in with a password alone."""
    home.decide("staff.second_factor", [])
    port = free_port()
    listens = f'[console]\nlisten = "tcp:{port}:interface=127.0.0.1"\npublic_url = "http://127.0.0.1:{port}"\n'
    home.config.write_text(f"{home.config.read_text('utf-8')}\n{listens}", "utf-8")
    opened = engine(home.url)
    with opened.begin() as conn:
        staff_member(conn, Ids(slot=8), "wen", "publisher")
    opened.dispose()
    return port


def test_only_what_passes_is_written_to_again(home: Home) -> None:
    """A phone that was away gets it a second time, one that is not or that has it does not; the branches see who."""
    home.members(60)
    appoint(home, {2: "approver"})
    port = console(home)
    away, gone_for_good, refused = (str(FIRST_NUMBER + 10 + i) for i in range(3))
    fates = {away: ("UNDELIV", "006"), gone_for_good: ("UNDELIV", "005")}
    with operator(home.port) as mobile, home.gateway("links,console"):

        def fate(one: Submitted) -> None:
            if one.to == refused:
                one.line.answer(one, 0x0B)
                return
            state, error = fates.get(one.to, ("DELIVRD", "000"))
            one.line.report(one.to, one.line.answer(one), state, error)

        mobile.on_submit = fate
        browser = Browser(port)
        browser.sign_in("wen")

        def sends(address: str) -> None:
            """Submitted by its author, approved by a phone."""
            browser.get(address)
            browser.post(f"{address}/submit", {})
            if "待审批" in browser.get(address).text:
                number = address.rpartition("/")[2]
                mobile.line.deliver(APPROVER, f"批准D{number}")
                asked = rf"批准D{number}？.*Y (\d{{4}})"
                until(lambda: any(re.search(asked, one.text) for one in mobile.to(APPROVER)))
                code = next(found for one in mobile.to(APPROVER) if (found := re.search(asked, one.text)))
                mobile.line.deliver(APPROVER, f"Y {code[1]}")
            until(lambda: "已完成" in browser.get(address).text, 60)

        browser.get("/bulk/new")
        first = browser.post("/bulk/new", {"text_zh": "周五修渠", "form": form_of(browser)}).headers["Location"]
        sends(first)
        report = browser.get(f"{first}/report").text
        assert "有 1 人是暂时收不到" in report
        sheet = browser.get(f"{first}/unreached.csv").body
        assert sheet.count("失败") == 3
        again = browser.post(f"{first}/again", {}).headers["Location"]
        assert again != first
        fates.clear()
        sends(again)
        assert "暂时收不到" not in browser.get(f"{first}/report").text
    texts = [one.to for one in mobile.submitted if one.text == "【安河组织】周五修渠"]
    assert sorted(texts) == sorted([*(str(FIRST_NUMBER + i) for i in range(60)), away])


def form_of(browser: Browser) -> str:
    found = re.search(r'name="form" value="([^"]+)"', browser.last.body if browser.last else "")
    assert found is not None
    return found[1]
