"""The demo's wallets: a member pays from a phone, by SMS and by USSD, and hears what became of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.demo.test_demo import GRACE, LI, Visit
from tests.reactors import running
from tests.smpp.test_simulator import until


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    with running() as own:
        it = Visit(own, tmp_path_factory.mktemp("demo"))
        for number in (LI, GRACE):
            until(lambda number=number: len(it.phone(number).notes) >= 2, 20)  # type: ignore[misc]  # once at the start
        yield it
        it.stop()


def texts(visit: Visit, number: str) -> list[str]:
    return [note.text for note in visit.phone(number).notes if not note.ours]


def test_the_pop_up_comes_and_the_pin_pays(visit: Visit) -> None:
    assert "3" in visit.answer(LI, "12").text
    visit.answer(LI, "3")
    until(lambda: visit.phone(LI).prompt, 30)
    prompt = visit.phone(LI).prompt
    assert prompt is not None
    assert (prompt.amount, prompt.payee) == (500, "安河县 Anhe")
    browser = visit.browser("agent")
    shown = browser.get(f"/handset/{LI}/screen").text
    assert "5.00" in shown
    assert "安河县 Anhe" in shown
    assert prompt.reference in shown
    visit.own.call(visit.demo.network.press, LI, "1234")
    until(lambda: any("Anhe Pay已收" in text for text in texts(visit, LI)), 30)
    assert any("Confirmed. 5.00 CNY paid" in text for text in texts(visit, LI))  # the wallet's own word
    assert not any("1234" in note.text for note in visit.phone(LI).notes)  # the PIN is kept nowhere
    assert visit.phone(LI).prompt is None
    assert "交至" in visit.answer(LI, "11").text


def test_the_red_key_cancels(visit: Visit) -> None:
    visit.answer(GRACE, "12")
    visit.answer(GRACE, "3")
    until(lambda: visit.phone(GRACE).prompt, 30)
    visit.own.call(visit.demo.network.hang_up, GRACE)
    until(lambda: any("cancelled" in text for text in texts(visit, GRACE)), 30)
    assert visit.phone(GRACE).prompt is None


def test_a_wrong_pin_takes_nothing(visit: Visit) -> None:
    visit.answer(GRACE, "12")
    visit.answer(GRACE, "3")
    until(lambda: visit.phone(GRACE).prompt, 30)
    visit.own.call(visit.demo.network.press, GRACE, "0000")
    until(lambda: any("wrong" in text for text in texts(visit, GRACE)), 30)
    assert "15.00" in visit.answer(GRACE, "11").text
