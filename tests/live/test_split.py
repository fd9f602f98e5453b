"""A gateway in several processes on one database: links here, pages there, nothing missed and nothing said twice."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, text

from bench.harness import free_port
from gateway import elsewhere
from gateway.affairs import alarming, cases, roles, staff
from gateway.console.passwords import hashed
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.desk import alarm
from gateway.core.tables.organisation import branch, member, number
from gateway.core.tables.staff import delivery, hotline_case
from tests.conftest import EmptyDatabase
from tests.console.served import PASSWORD, Browser
from tests.live.house import Home
from tests.live.operator import OK, operator, until

pytestmark = pytest.mark.peer
_MEMBER, _TOLD = "8613800000007", "8613800000001"


class Ear(HTTPServer):
    """Another system, which hears of alarms."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hears)
        self.heard: list[tuple[str, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hears(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.heard.append((said["alarm"], said["state"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *of_requests: object) -> None:
        """Nothing: they are in `heard`."""


class Split(Home):
    """Its pages are served on the port `console`."""

    def __init__(self, folder: Path, console: int, **how: Any) -> None:
        super().__init__(folder, **how)
        self.console = console

    @contextmanager
    def pages(self) -> Iterator[None]:
        """A process with the pages alone; what the log says may be another's."""
        with self.gateway("console", says=""):
            until(self.serves, 60)
            yield

    def serves(self) -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.console), timeout=5):
            return True
        return False


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def home(tmp_path: Path, postgresql_server: str, ear: Ear) -> Iterator[Split]:
    """PostgreSQL: a file of SQLite belongs to one process."""
    console = free_port()
    alarms = f'numbers = ["+{_TOLD}"]\nwebhook = "http://127.0.0.1:{ear.server_port}/alarms"\nwebhook_key = "k" '
    pages = f'[console]\nlisten = "tcp:{console}:interface=127.0.0.1"\npublic_url = "http://127.0.0.1:{console}"'
    with EmptyDatabase(postgresql_server) as url:
        made = Split(tmp_path, console, url=url, more=f"[alarms]\n{alarms}\n{pages}")
        opened = engine(url)
        with opened.begin() as conn:
            _people(conn)
        opened.dispose()
        yield made


def _people(conn: Connection) -> None:
    ids, now = Ids(slot=3), datetime.now(UTC)
    conn.execute(insert(branch).values(id=1, code="53", name="安河县", path="/53/"))
    conn.execute(
        insert(member).values(
            id=1, member_no="A1004", branch_id=1, name="王玉兰", language="zh", dues_class="a", monthly_amount=900,
            created=now,
        )
    )  # fmt: skip
    conn.execute(insert(number).values(number=f"+{_MEMBER}", member_id=1, main=True, bound=now))
    made = staff.add(conn, ids, "li", password_hash=hashed(PASSWORD), now=now)
    roles.grant(conn, ids, "agent", staff_id=made, branch_id=None, by="test", now=now, today=now.date())


def test_pages_follow_what_links_in_another_process_do_and_answers_go_out_there(home: Split) -> None:
    with operator(home.port) as smsc, home.gateway("links"), home.pages():
        browser = Browser(home.console)
        assert browser.sign_in("li").status == 303
        until(lambda: "mobile" in browser.get("/links").text)
        assert "正常" in browser.get("/links").text, "the board is that of the other process"
        cookie = f"muster={browser.cookies['muster']}".encode()
        with socket.create_connection(("127.0.0.1", home.console), timeout=30) as stream:
            topics = b"messages,cases,links,figures"
            stream.sendall(b"GET /events?topics=" + topics + b" HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\n\r\n")
            _heard(stream, "retry")
            asked = smsc.line.deliver(_MEMBER, "问 低保什么时候到账")
            assert smsc.line.status(asked) == OK
            _heard(stream, "event: messages", "event: cases", "event: figures")
            case_no = home.read(lambda conn: conn.scalar(select(hotline_case.c.case_no)))
            page = f"/case/{case_no}"
            assert "低保什么时候到账" in browser.get(page).text
            assert browser.post(f"{page}/claim", {}).status == 303
            form = re.search(r'name="form" value="([^"]+)"', browser.get(page).body)
            assert form is not None
            found = browser.post(f"{page}/answer", {"form": form[1], "text": "二十号到账"})
            assert found.status == 303, found.text
            until(lambda: any("二十号到账" in one.text for one in smsc.to(_MEMBER)))
            smsc.line.close()
            _heard(stream, "event: links")


def test_whoever_holds_no_links_starts_and_ends_without_touching_what_is_on_its_way(home: Split) -> None:
    with operator(home.port) as smsc, home.gateway("links,api"):
        smsc.on_submit = lambda submitted: None
        home.post((f"+{_MEMBER}", "slowly"))
        until(lambda: home.parts().get("inflight") == 1)
        with home.pages():
            assert "after the last stop" not in home.log
        assert home.parts() == {"inflight": 1}
        submitted = smsc.to(_MEMBER)[0]
        submitted.line.answer(submitted)
        until(lambda: home.parts() == {"sent": 1})


def test_what_other_systems_hand_to_a_process_without_links_goes_out_by_the_one_that_has_them(home: Split) -> None:
    with operator(home.port) as smsc, home.gateway("links"), home.gateway("api", says=""):
        until(lambda: home.ask("/readyz")[0] == 200)
        assert home.ask("/readyz")[1]["links"] == {"mobile": "ready"}
        home.post((f"+{_MEMBER}", "by the other"))
        until(lambda: [one.text for one in smsc.to(_MEMBER)] == ["by the other"])


def test_a_second_process_with_the_links_is_refused_and_leaves_what_is_on_its_way(home: Split) -> None:
    with operator(home.port) as smsc, home.gateway("links,api"):
        smsc.on_submit = lambda submitted: None
        home.post((f"+{_MEMBER}", "slowly"))
        until(lambda: home.parts().get("inflight") == 1)
        with home.gateway("links", says="Error") as second:
            assert second.wait(30) == 2
        said = "Error: another gateway holds the links of this database; stop it first, or start without links\n"
        assert said in home.log
        assert "Traceback" not in home.log
        assert home.parts() == {"inflight": 1}
        assert len(smsc.lines) == 1
    with operator(home.port), home.gateway("links"):
        assert home.parts() == {"unknown": 1}, "that of one that was killed is free at once"


def test_a_process_that_ends_says_that_its_links_end_with_it(home: Split) -> None:
    with operator(home.port), home.gateway("links") as links:
        until(lambda: [each.state.status.value for each in home.read(_links)] == ["ready"])
        links.terminate()
        assert links.wait(30) == 0
    [seen] = home.read(_links)
    assert (seen.state.status.value, seen.state.detail) == ("down", "stopped")


def test_a_signal_while_it_starts_ends_it(home: Split) -> None:
    """The link is bound, and what comes after it in the start waits for a table."""
    opened = engine(home.url)
    with operator(home.port), ExitStack() as held:
        conn = held.enter_context(opened.begin())
        conn.execute(text("LOCK TABLE link_seen IN EXCLUSIVE MODE"))
        with home.gateway("links") as links:
            links.terminate()
            held.close()
            assert links.wait(30) == 0
    opened.dispose()


def _links(conn: Connection) -> list[elsewhere.Seen]:
    """As they were told of last, however long ago."""
    return elsewhere.links(conn, datetime.now(UTC) - timedelta(hours=1))


@pytest.mark.parametrize("parts", [("links", "console", "api"), ("links,console",), ("links,api", "console")])
def test_an_alarm_is_told_once_however_the_parts_are_split(home: Split, ear: Ear, parts: tuple[str, ...]) -> None:
    with operator(home.port) as smsc, ExitStack() as running:
        for part in parts:
            running.enter_context(home.gateway(part, says="bound" if "links" in part else ""))
        _late(home)
        until(lambda: ear.heard == [("late", "begun")], 60)
        until(lambda: len(smsc.to(_TOLD)) == 1, 60)
        until(lambda: home.read(lambda conn: conn.scalar(select(delivery.c.id))) is None)
    assert ear.heard == [("late", "begun")]
    assert len(smsc.to(_TOLD)) == 1
    assert home.read(lambda conn: len(alarming.standing(conn))) == 1


def test_pages_say_that_the_process_with_the_links_has_gone(home: Split, ear: Ear) -> None:
    with home.pages():
        with operator(home.port), home.gateway("links") as links:
            browser = Browser(home.console)
            browser.sign_in("li")
            until(lambda: "正常" in browser.get("/links").text)
            links.kill()
            links.wait()
        until(lambda: "正常" not in browser.get("/links").text, 60)
        assert "中断" in browser.get("/links").text
    assert home.read(lambda conn: conn.scalar(select(alarm.c.id))) is None, "two minutes are not over"


def _late(home: Split) -> None:
    """Eight questions that should have been answered."""
    made, now = engine(home.url), datetime.now(UTC)
    ids, keys = Ids(slot=4), Keys.load(home.folder / "muster.key")
    with made.begin() as conn:
        for index in range(8):
            cases.open(
                conn, ids, keys, number=f"+86139000000{index:02}", member=None, language="zh", text="水费",
                message_id=None, now=now - timedelta(hours=9),
            )  # fmt: skip
        conn.execute(hotline_case.update().values(due=now - timedelta(hours=1), escalated=2))
    made.dispose()


def _heard(stream: socket.socket, *wanted: str) -> None:
    """Read the live stream until it has said all of these."""
    said = b""
    while not all(each.encode() in said for each in wanted):
        octets = stream.recv(4096)
        assert octets, said
        said += octets
