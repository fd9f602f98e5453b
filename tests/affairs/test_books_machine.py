"""Any interleaving of paying, repeating, refunding, waiving, assessing, closing and crashing keeps the books right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine, select

from config.model import Organisation
from gateway.affairs import assessing, chain, ledger, payments, receipts, verifying, waivers
from gateway.affairs.assessing import Assessed
from gateway.affairs.books import Books
from gateway.affairs.dues import following
from gateway.affairs.ledger import AccountKind, KeyReused
from gateway.affairs.payments import Payment, Surplus
from gateway.affairs.receipts import Receipt
from gateway.core import guards
from gateway.core.engines import engine, remembered
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.money import account, receipt, txn
from gateway.core.tables.organisation import obligation
from tests.affairs.people import NOW, branch, person
from tests.affairs.test_payments import payment

KEYS = Keys(bytes(range(32)))
MEMBERS = 3
FUNDS = (AccountKind.CASH,)


class Crash(Exception):
    """The end, in the middle of a work."""


class BooksMachine(RuleBasedStateMachine):
    """What the model knows: the payments that were acknowledged, and those that were taken back."""

    made: ClassVar[Engine]
    given = Bundle("given")
    refunds = Bundle("refunds")
    wanted = Bundle("wanted")

    @initialize()
    def begin(self) -> None:
        self.conn: Connection = self.made.connect()
        self.now, self.month, self.count = NOW, 202611, 0
        self.ids = Ids(self.seconds)
        self.books = Books(Organisation(name="x", currency="CNY", time_zone="Asia/Shanghai"), KEYS, self.ids)
        self.kept: dict[str, Receipt] = {}
        self.back: dict[int, str] = {}  # receipt id -> pending | posted
        with self.conn.begin():
            branch(self.conn, self.ids, "53")
            places = [branch(self.conn, self.ids, f"530{index}", "53") for index in range(2)]
            self.people = [
                person(self.conn, self.ids, str(index), places[index % 2], monthly=300) for index in range(MEMBERS)
            ]

    def seconds(self) -> float:
        return self.now.timestamp()

    @contextmanager
    def work(self, crash: bool) -> Iterator[Connection]:
        """A transaction, which with `crash` ends before its commit."""
        try:
            with self.conn.begin():
                yield self.conn
                if crash:
                    raise Crash
        except Crash:
            pass

    @rule(target=wanted, who=st.integers(0, MEMBERS - 1), amount=st.integers(1, 2000), gift=st.booleans())
    def wants_to_pay(self, who: int, amount: int, gift: bool) -> Payment:
        self.count += 1
        surplus = Surplus.VOLUNTARY if gift else Surplus.PREPAID
        return payment(self.people[who], amount, f"p{self.count}", surplus=surplus, at=self.now)

    @rule(target=given, wanted=wanted, crash=st.booleans())
    def pay(self, wanted: Payment, crash: bool) -> Any:
        """The first time or once more, which makes no difference."""
        with self.work(crash) as conn:
            made = payments.receive(conn, self.books, wanted, self.now)
        if wanted.key in self.kept:
            assert made == self._now(self.kept[wanted.key])
            return multiple()
        if crash:
            return multiple()
        self.kept[wanted.key] = made
        return made

    @rule(wanted=wanted)
    def pay_other_money_under_the_same_key(self, wanted: Payment) -> None:
        if wanted.key not in self.kept:
            return
        other = payment(wanted.member_id, wanted.amount + 1, wanted.key, at=wanted.at)
        with self.conn.begin(), pytest.raises(KeyReused):
            payments.receive(self.conn, self.books, other, self.now)

    @rule(target=refunds, receipt=given, pending=st.booleans(), crash=st.booleans())
    def refund(self, receipt: Receipt, pending: bool, crash: bool) -> Any:
        self.count += 1
        posted = None
        with self.work(crash) as conn:
            try:
                posted = payments.reverse(
                    conn, self.books, receipt.id, key=f"r{self.count}", actor="staff:x", now=self.now, pending=pending
                )
            except ledger.Refused:
                assert receipt.id in self.back
                raise Crash from None
        if crash or posted is None:
            return multiple()
        assert receipt.id not in self.back
        self.back[receipt.id] = "pending" if pending else "posted"
        return (posted.id, receipt.id) if pending else multiple()

    @rule(refund=consumes(refunds), confirmed=st.booleans(), twice=st.booleans())
    def settle(self, refund: tuple[int, int], confirmed: bool, twice: bool) -> None:
        settle = payments.settle_reversal if confirmed else payments.cancel_reversal
        for _ in range(2 if twice else 1):
            with self.conn.begin():
                settle(self.conn, self.books, refund[0], actor="system", now=self.now)
        if confirmed:
            self.back[refund[1]] = "posted"
        else:
            del self.back[refund[1]]

    @rule(
        who=st.integers(0, MEMBERS - 1),
        length=st.integers(1, 3),
        amount=st.none() | st.integers(1, 400),
        crash=st.booleans(),
    )
    def waive(self, who: int, length: int, amount: int | None, crash: bool) -> None:
        first = following(self.month, -1)
        with self.work(crash) as conn:
            made = waivers.propose(
                conn,
                self.ids,
                self.people[who],
                first=first,
                last=following(first, length - 1),
                amount=amount,
                actor="staff:a",
                now=self.now,
            )
            waivers.approve(conn, self.ids, made.id, actor="staff:b", now=self.now)

    @rule(who=st.integers(0, MEMBERS - 1), amount=st.integers(0, 900), back=st.integers(0, 3), crash=st.booleans())
    def assess(self, who: int, amount: int, back: int, crash: bool) -> None:
        row = Assessed(self.people[who], "wage", amount, following(self.month, -back))
        with self.work(crash) as conn:
            assessing.write(conn, self.books, [row], actor="x", now=self.now)

    @rule(crash=st.booleans())
    def a_month_begins(self, crash: bool) -> None:
        self.now += timedelta(days=31)
        self.month = self.books.month(self.now)
        for _ in range(2):
            with self.work(crash) as conn:
                assessing.assess_month(conn, self.books, self.month, self.now)

    @rule(crash=st.booleans())
    def a_day_ends(self, crash: bool) -> None:
        self.now += timedelta(days=1)
        for name in chain.Name:
            with self.work(crash) as conn:
                plan = chain.plan(conn, name, self.books.zone, self.now)
                if plan is not None:
                    assert chain.append(conn, KEYS, plan, *chain.read(conn, plan), self.now)

    @invariant()
    @precondition(lambda self: hasattr(self, "conn"))
    def the_books_are_right(self) -> None:
        with self.conn.begin():
            assert verifying.verify(self.conn, KEYS).findings == ()
            rows = self.conn.execute(select(account.c.kind, account.c.balance, account.c.pending)).all()
            assert sum(row.balance for row in rows) == sum(row.pending for row in rows) == 0
            held = sum(row.balance for row in rows if row.kind in FUNDS)
            taken = sum(each.amount for each in self.kept.values() if self.back.get(each.id) != "posted")
            assert held == taken
            assert all(row.balance <= 0 for row in rows if row.kind not in FUNDS)
            owed = self.conn.execute(select(obligation.c.amount, obligation.c.paid, obligation.c.waived)).all()
            assert all(0 <= row.paid <= row.amount and row.waived >= 0 for row in owed)
            income = -sum(row.balance for row in rows if row.kind == AccountKind.INCOME)
            assert income == sum(row.paid for row in owed)
            assert len(self.conn.execute(select(receipt.c.number)).all()) == len(self.kept)
            assert not self.conn.execute(select(txn.c.id).where(txn.c.state == "open")).all()

    def _now(self, made: Receipt) -> Receipt:
        with self.conn.begin():
            found = receipts.by_id(self.conn, made.id)
        assert found is not None
        assert found.reversed == (made.id in self.back)
        return found

    def teardown(self) -> None:
        if not hasattr(self, "conn"):
            return
        self.conn.rollback()
        with self.conn.begin():
            guards.remove(self.conn)
            for table in reversed(METADATA.sorted_tables):
                self.conn.execute(table.delete())
            guards.install(self.conn)
        remembered(self.conn).clear()  # the accounts that it knew are gone
        self.conn.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_books_stay_right(kind: str, request: pytest.FixtureRequest) -> None:
    made = engine("sqlite://") if kind == "sqlite" else request.getfixturevalue("_postgresql_engine")
    if kind == "sqlite":
        METADATA.create_all(made)

    class Here(BooksMachine):
        pass

    Here.made = made
    examples = 60 if kind == "sqlite" else 12
    checks = list(HealthCheck)
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=examples, stateful_step_count=25, suppress_health_check=checks),
    )
    if kind == "sqlite":
        made.dispose()
