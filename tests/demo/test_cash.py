"""Cash, played on the demo's phones over its real SMPP links: two sides, a closed day, money handed on and found."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.demo.network import Note
from tests.demo.test_demo import LI, Visit
from tests.reactors import Running, running
from tests.smpp.test_simulator import until

TREASURER, FINANCE, AUDITOR = "+8613800000007", "+8613800000008", "+8613800000009"


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture(scope="module")
def visit(own: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    it = Visit(own, tmp_path_factory.mktemp("demo"))
    until(lambda: len(it.phone(LI).notes) >= 2, 20)  # its first text is answered
    yield it
    it.stop()


class Ear:
    """What a phone receives from now on."""

    def __init__(self, visit: Visit, number: str) -> None:
        self._notes = visit.phone(number).notes
        self._known = len(self.heard)

    @property
    def heard(self) -> list[Note]:
        return [note for note in self._notes if not note.ours]

    def hears(self) -> str:
        until(lambda: len(self.heard) > self._known, 20)
        self._known += 1
        return self.heard[self._known - 1].text

    @property
    def silent(self) -> bool:
        return len(self.heard) == self._known


def _yes(text: str, answer: str = "Y") -> str:
    found = re.search(r"回Y (\d{4})", text)
    assert found, text
    return f"{answer} {found[1]}"


def test_cash_from_the_member_s_hand_to_the_county_s_bank(visit: Visit) -> None:
    member, finance = Ear(visit, LI), Ear(visit, FINANCE)
    assert "已向成员尾0001发确认码，收现金5.00元" in visit.answer(TREASURER, "收 A0001 5").text
    asked = member.hears()
    assert "会计登记收到您的会费现金5.00元" in asked
    treasurer = Ear(visit, TREASURER)
    receipt = visit.answer(LI, _yes(asked)).text
    number = re.search(r"收据(\d{9})：会费5.00元，现金", receipt)
    assert number, receipt
    assert f"成员尾0001现金5.00元已确认入账，收据{number[1]}。手中现金5.00元" in treasurer.hears()
    assert number[1] in visit.answer(LI, f"13 {number[1]}").text
    asked = visit.answer(TREASURER, "日结 5").text
    assert "账实相符" in asked
    assert "已日结，实点5.00元" in visit.answer(TREASURER, _yes(asked)).text
    sent = visit.answer(TREASURER, _yes(visit.answer(TREASURER, "上交 5").text)).text
    remittance = re.search(r"单(\d{9})", sent)
    assert remittance, sent
    assert f"到账回：到账{remittance[1]}" in finance.hears()
    told = Ear(visit, TREASURER)
    asked = visit.answer(FINANCE, f"到账 {remittance[1]}").text
    assert "已记到账" in visit.answer(FINANCE, _yes(asked)).text
    assert f"您上交的5.00元已到账，单{remittance[1]}" in told.hears()


def test_after_the_close_nobody_is_asked(visit: Visit) -> None:
    member, auditor = Ear(visit, "+8613800000005"), Ear(visit, AUDITOR)
    assert "结束" in visit.answer(TREASURER, "收 A0005 5").text
    assert member.silent
    assert auditor.silent


def test_by_ussd_the_code_comes_by_sms(visit: Visit) -> None:
    assert "\n2交费 3收据\n4充值码 5代交\n6退款 7减免" in visit.screen(LI, "*123*1#")
    assert "交多少？" in visit.screen(LI, "2")
    visit.screen(LI, "00")
    visit.screen(LI, "0")
    ways = visit.screen(TREASURER, "*123*1*9#")
    assert "1收现金 2日结\n3上交" in ways
    visit.screen(TREASURER, "00")
    visit.screen(TREASURER, "0")
