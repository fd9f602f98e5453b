"""A gateway killed in the middle of a list that somebody uploads for a notice."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from gateway.core.engines import engine
from gateway.core.tables.notices import notice, notice_list
from tests.conftest import EmptyDatabase
from tests.console.served import Browser
from tests.live.house import Home
from tests.live.operator import operator, until
from tests.live.test_notices import console, form_of, kill, prepared

LINES = 100_000  # seconds of work: it is under way when it is seen


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    if request.param == "sqlite":
        yield prepared(tmp_path)
    else:
        with EmptyDatabase(request.getfixturevalue("postgresql_server")) as url:
            yield prepared(tmp_path, url)


def test_killed_in_the_middle_of_a_list_it_is_said_and_the_same_form_brings_it_whole(home: Home) -> None:
    home.members(20)
    port = console(home)
    content = "".join(f"1590{n:07}\n" for n in range(LINES)).encode()
    browser = Browser(port)
    looking = engine(home.url, read_only=True)

    def listed() -> int:
        return home.read(lambda conn: conn.scalar(select(func.count()).select_from(notice_list)) or 0)

    def begun(conn: Connection) -> bool:
        with conn.begin():
            return conn.scalar(select(notice_list.c.line).limit(1)) is not None

    def upload() -> None:
        with suppress(OSError, http.client.HTTPException):  # the gateway is killed meanwhile
            browser.upload("/bulk/new", fields, content, name="list.csv")

    with operator(home.port):
        with home.gateway("links,console") as gateway:
            browser.sign_in("wen")
            browser.get("/bulk/new")
            fields = {"csrf": browser.csrf, "form": form_of(browser), "text_zh": "领表", "title": "领表"}
            uploading = threading.Thread(target=upload)
            with looking.connect() as conn:  # opened before: a connection begun now would wait for the writer
                uploading.start()
                until(lambda: begun(conn))
            kill(gateway)
            uploading.join(30)
        assert 0 < listed() < LINES
        with home.gateway("links,console"):
            assert "名单还没有收全" in browser.get("/bulk/101").text
            assert str(browser.post("/bulk/101/submit", {}).headers["Location"]).endswith("problem=list")
            assert browser.upload("/bulk/new", fields, content, name="list.csv").headers["Location"] == "/bulk/101"
            assert "名单还没有收全" not in browser.get("/bulk/101").text
    looking.dispose()
    assert listed() == LINES
    assert home.read(lambda conn: conn.scalar(select(func.count()).select_from(notice))) == 1
