"""A month of an organisation: every way to pay, each by its own door, and at its end the books agree with everybody."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import Connection, func, select

from config.receipt_rules import load
from gateway.affairs import (
    assessing,
    dues,
    intents,
    receipts,
    reconciliation,
    refund_rows,
    refunds,
    statements,
    verifying,
    vouchers,
    waivers,
    wallet_texts,
)
from gateway.affairs.comparing import Found
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.statement_lines import Line
from gateway.affairs.statements import Outcome
from gateway.affairs.wallet_rows import Arrival, State
from gateway.affairs.wallet_texts import OnSim
from gateway.affairs.wallets import Wallet
from gateway.core.tables.money import account
from gateway.providers import paybill, settling
from gateway.providers.protocol import Outcome as Provider
from gateway.providers.protocol import Seen
from tests.commands.village import (
    AUDITOR,
    CHEN,
    FINANCE,
    HE,
    LI,
    SECOND_TREASURER,
    SECRETARY,
    SUN,
    TREASURER,
    WANG,
    Village,
    code,
    phone_of,
)

AUGUST, SEPTEMBER = 202608, 202609
FIRST, SECOND, THIRD = (date(2026, 8, day) for day in (18, 19, 20))
MOMO = Wallet(name="momo", label="MoMo", prefixes=("+86",), currency="CNY", least=100, most=100_000, step=100)
WALLET, SIM = Account(AccountKind.WALLET, "momo"), Account(AccountKind.WALLET, "mpesa")
BANK = Account(AccountKind.BANK, "county")
BOX, VOUCHERS = Account(AccountKind.CASH, str(TREASURER)), Account(AccountKind.VOUCHERS, "530102017")
ONE, TWO = "staff:one", "staff:two"


class Month(Village):
    """The village, and what stands around it: a provider, a wallet on a SIM, a bank."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.office = replace(self.office, wallets=(MOMO,), bank="county")
        self.place = settling.Place(
            office=self.office, route=lambda number, prefer: "test", labels={"momo": "MoMo"}, payees={"momo": "2999"}
        )

    def assess(self, month: int) -> None:
        assert assessing.assess_month(self.conn, self.office.books, month, self.now) is None

    def agrees(self, who: int, asked: str) -> str:
        return self.says(who, f"Y {code(asked)}")

    def collects(self, said: str, payer: int) -> None:
        self.says(TREASURER, said)
        assert self.says(payer, f"Y {code(self.heard(payer))}").startswith("收据")

    def provider_says(self, intent: str, transaction: str, amount: int, payer: int | None = None) -> settling.Event:
        seen = Seen(
            outcome=Provider.COMPLETED, transaction=transaction, amount=amount, currency="CNY", payee="2999",
            payer=phone_of(payer) if payer is not None else None,
        )  # fmt: skip
        return settling.settle(self.conn, self.place, intent, seen, self.now)

    def statement(self, source: Account, *lines: tuple[str, int, str], day: date) -> list[Outcome]:
        found = [
            Line(number=number, day=day, amount=amount, reference=reference, text=text)
            for number, (reference, amount, text) in enumerate(lines, start=1)
        ]
        made = statements.add(self.conn, self.office.books, source, found, by="file", actor=ONE, now=self.now)
        return [each.outcome for each in made]

    def compared(self, day: date) -> dict[Account, dict[Found, int]]:
        """Each source of the day, and how many of each class."""
        books = self.office.books
        return {
            source: {found: many for found, many in summary.counts.items() if many}
            for source in reconciliation.sources(self.conn, books, day)
            for summary in [reconciliation.run(self.conn, books, source, day, self.now)]
        }

    def of(self, member: int) -> Sequence[receipts.Receipt]:
        return receipts.of_member(self.conn, member, 10)

    def sum(self, kind: AccountKind) -> int:
        return int(self.conn.scalar(select(func.sum(account.c.balance)).where(account.c.kind == kind.value)) or 0)

    def paid_to(self, member: int, month: int) -> int | None:
        return dues.owed(self.conn, [member], month)[member].paid_to


@pytest.fixture
def month(conn: Connection) -> Month:
    return Month(conn)


