"""Other systems are told what became of their messages: noted with the change, signed, and again until they hear."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from gateway.api.callbacks import signature
from gateway.core import deliveries, messages, outcomes
from gateway.core.ids import Ids
from gateway.core.model import Coding, Outbound, Part, State
from gateway.core.tables.staff import callback, delivery
from tests.api.house import KEY, SOURCED, Client
from tests.api.test_messages import until

NOW = datetime(2026, 8, 17, 9, 0, tzinfo=UTC)
NUMBER = "+8613800000007"


def queued(conn: Connection, ids: Ids, url: str = "https://example.org/") -> int:
    (id_,) = messages.queue(conn, [Outbound(id=ids(), to=NUMBER, text="x", link="wire")], NOW, actor="api:agriculture")
    conn.execute(insert(callback), {"message_id": id_, "account": "agriculture", "url": url})
    return id_


def settled(conn: Connection, id_: int, state: State) -> None:
    part = Part(outbound=id_, number=1, total=1, reference=0, octets=b"", coding=Coding.GSM7, to=NUMBER)
    outcomes.settle(conn, [(part, state, None)])


def told(conn: Connection, ids: Ids, now: datetime = NOW) -> list[str]:
    """The states that are to be told now."""
    deliveries.collect(conn, ids, now)
    return [json.loads(each.body)["state"] for each in deliveries.due(conn, "agriculture", now)]


# --- what is owed -------------------------------------------------------------------------------------------------


def test_a_change_is_noted_with_it_and_told_once(conn: Connection, ids: Ids) -> None:
    id_ = queued(conn, ids)
    assert told(conn, ids) == []
    settled(conn, id_, State.SENT)
    assert told(conn, ids) == ["sent"]
    assert told(conn, ids) == []
    settled(conn, id_, State.DELIVERED)
    assert deliveries.collect(conn, ids, NOW) == 1
    (each,) = deliveries.due(conn, "agriculture", NOW)
    said = json.loads(each.body)
    assert said == {"id": str(id_), "to": NUMBER, "state": "delivered", "error": None, "at": NOW.isoformat()}
    assert conn.scalar(select(callback.c.message_id)) is None  # nothing more can come


def test_two_changes_before_anybody_looks_are_the_last_one(conn: Connection, ids: Ids) -> None:
    id_ = queued(conn, ids)
    settled(conn, id_, State.SENT)
    settled(conn, id_, State.FAILED)
    assert told(conn, ids) == ["failed"]


def test_a_message_without_an_address_is_told_to_nobody(conn: Connection, ids: Ids) -> None:
    queued(conn, ids)
    (id_,) = messages.queue(conn, [Outbound(id=ids(), to=NUMBER, text="x", link="wire")], NOW, actor="api:agriculture")
    settled(conn, id_, State.SENT)
    assert told(conn, ids) == []


def test_what_is_in_hand_is_not_taken_again_until_its_lease_ends(conn: Connection, ids: Ids) -> None:
    settled(conn, queued(conn, ids), State.SENT)
    assert told(conn, ids) == ["sent"]
    assert told(conn, ids, NOW + timedelta(seconds=119)) == []
    assert told(conn, ids, NOW + timedelta(seconds=120)) == ["sent"]  # whoever had it has died


def test_it_is_tried_again_for_a_day_and_then_given_up(conn: Connection, ids: Ids) -> None:
    settled(conn, queued(conn, ids), State.SENT)
    deliveries.collect(conn, ids, NOW)
    now, tries = NOW, 0
    while conn.scalar(select(delivery.c.id)) is not None:
        for each in deliveries.due(conn, "agriculture", now):
            tries += 1
            deliveries.not_told(conn, [each], now)
        now += timedelta(seconds=1) if tries < 3 else timedelta(minutes=1)
        assert now < NOW + timedelta(hours=26)
    assert now >= NOW + timedelta(hours=24)
    assert 25 <= tries <= 40


def test_the_pauses_grow() -> None:
    seconds = [deliveries.retry_after(attempts).total_seconds() for attempts in (0, 1, 2, 3, 6, 100)]
    assert seconds == [5, 15, 45, 135, 3600, 3600]


def test_the_signature_can_be_checked_with_the_key_alone() -> None:
    seconds, mac = (each.partition("=")[2] for each in signature(KEY, b'{"a":1}', NOW).split(","))
    expected = hmac.new(KEY.encode(), f"{seconds}.".encode() + b'{"a":1}', hashlib.sha256).hexdigest()
    assert mac == expected
    assert int(seconds) == int(NOW.timestamp())


# --- over real HTTP -----------------------------------------------------------------------------------------------


class Department(HTTPServer):
    """Another department's application."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.endless = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/muster"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status = server.answers.pop(0) if server.answers else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", server.url + "/elsewhere")
        self.end_headers()
        if server.endless:
            try:
                for _ in range(1000):
                    self.wfile.write(b"x" * 65536)
            except OSError:
                server.endless = False

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def department() -> Iterator[Department]:
    server = Department()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


