"""POST /v1/messages and GET /v1/messages/ID over real HTTP, by friends and by strangers."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.affairs import consent
from gateway.core.model import Lane
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import member
from gateway.core.tables.staff import callback
from tests.api.house import BLIND, KEY, LIMITED, SOURCED, Client

_numbers = iter(range(1000, 9000))


def number() -> str:
    return f"+861380001{next(_numbers)}"


def logged(client: Client, to: str) -> list[dict[str, Any]]:
    return [row for row in client.rows(message) if row["number"] == to]


def until(wanted: Any, seconds: float = 10) -> Any:
    """Wait for something that happens on its own."""
    end = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


# --- what should work ---------------------------------------------------------------------------------------------


def test_one_message(client: Client) -> None:
    to = number()
    reply = client.post({"to": to, "text": "明早八点防汛值班"})
    assert reply.status == 202
    assert reply.headers["content-type"] == "application/json"
    found = reply.json
    assert (found["to"], type(found["id"])) == (to, str)
    (row,) = logged(client, to)
    assert (str(row["id"]), row["text"], row["actor"]) == (found["id"], "明早八点防汛值班", "api:agriculture")
    assert row["lane"] == Lane.REMINDER
    assert row["expires"] > datetime.now(UTC) + timedelta(hours=71)


def test_it_goes_out_and_can_be_looked_at(client: Client) -> None:
    to = number()
    id_ = client.post({"to": to, "text": "x" * 200}).json["id"]

    def sent() -> Any:
        found = client.get(f"/v1/messages/{id_}").json
        return found if found["state"] == "sent" else None

    found = until(sent)
    assert (found["id"], found["to"], found["error"]) == (id_, to, None)
    assert [(part["number"], part["state"]) for part in found["parts"]] == [(1, "sent"), (2, "sent")]
    assert datetime.fromisoformat(found["queued"]).tzinfo is not None
    assert sum(part.to == to for part in client.muster.wire.sent) == 2


def test_a_list(client: Client) -> None:
    numbers = [number() for _ in range(3)]
    reply = client.post([{"to": to, "text": f"to {to}"} for to in numbers])
    assert reply.status == 202
    assert [each["to"] for each in reply.json["messages"]] == numbers
    assert len({each["id"] for each in reply.json["messages"]}) == 3
    for to in numbers:
        assert logged(client, to)[0]["text"] == f"to {to}"


def test_a_thousand_and_no_more(client: Client) -> None:
    many = [{"to": NUMBER_OF_MANY, "text": str(n)} for n in range(1001)]
    refused = client.post(many)
    assert refused.status == 400
    assert logged(client, NUMBER_OF_MANY) == []
    assert len(client.post(many[:1000]).json["messages"]) == 1000


NUMBER_OF_MANY = "+8613800090000"


@pytest.mark.parametrize("to", ["13800017777", "８６１３８０００１７７７７", " +86 138 0001 7777", "0086 13800017777"])
def test_a_number_as_people_write_it(client: Client, to: str) -> None:
    assert client.post({"to": to, "text": "x"}).json["to"] == "+8613800017777"


def test_everything_that_can_be_said(client: Client) -> None:
    to = number()
    later = datetime.now(UTC) + timedelta(hours=2)
    reply = client.post(
        {
            "to": to,
            "text": "x",
            "from": "10690002",
            "callback": "https://example.org/muster?a=1",
            "not_before": later.isoformat(),
            "expires": (later + timedelta(hours=1)).astimezone().isoformat(),
        },
        key=SOURCED,
    )
    assert reply.status == 202
    (row,) = logged(client, to)
    assert (row["sender"], row["state"], row["not_before"]) == ("10690002", "queued", later)
    assert row["expires"] == later + timedelta(hours=1)
    (noted,) = [each for each in client.rows(callback) if str(each["message_id"]) == reply.json["id"]]
    assert (noted["account"], noted["url"]) == ("sourced", "https://example.org/muster?a=1")


def test_the_first_sender_of_a_key_is_its_own(client: Client) -> None:
    to = number()
    client.post({"to": to, "text": "x"}, key=SOURCED)
    assert logged(client, to)[0]["sender"] == "10690001"


# --- who may what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ключ", "x" * 5000])
def test_without_a_right_key_nothing(client: Client, key: str | None) -> None:
    to = number()
    headers = {} if key is None else {"Authorization": f"Bearer {key}".encode().decode("latin-1")}
    reply = client.post({"to": to, "text": "x"}, key=None, **headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert logged(client, to) == []


def test_a_key_that_may_not_send(client: Client) -> None:
    assert client.post({"to": number(), "text": "x"}, key=BLIND).status == 403


def test_own_messages_only(client: Client) -> None:
    id_ = client.post({"to": number(), "text": "x"}).json["id"]
    assert client.get(f"/v1/messages/{id_}", key=SOURCED).status == 404
    assert client.get(f"/v1/messages/{id_}", key=None).status == 401
    assert client.get(f"/v1/messages/{id_}").status == 200


@pytest.mark.parametrize("id_", ["0", "-1", "1.5", "x", "99999999999999999999999", "9223372036854775808", "٣", "%00"])
def test_an_id_that_is_none(client: Client, id_: str) -> None:
    path = f"/v1/messages/{id_}".encode().decode("latin-1")
    assert client.get(path if path.isascii() else "/v1/messages/%D9%A3").status == 404


def test_a_day_has_so_many_messages(client: Client) -> None:
    assert client.post([{"to": number(), "text": "x"}] * 4, key=LIMITED).status == 429
    assert client.post([{"to": number(), "text": "x"}] * 2, key=LIMITED).status == 202
    refused = client.post([{"to": number(), "text": "x"}] * 2, key=LIMITED)
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 86_401
    assert client.post({"to": number(), "text": ""}, key=LIMITED).status == 400  # which costs nothing
    last = {"to": number(), "text": "x"}
    assert client.post(last, key=LIMITED, Idempotency_Key="last").status == 202
    assert client.post({"to": number(), "text": "x"}, key=LIMITED).status == 429
    assert client.post(last, key=LIMITED, Idempotency_Key="last").status == 202  # a repeat is no message more
    assert client.post({"to": number(), "text": "x"}, key=LIMITED, Idempotency_Key="last").status == 422
    assert client.post({"to": number(), "text": "x"}, key=LIMITED, Idempotency_Key="new").status == 429


# --- who wants nothing --------------------------------------------------------------------------------------------


def opt_out(client: Client, to: str) -> None:
    def stop(conn: Connection) -> None:
        consent.stop(conn, client.muster.ids, to, how="STOP", now=datetime.now(UTC))

    client.work(stop)


def test_an_opted_out_number_gets_nothing(client: Client) -> None:
    gone, there = number(), number()
    opt_out(client, gone)
    single = client.post({"to": gone, "text": "x"})
    assert (single.status, single.json["error"]["code"]) == (409, "opted_out")
    reply = client.post([{"to": there, "text": "x"}, {"to": gone, "text": "x"}])
    assert reply.status == 202
    first, second = reply.json["messages"]
    assert first["id"] is not None
    assert second == {"id": None, "to": gone, "error": "opted_out"}
    assert logged(client, gone) == []
    assert len(logged(client, there)) == 1


def test_a_number_no_link_takes(client: Client) -> None:
    reply = client.post({"to": "+447911123456", "text": "x"})
    assert (reply.status, reply.json["error"]["code"]) == (409, "no_link")


# --- the same again -----------------------------------------------------------------------------------------------


def test_a_repeat_with_its_key_gets_the_first_answer(client: Client) -> None:
    to = number()
    first = client.post({"to": to, "text": "x"}, Idempotency_Key="order-1")
    again = client.post({"to": to, "text": "x"}, Idempotency_Key="order-1")
    assert (again.status, again.body) == (first.status, first.body)
    assert len(logged(client, to)) == 1


def test_the_same_key_for_something_else_is_a_mistake(client: Client) -> None:
    client.post({"to": number(), "text": "x"}, Idempotency_Key="order-2")
    reply = client.post({"to": number(), "text": "y"}, Idempotency_Key="order-2")
    assert (reply.status, reply.json["error"]["code"]) == (422, "idempotency")


def test_keys_of_different_systems_do_not_meet(client: Client) -> None:
    first = client.post({"to": number(), "text": "x"}, Idempotency_Key="order-3")
    second = client.post({"to": number(), "text": "y"}, key=SOURCED, Idempotency_Key="order-3")
    assert (first.status, second.status) == (202, 202)


def test_a_list_is_repeated_as_a_list(client: Client) -> None:
    numbers = [number() for _ in range(5)]
    body = [{"to": to, "text": "x"} for to in numbers]
    first = client.post(body, Idempotency_Key="list-1")
    assert client.post(body, Idempotency_Key="list-1").json == first.json
    assert all(len(logged(client, to)) == 1 for to in numbers)


def test_a_repeat_costs_nothing_of_the_day(client: Client) -> None:
    for _ in range(5):
        assert client.post({"to": number(), "text": "x"}, Idempotency_Key="order-4").status in (202, 422)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "ключ".encode().decode("latin-1")])
def test_a_key_that_is_none_is_refused(client: Client, key: str) -> None:
    assert client.post({"to": number(), "text": "x"}, Idempotency_Key=key).status == 400


# --- nonsense -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "to"),
        ({"to": "+8613800000007"}, "text"),
        ({"text": "x"}, "to"),
        ({"to": 8613800000007, "text": "x"}, "to"),
        ({"to": None, "text": "x"}, "to"),
        ({"to": ["+8613800000007"], "text": "x"}, "to"),
        ({"to": "010-12345678", "text": "x"}, "to"),
        ({"to": "1.38E+10", "text": "x"}, "to"),
        ({"to": "+" + "9" * 5000, "text": "x"}, "to"),
        ({"to": "+8613800000007\r\nBcc: x", "text": "x"}, "to"),
        ({"to": "+8613800000007' OR '1'='1", "text": "x"}, "to"),
        ({"to": "+8613800000007", "text": ""}, "text"),
        ({"to": "+8613800000007", "text": " \n "}, "text"),
        ({"to": "+8613800000007", "text": 5}, "text"),
        ({"to": "+8613800000007", "text": {"a": "b"}}, "text"),
        ({"to": "+8613800000007", "text": "a\0b"}, "text"),
        ({"to": "+8613800000007", "text": "x" * 1531}, "text"),
        ({"to": "+8613800000007", "text": "x", "from": "10690001"}, "from"),
        ({"to": "+8613800000007", "text": "x", "from": 5}, "from"),
        ({"to": "+8613800000007", "text": "x", "callback": "javascript:alert(1)"}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": "http://a/\r\nX: y"}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": "http://user:pass@a/"}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": "http://[::1"}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": "http://a:99999/"}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": "http://" + "a" * 3000}, "callback"),
        ({"to": "+8613800000007", "text": "x", "callback": 5}, "callback"),
        ({"to": "+8613800000007", "text": "x", "not_before": "2026-08-17T09:00:00"}, "not_before"),
        ({"to": "+8613800000007", "text": "x", "not_before": "tomorrow"}, "not_before"),
        ({"to": "+8613800000007", "text": "x", "not_before": 1}, "not_before"),
        ({"to": "+8613800000007", "text": "x", "not_before": "9999-12-31T23:59:59-23:00"}, "not_before"),
        ({"to": "+8613800000007", "text": "x", "expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"to": "+8613800000007", "text": "x", "lane": 0}, "lane"),
    ],
)
def test_the_field_that_is_wrong_is_named(client: Client, content: Any, field: str) -> None:
    reply = client.post(content)
    assert reply.status == 400
    assert [problem["field"] for problem in reply.json["error"]["fields"]] == ([field] if content else ["to", "text"])


def test_in_a_list_the_message_is_named_too_and_none_is_queued(client: Client) -> None:
    to = number()
    reply = client.post([{"to": to, "text": "x"}, {"to": "x", "text": "x"}, 5, None, {"to": to, "text": ""}])
    assert reply.status == 400
    assert [problem["field"] for problem in reply.json["error"]["fields"]] == ["[1].to", "[2]", "[3]", "[4].text"]
    assert logged(client, to) == []


def test_so_many_problems_are_enough(client: Client) -> None:
    assert len(client.post([{}] * 1000).json["error"]["fields"]) <= 20


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"a":' * 5000,
        b"[" * 500 + b"]" * 500,
        b"5",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"to": "+8613800000007", "text": "\xff"}',
        b'{"to": "+8613800000007", "text": "\\ud800"}',
        b'{"to": "+8613800000007", "text": "' + b"9" * 100_000 + b'"}',
        b"\0" * 1000,
        json.dumps({"to": "+8613800000007", "text": "x"}).encode("utf-16"),
    ],
)
def test_what_is_no_request_is_refused(client: Client, body: bytes) -> None:
    reply = client.post(body)
    assert reply.status == 400
    assert reply.json["error"]["code"] == "invalid"


def test_a_text_is_only_a_text(client: Client) -> None:
    before = len(client.rows(member))
    for text in ("'; DROP TABLE member; --", "<script>alert(1)</script>", "=1+1", "\u202eabc", "{{7*7}}", "\r\nTo: x"):
        to = number()
        assert client.post({"to": to, "text": text}).status == 202
        assert logged(client, to)[0]["text"] == text
    assert len(client.rows(member)) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_post(client: Client, method: str) -> None:
    reply = client.ask(method, "/v1/messages", Authorization=f"Bearer {KEY}")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/messages", "/%ff%fe", "/../etc/passwd", "/v1/messages/1/2"])
def test_there_is_nothing_else(client: Client, path: str) -> None:
    reply = client.get(path)
    assert (reply.status, reply.headers["content-type"]) == (404, "application/json")


def raw(client: Client, octets: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(octets)
        received = b""
        while piece := connection.recv(65536):
            received += piece
            if b"\r\n\r\n" in received and b"close" in received.lower():
                break
        return received


def test_a_body_that_is_too_large_is_not_waited_for(client: Client) -> None:
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 99999999999\r\n\r\n"
    )
    assert raw(client, head.encode()).startswith(b"HTTP/1.1 413 ")


def test_nor_is_one_that_comes_in_pieces(client: Client) -> None:
    head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%s\r\n" % (1 << 20, b"x" * (1 << 20))
    with suppress(BrokenPipeError, ConnectionResetError):  # it hangs up while we are still talking
        assert raw(client, head.encode() + piece * 6).startswith(b"HTTP/1.1 413 ")
    assert client.post({"to": number(), "text": "x"}).status == 202


def test_somebody_who_hangs_up_before_the_answer_harms_nobody(client: Client) -> None:
    body = json.dumps({"to": number(), "text": "x"}).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
            connection.sendall(head.encode() + body)
    assert client.post({"to": number(), "text": "x"}).status == 202
