"""Money goes back the way it came: two persons, never the collector, once, and when it fails all is as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings as rules
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Connection, func, select

from gateway.affairs import (
    dues,
    intents,
    ledger,
    members,
    paybill,
    payments,
    receipts,
    refund_rows,
    refunds,
    staff,
    suspense,
)
from gateway.affairs.books import Books
from gateway.affairs.intents import Kind, Step
from gateway.affairs.ledger import Account, AccountKind, Balance, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.payments import Method, Payment
from gateway.affairs.receipts import Receipt
from gateway.affairs.refund_rows import State
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import covered, txn
from gateway.core.tables.organisation import obligation
from gateway.core.tables.reconciling import refund, untold
from tests.affairs import till
from tests.affairs.till import AKINYI, BANK, INCOME, NOW, STRANGER, WALLET

ONE, TWO = "staff:njeri", "staff:okoth"


@pytest.fixture
def books(keys: Keys, ids: Ids) -> Books:
    return till.books(keys, ids)


@pytest.fixture
def akinyi(conn: Connection, ids: Ids) -> int:
    return till.settle(conn, ids)[0]


def pays(conn: Connection, books: Books, reference: str = "T1", amount: int = 30000, **more: Any) -> Receipt:
    money = Movement(source=WALLET, amount=amount, reference=reference, payer=AKINYI, at=NOW, **more)
    found = paybill.receive(conn, books, money, account="0042", actor="system:providers", now=NOW).receipt
    assert found is not None
    return found


def owed(conn: Connection, member_id: int) -> int:
    return dues.owed(conn, [member_id], 202611)[member_id].amount


def asked(conn: Connection, books: Books, receipt: Receipt) -> int:
    return refunds.request(conn, books, receipt.id, actor=ONE, reason="paid twice", now=NOW).id


def test_by_hand_from_request_to_done(conn: Connection, books: Books, akinyi: int) -> None:
    receipt = pays(conn, books)
    id_ = asked(conn, books, receipt)
    assert asked(conn, books, receipt) == id_
    assert owed(conn, akinyi) == 60000
    with pytest.raises(Refused, match="somebody else"):
        refunds.approve(conn, books, id_, actor=ONE, now=NOW)
    found = refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    assert (found.state, found.source, found.instrument) == (State.APPROVED, WALLET, "T1")
    assert owed(conn, akinyi) == 60000
    assert ledger.balance(conn, WALLET, "KES") == Balance(30000, -30000)
    with pytest.raises(Refused, match="by which transaction"):
        refunds.confirm(conn, books, id_, actor=ONE, reference=" ", now=NOW)
    for _ in range(2):
        assert refunds.confirm(conn, books, id_, actor=ONE, reference="R9", now=NOW).state is State.DONE
    assert ledger.balance(conn, WALLET, "KES") == Balance(0, 0)
    assert owed(conn, akinyi) == 90000
    assert conn.execute(select(untold.c.text).order_by(untold.c.id)).scalars().all() == ["refund.agreed", "refund.done"]
    actions = [entry.action for entry in audit.listing(conn, object=f"refund:{id_}")]
    assert actions == ["confirm refund", "approve refund", "request refund"]
    assert asked(conn, books, receipt) == id_


def test_a_provider_that_can_be_asked_carries_it_out(conn: Connection, books: Books, akinyi: int) -> None:
    id_ = asked(conn, books, pays(conn, books))
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    assert [refunds.send(conn, books, {"mpesa"}, NOW) for _ in range(2)] == [1, 0]
    found = refund_rows.by_id(conn, id_)
    assert found.state is State.PENDING
    assert found.intent_id is not None
    sent = intents.by_id(conn, found.intent_id)
    assert sent is not None
    assert (sent.kind, sent.provider, sent.reverses, sent.amount) == (Kind.REFUND, "mpesa", "T1", 30000)
    assert refunds.follow(conn, books, NOW) == 0
    intents.move(conn, sent.id, Step.SUCCEEDED, NOW, provider_txn="R9")
    assert refunds.follow(conn, books, NOW) == 1
    assert refunds.follow(conn, books, NOW) == 0
    assert refund_rows.by_id(conn, id_).reference == "R9"
    assert ledger.balance(conn, WALLET, "KES") == Balance(0, 0)


def test_what_the_provider_refuses_leaves_the_months_paid(conn: Connection, books: Books, akinyi: int) -> None:
    receipt = pays(conn, books)
    id_ = asked(conn, books, receipt)
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    assert [refunds.send(conn, books, {"mpesa"}, NOW) for _ in range(2)] == [1, 0]
    found = refund_rows.by_id(conn, id_)
    assert found.intent_id is not None
    intents.move(conn, found.intent_id, Step.FAILED, NOW, reason="closed")
    refunds.follow(conn, books, NOW)
    after = refund_rows.by_id(conn, id_)
    assert (after.state, after.problem) == (State.FAILED, "closed")
    assert owed(conn, akinyi) == 60000
    assert ledger.balance(conn, WALLET, "KES") == Balance(30000, 0)
    assert asked(conn, books, receipt) != id_  # it may be asked for again


def test_what_is_paid_while_it_is_pending_goes_to_the_next_month(conn: Connection, books: Books, akinyi: int) -> None:
    id_ = asked(conn, books, pays(conn, books))
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    pays(conn, books, "T2", 40000)
    assert owed(conn, akinyi) == 20000
    refunds.confirm(conn, books, id_, actor=ONE, reference="R1", now=NOW)
    assert owed(conn, akinyi) == 50000
    assert [till.holds(conn, each) for each in (WALLET, INCOME)] == [40000, -40000]
    counted(conn)
    till.nothing_is_lost(conn)


def test_never_the_collector(conn: Connection, books: Books, akinyi: int) -> None:
    payment = Payment(
        key="k", member_id=akinyi, amount=30000, method=Method.BANK, source=BANK, actor=ONE, at=NOW, note="B1"
    )
    receipt = payments.receive(conn, books, payment, NOW)
    with pytest.raises(Refused, match="cannot decide"):
        asked(conn, books, receipt)
    id_ = refunds.request(conn, books, receipt.id, actor=TWO, reason="x", now=NOW).id
    with pytest.raises(Refused, match="cannot decide"):
        refunds.approve(conn, books, id_, actor=ONE, now=NOW)


def test_never_who_would_get_it(conn: Connection, books: Books, ids: Ids, akinyi: int) -> None:
    """Nor by an account that has their phone."""
    staff.add(conn, ids, "akinyi", phone=AKINYI, now=NOW)
    receipt = pays(conn, books)
    for actor in (f"member:{akinyi}", "staff:akinyi"):
        with pytest.raises(Refused, match="would get the money"):
            refunds.request(conn, books, receipt.id, actor=actor, reason="x", now=NOW)
    id_ = asked(conn, books, receipt)
    with pytest.raises(Refused, match="would get the money"):
        refunds.approve(conn, books, id_, actor="staff:akinyi", now=NOW)


def test_cash_is_confirmed_by_who_got_it(conn: Connection, books: Books, akinyi: int) -> None:
    box = Account(AccountKind.CASH, "77")
    payment = Payment(
        key="k", member_id=akinyi, amount=30000, method=Method.CASH, source=box, actor="member:77", at=NOW
    )
    receipt = payments.receive(conn, books, payment, NOW)
    id_ = asked(conn, books, receipt)
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    with pytest.raises(Refused, match="by the member"):
        refunds.confirm(conn, books, id_, actor=ONE, reference="cash", now=NOW)
    refunds.confirm(conn, books, id_, actor=f"member:{akinyi}", reference="cash", now=NOW)
    assert till.holds(conn, box) == 0


def test_refused_nothing_moves(conn: Connection, books: Books, akinyi: int) -> None:
    id_ = asked(conn, books, pays(conn, books))
    refunds.refuse(conn, books, id_, actor=TWO, reason="the receipt is right", now=NOW)
    assert owed(conn, akinyi) == 60000
    with pytest.raises(Refused, match="is refused"):
        refunds.approve(conn, books, id_, actor=TWO, now=NOW)


def test_money_in_suspense_goes_back_to_who_paid_it(conn: Connection, books: Books, akinyi: int) -> None:
    money = Movement(source=WALLET, amount=500, reference="T5", payer=STRANGER, at=NOW)
    held = suspense.hold(conn, books, money, actor="system", now=NOW)
    id_ = refunds.return_money(conn, books, held.id, actor=ONE, reason="nobody's", now=NOW).id
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    assert [refunds.send(conn, books, {"mpesa"}, NOW) for _ in range(2)] == [1, 0]
    found = refund_rows.by_id(conn, id_)
    assert found.intent_id is not None
    sent = intents.by_id(conn, found.intent_id)
    assert sent is not None
    assert (sent.number, sent.reverses) == (STRANGER, "T5")
    with pytest.raises(Refused):
        suspense.match(conn, books, held.id, akinyi, actor=ONE, now=NOW)
    refunds.confirm(conn, books, id_, actor=ONE, reference="R1", now=NOW)
    item = suspense.by_id(conn, held.id)
    assert item is not None
    assert item.state is suspense.State.RETURNED
    assert [till.holds(conn, each) for each in (WALLET, suspense.account(WALLET))] == [0, 0]


def test_money_matched_from_suspense_leaves_both(conn: Connection, books: Books, akinyi: int) -> None:
    money = Movement(source=WALLET, amount=30000, reference="T5", payer=STRANGER, at=NOW)
    held = suspense.hold(conn, books, money, actor="system", now=NOW)
    receipt = suspense.match(conn, books, held.id, akinyi, actor="staff:third", now=NOW)
    id_ = asked(conn, books, receipt)
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    refunds.confirm(conn, books, id_, actor=ONE, reference="R1", now=NOW)
    accounts = (WALLET, suspense.account(WALLET), INCOME)
    assert [ledger.balance(conn, each, "KES") for each in accounts] == [Balance(0, 0)] * 3


def test_money_that_could_not_be_returned_waits_again(conn: Connection, books: Books, akinyi: int) -> None:
    money = Movement(source=WALLET, amount=30000, reference="T5", payer=STRANGER, at=NOW)
    held = suspense.hold(conn, books, money, actor="system", now=NOW)
    id_ = refunds.return_money(conn, books, held.id, actor=ONE, reason="nobody's", now=NOW).id
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    refunds.failed(conn, books, id_, actor=ONE, reason="no such wallet", now=NOW)
    assert [till.holds(conn, each) for each in (WALLET, suspense.account(WALLET))] == [30000, -30000]
    receipt = suspense.match(conn, books, held.id, akinyi, actor=ONE, now=NOW)
    assert receipt.months == (202609,)
    with pytest.raises(Refused, match="is matched already"):
        refunds.return_money(conn, books, held.id, actor=ONE, reason="nobody's", now=NOW)


def test_a_payment_that_was_reversed_is_not_refunded(conn: Connection, books: Books, akinyi: int) -> None:
    receipt = pays(conn, books)
    payments.reverse(conn, books, receipt.id, key="r1", actor="system", now=NOW)
    with pytest.raises(Refused, match="was reversed already"):
        asked(conn, books, receipt)


def test_what_the_member_asked_waits_again_when_it_could_not_be_given(
    conn: Connection, books: Books, akinyi: int
) -> None:
    receipt, member = pays(conn, books), members.by_id(conn, akinyi, NOW.date())
    assert member is not None
    case = refunds.ask(
        conn, books, member=member, receipt=receipt, number=AKINYI, language="en", text="paid twice", message_id=None,
        now=NOW,
    )  # fmt: skip
    id_ = asked(conn, books, receipt)
    refunds.approve(conn, books, id_, actor=TWO, now=NOW)
    refunds.failed(conn, books, id_, actor=ONE, reason="no such wallet", now=NOW)
    again = refund_rows.of_receipt(conn, receipt.id)
    assert again is not None
    assert (again.state, again.case_id) == (State.ASKED, case.id)
    assert again.id != id_


# --- any order ------------------------------------------------------------------------------------------------


def counted(conn: Connection) -> None:
    """What is paid of each month is what the transactions that count say."""
    total = (
        select(covered.c.member_id, covered.c.month, func.sum(covered.c.amount).label("paid"))
        .join(txn, txn.c.id == covered.c.txn_id)
        .where(txn.c.state == "posted")
        .group_by(covered.c.member_id, covered.c.month)
    )
    said = {(row.member_id, row.month): int(row.paid) for row in conn.execute(total) if row.paid}
    rows = conn.execute(select(obligation.c.member_id, obligation.c.month, obligation.c.paid))
    assert said == {(row.member_id, row.month): int(row.paid) for row in rows if row.paid}


class Refunding(RuleBasedStateMachine):
    """Pay, ask, approve, confirm and fail in any order, each as often as one likes."""

    @initialize()
    def begin(self) -> None:
        self.engine = engine("sqlite://")
        METADATA.create_all(self.engine)
        self.conn = self.engine.connect()
        self.ids = Ids()
        self.member = till.settle(self.conn, self.ids)[0]
        self.books = till.books(Keys(bytes(range(32))), self.ids)
        self.paid: list[Receipt] = []

    def teardown(self) -> None:
        self.conn.close()
        self.engine.dispose()

    def attempt(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Refused:
            return None

    @rule(amount=st.sampled_from([1000, 30000, 70000]))
    def pay(self, amount: int) -> None:
        self.paid.append(pays(self.conn, self.books, f"T{len(self.paid)}", amount))

    @rule(which=st.integers(0, 5), who=st.sampled_from([ONE, TWO]))
    def ask(self, which: int, who: str) -> None:
        if self.paid:
            receipt = self.paid[which % len(self.paid)]
            self.attempt(lambda: refunds.request(self.conn, self.books, receipt.id, actor=who, reason="x", now=NOW))

    def one(self, which: int) -> int | None:
        found = self.conn.scalars(select(refund.c.id).order_by(refund.c.id)).all()
        return found[which % len(found)] if found else None

    @rule(which=st.integers(0, 5), who=st.sampled_from([ONE, TWO]), asked=st.booleans())
    def approve(self, which: int, who: str, asked: bool) -> None:
        if (id_ := self.one(which)) is not None:
            self.attempt(lambda: refunds.approve(self.conn, self.books, id_, actor=who, now=NOW))
            refunds.send(self.conn, self.books, {"mpesa"} if asked else set(), NOW)

    @rule(which=st.integers(0, 5))
    def confirm(self, which: int) -> None:
        if (id_ := self.one(which)) is not None:
            self.attempt(lambda: refunds.confirm(self.conn, self.books, id_, actor=ONE, reference="R", now=NOW))

    @rule(which=st.integers(0, 5))
    def fail(self, which: int) -> None:
        if (id_ := self.one(which)) is not None:
            self.attempt(lambda: refunds.failed(self.conn, self.books, id_, actor=ONE, reason="x", now=NOW))

    @rule(well=st.booleans())
    def answer(self, well: bool) -> None:
        for intent in self.conn.scalars(select(payment_intent.c.id)).all():
            intents.move(self.conn, intent, Step.SUCCEEDED if well else Step.FAILED, NOW, provider_txn=intent[:8])
        refunds.follow(self.conn, self.books, NOW)

    @invariant()
    def every_shilling_is_somewhere(self) -> None:
        if not hasattr(self, "conn"):
            return
        till.nothing_is_lost(self.conn)
        counted(self.conn)
        done = refund_rows.listing(self.conn, states=(State.DONE,))
        assert len({each.receipt_id for each in done}) == len(done)
        came = sum(receipt.amount for receipt in self.paid)
        assert till.holds(self.conn, WALLET) == came - sum(each.amount for each in done)
        for each in refund_rows.listing(self.conn, states=tuple(State)):
            receipt = receipts.by_id(self.conn, each.receipt_id or 0)
            assert receipt is not None
            if each.state in (State.APPROVED, State.PENDING, State.DONE):
                assert receipt.reversed


TestAnyOrder = Refunding.TestCase
TestAnyOrder.settings = rules(max_examples=30, stateful_step_count=20)
