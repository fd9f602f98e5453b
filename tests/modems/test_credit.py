"""The credit of a prepaid SIM: asked for by its code, read from whatever the operator says."""

from __future__ import annotations

import pytest

from gateway.core.model import LinkStatus
from modems.credit import read
from tests.modems.rig import ModemTest


class CreditTest(ModemTest):
    async def test_the_credit_is_asked_for_when_there_is_a_network_and_stands_in_the_state(self) -> None:
        self.change(registration=2, ussd=lambda code: f"{code}：余额23.40元")
        link = self.link(balance="*100#", balance_after="余额")
        await self.until(lambda: link.state.detail == "no network")
        assert 'AT+CUSD=1,"*100#",15' not in self.heard
        self.behaviour.registration = 1
        await self.until(lambda: link.state.balance == "23.40元")
        assert link.state.status is LinkStatus.READY
        assert self.desk.states[-1].balance == "23.40元", "the board is told of it"
        assert self.heard.count('AT+CUSD=1,"*100#",15') == 1

    async def test_an_answer_before_the_ok_is_one(self) -> None:
        self.change(ussd=lambda code: "Balance 7.00", ussd_first=True)
        link = await self.ready(balance="*100#", balance_after="Balance")
        await self.until(lambda: link.state.balance == "7.00")

    async def test_a_modem_that_cannot_ask_goes_on_sending(self) -> None:
        self.change()
        self.behaviour.errors["+CUSD"] = ["+CME ERROR: 4"] * 9
        link = await self.ready(balance="*100#")
        await self.until(lambda: 'AT+CUSD=1,"*100#",15' in self.heard)
        await self.sleep(0.3)
        assert (link.state.status, link.state.balance) == (LinkStatus.READY, None)
        assert self.heard.count('AT+CUSD=1,"*100#",15') == 1, "not asked again at once"

    async def test_no_code_no_question(self) -> None:
        link = await self.ready()
        await self.sleep(0.3)
        assert not any(line.startswith("AT+CUSD") for line in self.heard)
        assert link.state.balance is None


@pytest.mark.parametrize(
    ("line", "after", "said"),
    [
        ('+CUSD: 0,"Balance 12",15', "", "Balance 12"),
        ('+CUSD: 0,"4F59989D00310032",72', "", "余额12"),
        ('+CUSD: 1,"Your balance is 12.50",0', "balance is", "12.50"),
        ('+CUSD: 0,"On 26.11.\nBalance: KES 7.00\nBye"', "Balance:", "KES 7.00 Bye"),
        ('+CUSD: 0,"No such word",15', "Balance:", "No such word"),
        ('+CUSD: 0,"1234",15', "", "1234"),
        ('+CUSD: 2,"",15', "", None),
        ("+CUSD: 4", "", None),
    ],
)
def test_what_operators_say(line: str, after: str, said: str | None) -> None:
    assert read(line, after) == said
