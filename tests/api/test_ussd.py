"""Africa's Talking over real HTTP: the screens of the menus, the key in the path, and what happens when we are slow."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.api import ussd
from gateway.core.model import Busy, Channel, Coding, Part
from gateway.core.tables.messages import message
from tests.api.house import NUMBER, PATH_KEY, Client


def test_a_session(client: Client) -> None:
    first = client.dial("", session="a1")
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    assert first.text == "CON 2通知 7咨询\n8绑定号码 9设置\n99English 0退出"
    assert client.dial("9", session="a1").text.startswith("CON 1语言")
    assert client.dial("9*2", session="a1").text.startswith("CON 停收群发短信？")
    end = client.dial("9*2*1", session="a1").text
    assert end.startswith("END ")
    assert client.dial("9*2*1", session="a1").text == end  # their gateway asks again
    assert client.dial("", session="a1", status="Success", durationInMillis="1200").text == ""
    rows = [row for row in client.rows(message) if row["number"] == NUMBER]
    assert {row["channel"] for row in rows} == {Channel.USSD.value}
    assert [row["command"] for row in rows if row["direction"] == "in" and row["command"]] == ["92"]


def test_a_path_is_dialled(client: Client) -> None:
    assert client.dial("9", session="a2").text.startswith("CON 1语言")


def test_a_question_comes_by_sms(client: Client) -> None:
    sent = len(client.muster.wire.sent)
    assert client.dial("7*1", session="a3").text.startswith("END ")
    rows = [row for row in client.rows(message) if row["number"] == NUMBER and row["channel"] == "sms"]
    assert rows[-1]["direction"] == "out"
    assert len(client.muster.wire.sent) >= sent


@pytest.mark.parametrize("path_key", ["wrong", PATH_KEY + "x", PATH_KEY[:-1], "%20", "%FF"])
def test_a_wrong_key_finds_nothing(client: Client, path_key: str) -> None:
    assert client.dial("", session="a4", path_key=path_key).status == 404


def test_an_unknown_vendor_finds_nothing(client: Client) -> None:
    assert client.ask("POST", f"/ussd/restcomm/{PATH_KEY}", b"").status == 404
    assert client.ask("POST", "/ussd/restcomm/", b"").status == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"sessionId=a",
        b"sessionId=a&sessionId=b&phoneNumber=%2B8613800000007&serviceCode=*123%23&text=",
        b"sessionId=%FF&phoneNumber=%2B8613800000007&serviceCode=*123%23&text=",
        b"sessionId=a%00&phoneNumber=%2B8613800000007&serviceCode=*123%23&text=",
        b"{" * 1000,
    ],
)
def test_nonsense_is_refused(client: Client, body: bytes) -> None:
    reply = client.ask(
        "POST", f"/ussd/africastalking/{PATH_KEY}", body, Content_Type="application/x-www-form-urlencoded"
    )
    assert reply.status == 400


def test_a_form_larger_than_a_step_is_refused(client: Client) -> None:
    assert client.dial("1" * 20_000).status == 413


def test_only_post(client: Client) -> None:
    assert client.ask("GET", f"/ussd/africastalking/{PATH_KEY}?sessionId=a").status == 405


def test_a_sender_that_is_no_number_is_not_answered(client: Client) -> None:
    assert client.dial("", session="a5", phoneNumber="12345").text == "END "


class SlowDesk:
    """A desk that takes its time, or refuses."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.waiting: list[Deferred[Part | None]] = []
        self.refuses = False
        self.submitted: list[Any] = []

    def accept(self, message: Any) -> Deferred[Part | None]:
        done: Deferred[Part | None] = Deferred()
        if self.refuses:
            done.errback(Busy("too much waits"))
        else:
            self.waiting.append(done)
        return done

    def submit(self, outbounds: Any, *, actor: str, sealed: bool) -> Deferred[list[int]]:
        assert sealed, "a screen may hold an amount"
        self.submitted += outbounds
        done: Deferred[list[int]] = Deferred()
        done.callback([])
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.fixture
def desk(client: Client, monkeypatch: pytest.MonkeyPatch) -> SlowDesk:
    slow = SlowDesk(client.muster.desk)
    monkeypatch.setattr(client.muster, "desk", slow)
    return slow


def test_when_it_takes_too_long_the_result_comes_by_sms(
    client: Client, desk: SlowDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ussd, "SECONDS", 0.2)
    assert client.dial("1", session="b1").text == "END 处理中，结果短信告知"
    octets = "会费已交".encode("utf-16-be")
    part = Part(outbound=1, number=1, total=1, reference=0, octets=octets, coding=Coding.UCS2, to=NUMBER)
    (waiting,) = desk.waiting
    client.running.call(waiting.callback, part)
    assert [(each.to, each.text) for each in desk.submitted] == [(NUMBER, "【安河组织】会费已交")]


def test_a_late_failure_is_only_that(client: Client, desk: SlowDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ussd, "SECONDS", 0.2)
    assert client.dial("1", session="b2").text.startswith("END ")
    (waiting,) = desk.waiting
    client.running.call(waiting.errback, Busy("too much waits"))
    assert desk.submitted == []


def test_when_too_much_waits_they_dial_again(client: Client, desk: SlowDesk) -> None:
    desk.refuses = True
    assert client.dial("1", session="b3").text == "END 系统忙，请稍后再拨"
