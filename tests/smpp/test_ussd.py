"""USSD over SMPP: the steps of a session, by profile."""

from __future__ import annotations

import pytest

from gateway.core.model import Event
from smpp import pdu
from smpp.pdu import Tag
from smpp.ussd import PROFILES, answer, step

ITS = PROFILES["its"]


def asked(text: str, operation: int | None, info: int, *, subscriber: str = "8613800000001") -> pdu.DeliverSm:
    tlvs: pdu.Tlvs = ((Tag.ITS_SESSION_INFO, info.to_bytes(2, "big")),)
    if operation is not None:
        tlvs += ((Tag.USSD_SERVICE_OP, bytes((operation,))),)
    return pdu.DeliverSm(
        service_type="USSD",
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=subscriber,
        destination_addr="123",
        short_message=text.encode(),
        tlvs=tlvs,
    )


@pytest.mark.parametrize(
    ("text", "operation", "info", "event"),
    [
        ("*123#", 1, 0x1200, Event.BEGIN),
        ("*123*3*3#", 0, 0x1200, Event.BEGIN),
        ("1", 18, 0x1202, Event.CONTINUE),
        ("", 18, 0x1203, Event.CLOSE),
        ("", 19, 0x1202, Event.CLOSE),
        ("", 0x81, 0x1202, Event.ABORT),
        ("*123#", None, 0x1200, Event.BEGIN),
        ("2", None, 0x1200, Event.CONTINUE),
    ],
)
def test_the_steps_of_a_session(text: str, operation: int | None, info: int, event: Event) -> None:
    found = step(asked(text, operation, info), text, ITS)
    assert found is not None
    assert found.event is event


def test_the_session_stays_the_same_while_its_dialogue_counts_on() -> None:
    names = {step(asked("1", 18, info), "1", ITS).session for info in (0x1200, 0x1202, 0x12FE)}  # type: ignore[union-attr]  # USSD
    assert len(names) == 1
    assert "13800000001" not in names.pop()


def test_two_subscribers_with_one_number_are_two_sessions() -> None:
    first = step(asked("1", 18, 0x1200), "1", ITS)
    second = step(asked("1", 18, 0x1200, subscriber="8613800000002"), "1", ITS)
    assert first is not None
    assert second is not None
    assert first.session != second.session


def test_a_text_message_is_no_step() -> None:
    assert step(pdu.DeliverSm(short_message=b"*123#"), "*123#", ITS) is None


@pytest.mark.parametrize(
    ("profile", "more", "operation", "info"),
    [("its", True, 2, 0x1234), ("its", False, 17, 0x1235), ("tata", True, 2, 0x1234), ("tata", False, 2, 0x1235)],
)
def test_the_answer_carries_the_session_back(profile: str, more: bool, operation: int, info: int) -> None:
    question = asked("1", 18, 0x1234)
    found = step(question, "1", PROFILES[profile])
    assert found is not None
    screen = pdu.SubmitSm(short_message=b"menu", registered_delivery=1, destination_addr="x")
    body = answer(screen, question, found, PROFILES[profile], more=more)
    assert (pdu.number(body.tlvs, Tag.USSD_SERVICE_OP), pdu.number(body.tlvs, Tag.ITS_SESSION_INFO)) == (
        operation,
        info,
    )
    assert (body.service_type, body.source_addr, body.destination_addr) == ("USSD", "123", "8613800000001")
    assert (body.dest_addr_ton, body.registered_delivery, body.short_message) == (1, 0, b"menu")


def test_mica_names_the_session_by_reference() -> None:
    tlvs = ((Tag.USSD_SERVICE_OP, b"\1"), (Tag.USER_MESSAGE_REFERENCE, b"\1\7"))
    question = asked("*123#", 1, 0)._replace(tlvs=tlvs)
    found = step(question, "*123#", PROFILES["mica"])
    assert found is not None
    body = answer(pdu.SubmitSm(), question, found, PROFILES["mica"], more=False)
    assert pdu.number(body.tlvs, Tag.USER_MESSAGE_REFERENCE) == 0x107


def test_a_code_is_told_where_the_text_does_not_say() -> None:
    said, silent = step(asked("*123*4#", 1, 0), "*123*4#", ITS), step(asked("", 1, 0), "", ITS)
    assert said is not None
    assert silent is not None
    assert (said.code, silent.code) == (None, "123")


def test_a_long_screen_stays_in_the_short_message() -> None:
    """182 letters fit a screen; as an SMS they would need the payload."""
    question = asked("1", 18, 0x1234)
    found = step(question, "1", ITS)
    assert found is not None
    screen = pdu.SubmitSm(tlvs=((Tag.MESSAGE_PAYLOAD, b"a" * 182),))
    assert answer(screen, question, found, ITS, more=True).short_message == b"a" * 182
