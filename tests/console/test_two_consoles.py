"""Two consoles as processes on one database: staff of one see who writes at the other."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import pytest

from tests.conftest import EmptyDatabase
from tests.console.served import Served, asked, people


@pytest.fixture
def both(postgresql_server: str, _postgresql_template: str) -> Iterator[tuple[Served, Served]]:
    """PostgreSQL: a file of SQLite belongs to one process."""
    with ExitStack() as stack:
        url = stack.enter_context(EmptyDatabase(postgresql_server, template=_postgresql_template))
        yield stack.enter_context(Served(url)), stack.enter_context(Served(url))


def test_who_writes_is_seen_at_the_other_console_too(both: tuple[Served, Served]) -> None:
    here, there = both
    member = here.run(lambda conn: people(conn, here.ids))
    case = here.run(lambda conn: asked(conn, here.ids, member, "低保什么时候到账"))
    li, zhao = here.browser("li"), there.browser("zhao")
    page = f"/case/{case.case_no}"
    assert "li 正在写" not in zhao.get(page).text
    with socket.create_connection(("127.0.0.1", there.port), timeout=30) as stream:
        cookie = f"muster={zhao.cookies['muster']}".encode()
        stream.sendall(b"GET /events?topics=cases HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\n\r\n")
        _until(stream, b"retry")
        li.get(page)
        li.post(f"{page}/measure", {"text": "这个月二十号"}, {"HX-Request": "true"})
        _until(stream, b"event: cases")
        assert "li 正在写" in zhao.get(page, {"HX-Request": "true", "X-Live": "1"}).text
        assert "正在写" not in li.get(page).text, "nobody is told that they write themselves"
        there.order("advance 13")
        _until(stream, b"event: cases")
        assert "li 正在写" not in zhao.get(page).text


def test_two_who_answer_at_once_at_two_consoles_are_one_answer(both: tuple[Served, Served]) -> None:
    here, there = both
    member = here.run(lambda conn: people(conn, here.ids))
    li, zhao = here.browser("li"), there.browser("zhao")
    for number in range(5):
        case = here.run(partial(asked, ids=here.ids, who=member, text=f"低保什么时候到账 {number}"))
        page = f"/case/{case.case_no}"
        forms = [re.search(r'name="form" value="([^"]+)"', browser.get(page).body) for browser in (li, zhao)]
        said = [
            {"form": found[1] if found else "", "seen": "0", "text": text}
            for found, text in zip(forms, ("每月十日", "带身份证"), strict=True)
        ]
        with ThreadPoolExecutor(2) as at_once:
            found = [
                at_once.submit(each.post, f"{page}/answer", values)
                for each, values in zip((li, zhao), said, strict=True)
            ]
        sent, refused = sorted((answer.result() for answer in found), key=lambda answer: answer.status)
        assert (sent.status, refused.status) == (303, 409)
        assert "每月十日" in refused.body  # whichever came first is seen by the other
        assert "带身份证" in refused.body
        seen = re.search(r'name="seen" value="(\d+)"', refused.body)
        assert seen is not None
        assert seen[1] != "0", "sent again as it stands, it would be refused again"


def _until(stream: socket.socket, wanted: bytes) -> None:
    seen = b""
    while wanted not in seen:
        octets = stream.recv(4096)
        assert octets, seen
        seen += octets
