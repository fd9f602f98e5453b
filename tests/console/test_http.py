"""The console over real HTTP on loopback: who gets in, what a form needs, who sees what, how an answer goes out."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, func, select, update

from gateway.affairs import cases
from gateway.console import case_query
from gateway.console.front import LARGEST_FORM
from gateway.core.engines import engine
from gateway.core.model import Member
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import message
from gateway.core.tables.staff import audit, case_entry, hotline_case, staff, staff_session
from tests.console.served import PASSWORD, PHONE, Browser, Served, asked, link_for, logged, people, sent_part
from tests.console.test_show import HOSTILE

T = TypeVar("T")


class World:
    """A running console with people in it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.ids = served.ids
        self.member: Member = served.run(lambda conn: people(conn, served.ids))

    def run(self, work: Callable[[Connection], T]) -> T:
        return self.served.run(work)

    def browser(self, name: str | None = None, source: str = "127.0.0.1") -> Browser:
        return self.served.browser(name, source)

    def logged(self, text: str | None, **values: object) -> int:
        return self.run(lambda conn: logged(conn, self.ids, text, **values))

    def asked(self, text: str, who: Member | None = None, **values: Any) -> cases.Case:
        return self.run(lambda conn: asked(conn, self.ids, who, text, **values))

    def actions(self) -> list[str]:
        return self.run(lambda conn: list(conn.scalars(select(audit.c.action).order_by(audit.c.id))))


def served_on(folder: Path, **options: object) -> Served:
    url = f"sqlite:///{folder}/muster.db"
    made = engine(url, create=True)
    METADATA.create_all(made)
    made.dispose()
    return Served(url, **options)  # type: ignore[arg-type]  # passed through


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_on(tmp_path_factory.mktemp("console")) as served:
        yield World(served)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """One of its own, for tests that turn the clock or lock people out."""
    with served_on(tmp_path) as served:
        yield World(served)


# --- signing in ---------------------------------------------------------------------------------------------------


def test_nobody_sees_a_page_without_signing_in(world: World) -> None:
    browser = world.browser()
    for path in ("/", "/queue", "/log", "/links", "/events", "/case/700000000", "/message/1"):
        answer = browser.get(path)
        assert answer.status == 303, path
        assert answer.headers["Location"].startswith("/sign-in")
    assert browser.get("/log?q=1").headers["Location"] == "/sign-in?next=%2Flog%3Fq%3D1"
    live = browser.get("/log", {"HX-Request": "true"})
    assert live.status == 401
    assert live.headers["HX-Redirect"] == "/sign-in"


