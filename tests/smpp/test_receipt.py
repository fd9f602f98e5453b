"""Delivery receipts as operators write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import State
from smpp import pdu, receipt
from smpp.pdu import Tag
from smpp.receipt import MessageIds, Receipt

TEXT = b"id:0123456789 sub:001 dlvrd:001 submit date:2401010101 done date:2401010102 stat:DELIVRD err:000 text:dues"


def told(text: bytes = b"", *tlvs: tuple[int, bytes], ids: MessageIds = "exact", esm: int = 4) -> Receipt | None:
    return receipt.parse(pdu.DeliverSm(esm_class=esm, short_message=text, tlvs=tlvs), ids)


def test_the_standard_text() -> None:
    assert told(TEXT) == Receipt("0123456789", State.DELIVERED, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"stat:UNDELIV err:045 id:A1", Receipt("A1", State.FAILED, "045")),
        (b"ID:A1 SUB:001 STAT:EXPIRED ERR:1", Receipt("A1", State.EXPIRED, "1")),
        (b"id:A1 stat:REJECTED err: text:", Receipt("A1", State.FAILED, None)),
        (b"id:A1 stat:ACKED", Receipt("A1", State.SENT, None)),
        (b"id:A1 stat:ENROUTE", Receipt("A1", State.SENT, None)),
        (b"id:A1 stat:BUFFRED", Receipt("A1", State.SENT, None)),
        (b"id:A1 stat:DELIVERED done date:20240101010203", Receipt("A1", State.DELIVERED, None)),
        (b"id:A1 stat:delivrd", Receipt("A1", State.DELIVERED, None)),
        (b"id:A1 stat:WHATEVER", Receipt("A1", None, None)),
        (b"mid:B2 id:A1 stat:DELIVRD", Receipt("A1", State.DELIVERED, None)),
        (b"id:A1 stat:DELIVRD err:000 text:id:B2 stat:UNDELIV err:999", Receipt("A1", State.DELIVERED, None)),
        (b"text:hello id:A1 stat:DELIVRD", Receipt("A1", State.DELIVERED, None)),
        (b"nothing of the kind", None),
        (b"id:", None),
        (b"", None),
    ],
)
def test_texts_of_operators(text: bytes, expected: Receipt | None) -> None:
    assert told(text) == expected


def test_parameters_are_believed_before_the_text() -> None:
    found = told(
        TEXT,
        (Tag.RECEIPTED_MESSAGE_ID, b"77"),
        (Tag.MESSAGE_STATE, b"\0\5"),
        (Tag.NETWORK_ERROR_CODE, b"\3\0\x0b"),
    )
    assert found == Receipt("77", State.FAILED, "gsm:11")


def test_a_network_s_error_has_three_octets() -> None:
    found = told(TEXT, (Tag.NETWORK_ERROR_CODE, b"\3\x0b"))
    assert found == Receipt("0123456789", State.DELIVERED, None)


def test_parameters_alone_are_enough() -> None:
    assert told(b"", (Tag.RECEIPTED_MESSAGE_ID, b"77\0"), (Tag.MESSAGE_STATE, b"\3")) == Receipt(
        "77", State.EXPIRED, None
    )


@pytest.mark.parametrize(
    ("ids", "response", "receipted"),
    [
        ("exact", "0A", "0A"),
        ("int", "0000000123", "123"),
        ("hex>dec", "4D2", "1234"),
        ("hex>dec", "0x4d2", "0001234"),
        ("dec>hex", "1234", "4D2"),
        ("dec>hex", "1234", "000004d2"),
        ("strip", "000abC", "ABC"),
        ("strip", "0", "000"),
    ],
)
def test_both_forms_of_an_id_become_one(ids: MessageIds, response: str, receipted: str) -> None:
    assert receipt.normal(response, ids, receipt=False) == receipt.normal(receipted, ids, receipt=True)


@pytest.mark.parametrize("ids", receipt.MESSAGE_IDS)
@given(text=st.text(max_size=70))
def test_any_id_has_a_normal_form(ids: MessageIds, text: str) -> None:
    assert isinstance(receipt.normal(text, ids, receipt=False), str)
    assert isinstance(receipt.normal(text, ids, receipt=True), str)


@pytest.mark.parametrize("ids", ["int", "hex>dec", "dec>hex"])
def test_an_id_that_is_no_number_stays_as_it_is(ids: MessageIds) -> None:
    assert receipt.normal("f81d-4fae", ids, receipt=True) == "f81d-4fae"
    assert receipt.normal("١٢٣", ids, receipt=True) == "١٢٣"


@pytest.mark.parametrize(
    ("esm_class", "expected"),
    [(0, False), (0x40, False), (3, False), (4, True), (0x44, True), (0x20, True), (8, True), (0x0C, False)],
)
def test_esm_class_decides(esm_class: int, expected: bool) -> None:
    assert receipt.is_receipt(esm_class) is expected


def test_sixty_kilobytes_of_keys_take_no_time() -> None:
    """The usual regular expression needs 11 s for 8 kB of this."""
    text = b"sub:dlvrd:" * 6000
    before = time.process_time()
    assert told(b"", (Tag.MESSAGE_PAYLOAD, text)) is None
    assert time.process_time() - before < 1


@given(st.binary(max_size=300))
def test_no_text_is_too_much(text: bytes) -> None:
    told(text)
