"""The life of a bind, and several of one link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher

from gateway.core.model import (
    LinkDown,
    LinkStatus,
    Unknown,
)
from smpp import pdu, status
from smpp.pdu import Pdu
from tests.smpp.rig import DUES, End, Network, fate


def waits(network: Network, most: float, lose: Callable[[], None]) -> float:
    """Seconds from the loss to the next attempt."""
    attempts = len(network.clock.tcpClients)
    lose()
    waited = 0.0
    while len(network.clock.tcpClients) == attempts and waited < most:
        network.clock.advance(0.25)
        waited += 0.25
    return waited


def test_an_operator_that_is_down_is_tried_less_and_less_often(network: Network) -> None:
    network.link.startService()
    found = [waits(network, 400, network.refuse) for _ in range(9)]
    for waited, expected in zip(found, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert 0.7 * expected <= waited <= expected + 0.25
    assert "refused" in network.link.state.detail.lower()
    assert network.shows() is LinkStatus.CONNECTING


@pytest.mark.parametrize("code", [0x0D, 0x0E, 0x0F, 0x53])
def test_wrong_credentials_are_not_tried_again_for_five_minutes(network: Network, code: int) -> None:
    end = network.start()
    end.bind(code)
    assert end.wire.disconnecting
    assert waits(network, 400, end.hangs_up) == 300
    assert status.name(code) in "".join(state.detail for state in network.office.states)


def test_an_old_session_is_given_time_to_die(network: Network) -> None:
    end = network.start()
    end.bind(status.ALREADY_BOUND)
    assert waits(network, 400, end.hangs_up) == 60


def test_after_a_good_session_the_first_wait_is_short_again(network: Network) -> None:
    network.link.startService()
    for _ in range(5):
        waits(network, 400, network.refuse)
    end = network.connect()
    end.bind()
    end.says(DUES, 1)
    assert waits(network, 400, end.hangs_up) <= 1


def test_an_operator_that_binds_and_hangs_up_is_not_hammered(network: Network) -> None:
    network.link.startService()
    found = []
    for _ in range(5):
        end = network.connect()
        end.bind()
        found.append(waits(network, 400, end.hangs_up))
    assert sum(found) > 20


def test_a_silent_operator_is_left_within_75_seconds(network: Network, end: End) -> None:
    network.passes(75)
    assert end.wire.aborted
    assert sum(type(item.body) is pdu.EnquireLink for item in end.hears()) == 2


def test_an_operator_that_does_not_read_our_last_words_is_left(network: Network, end: End) -> None:
    end.octets(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
    assert end.wire.disconnecting
    network.passes(3)
    assert end.wire.aborted


def test_garbage_closes_the_link_and_is_logged_once_a_minute(network: Network) -> None:
    said: list[str] = []

    def tell(event: Mapping[str, Any]) -> None:
        said.append(formatEvent(dict(event)))

    observe = cast(ILogObserver, tell)
    globalLogPublisher.addObserver(observe)
    try:
        network.link.startService()
        network.connect()
        for _ in range(8):
            end = network.ends[-1]
            end.octets(b"\x15\3\1\0\2\2\x46 and so on, not SMPP at all")
            assert end.wire.disconnecting
            waits(network, 400, end.hangs_up)
            network.connect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert 2 <= len([line for line in said if "not SMPP" in line]) <= 3  # of eight in two minutes
    assert not any("Traceback" in line for line in said)


def test_ten_thousand_bad_pdus_end_the_session_after_twenty(network: Network, end: End) -> None:
    end.octets(bytes.fromhex("00000012 00000005 00000000 00000001 6162") * 10_000)
    assert len(end.hears()) == 20
    assert end.wire.disconnecting


def test_stopping_waits_for_answers_then_unbinds(network: Network, end: End) -> None:
    found = network.send()
    (submit,) = end.hears()
    end.says(DUES, 41)
    stopped = fate(network.link.stopService())
    assert [type(one) for one in network.send()] == [LinkDown]
    network.passes(1)
    end.says(pdu.SubmitSmResp("77"), submit.sequence)
    network.office.accepted[0][1].callback(None)
    response, unbind = end.hears()
    assert (type(response.body), type(unbind.body)) == (pdu.DeliverSmResp, pdu.Unbind)
    end.says(pdu.UnbindResp(), unbind.sequence)
    assert end.wire.disconnecting
    assert stopped == []
    end.hangs_up()
    assert found == ["77"]
    assert len(stopped) == 1
    network.passes(70)
    assert len(network.clock.tcpClients) == 1


def test_stopping_does_not_wait_for_ever(network: Network, end: End) -> None:
    found = network.send()
    stopped = fate(network.link.stopService())
    network.passes(7)
    assert [type(one) for one in found] == [Unknown]
    assert end.wire.aborted
    end.hangs_up()
    assert len(stopped) == 1


def test_stopping_while_resting(network: Network) -> None:
    network.link.startService()
    network.refuse()
    assert len(fate(network.link.stopService())) == 1
    network.passes(100)
    assert len(network.clock.tcpClients) == 1


def test_an_operator_that_unbinds_gets_its_answers_and_we_come_back(network: Network, end: End) -> None:
    found = network.send()
    (submit,) = end.hears()
    end.says(pdu.Unbind(), 50)
    assert network.shows() is not LinkStatus.READY
    end.says(pdu.SubmitSmResp("77"), submit.sequence)
    assert end.hears() == [Pdu(pdu.UnbindResp(), 50)]
    assert found == ["77"]
    assert waits(network, 400, end.hangs_up) <= 1


def test_a_peer_that_does_not_read_is_not_read(network: Network, end: End) -> None:
    assert end.wire.producer is not None
    end.wire.producer.pauseProducing()
    assert end.wire.producerState == "paused"
    end.wire.producer.resumeProducing()
    assert end.wire.producerState == "producing"
    network.passes(29)
    assert not end.wire.aborted
    end.wire.producer.pauseProducing()
    network.passes(30)
    assert end.wire.aborted


# --- several binds ----------------------------------------------------------------------------------------------


def test_several_binds_share_the_work() -> None:
    network = Network(binds=2, window=5)
    assert network.link.window == 10
    network.link.startService()
    ends = []
    for _, _, factory, *_ in network.clock.tcpClients:
        ends.append(End(network, factory.buildProtocol(None)))
    ends[0].bind()
    assert network.shows() is LinkStatus.READY
    assert network.link.state.detail.startswith("1 of 2 binds")
    assert network.link.window == 5, "one connection takes no more than its own"
    ends[1].bind()
    assert network.link.state.detail == "2 of 2 binds"
    assert network.link.window == 10
    for _ in range(10):
        network.send()
    assert [len(end.hears()) for end in ends] == [5, 5]
    ends[0].hangs_up()
    assert network.shows() is LinkStatus.READY
    assert network.link.window == 5
    network.send()
    assert len(ends[1].hears()) == 1
