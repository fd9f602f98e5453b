"""Phones in two networks, without a gateway: an ESME of octets and a modem's port are enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from twisted.internet.defer import Deferred

from gateway.core import text as texts
from gateway.core.model import Coding, Fragment
from gateway.demo import network as networks
from gateway.demo.network import Carrier, Handset, Network
from modems import tpdu
from modems.userdata import UserData
from smpp import pdu
from smpp.simulator import Options
from tests.reactors import Running, running
from tests.smpp.test_simulator import TRANSCEIVER, Raw, until

PHONE, VILLAGE = "+8613800000001", "+8615700000004"


class Demo:
    """Stands where a gateway would: it knows the port, and hears which phones have changed."""

    def __init__(self, own: Running, folder: Path) -> None:
        self.own = own
        self.changed: list[str] = []
        self.network: Network = own.call(self._made, folder)
        self.port = 0

    def _made(self, folder: Path) -> Network:
        made = Network(
            self.own.reactor,
            [
                Handset(number=PHONE, owner="Li", carrier=Carrier.OPERATOR, story={}),
                Handset(number=VILLAGE, owner="Chen", carrier=Carrier.MODEM, story={}),
            ],
            random=Random(1),
            now=lambda: datetime(2026, 11, 23, tzinfo=UTC),
            device=folder / "modem",
            options=Options(receipt_after=0.05),
        )
        made.changed = self.changed.append
        return made

    @property
    def phone(self) -> Handset:
        return self.network.handsets[PHONE]

    @property
    def village(self) -> Handset:
        return self.network.handsets[VILLAGE]

    def press(self, number: str, text: str) -> None:
        self.own.call(self.network.press, number, text)


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture
def demo(own: Running, tmp_path: Path) -> Iterator[Demo]:
    it = Demo(own, tmp_path)
    it.port = own.call(it.network.start, 0)
    yield it
    own.call(lambda: Deferred.fromCoroutine(it.network.stop()))


def test_a_text_leaves_by_the_operator_and_says_when_it_is_taken(demo: Demo) -> None:
    demo.press(PHONE, "会费")
    assert [(note.text, note.ours, note.taken) for note in demo.phone.notes] == [("会费", True, False)]
    esme = Raw(demo, TRANSCEIVER)
    body, sequence, _ = esme.read()
    assert isinstance(body, pdu.DeliverSm)
    assert pdu.content(body).decode("utf-16-be") == "会费"
    assert not demo.phone.notes[0].taken
    esme.write(pdu.DeliverSmResp(), sequence)
    until(lambda: demo.phone.notes[0].taken)
    assert set(demo.changed) == {PHONE}


def test_a_text_arrives_unread_until_somebody_looks(demo: Demo) -> None:
    esme = Raw(demo, TRANSCEIVER)
    esme.write(pdu.SubmitSm(source_addr="10690001", destination_addr=PHONE[1:], short_message=b"Hello"), 2)
    until(lambda: demo.phone.notes)
    assert [(note.text, note.ours, note.unread) for note in demo.phone.notes] == [("Hello", False, True)]
    assert (demo.phone.unread, demo.village.unread) == (1, 0)
    demo.own.call(demo.network.read, PHONE)
    assert demo.phone.unread == 0


def test_a_text_for_a_phone_that_nobody_holds_is_nobodys(demo: Demo) -> None:
    esme = Raw(demo, TRANSCEIVER)
    esme.write(pdu.SubmitSm(destination_addr="8613900000009", short_message=b"Hello"), 2)
    assert esme.read().status == 0
    assert not demo.changed


def test_a_code_opens_a_session_and_keys_answer_it(demo: Demo) -> None:
    esme = Raw(demo, TRANSCEIVER)
    demo.press(PHONE, " *123# ")
    assert (demo.phone.screen, demo.phone.in_session) == ("", True)
    dialled, sequence, _ = esme.read()
    assert isinstance(dialled, pdu.DeliverSm)
    esme.write(pdu.DeliverSmResp(), sequence)
    info = pdu.find(dialled.tlvs, pdu.Tag.ITS_SESSION_INFO)
    assert info is not None
    asks = ((pdu.Tag.USSD_SERVICE_OP, b"\x02"), (pdu.Tag.ITS_SESSION_INFO, info))
    esme.write(pdu.SubmitSm(destination_addr=PHONE[1:], short_message=b"1 Dues", tlvs=asks), 2)
    until(lambda: demo.phone.screen == "1 Dues")
    demo.press(PHONE, "1")
    assert esme.read().body == pdu.SubmitSmResp(esme_id(demo))
    answered = esme.read().body
    assert isinstance(answered, pdu.DeliverSm)
    assert pdu.content(answered) == b"1"
    demo.own.call(demo.network.hang_up, PHONE)
    assert (demo.phone.screen, demo.phone.in_session) == (None, False)
    assert not demo.phone.notes  # a session leaves nothing on the phone


def esme_id(demo: Demo) -> str:
    return str(demo.network.operator._ids)


def test_a_modem_has_no_codes(demo: Demo) -> None:
    demo.press(VILLAGE, "*123#")
    assert demo.village.screen == networks.NO_USSD
    assert not demo.village.in_session


def test_a_text_reaches_the_modem(demo: Demo) -> None:
    demo.press(VILLAGE, "咨询 水渠什么时候修？")
    stored = demo.network.modem.emulator.stores["SM"]
    until(lambda: stored)
    found = tpdu.decode(next(iter(stored.values())).pdu)
    assert isinstance(found, tpdu.Deliver)
    assert (str(found.sender), found.data.text) == (VILLAGE, "咨询 水渠什么时候修？")


def test_a_long_text_by_the_modem_is_shown_when_all_of_it_is_there(demo: Demo) -> None:
    text = "您的党费已缴至二〇二六年十月，谢谢。" * 9
    parts = texts.segments(text).parts
    for number in reversed(range(1, len(parts) + 1)):
        fragment = Fragment(reference=7, total=len(parts), number=number, bits=16)
        udh = b"\x08\x04\x00\x07" + bytes((len(parts), number))
        data = UserData(octets=parts[number - 1], dcs=8, udh=udh)
        assert (data.coding, data.fragment) == (Coding.UCS2, fragment)
        assert not demo.village.notes
        demo.own.call(demo.network._from_modem, tpdu.Submit(recipient=tpdu.Number.of(VILLAGE), data=data))
    assert [(note.text, note.parts) for note in demo.village.notes] == [(text, len(parts))]


def test_waiting_for_news_ends_with_news_or_without(demo: Demo) -> None:
    done: list[None] = []
    demo.own.call(lambda: demo.network.news(PHONE, 30).addCallback(done.append) and None)
    assert not done
    demo.press(PHONE, "82")
    assert done == [None]
    demo.own.call(demo.network.news, PHONE, 0.05)


def test_nothing_is_sent_by_pressing_nothing(demo: Demo) -> None:
    demo.press(PHONE, "  ")
    assert not demo.phone.notes