def test_signing_in_leads_where_one_wanted_to_go_and_nowhere_else(world: World) -> None:
    for wanted, leads in (
        ("/log?q=x", "/log?q=x"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/log\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ):
        browser = world.browser()
        browser.get("/sign-in")
        answer = browser.post("/sign-in", {"name": "li", "password": PASSWORD, "next": wanted})
        assert (answer.status, answer.headers["Location"]) == (303, leads)
        assert "evil" not in str(answer.headers)


def test_a_session_has_a_new_name_and_its_cookie_is_for_http_only(world: World) -> None:
    browser = world.browser()
    browser.cookies["muster"] = "chosen-by-somebody-else"
    browser.get("/sign-in")
    answer = browser.post("/sign-in", {"name": "li", "password": PASSWORD})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie  # http on loopback
    first = browser.cookies["muster"]
    assert first != "chosen-by-somebody-else"
    assert world.browser("li").cookies["muster"] != first


def test_behind_tls_cookies_are_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    with served_on(tmp_path, public_url="https://console.example") as served:
        world = World(served)
        browser = world.browser("li")
        assert set(browser.cookies) == {"__Host-muster", "__Host-muster-form"}
        answer = browser.get("/links")
        assert answer.status == 200
        assert answer.headers["Strict-Transport-Security"]


def test_the_answer_to_a_wrong_name_is_the_answer_to_a_wrong_password(fresh: World) -> None:
    answers = []
    for name in ("li", "nobody", "li", "li", "li", "li", "li"):  # the name is locked before the last ones
        answer = fresh.browser().sign_in(name, "wrong wrong wrong")
        answers.append((answer.status, re.sub(r'value="[^"]*"', "", answer.body)))
    assert set(answers) == {answers[0]}
    locked = fresh.browser().sign_in("li")
    assert locked.status == 403
    assert re.sub(r'value="[^"]*"', "", locked.body) == answers[0][1]
    fresh.served.order("advance 130")
    assert fresh.browser().sign_in("li").status == 303


def test_an_address_that_tries_many_names_is_slowed_down(fresh: World) -> None:
    browser = fresh.browser()
    for number in range(20):
        browser.sign_in(f"nobody{number}", "x" * 12)
    assert browser.sign_in("li").status == 403
    assert fresh.actions() == []


def test_signing_out_kills_the_session_on_the_server(world: World) -> None:
    browser = world.browser("li")
    assert browser.get("/links").status == 200
    kept = dict(browser.cookies)
    assert browser.post("/sign-out", {}).status == 303
    browser.cookies = kept
    assert browser.get("/links").status == 303


def test_an_idle_session_ends_and_a_page_that_refreshes_itself_is_idle(fresh: World) -> None:
    used, live = fresh.browser("li"), fresh.browser("li")
    for _ in range(3):
        fresh.served.order("advance 1500")
        assert used.get("/links").status == 200
        seen = live.get("/log", {"HX-Request": "true", "X-Live": "1"}).status
    assert seen == 401


def test_a_link_signs_in_once(world: World) -> None:
    path = world.run(lambda conn: link_for(conn, "zhao"))
    ahead = world.browser().get(path, {"Sec-Purpose": "prefetch;prerender"})
    assert ahead.status == 503  # a browser that looks ahead does not use it up
    browser = world.browser()
    assert browser.get(path).status == 303
    assert browser.get("/queue").status == 200
    second = world.browser().get(path)
    assert second.status == 403
    assert "Set-Cookie" not in second.headers or "muster=" not in second.headers["Set-Cookie"]


def test_no_password_stands_in_the_database(world: World) -> None:
    kept = world.run(lambda conn: list(conn.scalars(select(staff.c.password_hash))))
    assert all(hashed.startswith("$argon2id$") for hashed in kept)


# --- forms --------------------------------------------------------------------------------------------------------


def test_a_form_needs_its_token(world: World) -> None:
    browser = world.browser("li")
    browser.get("/links")
    for token in ("", "x", world.browser("li").csrf):
        assert browser.post("/sign-out", {"csrf": token}).status == 403
    assert browser.get("/links").status == 200


def test_a_form_of_another_site_is_refused_even_with_the_token(world: World) -> None:
    browser = world.browser("li")
    browser.get("/links")
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{browser.port + 1}"):
        assert browser.post("/sign-out", {}, {"Origin": origin}).status == 403
    assert browser.post("/sign-out", {}, {"Origin": "", "Referer": "https://evil.example/"}).status in (303, 403)


def test_what_no_page_of_ours_sends_is_refused_and_no_error(fresh: World) -> None:
    case = fresh.asked("水费", fresh.member)
    anybody, li = fresh.browser(), fresh.browser("li")
    anybody.get("/sign-in")
    assert anybody.post("/sign-in/second", {"pending": "1.99999999999.é", "code": "1"}).status == 403
    assert li.get("/sign-in?next=//%5B").headers["Location"] == "/"
    li.get(f"/case/{case.case_no}")
    assert li.post("/sign-out", {}, {"Origin": "http://["}).status == 403
    assert li.post(f"/case/{case.case_no}/answer", {"form": "1.é", "text": "x"}).status == 400
    assert li.post("/account/second", {"sealed": "A" * 80, "code": "1"}).status == 303


def test_signing_in_needs_a_token_too(world: World) -> None:
    browser = world.browser()
    assert browser.post("/sign-in", {"name": "li", "password": PASSWORD, "csrf": "x"}).status == 403


def test_a_form_cannot_be_a_get(world: World) -> None:
    browser = world.browser("li")
    for path in ("/sign-out", "/language", "/case/700000000/answer"):
        answer = browser.get(path)
        assert answer.status == 405, path
        assert "<h1>" in answer.body
    assert browser.post("/links", {}).status == 405


def test_a_body_that_is_too_large_is_not_taken(world: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.served.port, timeout=10)
    connection.putrequest("POST", "/sign-in")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", str(LARGEST_FORM + 1))
    connection.endheaders()
    assert connection.getresponse().status in (400, 413)
    connection.close()


def test_an_endless_body_ends_the_connection(world: World) -> None:
    with socket.create_connection(("127.0.0.1", world.served.port), timeout=10) as sock:
        sock.sendall(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            sock.sendall(chunk * 2000)


# --- what every answer carries ------------------------------------------------------------------------------------


def test_every_answer_is_locked_down(world: World) -> None:
    browser = world.browser("li")
    for path in ("/links", "/sign-in", "/nope", "/static/console.css", "/%ff"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "Server" not in headers
    assert browser.get("/links").headers["Cache-Control"] == "no-store"


def test_a_head_is_a_get_without_its_body(world: World) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", world.served.port, timeout=10)
    connection.request("HEAD", "/sign-in")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read() == b""
    connection.close()


def test_no_page_has_inline_script_or_style_or_asks_another_host(world: World) -> None:
    browser = world.browser("zhao")
    case = world.asked("低保什么时候到账", world.member)
    id_ = world.logged("DUES")
    for path in ("/sign-in", "/queue", "/log", "/links", f"/case/{case.case_no}", f"/message/{id_}", "/nope"):
        body = browser.get(path).body
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", body), path
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", body))
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', body), path
        assert len(body) < 200_000


def test_static_files_are_kept_for_ever_under_the_name_of_their_content(world: World) -> None:
    browser = world.browser()
    for address in re.findall(r'"(/static/[^"]+)"', browser.get("/sign-in").body):
        answer = browser.get(address)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        packed = browser.get(address, {"Accept-Encoding": "gzip"})
        assert "svg" in address or packed.headers["Content-Encoding"] == "gzip"
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/nope.css", "/static/"):
        assert browser.get(path).status == 404


def test_an_unknown_address_is_a_friendly_page_in_ones_language(world: World) -> None:
    for language, words in (("zh", "没有这个页面"), ("en", "There is no such page")):
        for browser in (world.browser(), world.browser("li")):
            answer = browser.get("/no/such/thing", {"Accept-Language": language})
            assert answer.status == 404
            assert words in answer.text
    assert world.browser().get("/%ff%fe").status == 404


def test_the_language_is_remembered(fresh: World) -> None:
    browser = fresh.browser()
    assert "登录" in browser.get("/sign-in").text
    browser.post("/language", {"language": "en", "next": "/sign-in"})
    answer = browser.get("/sign-in")
    assert '<html lang="en">' in answer.body
    browser.post("/sign-in", {"name": "li", "password": PASSWORD})
    browser.get("/links")
    browser.post("/language", {"language": "zh", "next": "/links"})
    elsewhere = fresh.browser("li")  # with the person, not with the browser
    assert '<html lang="zh-Hans">' in elsewhere.get("/links", {"Accept-Language": "en"}).body
    assert browser.post("/language", {"language": "<script>"}).status == 400


# --- who sees what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "queue", "log"),
    [("li", 200, 200), ("zhao", 200, 200), ("sun", 403, 200), ("root", 403, 200), ("qian", 403, 403), ("he", 200, 403)],
)
def test_roles_open_pages(world: World, name: str, queue: int, log: int) -> None:
    browser = world.browser(name)
    assert browser.get("/queue").status == queue
    assert browser.get("/log").status == log
    assert browser.get("/links").status == 200
    page = browser.get("/links").body
    assert ('href="/queue"' in page) == (queue == 200)
    assert browser.get("/").status == 303


def test_a_branch_sees_its_own_messages_and_cases(world: World) -> None:
    case = world.asked("水费怎么交，五里桥", world.member)
    inside = world.logged("五里桥的短信")
    own, other = world.browser("wuli"), world.browser("river")
    assert case.case_no in own.get("/queue").body
    assert case.case_no not in other.get("/queue").body
    assert own.get(f"/case/{case.case_no}").status == 200
    assert other.get(f"/case/{case.case_no}").status == 404
    for action in ("answer", "claim", "note", "close", "number", "measure"):
        answer = other.post(f"/case/{case.case_no}/{action}", {"text": "x", "reason": "reason", "form": "1"})
        assert answer.status in (303, 404), action
    assert world.run(lambda conn: cases.entries(conn, case.id))[-1].kind == "question"
    assert "五里桥的短信" in own.get("/log").text
    assert "五里桥的短信" not in other.get("/log").text
    assert other.get(f"/message/{inside}").status == 404
    assert other.get("/log?q=%E4%BA%94%E9%87%8C%E6%A1%A5&branch=5301").text.count("五里桥的短信") == 0


def test_a_secretary_reads_the_questions_of_the_branch_and_answers_none(world: World) -> None:
    case = world.asked("我什么时候转正", world.member)
    browser = world.browser("he")
    page = browser.get(f"/case/{case.case_no}")
    assert "我什么时候转正" in page.body
    assert "<textarea" not in page.body
    assert "/number" not in page.body
    assert browser.post(f"/case/{case.case_no}/answer", {"form": "5", "text": "x"}).status == 403


def test_numbers_are_masked_until_a_reason_is_given(fresh: World) -> None:
    id_ = fresh.logged("DUES", member_id=fresh.member.id)
    browser = fresh.browser("li")
    for path in ("/log", f"/message/{id_}", f"/log?q={PHONE[1:]}"):
        body = browser.get(path).body
        assert "+86138****0007" in body
        assert PHONE not in body.replace(f'value="{PHONE[1:]}"', "")
    browser.get(f"/message/{id_}")
    assert "reason=short" in browser.post(f"/message/{id_}/reveal", {"reason": "?"}).headers["Location"]
    browser.post(f"/message/{id_}/reveal", {"reason": "Rückruf vereinbart"})
    assert PHONE in browser.get(f"/message/{id_}").body
    assert PHONE not in fresh.browser("zhao").get(f"/message/{id_}").body
    row = fresh.run(lambda conn: conn.execute(select(audit).where(audit.c.action == "reveal")).one())
    assert (row.actor, row.object, row.reason) == ("staff:li", f"member:{fresh.member.id}", "Rückruf vereinbart")
    assert fresh.browser("root").post(f"/message/{id_}/reveal", {"reason": "curious"}).status == 403
    fresh.served.order("advance 901")
    assert PHONE not in browser.get(f"/message/{id_}").body


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=range(len(HOSTILE) - 1))
def test_hostile_texts_are_harmless_on_every_page(world: World, text: str) -> None:
    kept = "".join(letter if letter != "\0" and not "\ud800" <= letter <= "\udfff" else "\ufffd" for letter in text)
    id_ = world.logged(kept, link="<i>", error="<i>")
    case = world.asked(kept, world.member)
    browser = world.browser("zhao")
    for path in ("/log", f"/message/{id_}", "/queue", f"/case/{case.case_no}"):
        body = browser.get(path).body
        assert "<script>alert" not in body
        assert "<img src=x" not in body
        assert "<i>" not in body
        assert "q" * 9 not in body
        assert not set(body) & set("\x00\x1b\u202e\u2066\u2028\ufeff"), path


# --- the log ------------------------------------------------------------------------------------------------------


def test_the_log_searches_by_words_in_the_address(fresh: World) -> None:
    fresh.logged("请问会费怎么交")
    fresh.logged("DUES", command="11")
    fresh.logged(None, log_class="C", command="33")
    browser = fresh.browser("li")
    found = browser.get("/log?q=%E6%80%8E%E4%B9%88").body
    assert "请问会费怎么交" in found
    assert "DUES" not in found
    assert "DUES" in browser.get("/log?q=%E4%BC%9A%E8%B4%B9").body  # the word of command 11
    assert browser.get("/log?command=11").body.count('class="in"') == 1
    assert browser.get("/log").text.count("33 ***") == 1
    assert "至少输入两个字" in browser.get("/log?q=%E4%BC%9A").text
    for odd in ("before=x", "before=-1", "before=99999999999999999999", "from=2026-13-45", "state=%27--", "q=%00%FF"):
        assert browser.get(f"/log?{odd}").status == 200, odd
    fragment = browser.get("/log", {"HX-Request": "true"})
    assert "<html" not in fragment.body
    assert "<tr" in fragment.body


def test_the_text_of_a_case_is_read_in_the_log_by_those_who_may_read_the_case(fresh: World) -> None:
    case = fresh.asked("水费怎么交", fresh.member)
    fresh.run(lambda conn: conn.execute(update(message).values(case_id=case.id, text=None)))
    for name, reads in (("li", True), ("wuli", True), ("sun", False), ("root", False)):
        browser = fresh.browser(name)
        for path in ("/log", "/log?q=%E6%B0%B4%E8%B4%B9"):
            found = browser.get(path)
            assert ("水费怎么交" in found.body) == reads, (name, path)
    assert case.case_no in fresh.browser("sun").get("/log").body


def test_a_message_shows_its_parts_and_its_neighbours(fresh: World) -> None:
    before = fresh.logged("会费")
    id_ = fresh.logged("您欠会费9元。" * 20, direction="out", state="sent", lane=1, answers=before)
    fresh.run(lambda conn: sent_part(conn, id_, number=1, total=2))
    fresh.run(lambda conn: sent_part(conn, id_, number=2, total=2, state="failed", error="0x0B", remote_id="zz9"))
    page = fresh.browser("li").get(f"/message/{id_}")
    for words in ("1 / 2", "2 / 2", "已送达", "失败", "0x0B", "zz9", "3 条短信", f"/message/{before}"):
        assert words in page.body, words
    for odd in ("0", "x", "-1", "9" * 30, "%27"):
        assert fresh.browser("li").get(f"/message/{odd}").status == 404


def test_the_live_stream_says_that_something_came_and_nothing_more(fresh: World) -> None:
    browser = fresh.browser("li")
    with socket.create_connection(("127.0.0.1", fresh.served.port), timeout=10) as sock:
        cookie = f"muster={browser.cookies['muster']}".encode()
        sock.sendall(b"GET /events?topics=messages,links HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\n\r\n")
        seen = _until(sock, b"retry: 3000")
        assert b"text/event-stream" in seen
        assert b"X-Accel-Buffering: no" in seen
        fresh.logged("a secret text")
        fresh.served.order("wake messages")
        seen += _until(sock, b"event: messages")
        fresh.served.order("wake cases")
        fresh.served.order("link down")
        seen += _until(sock, b"event: links")
        assert b"event: cases" not in seen
        assert b"secret" not in seen


def test_the_stream_of_who_signs_out_is_ended_at_the_next_beat(fresh: World) -> None:
    browser = fresh.browser("li")
    with socket.create_connection(("127.0.0.1", fresh.served.port), timeout=30) as sock:
        cookie = f"muster={browser.cookies['muster']}".encode()
        sock.sendall(b"GET /events?topics=messages HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + b"\r\n\r\n")
        _until(sock, b"retry")
        browser.get("/links")
        browser.post("/sign-out", {})
        assert b"event: signed-out" in _until(sock, b"event: signed-out")


def _until(sock: socket.socket, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        octets = sock.recv(4096)
        assert octets, seen
        seen += octets
    return seen


# --- links --------------------------------------------------------------------------------------------------------


def test_the_links_page_shows_state_rates_and_what_waits(fresh: World) -> None:
    fresh.logged("回复", direction="out", state="queued", lane=1)
    fresh.logged("通知", direction="out", state="queued", lane=4)
    id_ = fresh.logged("不知道", direction="out", state="unknown", lane=1)
    fresh.run(lambda conn: sent_part(conn, id_, state="unknown"))
    text = fresh.browser("li").get("/links").text
    for words in (
        "mobile SMPP 正常 5小时",
        "37",
        "0 / 10",
        "回复 1",
        "群发 1",
        "1 条结果不明",
        "village 短信猫 中断",
        "-87 dBm",
    ):
        assert words in text, words


# --- cases --------------------------------------------------------------------------------------------------------


def form_id(page: str) -> str:
    found = re.search(r'name="form" value="([0-9a-f.]+)"', page)
    assert found
    return found[1]


def test_an_answer_goes_out_as_an_sms_in_the_same_transaction(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    browser = fresh.browser("li")
    page = browser.get(f"/case/{case.case_no}")
    assert "低保什么时候到账" in page.body
    fields = {"form": form_id(page.body), "text": "每月10日。\r\n祝好"}
    assert browser.post(f"/case/{case.case_no}/answer", fields).status == 303
    assert browser.post(f"/case/{case.case_no}/answer", fields).status == 303  # the double click
    rows = fresh.run(lambda conn: conn.execute(select(message).where(message.c.direction == "out")).all())
    assert len(rows) == 1
    row = rows[0]
    assert row.text == "【安河组织】每月10日。\n祝好"
    assert (row.number, row.link, row.lane, row.state, row.log_class) == (PHONE, "mobile", 2, "queued", "D")
    assert (row.case_id, row.actor, row.branch_path) == (case.id, "staff:li", "/53/5301/")
    assert str(row.id) == fields["form"].partition(".")[0]
    changed = fresh.run(lambda conn: cases.by_id(conn, case.id))
    assert changed is not None
    assert changed.state == "answered"
    assert fresh.actions()[-1] == "answer"
    assert "每月10日" in browser.get(f"/case/{case.case_no}").body
    assert case.case_no in browser.get("/queue?tab=answered").body
    assert case.case_no not in browser.get("/queue").body


def test_the_id_of_an_answer_cannot_be_chosen(fresh: World) -> None:
    """An id from the far future would be the newest for ever."""
    case, other = fresh.asked("一", fresh.member), fresh.asked("二", fresh.member)
    browser = fresh.browser("li")
    form = form_id(browser.get(f"/case/{case.case_no}").body)
    id_, _, proof = form.partition(".")
    elsewhere = form_id(browser.get(f"/case/{other.case_no}").body)
    for chosen in (
        "",
        "77",
        f"{2**63 - 1}.{proof}",
        f"{2**63}.{proof}",
        f"{id_}.",
        elsewhere,
        f"{int(id_) + 1}.{proof}",
    ):
        answer = browser.post(f"/case/{case.case_no}/answer", {"form": chosen, "text": "x"})
        assert answer.status == 400, chosen
    assert fresh.browser("zhao").get("/queue").status == 200
    zhao = fresh.browser("zhao")
    zhao.get(f"/case/{case.case_no}")
    assert zhao.post(f"/case/{case.case_no}/answer", {"form": form, "text": "x"}).status == 400
    assert browser.post(f"/case/{case.case_no}/answer", {"form": form, "text": "x"}).status == 303


def test_two_people_do_not_answer_the_same_question(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    li, wuli = fresh.browser("li"), fresh.browser("wuli")
    page = wuli.get(f"/case/{case.case_no}")
    li.get(f"/case/{case.case_no}")
    assert li.post(f"/case/{case.case_no}/claim", {}).headers["Location"] == f"/case/{case.case_no}"
    assert "li" in wuli.get("/queue").text
    assert "problem=claimed" in wuli.post(f"/case/{case.case_no}/claim", {}).headers["Location"]
    late = wuli.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "我写了很久的答复"})
    assert late.status == 409
    assert "我写了很久的答复" in late.body  # what was typed is not lost
    assert fresh.run(lambda conn: conn.execute(select(func.count()).select_from(case_entry)).scalar()) == 1
    fresh.served.order("advance 601")  # the lease is over
    page = wuli.get(f"/case/{case.case_no}")
    answer = wuli.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "答复"})
    assert answer.status == 303


def test_a_lead_takes_a_case_over(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    fresh.run(lambda conn: conn.execute(update(staff).where(staff.c.name == "li").values(language="en")))
    li, zhao = fresh.browser("li"), fresh.browser("zhao")
    li.get(f"/case/{case.case_no}")
    li.post(f"/case/{case.case_no}/claim", {})
    assert "接管" in zhao.get(f"/case/{case.case_no}").text
    assert zhao.post(f"/case/{case.case_no}/claim", {}).headers["Location"] == f"/case/{case.case_no}"
    assert "zhao is at this case" in li.get(f"/case/{case.case_no}").text


def test_writing_keeps_the_case_and_counts_in_the_real_coding(fresh: World) -> None:
    zh = fresh.asked("低保什么时候到账", fresh.member)
    en = fresh.asked("How do I pay", None, language="en")
    browser = fresh.browser("li")
    browser.get("/queue")

    def counted(case: cases.Case, text: str) -> str:
        return browser.post(f"/case/{case.case_no}/measure", {"text": text}, {"HX-Request": "true"}).text

    assert counted(zh, "好" * 64).startswith("1 条短信 · 70 / 70 · UCS-2")
    assert counted(zh, "好" * 65).startswith("2 条短信 · 71 / 132 · UCS-2")
    assert counted(en, "a" * 154).startswith("1 条短信 · 160 / 160 · GSM 03.38")
    assert counted(en, "a" * 155).startswith("2 条短信 · 161 / 304 · GSM 03.38")
    assert counted(en, "€" * 77).startswith("1 条短信 · 160 / 160")
    assert "去掉这些字符" in counted(en, "it’s open")
    assert "太长" in counted(zh, "好" * 701)
    assert "签名" in counted(zh, "  ")
    assert "没有这个页面" in browser.post("/case/123/measure", {"text": "x"}, {"HX-Request": "true"}).text
    claimed = fresh.run(lambda conn: cases.by_id(conn, zh.id))
    assert claimed is not None
    assert claimed.claimed_by is not None


def test_notes_stay_inside_and_cases_close_and_open_again(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    browser = fresh.browser("li")
    browser.get(f"/case/{case.case_no}")
    browser.post(f"/case/{case.case_no}/note", {"text": "问过民政局了"})
    page = browser.get(f"/case/{case.case_no}")
    open_form = form_id(page.body)
    assert "问过民政局了" in page.body
    assert "problem=empty" in browser.post(f"/case/{case.case_no}/note", {"text": " "}).headers["Location"]
    browser.post(f"/case/{case.case_no}/close", {"reason": "重复"})
    page = browser.get(f"/case/{case.case_no}")
    assert "已办结" in page.text
    assert 'name="text" rows="4"' not in page.body
    assert case.case_no in browser.get("/queue?tab=closed").body
    answer = browser.post(f"/case/{case.case_no}/answer", {"form": open_form, "text": "太迟"})
    assert answer.status == 409
    browser.post(f"/case/{case.case_no}/reopen", {})
    assert case.case_no in browser.get("/queue").body
    browser.post(f"/case/{case.case_no}/close", {"reason": "重复"})
    fresh.served.order("advance 21600")
    browser = fresh.browser("li")
    browser.get("/queue")
    fresh.run(lambda conn: conn.execute(update(hotline_case).values(closed=datetime(2026, 1, 1, tzinfo=UTC))))
    assert "problem=old" in browser.post(f"/case/{case.case_no}/reopen", {}).headers["Location"]
    sent = fresh.run(lambda conn: conn.execute(select(func.count()).where(message.c.direction == "out")).scalar())
    assert sent == 0


def test_no_link_for_a_number_says_so_and_keeps_the_text(fresh: World) -> None:
    case = fresh.asked("Habari", None, language="en")
    fresh.run(lambda conn: conn.execute(update(hotline_case).values(number="+254712345678")))
    fresh.run(lambda conn: conn.execute(update(message).values(link="gone")))
    browser = fresh.browser("li")
    page = browser.get(f"/case/{case.case_no}")
    answer = browser.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "Jibu letu"})
    assert answer.status == 409
    assert "Jibu letu" in answer.body
    assert "目前没有线路" in answer.text


def test_the_queue_is_the_oldest_first_in_pages(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(case_query.PAGE + 3):
        fresh.asked(f"第{number}个问题", fresh.member, ago=1000 - number)
    browser = fresh.browser("li")
    first = browser.get("/queue")
    numbers = re.findall(r"第(\d+)个问题", first.body)
    assert numbers == [str(number) for number in range(case_query.PAGE)]
    following = re.search(r'href="(/queue\?after=\d+)"', first.body)
    assert following
    second = browser.get(following[1])
    assert re.findall(r"第(\d+)个问题", second.body) == ["50", "51", "52"]
    assert ">53<" in browser.get("/links").body.replace("\n", "").replace(" ", "")
    assert browser.get("/queue?tab=nonsense").status == 404
    assert browser.get("/queue?after=x").status == 200


def test_cases_are_found_by_words_and_by_number(fresh: World) -> None:
    case = fresh.asked("水渠什么时候修", fresh.member)
    fresh.asked("别的", fresh.member)
    browser = fresh.browser("wuli")
    found = browser.get("/queue?q=%E6%B0%B4%E6%B8%A0")
    assert "水渠什么时候修" in found.body
    assert "别的" not in found.body
    assert "待答复" in found.text
    assert browser.get(f"/queue?q={case.case_no}").headers["Location"] == f"/case/{case.case_no}"
    assert "水渠" not in fresh.browser("river").get(f"/queue?q={case.case_no}").text
    assert "没有符合的内容" in browser.get("/queue?q=%25").text


def test_what_was_logged_by_the_console_has_no_secrets(fresh: World, capfd: pytest.CaptureFixture[str]) -> None:
    browser = fresh.browser("li")
    browser.sign_in("li", "a wrong secret")
    case = fresh.asked("一个秘密的问题", fresh.member)
    browser.get(f"/case/{case.case_no}")
    written = "".join(capfd.readouterr())
    for secret in (PASSWORD, "a wrong secret", browser.cookies["muster"], PHONE, "一个秘密的问题"):
        assert secret not in written
    kept = fresh.run(lambda conn: list(conn.scalars(select(staff_session.c.token_hash))))
    assert browser.cookies["muster"] not in kept
