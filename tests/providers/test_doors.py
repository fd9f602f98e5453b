"""Where providers call back: an endpoint of their own, proxies that are believed, and figures for who watches."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.affairs.intents import Step
from gateway.demo.main import free_port
from gateway.providers.callbacks import is_within, networks
from gateway.providers.worker import intent_of, secret
from tests.providers.house import House, until
from tests.providers.house import house as make_house


def get(port: int, path: str, method: str = "GET") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def apart(place: Path) -> Iterator[tuple[House, int]]:
    port = free_port("127.0.0.1", 41_000)
    with make_house(place, f"sqlite:///{place}/muster.db", callbacks=f"tcp:{port}:interface=127.0.0.1") as house:
        yield house, port


def test_callbacks_have_an_endpoint_of_their_own(apart: tuple[House, int]) -> None:
    """What is open to the world shows nothing else, and the API does not take them."""
    house, port = apart
    id_ = house.open()
    house.settled(id_, Step.PENDING)
    path = house.callback(id_)
    assert get(port, "/v1/messages", "POST") == get(port, "/metrics") == get(port, "/healthz") == 404
    assert get(port, "/openapi.json") == 404
    assert get(port, path, "POST") == 400  # it is there, and this is no callback
    assert get(house.api_port, path, "POST") == 404
    assert get(house.api_port, "/healthz") == 200


def test_figures(quick: House) -> None:
    quick.enter()
    quick.settled(quick.open(), Step.SUCCEEDED)
    until(lambda: quick.gsma.called)
    connection = http.client.HTTPConnection("127.0.0.1", quick.api_port, timeout=10)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    assert 'muster_payment_answers_total{event="booked",provider="wallet"} 1.0' in page
    assert 'muster_payments_open{provider="wallet",state="pending"} 0.0' in page
    assert "muster_payment_problems 0.0" in page
    assert 'muster_payment_callbacks_total{provider="wallet",status="204"}' in page


def test_a_path_proves_itself(quick: House) -> None:
    keys, id_ = quick.muster.keys, quick.open()
    right = secret(keys, "wallet", id_)
    assert intent_of(keys, "wallet", right) == id_
    assert intent_of(keys, "mpesa", right) is None
    for wrong in (right[:-1], right + "0", right.upper(), "", "x" * 64, right[:32] + "0" * 32):
        assert intent_of(keys, "wallet", wrong) is None, wrong


def test_networks() -> None:
    among = networks(("196.201.214.0/24", "2001:db8::/32"))
    assert is_within("196.201.214.200", among)
    assert is_within("::ffff:196.201.214.200", among)
    assert is_within("2001:db8::1", among)
    assert not is_within("196.201.215.1", among)
    assert not is_within("", among)
    assert not is_within("unix", among)


def test_a_proxy_of_ours_says_who_asks(place: Path) -> None:
    with make_house(place, f"sqlite:///{place}/muster.db", proxies=("127.0.0.3",), sources=("192.0.2.0/24",)) as house:
        id_ = house.open()
        house.settled(id_, Step.PENDING)
        path, said = house.callback(id_), {"transactionStatus": "failed"}

        def ask(forwarded: str, source: str = "127.0.0.3") -> int:
            return house.call(path, said, method="PUT", source=source, X_Forwarded_For=forwarded)[0]

        assert ask("192.0.2.7") == 204
        assert ask("198.51.100.1, 192.0.2.7, 127.0.0.3") == 204
        assert ask("192.0.2.7, 198.51.100.1") == 403  # the last hop before us is a stranger's
        assert ask("192.0.2.7", source="127.0.0.1") == 403
