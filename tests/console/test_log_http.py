"""The pages of the log and of the links over real HTTP, and the stream that says when to look again."""

from __future__ import annotations

import socket

from sqlalchemy import update

from gateway.core.tables.messages import message
from tests.console.served import sent_part
from tests.console.world import World

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
