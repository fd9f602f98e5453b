"""Health, figures and the description."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, delete, insert
from twisted.internet.defer import Deferred

from gateway.api import openapi, site
from gateway.core.engines import DatabaseProblem
from gateway.core.model import LinkStatus
from gateway.core.tables.staff import fact
from tests.api.house import KEY, PATH_KEY, Client


def test_alive(client: Client) -> None:
    reply = client.get("/healthz", key=None)
    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_ready(client: Client) -> None:
    reply = client.get("/readyz", key=None)
    assert (reply.status, reply.json["links"]) == (200, {"wire": "ready"})


def test_not_ready_without_a_link(client: Client) -> None:
    client.muster.wire.status = LinkStatus.DOWN
    try:
        reply = client.get("/readyz", key=None)
        assert (reply.status, reply.json["status"]) == (503, "not ready")
    finally:
        client.muster.wire.status = LinkStatus.READY


def test_not_ready_on_hold(client: Client) -> None:
    def hold(conn: Connection) -> None:
        conn.execute(insert(fact), {"name": "hold", "value": "restored"})

    def release(conn: Connection) -> None:
        conn.execute(delete(fact).where(fact.c.name == "hold"))

    time.sleep(site.PROBE_EVERY)
    client.work(hold)
    try:
        reply = client.get("/readyz", key=None)
        assert (reply.status, reply.json["on_hold"]) == (503, True)
    finally:
        client.work(release)
    time.sleep(site.PROBE_EVERY)
    assert client.get("/readyz", key=None).status == 200


def test_not_ready_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **more: object) -> Deferred[object]:
        done: Deferred[object] = Deferred()
        done.errback(DatabaseProblem("the disk is full"))
        return done

    time.sleep(site.PROBE_EVERY)
    monkeypatch.setattr(client.muster.database, "run", broken)
    reply = client.get("/readyz", key=None)
    assert (reply.status, reply.json["database"]) == (503, "DatabaseProblem")
    monkeypatch.setattr(client.muster.database, "read", broken)
    assert ("muster_database_readable", frozenset()) in figures(client)
    monkeypatch.undo()
    time.sleep(site.PROBE_EVERY)


def test_whoever_hangs_up_while_the_database_works_makes_nobody_else_wait(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, given_up = threading.Event(), threading.Event()

    def slow(*args: object, **more: object) -> Deferred[object]:
        asked.set()
        return Deferred(lambda _: given_up.set())

    time.sleep(site.PROBE_EVERY)
    monkeypatch.setattr(client.muster.database, "run", slow)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(10)
    assert given_up.wait(10)
    monkeypatch.undo()
    assert client.get("/readyz", key=None).status == 200


def figures(client: Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    reply = client.get("/metrics", key=None)
    assert reply.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def test_figures(client: Client) -> None:
    before = figures(client)
    assert client.post({"to": "+8613800055555", "text": "x"}).status == 202
    assert client.post({}).status == 400
    client.dial("82")
    after = figures(client)

    def grown(name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return after[key] - before.get(key, 0)

    assert grown("muster_api_accepted_total") == 1
    assert grown("muster_http_requests_total", route="/v1/messages", status="202") == 1
    assert grown("muster_http_requests_total", route="/v1/messages", status="400") == 1
    assert grown("muster_ussd_http_seconds_count") == 1
    assert grown("muster_answer_seconds_count") == 1
    assert after["muster_link_state", frozenset({("link", "wire"), ("state", "ready")})] == 1
    assert after["muster_link_state", frozenset({("link", "wire"), ("state", "down")})] == 0


def test_figures_tell_no_secrets(client: Client) -> None:
    client.dial("")
    text = client.get("/metrics", key=None).text
    for secret in (KEY, PATH_KEY, "+8613800"):
        assert secret not in text


def test_figures_are_for_this_machine_or_a_key(client: Client) -> None:
    assert client.get("/metrics", key=None, X_Forwarded_For="10.0.0.1").status == 403
    assert client.get("/metrics", X_Forwarded_For="10.0.0.1").status == 200


def test_the_description_is_valid(client: Client) -> None:
    reply = client.get("/openapi.json", key=None)
    assert reply.json == openapi.document()
    validate(reply.json)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_nothing_of_it_is_kept(client: Client, path: str) -> None:
    assert client.get(path, key=None).headers["cache-control"] == "no-store"
