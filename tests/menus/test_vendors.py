"""What Africa's Talking sends and expects, and what a stranger may send instead."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Event
from menus.vendors import AFRICASTALKING, Dialled, NotUnderstood

# As their sandbox posts it.
STEP = {
    "sessionId": ["ATUid_1c4e9f4c8d2b4e7b"],
    "phoneNumber": ["+254711000007"],
    "networkCode": ["99999"],
    "serviceCode": ["*384*123#"],
    "text": ["1*2"],
}
END = {
    "date": ["2026-08-17 09:00:12"],
    "sessionId": ["ATUid_1c4e9f4c8d2b4e7b"],
    "serviceCode": ["*384*123#"],
    "networkCode": ["99999"],
    "phoneNumber": ["+254711000007"],
    "status": ["Success"],
    "cost": ["KES 0.0000"],
    "durationInMillis": ["12000"],
    "hopsCount": ["3"],
    "input": ["1*2"],
    "lastAppResponse": ["END bye"],
    "errorMessage": [""],
}


def test_a_step() -> None:
    assert AFRICASTALKING.read(STEP) == Dialled(
        event=Event.CONTINUE,
        session="ATUid_1c4e9f4c8d2b4e7b",
        number="+254711000007",
        code="*384*123#",
        text="1*2",
    )


@pytest.mark.parametrize("text", [[""], []])
def test_an_empty_text_begins(text: list[str]) -> None:
    form = {**STEP, "text": text} if text else {key: value for key, value in STEP.items() if key != "text"}
    assert AFRICASTALKING.read(form).event is Event.BEGIN


def test_the_note_that_it_is_over() -> None:
    dialled = AFRICASTALKING.read(END)
    assert (dialled.event, dialled.text) == (Event.CLOSE, "")


@pytest.mark.parametrize(
    "change",
    [
        {"sessionId": []},
        {"sessionId": [""]},
        {"sessionId": ["a", "b"]},
        {"sessionId": ["x" * 101]},
        {"phoneNumber": []},
        {"phoneNumber": ["+" + "9" * 30]},
        {"serviceCode": ["\0"]},
        {"text": ["1" * 2001]},
        {"text": ["1", "2"]},
        {"text": ["a\0b"]},
    ],
)
def test_anything_else_is_refused(change: dict[str, list[str]]) -> None:
    with pytest.raises(NotUnderstood):
        AFRICASTALKING.read({**STEP, **change})


def test_answers() -> None:
    assert AFRICASTALKING.write("1 Dues\r\n0 Back", True) == "CON 1 Dues\n0 Back"
    assert AFRICASTALKING.write("Goodbye", False) == "END Goodbye"


@given(st.dictionaries(st.sampled_from([*STEP, "status", "x"]), st.lists(st.text(), max_size=2)))
def test_no_form_does_more_than_be_refused(form: dict[str, list[str]]) -> None:
    with suppress(NotUnderstood):
        assert AFRICASTALKING.read(form).session