_numbers = iter(range(1000, 9000))


def send(client: Client, department: Department) -> str:
    body = {"to": f"+861380002{next(_numbers)}", "text": "x", "callback": department.url}
    id_: str = client.post(body).json["id"]
    return id_


def hurry(client: Client) -> None:
    """What is to be tried again later is due now."""

    def now(conn: Connection) -> None:
        conn.execute(update(delivery).values(due=datetime.now(UTC) - timedelta(seconds=1)))

    client.work(now)


def attempts(client: Client) -> int:
    return sum(row["attempts"] for row in client.rows(delivery))


def test_a_department_hears_of_its_message(client: Client, department: Department) -> None:
    id_ = send(client, department)
    until(lambda: department.heard)
    headers, body = department.heard[0]
    assert json.loads(body)["id"] == id_
    assert json.loads(body)["state"] == "sent"
    seconds, mac = (each.partition("=")[2] for each in headers["muster-signature"].split(","))
    assert mac == hmac.new(KEY.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("refusal", [500, 404, 302])
def test_until_it_has_heard(client: Client, department: Department, refusal: int) -> None:
    department.answers = [refusal, refusal]
    send(client, department)
    until(lambda: department.heard)
    until(lambda: attempts(client) == 1)
    hurry(client)
    until(lambda: attempts(client) == 2)
    hurry(client)
    until(lambda: len(department.heard) == 3)
    until(lambda: client.rows(delivery) == [])
    assert len({headers["muster-delivery"] for headers, _ in department.heard}) == 1


def test_a_slow_department_keeps_no_other_waiting(client: Client, department: Department) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        client.post({"to": f"+861380002{next(_numbers)}", "text": "x", "callback": url}, key=SOURCED)
        until(lambda: client.rows(delivery))
        id_ = send(client, department)
        until(lambda: department.heard, seconds=5)
        assert json.loads(department.heard[0][1])["id"] == id_
    until(lambda: attempts(client) == 1)
    for row in client.rows(delivery):
        client.work(deliveries.told, [row["id"]])


def test_gone_is_gone(client: Client, department: Department) -> None:
    department.answers = [410]
    send(client, department)
    until(lambda: department.heard)
    until(lambda: client.rows(delivery) == [])


def test_nobody_there_is_tried_again(client: Client, department: Department) -> None:
    department.server_close()
    id_ = send(client, department)
    until(lambda: any(row["attempts"] == 1 for row in client.rows(delivery)))
    (row,) = client.rows(delivery)
    assert json.loads(row["body"])["id"] == id_
    client.work(deliveries.told, [row["id"]])


def test_an_answer_without_an_end_is_not_read(client: Client, department: Department) -> None:
    department.endless = True
    send(client, department)
    until(lambda: client.rows(delivery) == [] and department.heard)
    until(lambda: not department.endless)