def first_day(month: Month) -> None:
    month.assess(AUGUST)
    cash(month)
    voucher(month)
    push(month)
    pay_bills(month)
    text_to_the_sim(month)
    waiver(month)
    asked = month.says(TREASURER, "日结 9")  # two that paid cash, and a voucher that was sold
    assert asked.startswith("账面和实点都是9.00元")
    month.agrees(TREASURER, asked)


def cash(month: Month) -> None:
    month.collects("收 4107 3", CHEN)
    month.says(HE, f"Y {code(month.says(HE, '15 530102010025 3'))}")  # for the second treasurer
    month.says(SECOND_TREASURER, f"Y {code(month.heard(SECOND_TREASURER))}")
    month.says(SECRETARY, f"Y {code(month.heard(SECRETARY))}")
    found = re.search(r"交费号(\d{6})", month.heard(HE)[-1])
    assert found
    month.collects(f"收 {found[1]}", SECOND_TREASURER)


def voucher(month: Month) -> None:
    conn, office = month.conn, month.office
    batch = vouchers.print_batch(
        conn, office.keys, office.new_id, random.Random(4), branch_id=2, count=2, value=300, currency="CNY",
        actor=ONE, now=month.now,
    )  # fmt: skip
    vouchers.activate(conn, office.new_id, batch.number, actor=TWO, now=month.now)
    vouchers.sell(conn, office.new_id, batch.number, 1, key="a", actor=TWO, now=month.now, source=BOX)
    assert month.statement(BANK, ("B0", 300, f"vouchers {batch.number}"), day=FIRST) == [Outcome.BOOKED]
    assert month.says(LI, f"14 {batch.codes[0]}").startswith("充值码已收：3.00元。会费交至8月")


def push(month: Month) -> None:
    month.says(SUN, "12")
    month.says(SUN, "3")
    intent = intents.open_of(month.conn, SUN)
    assert intent is not None
    for event in (settling.Event.BOOKED, settling.Event.NOTHING):
        assert month.provider_says(intent.id, "MP1", 300, SUN) is event


def pay_bills(month: Month) -> None:
    """One pays a month, another two: the second is put by."""
    for payer, account_, amount, transaction in (
        (HE, "530102024555", 300, "MP2"),
        (AUDITOR, "530100000023", 600, "MP3"),
    ):
        paid = paybill.PaidIn(
            transaction=transaction, amount=amount, number=phone_of(payer).lstrip("+"), account=account_, payee="2999"
        )
        intent = paybill.announced(month.conn, month.office, "momo", paid, month.now)
        assert month.provider_says(intent.id, transaction, amount) is settling.Event.BOOKED


def text_to_the_sim(month: Month) -> None:
    text = (
        "TJF0000001 Confirmed. on 18/8/26 at 5:01 AM Ksh3.00 received from PERSON NINE 254700000009. "
        "Account Number 530102014109 New Utility balance is Ksh3.00"
    )
    arrival = Arrival(
        id=month.office.new_id(), provider="mpesa", link="till", sender="MPESA", text=text, received=month.now,
        phone=False,
    )  # fmt: skip
    wallets = {"till": OnSim("mpesa", 0)}
    for reason in (None, "repeat"):
        found = wallet_texts.take(month.conn, month.office.books, load()[0], wallets, arrival, month.now)
        assert found is not None
        assert (found.state, found.reason) == (State.BOOKED, reason)


def waiver(month: Month) -> None:
    month.says(FINANCE, "17")
    made = waivers.propose(
        month.conn, month.office.new_id, FINANCE, first=AUGUST, last=AUGUST, actor=ONE, now=month.now
    )
    waivers.approve(month.conn, month.office.new_id, made.id, actor=TWO, now=month.now)


def second_day(month: Month) -> None:
    """Cash goes to the bank, where another has paid, and one who paid by wallet wants it back."""
    sent = month.agrees(TREASURER, month.says(TREASURER, "上交 9 8812"))
    found = re.search(r"单(1\d{8})", sent)
    assert found
    month.agrees(FINANCE, month.says(FINANCE, f"到账 {found[1]}"))
    outcomes = month.statement(BANK, ("B1", 900, f"cash {found[1]}"), ("B2", 300, "dues 530102010022"), day=SECOND)
    assert outcomes == [Outcome.BOOKED, Outcome.BOOKED]
    (receipt,) = month.of(SUN)
    month.agrees(SUN, month.says(SUN, f"16 {receipt.number} 付了两次"))
    refunds.request(month.conn, month.office.books, receipt.id, actor=ONE, reason="paid twice", now=month.now)
    (asked,) = refund_rows.listing(month.conn)
    refunds.approve(month.conn, month.office.books, asked.id, actor=TWO, now=month.now)
    month.agrees(TREASURER, month.says(TREASURER, "日结 0"))


