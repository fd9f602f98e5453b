"""What a refusal means for the message and for the modem."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import LinkDown, Rejected
from modems.at import Refusal
from modems.refusals import Remedy, meaning, send_error


def cms(code: int) -> Refusal:
    return Refusal("CMS", str(code), code)


def cme(code: int) -> Refusal:
    return Refusal("CME", str(code), code)


@pytest.mark.parametrize("code", [1, 8, 21, 28, 30, 95, 96, 97, 99, 304, 195, 208])
def test_never_again(code: int) -> None:
    error = send_error(cms(code))
    assert isinstance(error, Rejected)
    assert (error.retry_after, error.other_link) == (None, False)
    assert error.code == f"CMS {code}"


@pytest.mark.parametrize("code", [29, 50, 69, 193])
def test_not_by_this_sim(code: int) -> None:
    error = send_error(cms(code))
    assert (error.retry_after, error.other_link) == (None, True)


@pytest.mark.parametrize("code", [22, 27, 38, 41, 42, 47, 98, 111, 192, 194, 332, 500, 512, 513, 514, 515, 9999])
def test_later(code: int) -> None:
    error = send_error(cms(code))
    assert isinstance(error, Rejected)
    assert error.retry_after is not None
    assert error.retry_after >= 30
    assert error.other_link


@pytest.mark.parametrize("code", [*range(300, 304), 305, *range(310, 319), 320, 321, 322, 330, 331])
def test_not_the_message_is_to_blame(code: int) -> None:
    assert isinstance(send_error(cms(code)), LinkDown)


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (cms(314), Remedy.AGAIN),
        (cms(512), Remedy.AGAIN),
        (cms(515), Remedy.AGAIN),
        (cme(14), Remedy.AGAIN),
        (Refusal("CME", "SIM busy"), Remedy.AGAIN),
        (cms(305), Remedy.PDU_MODE),
        (cms(330), Remedy.SMSC),
        (cms(311), Remedy.PREPARE),
        (cme(10), Remedy.PREPARE),
        (Refusal("CME", "SIM not inserted"), Remedy.PREPARE),
        (cms(500), Remedy.COUNT),
        (cme(30), Remedy.COUNT),
        (Refusal("ERROR"), Remedy.COUNT),
        (cms(1), Remedy.NONE),
        (cms(38), Remedy.NONE),  # three wrong numbers in a row are no fault of the modem
    ],
)
def test_remedies(refusal: Refusal, remedy: Remedy) -> None:
    assert meaning(refusal).remedy is remedy


@given(
    kind=st.sampled_from(["CMS", "CME", "ERROR"]), text=st.text(max_size=20), code=st.none() | st.integers(0, 1 << 31)
)
def test_every_refusal_means_something(kind: str, text: str, code: int | None) -> None:
    assert str(send_error(Refusal(kind, text, code)))
