"""The console over real HTTP on loopback: who gets in, what a form needs, what an answer carries, who sees what."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.affairs import cases
from gateway.console.front import LARGEST_FORM
from gateway.core.tables.staff import audit, staff, staff_session
from tests.console.served import PASSWORD, PHONE, link_for
from tests.console.test_show import HOSTILE
from tests.console.world import World, served_on


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_on(tmp_path_factory.mktemp("console")) as served:
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


@pytest.mark.parametrize(
    ("referer", "again"),
    [
        ("/log?q=%E6%B0%B4", "/log?q=%E6%B0%B4"),
        ("/case/700000000", "/case/700000000"),
        ("/case/700000000/answer?x=1", "/case/700000000"),  # the page that said why an answer could not be sent
        ("/bulk/101/submit", "/bulk/101"),
        ("/nowhere/at/all", "/"),
        ("//evil.example/x", "/"),
        ("", "/"),
    ],
)
def test_a_form_that_was_too_old_leads_to_the_page_it_was_on(world: World, referer: str, again: str) -> None:
    browser = world.browser("li")
    browser.get("/links")
    old = {"csrf": "x", "text": "每月<b>十日</b>"}
    answer = browser.post("/sign-out", old, {"Referer": f"http://127.0.0.1:{browser.port}{referer}"})
    assert answer.status == 403
    assert f'<a class="button" href="{again}">' in answer.body
    assert "每月&lt;b&gt;十日&lt;/b&gt;</textarea>" in answer.body


def test_a_form_that_came_from_nothing_readable_is_refused_like_any(world: World) -> None:
    browser = world.browser("li")
    browser.get("/links")
    for referer in ("http://[", "about:blank"):
        answer = browser.post("/sign-out", {"csrf": "x"}, {"Referer": referer})
        assert (answer.status, '<a class="button" href="/">' in answer.body) == (403, True)


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
    wanted = re.search(r'name="next" value="([^"]+)"', browser.get("/links?x=1&y=2").body)
    assert wanted is not None
    assert unescape(wanted[1]) == "/links?x=1&y=2"  # what was searched for is still there in the other language
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
