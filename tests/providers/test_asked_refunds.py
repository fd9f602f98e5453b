"""16 REFUND to the end: asked by SMS, decided by two of finance, carried out by the wallet's operator over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred

from gateway.affairs import cases, ledger, receipts, refund_rows, refunds
from gateway.affairs.ledger import AccountKind
from gateway.affairs.refund_rows import Refund, State
from gateway.core.model import Address, AddressKind, Channel, Event, Inbound
from gateway.core.tables.staff import hotline_case
from tests.providers.house import AMOUNT, GRACE, LI, House, until

WALLET = AccountKind.WALLET
BOTH = pytest.mark.parametrize("provider", ["wallet", "mpesa"])
DONE = {"wallet": "已按原路退回，相应会费仍欠", "mpesa": "went back the way they came. These dues are owed again"}


class Killed(Exception):
    pass


class Play:
    """A member who has paid from a wallet, and finance."""

    def __init__(self, house: House, provider: str = "wallet") -> None:
        self.house, self.provider = house, provider
        self.phone = LI if provider == "wallet" else GRACE
        self.member = house.li if provider == "wallet" else house.grace
        self.sender = house.bank if provider == "wallet" else house.daraja_bank
        house.enter()
        id_ = house.open(provider)
        until(lambda: house.intent(id_).receipt, say=lambda: str(house.intent(id_)))
        self.receipt = str(house.intent(id_).receipt)
        until(lambda: self.heard(self.receipt))

    def says(self, text: str) -> str:
        """What comes back by SMS."""
        house, before = self.house, len(self.house.texts(self.phone))
        house.forward(20)
        inbound = Inbound(
            id=house.muster.ids(), link="wire", sender=Address(kind=AddressKind.E164, text=self.phone),
            recipient=Address(kind=AddressKind.SHORT, text="10690001"), received=house.now(), channel=Channel.SMS,
            event=Event.MESSAGE, text=text,
        )  # fmt: skip

        def accept() -> Deferred[Any]:
            return house.muster.desk.accept(inbound)

        house.running.call(accept)
        until(lambda: len(house.texts(self.phone)) > before)
        return house.texts(self.phone)[before]

    def ask(self) -> str:
        """16, with the code that it asks for; the case."""
        asked = re.search(r"Y (\d{4})", self.says(f"16 {self.receipt}"))
        assert asked
        answer = self.says(f"Y {asked.group(1)}")
        found = re.search(r"(?<!\d)1\d{8}(?!\d)", answer.replace(self.receipt, ""))
        assert found, (answer, self.house.texts(self.phone))
        return found.group(0)

    def request(self) -> None:
        self.work(
            lambda conn: refunds.request(conn, self.books, self.of(conn), actor="staff:a", reason="x", now=self.now)
        )

    def approve(self, *, dies: bool = False) -> None:
        def work(conn: Connection) -> None:
            refunds.approve(
                conn, self.books, self.refund(conn).id, actor="staff:b", now=self.now, providers=("wallet", "mpesa")
            )
            if dies:
                raise Killed

        self.work(work)

    def of(self, conn: Connection) -> int:
        found = receipts.by_number(conn, self.receipt)
        assert found is not None
        return found.id

    def refund(self, conn: Connection) -> Refund:
        found = refund_rows.of_receipt(conn, self.of(conn))
        assert found is not None
        return found

    def state(self) -> State:
        return State(self.work(lambda conn: self.refund(conn).state))

    def work(self, work: Any) -> Any:
        return self.house.work(work)

    @property
    def books(self) -> Any:
        return self.house.muster.office.books

    @property
    def now(self) -> Any:
        return self.house.now()

    def book(self) -> tuple[int, int]:
        """What lies in our wallet, and what of the member's months is paid."""
        return self.house.balance(WALLET, self.provider), self.house.paid(self.member)

    def case(self, number: str) -> str:
        return str(
            self.work(lambda conn: conn.scalar(select(hotline_case.c.state).where(hotline_case.c.case_no == number)))
        )

    def heard(self, words: str) -> int:
        return sum(words in text and self.receipt in text for text in self.house.texts(self.phone))


@BOTH
def test_from_the_member_s_sms_to_the_money_in_the_wallet(house: House, provider: str) -> None:
    play = Play(house, provider)
    had = play.sender.accounts[play.phone].balance
    number = play.ask()
    assert number in play.says(f"16 {play.receipt}")
    assert play.state() is State.ASKED
    play.request()
    assert play.book() == (AMOUNT, AMOUNT)
    play.approve()
    until(lambda: play.state() is State.DONE, seconds=40)
    assert play.book() == (0, 0)
    assert play.sender.accounts[play.phone].balance == had + AMOUNT
    until(lambda: play.heard(DONE[provider]), seconds=20)
    assert play.heard(DONE[provider]) == 1
    assert play.case(number) == cases.CLOSED
    assert play.work(lambda conn: receipts.by_number(conn, play.receipt)).reversed


def test_killed_at_each_step_it_goes_back_once(house: House) -> None:
    play = Play(house)
    had = play.sender.accounts[LI].balance
    number = play.ask()
    play.request()
    with pytest.raises(Killed):
        play.approve(dies=True)
    assert (play.state(), play.book()) == (State.REQUESTED, (AMOUNT, AMOUNT))
    house.restart()
    house.wire.sent.clear()
    play.approve()
    house.restart()  # with the operator asked, or not
    until(lambda: house.hurry() or play.state() is State.DONE, seconds=60)  # type: ignore[func-returns-value]  # then
    house.restart()
    assert play.book() == (0, 0)
    assert play.sender.accounts[LI].balance == had + AMOUNT
    assert play.case(number) == cases.CLOSED

    def dies(conn: Connection) -> None:
        refunds.confirm(conn, play.books, play.refund(conn).id, actor="staff:a", reference="again", now=play.now)
        raise Killed

    with pytest.raises(Killed):
        play.work(dies)
    assert play.book() == (0, 0)


def test_what_the_operator_refuses_puts_all_back(house: House) -> None:
    play = Play(house)
    number = play.ask()
    play.request()
    house.running.call(play.sender.transfers.clear)  # the operator knows of no such money
    play.approve()
    until(lambda: play.heard("未能退回"), seconds=60)
    assert play.book() == (AMOUNT, AMOUNT)
    assert play.state() is State.ASKED  # it waits for finance again, in the same case
    assert play.case(number) == cases.OPEN
    assert not play.work(lambda conn: receipts.by_number(conn, play.receipt)).reversed
    balance = play.work(lambda conn: ledger.balance(conn, ledger.Account(WALLET, "wallet"), "CNY"))
    assert balance == ledger.Balance(AMOUNT, 0)


def test_finance_may_find_the_receipt_right(house: House) -> None:
    play = Play(house)
    number = play.ask()
    play.work(
        lambda conn: refunds.refuse(conn, play.books, play.refund(conn).id, actor="staff:a", reason="x", now=play.now)
    )
    until(lambda: play.heard("不退"), seconds=20)
    assert play.book() == (AMOUNT, AMOUNT)
    assert play.case(number) == cases.CLOSED
