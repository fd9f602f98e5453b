"""The demo as a visitor meets it: phones, links, database and console are the real ones, only the network is not."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import insert
from twisted.internet.defer import Deferred

from gateway.console.language import LANGUAGES
from gateway.core import upgrade
from gateway.core.engines import engine
from gateway.core.keys import Keys
from gateway.core.tables.organisation import branch
from gateway.demo import main as demos
from gateway.demo import organisation, pages
from gateway.demo.main import Demo
from gateway.demo.network import Handset, Note
from tests.console.served import Browser
from tests.reactors import Running, running
from tests.smpp.test_simulator import until

LI, GRACE, CHEN, STRANGER = "+8613800000001", "+254712345678", "+8615700000004", "+8613800000006"


class Visit:
    """A demo, the browser of its visitor, and hands on its phones."""

    def __init__(self, own: Running, folder: Path) -> None:
        self.own = own
        self.demo = Demo(own.reactor, folder, listen="tcp:8180:interface=127.0.0.1", random=Random(5))
        own.call(lambda: Deferred.fromCoroutine(self.demo.start()), timeout=60)
        self.port = int(self.demo.gateway.console.listen.split(":")[1])

    def stop(self) -> None:
        self.own.call(lambda: Deferred.fromCoroutine(self.demo.stop()), timeout=60)

    def phone(self, number: str) -> Handset:
        return self.demo.network.handsets[number]

    def answer(self, number: str, text: str) -> Note:
        """What comes back to the phone when it has pressed the keys of `text`."""
        before = sum(not note.ours for note in self.phone(number).notes)
        self.own.call(self.demo.network.press, number, text)
        until(lambda: sum(not note.ours for note in self.phone(number).notes) > before, 20)
        return next(note for note in reversed(self.phone(number).notes) if not note.ours)

    def screen(self, number: str, text: str) -> str:
        """What the phone shows in its session after `text`."""
        news = self.own.call(lambda: [self.demo.network.news(number, 20)])
        self.own.call(self.demo.network.press, number, text)
        until(lambda: news[0].called, 20)
        return self.phone(number).screen or ""

    def browser(self, role: str = "lead") -> Browser:
        made = Browser(self.port)
        assert made.get(f"/sign-in/link/{self.demo.tokens.pop(role)}").status == 303
        return made


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture(scope="module")
def visit(own: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    it = Visit(own, tmp_path_factory.mktemp("demo"))
    yield it
    it.stop()


@pytest.fixture(scope="module")
def lead(visit: Visit) -> Browser:
    return visit.browser()


def test_the_first_texts_are_answered_over_each_kind_of_link(visit: Visit, lead: Browser) -> None:
    for number, text in organisation.FIRST_TEXTS:
        notes = visit.phone(number).notes
        until(partial(_answered, notes), 20)
        assert (notes[0].text, notes[0].ours, notes[0].taken) == (text, True, True)
    assert "5.00" in visit.phone(LI).notes[1].text
    assert "15.00" in visit.phone(GRACE).notes[1].text  # three months
    case = re.search(r"\d{9}", visit.phone(CHEN).notes[1].text)
    assert case is not None
    assert case[0] in lead.get("/queue").text


def _answered(notes: Sequence[Note]) -> bool:
    return len(notes) >= 2 and notes[0].taken


def test_there_is_a_month_to_look_back_on(visit: Visit, lead: Browser) -> None:
    since = (datetime.now(UTC) - timedelta(days=29)).date()
    until_ = (datetime.now(UTC) - timedelta(days=5)).date()
    found = lead.get(f"/log?{urlencode({'q': '没看懂', 'from': since, 'to': until_})}").text
    assert "没看懂“谢谢”" in found
    assert "已送达" in found
    answered = lead.get("/queue?tab=closed").text
    assert "路灯" in answered
    assert lead.get("/queue").body.count("data-row") == 1, "only what was asked just now waits"
    overview = lead.get("/overview").body
    assert overview.count("<rect") > 40
    publisher = visit.browser("publisher")
    assert "体检" in publisher.get("/bulk?tab=over").text
    assert "已送达" in publisher.get("/bulk/102/report").text


def test_a_text_and_a_session_in_the_log(visit: Visit, lead: Browser) -> None:
    assert "交至" in visit.answer("+8613800000002", "会费").text
    root = visit.screen("+8613800000002", "*123#")
    assert "会费" in root
    assert visit.phone("+8613800000002").in_session
    assert "交至" in visit.screen("+8613800000002", "1")
    assert visit.screen("+8613800000002", "0") == root
    visit.screen("+8613800000002", "0")
    assert not visit.phone("+8613800000002").in_session
    log = lead.get("/log").text
    assert "+86138****0002" in log
    assert "USSD" in log
    assert "village" in log


def test_a_stranger_binds_the_phone_with_the_invitation(visit: Visit) -> None:
    invitation = re.search(r"\d{8}", visit.phone(STRANGER).story["zh"])
    assert invitation is not None
    assert "绑定" in visit.answer(STRANGER, "会费").text  # not a member yet: told how to become known
    asked = visit.answer(STRANGER, f"绑定 {invitation[0]}").text
    code = re.search(r"Y (\d+)", asked)
    assert code is not None, asked
    visit.answer(STRANGER, f"Y {code[1]}")
    assert "上坪支部" in visit.answer(STRANGER, "82").text


def test_the_page_sends_and_shows(visit: Visit, lead: Browser) -> None:
    page = lead.get(f"/handset/{GRACE}")
    assert page.status == 200
    assert "Grace Wanjiru" in page.body
    pressed = lead.post(f"/handset/{GRACE}/press", {"text": "HELP", "key": "send"}, {"HX-Request": "true"})
    assert pressed.status == 200
    assert 'hx-swap-oob="innerHTML"' in pressed.body
    until(lambda: "HELP" in lead.get(f"/handset/{GRACE}/notes").body)
    until(lambda: not visit.phone(GRACE).notes[-1].ours)
    assert visit.phone(GRACE).notes[-1].text.split("\n")[0][:20] in lead.get(f"/handset/{GRACE}/screen").text


def test_the_page_dials(visit: Visit, lead: Browser) -> None:
    lead.get(f"/handset/{LI}")
    dialled = lead.post(f"/handset/{LI}/press", {"text": "*123#", "key": "send"}, {"HX-Request": "true"})
    assert "会费" in dialled.body  # it waits for the screen
    ended = lead.post(f"/handset/{LI}/press", {"text": "", "key": "end"})
    assert (ended.status, ended.headers["Location"]) == (303, f"/handset/{LI}")
    assert not visit.phone(LI).in_session


def test_texts_on_the_page_are_inert(visit: Visit, lead: Browser) -> None:
    visit.answer(LI, "<script>alert(1)</script>")
    body = lead.get(f"/handset/{LI}").body
    assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body


def test_pages_that_are_none(lead: Browser) -> None:
    assert lead.get("/handset/+8613999999999").status == 404
    assert lead.get(f"/handset/{LI}/passwords").status == 404
    assert lead.post(f"/handset/{LI}/press", {"text": "DUES", "csrf": "wrong"}).status == 403


def test_the_handset_is_for_who_is_signed_in(visit: Visit) -> None:
    assert Browser(visit.port).get("/handset").headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_says_demo_and_runs_no_inline_script(lead: Browser, language: str) -> None:
    for path in ("/queue", "/log", "/links", f"/handset/{LI}"):
        page = lead.get(path, {"Accept-Language": language})
        assert page.status == 200
        assert ">DEMO<" in page.body
        assert "'unsafe" not in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", page.body)


def test_each_role_has_one_link(own: Running, visit: Visit) -> None:
    assert set(organisation.STAFF) >= {"lead", "agent", "auditor", "admin"}
    said = "\n".join(visit.demo.said())
    assert "DEMO" in said
    for role in visit.demo.tokens:
        assert re.search(rf"^  {role} +http://127.0.0.1:{visit.port}/sign-in/link/\S+$", said, re.MULTILINE)


def test_what_is_kept_is_found_again(own: Running, tmp_path: Path) -> None:
    first = Visit(own, tmp_path)
    until(partial(_answered, first.phone(LI).notes), 20)
    assert "English" in first.answer(LI, "LANG EN").text
    first.stop()
    again = Visit(own, tmp_path)
    try:
        assert not again.demo._new
        assert set(again.demo.tokens) == set(organisation.STAFF)
        assert "CNY" in again.answer(LI, "DUES").text  # the language chosen before
        assert len(again.phone(LI).notes) == 2  # and no first texts a second time
    finally:
        again.stop()


def test_a_port_that_is_taken_is_left_alone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = demos.free_endpoint(f"tcp:{port}:interface=127.0.0.1")
        assert re.fullmatch(r"tcp:\d+:interface=127\.0\.0\.1", found)
        assert int(found.split(":")[1]) > port
        assert demos.free_endpoint("unix:/run/muster.sock") == "unix:/run/muster.sock"


def test_two_ports_of_one_demo_differ() -> None:
    first = demos.free_port("127.0.0.1", 8281)
    assert demos.free_port("127.0.0.1", first, but=str(first)) > first


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("tcp:8080:interface=127.0.0.1", "http://127.0.0.1:8080"),
        ("tcp:8080", "http://127.0.0.1:8080"),
        ("tcp:8080:interface=10.0.0.5", "http://10.0.0.5:8080"),
    ],
)
def test_what_to_type_into_the_browser(listen: str, url: str) -> None:
    assert demos.endpoint_url(listen) == url


def test_what_was_interrupted_while_it_was_set_up_is_set_up_the_next_time(own: Running, tmp_path: Path) -> None:
    """Else a kept demo would be without staff for ever, and nobody could sign in."""
    listen = "tcp:8380:interface=127.0.0.1"
    whole = Demo(own.reactor, tmp_path, listen=listen, days=0)
    url, keys = whole.gateway.database.url, Keys.load(whole.gateway.security.key_file)
    database = Path(url.removeprefix("sqlite:///"))
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
    upgrade.upgrade(url, keys)
    made = engine(url)
    with made.begin() as conn:
        row = {"id": 1, "code": organisation.COUNTY, "name": "安河县", "path": f"/{organisation.COUNTY}/"}
        conn.execute(insert(branch), row)
    made.dispose()
    again = Demo(own.reactor, tmp_path, listen=listen, days=0)
    assert again.tokens.keys() == whole.tokens.keys()
    assert len(again.network.handsets) == len(whole.network.handsets)


def test_every_word_of_the_pages_is_translated() -> None:
    folder = Path(demos.__file__).parent
    words = set()
    for file in (folder / "templates").glob("*.html"):
        source = file.read_text("utf-8")
        words |= set(re.findall(r"gettext\(['\"](.+?)['\"]", source)) - {"%(num)s parts"}
    words |= {entry.title for entry in pages.extra(None, "").entries}  # type: ignore[arg-type]  # no network is asked
    for language in LANGUAGES:
        catalog = folder / "translations" / language / "LC_MESSAGES" / "console.po"
        if language == "en":
            assert not catalog.exists()
            continue
        known = catalog.read_text("utf-8").replace('""\n"', '"')
        assert [word for word in sorted(words) if f'msgid "{word}"' not in known] == []


def test_every_person_of_the_demo_has_a_story_in_each_language() -> None:
    people: list[Any] = list(organisation.PEOPLE)
    assert all(set(person.story) == set(LANGUAGES) for person in people)
    assert len({person.number for person in people}) == len(people)