def third_day(month: Month) -> None:
    """The money has gone back, a day after it was agreed."""
    (asked,) = refund_rows.listing(month.conn, states=(refund_rows.State.APPROVED,))
    refunds.confirm(month.conn, month.office.books, asked.id, actor=ONE, reference="MP9", now=month.now)
    assert month.statement(WALLET, ("MP9", -300, "reversal"), day=THIRD) == [Outcome.NOTED]


def test_a_whole_month(month: Month) -> None:
    first_day(month)
    assert month.statement(WALLET, ("MP1", 300, ""), ("MP2", 300, ""), ("MP3", 599, ""), day=FIRST) == [
        Outcome.KNOWN, Outcome.KNOWN, Outcome.NOTED
    ]  # fmt: skip
    assert month.statement(SIM, ("TJF0000001", 300, ""), day=FIRST) == [Outcome.KNOWN]
    one = {Found.MATCH: 1}
    wallet = {Found.MATCH: 2, Found.DIFFERS: 1}  # the provider says 5.99 of what was 6.00
    assert month.compared(FIRST) == {BANK: one, BOX: one, VOUCHERS: one, WALLET: wallet, SIM: one}
    month.waits(days=1)
    second_day(month)
    assert month.compared(SECOND) == {BANK: {Found.MATCH: 2}, BOX: one}
    month.waits(days=1)
    third_day(month)
    assert month.compared(THIRD) == {WALLET: one}
    assert month.compared(SECOND) == {BANK: {Found.MATCH: 2}, BOX: one}
    (open_,) = reconciliation.open_rows(month.conn)
    assert (open_.found, open_.ours, open_.theirs) == (Found.DIFFERS, 600, 599)
    month.now = month.now.replace(month=9, day=1)
    month.assess(SEPTEMBER)
    members_find_it_so(month)
    sums = {kind: month.sum(kind) for kind in AccountKind}
    assert {kind: amount for kind, amount in sums.items() if amount} == {
        AccountKind.WALLET: 1200, AccountKind.BANK: 1500, AccountKind.VOUCHERS: -300, AccountKind.INCOME: -2400,
    }  # fmt: skip
    assert sum(sums.values()) == 0
    assert verifying.verify(month.conn, month.office.keys).findings == ()


def members_find_it_so(month: Month) -> None:
    """Each one's receipt, to when it is paid, and what 11 says in September."""
    one = "9月会费3.00元未交。交费回12，收据回13，减免回17"
    two = "9月会费3.00元，另欠1个月，共6.00元。交费回12，收据回13，减免回17"
    for who, method, paid_to, text in (
        (CHEN, "cash", AUGUST, one),
        (SECOND_TREASURER, "cash", AUGUST, one),  # paid by HE
        (LI, "voucher", AUGUST, one),
        (HE, "wallet", AUGUST, one),
        (WANG, "wallet", AUGUST, None),  # has no phone
        (SECRETARY, "bank", AUGUST, one),
        (AUDITOR, "wallet", SEPTEMBER, "会费已交清，交至9月。谢谢。有疑问回71"),
        (SUN, "wallet", None, two),  # who got it back
        (FINANCE, None, AUGUST, one),  # August was waived
        (TREASURER, None, None, two),
    ):
        given = month.of(who)
        assert [(each.method, each.reversed) for each in given] == ([(method, who == SUN)] if method else []), who
        paid = 600 if who == AUDITOR else 300
        assert [(each.amount, each.months, each.credit) for each in given] == [(paid, (AUGUST,), paid - 300)] * len(
            given
        ), who
        assert month.paid_to(who, SEPTEMBER) == paid_to, who
        if text is not None:
            assert month.says(who, "11") == text, who
            number = given[0].number if given else "无"
            assert (number in month.says(who, f"13 {number}")) == bool(given), who
