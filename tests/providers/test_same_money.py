"""One payment is heard of by several ways, in any order: it is booked once, or somebody sees that it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from commands import standard
from commands.office import Office
from commands.texts import Texts
from config.receipt_rules import load
from gateway.affairs import (
    intents,
    push_numbers,
    pushes,
    reconciliation,
    refunds,
    statements,
    suspense,
    wallet_rows,
    wallet_texts,
)
from gateway.affairs.comparing import Found
from gateway.affairs.intents import Intent, Kind, Step
from gateway.affairs.ledger import Refused
from gateway.affairs.movements import Movement
from gateway.affairs.pushes import Likeness
from gateway.affairs.statement_lines import Line
from gateway.affairs.wallet_rows import Arrival, State, Why
from gateway.affairs.wallet_texts import OnSim
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import receipt
from gateway.core.tables.reconciling import wallet_text
from gateway.providers import paybill, settling
from gateway.providers.daraja import confirmed
from gateway.providers.paybill import PaidIn
from gateway.providers.protocol import Outcome, Seen
from tests.affairs import till
from tests.affairs.till import AKINYI, BANK, KENYA, NOW, OTIENO, WALLET

RULES = load()[0]
OPENING = 100000
WALLETS = {"till": OnSim("mpesa", OPENING), "other": OnSim("airtel-ke", OPENING)}
AMOUNT = 30000
CODE, OTHER = "TJF0000001", "TJF0000002"
DAY = date(2026, 11, 23)
MINUTE = timedelta(minutes=1)


class Push:
    """A payment asked of a wallet by Daraja, and everybody who can tell of it."""

    def __init__(self, world: World, member: int, number: str, code: str, form: str) -> None:
        self.world, self.member, self.number, self.code, self.form = world, member, number, code, form
        world.asked += 1
        self.remote = f"ws_CO_{world.asked}"
        made = intents.open(
            world.conn, world.ids, member_id=member, amount=AMOUNT, currency="KES", provider="mpesa", number=number,
            language="en", now=world.now, request_key=f"sms:{world.asked}",
        )  # fmt: skip
        assert isinstance(made, Intent)
        self.id, self.reference, self.at = made.id, made.reference, world.now + MINUTE / 2
        intents.move(world.conn, self.id, Step.SUBMITTED, world.now)

    @property
    def row(self) -> Intent:
        found = intents.by_id(self.world.conn, self.id)
        assert found is not None
        return found

    def tell(self, way: str) -> None:
        getattr(self, way)()

    def settle(self, seen: Seen) -> None:
        settling.settle(self.world.conn, self.world.place, self.id, seen, self.world.now)

    def answer(self) -> None:
        self.settle(Seen(outcome=Outcome.PENDING, remote=self.remote))

    def callback(self) -> None:
        claims = {
            "ResultCode": "0", "CheckoutRequestID": self.remote, "Amount": str(AMOUNT // 100),
            "MpesaReceiptNumber": self.code, "PhoneNumber": self.number.removeprefix("+"),
        }  # fmt: skip
        settling.called_back(self.world.conn, self.world.place, self.id, claims, self.world.now)

    def query(self) -> None:
        """By the plan: a push whose answer was lost cannot be asked about."""
        if self.row.remote is not None:
            self.settle(confirmed(self.row))

    def text(self) -> None:
        self.world.text(self.code, self.number, self.at, account=self.reference if self.form == "paybill" else None)

    def line(self) -> None:
        said = (
            f"Pay Bill Online from 2547***001 Acc. {self.reference}" if self.form == "paybill" else "Merchant Payment"
        )
        self.world.line(self.code, said, payer="" if self.form == "paybill" else self.number, at=self.at)

    def confirmation(self) -> None:
        paid = PaidIn(
            transaction=self.code, amount=AMOUNT, payee="600000", account=self.reference, number="2547 ***** 001"
        )
        paybill.announced(self.world.conn, self.world.office, "mpesa", paid, self.world.now)


class World:
    """An organisation with the pay bill "mpesa", whose texts come to the modem "till"."""

    def __init__(self, conn: Connection, ids: Callable[[], int], keys: Keys) -> None:
        self.conn, self.ids = conn, ids
        self.office = Office(
            registry=standard.registry(KENYA), texts=Texts.load(), organisation=KENYA, keys=keys, new_id=ids
        )
        self.place = settling.Place(
            office=self.office, route=lambda number, prefer: "test", labels={"mpesa": "M-Pesa"},
            payees={"mpesa": "600000"},
        )  # fmt: skip
        self.akinyi, self.otieno = till.settle(conn, ids)
        self.now = NOW
        self.balance = OPENING
        self.lines = 0
        self.asked = 0

    def push(self, *, member: int | None = None, number: str = AKINYI, code: str = CODE, form: str = "paybill") -> Push:
        return Push(self, self.akinyi if member is None else member, number, code, form)

    def later(self, minutes: float = 5) -> None:
        self.now += timedelta(minutes=minutes)

    def nameless(self, **how: Any) -> Push:
        """One that is booked, and nobody knows its number."""
        push = self.push(**how)
        push.answer()
        push.query()
        assert push.row.provider_txn == push.remote
        return push

    def text(
        self, code: str, number: str, at: datetime, *, account: str | None = None, amount: int = AMOUNT
    ) -> wallet_texts.Outcome:
        self.balance += amount
        there = at.astimezone(self.office.zone)
        when = f"on {there.day}/{there.month}/{there:%y} at {there:%I:%M %p}"
        money, balance = f"Ksh{amount / 100:,.2f}", f"Ksh{self.balance / 100:,.2f}"
        if account is None:
            said = (
                f"{code} Confirmed.You have received {money} from PERSON ONE 0{number[4:]} {when}  "
                f"New M-PESA balance is {balance}."
            )
        else:
            said = (
                f"{code} Confirmed. {when} {money} received from PERSON ONE {number[1:]}. "
                f"Account Number {account} New Utility balance is {balance}"
            )
        return self.says("till", "MPESA", said)

    def says(self, link: str, sender: str, said: str) -> wallet_texts.Outcome:
        arrival = Arrival(
            id=self.ids(), provider=WALLETS[link].provider, link=link, sender=sender, text=said, received=self.now
        )
        books = self.office.books
        found = wallet_texts.take(self.conn, books, RULES, WALLETS, arrival, self.now + timedelta(days=1))
        assert found is not None
        return found

    def line(self, code: str, said: str, *, payer: str = "", at: datetime | None, day: date = DAY) -> str:
        self.lines += 1
        line = Line(number=self.lines, day=day, amount=AMOUNT, reference=code, text=said, payer=payer, at=at)
        (found,) = statements.add(
            self.conn, self.office.books, WALLET, [line], by="api", actor="system:mpesa", now=self.now
        )
        return found.outcome.value

    def finish(self) -> None:
        """What is still asked about is asked; Daraja confirms what there is."""
        query = select(payment_intent.c.id, payment_intent.c.provider_txn).where(
            payment_intent.c.kind == Kind.PAYBILL.value, payment_intent.c.state.in_(intents.OPEN)
        )
        for id_, transaction in self.conn.execute(query).all():
            seen = Seen(
                outcome=Outcome.COMPLETED, transaction=transaction, amount=AMOUNT, currency="KES", payee="600000"
            )
            settling.settle(self.conn, self.place, id_, seen, self.now)

    def receipts(self, member: int | None = None) -> int:
        query = select(func.count()).select_from(receipt)
        query = query.where(receipt.c.member_id == (self.akinyi if member is None else member))
        return int(self.conn.scalar(query) or 0)

    def compared(self) -> dict[Found, int]:
        counts = reconciliation.run(self.conn, self.office.books, WALLET, DAY, self.now).counts
        return {found: many for found, many in counts.items() if many}

    def booked(self, times: int = 1) -> None:
        assert till.holds(self.conn, WALLET) == times * AMOUNT
        assert self.receipts() == times
        assert not suspense.listing(self.conn)
        assert not intents.problems(self.conn)
        till.nothing_is_lost(self.conn)


@pytest.fixture
def world(conn: Connection, ids: Ids, keys: Keys) -> World:
    return World(conn, ids, keys)


# --- every order --------------------------------------------------------------------------------------------------

WAYS = ("answer", "callback", "query", "text", "line", "confirmation")


def orders(*ways: str) -> list[tuple[tuple[str, ...], str]]:
    """All of them, by which comes first."""
    return [(ways, first) for first in ways]


@pytest.mark.parametrize("form", ["paybill", "phone"])
@pytest.mark.parametrize(
    ("ways", "first"),
    [
        *orders("answer", "query", "text"),
        *orders("answer", "query", "line"),
        *orders("answer", "query", "confirmation", "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_however_it_is_told_it_is_booked_once(
    conn: Connection, ids: Ids, keys: Keys, form: str, ways: tuple[str, ...], first: str
) -> None:
    every_order(conn, ids, keys, form, ways, first)


@pytest.mark.parametrize("form", ["paybill", "phone"])
@pytest.mark.parametrize("first", ["answer", "callback", "query", "text", "line"])
def test_all_five_ways_in_every_order(ids: Ids, keys: Keys, form: str, first: str) -> None:
    """They are many: on one engine."""
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        every_order(conn, ids, keys, form, ("answer", "callback", "query", "text", "line"), first)
    made.dispose()


def every_order(conn: Connection, ids: Ids, keys: Keys, form: str, ways: tuple[str, ...], first: str) -> None:
    conn.commit()
    for order in permutations(ways):
        if order[0] != first:
            continue
        with conn.begin() as transaction:
            world = World(conn, ids, keys)
            push = world.push(form=form)
            for way in order:
                world.later(1)
                push.tell(way)
                assert till.holds(conn, WALLET) in (0, AMOUNT), (order, way)
            push.query()
            world.finish()
            world.booked()
            assert (push.row.state, push.row.provider_txn) == (Step.SUCCEEDED, CODE), order
            if "line" in ways:
                assert world.compared() == {Found.MATCH: 1}, order
            transaction.rollback()


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    told=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(WAYS)), min_size=1, max_size=16),
    forms=st.tuples(st.sampled_from(["paybill", "phone"]), st.sampled_from(["paybill", "phone"])),
)
def test_two_of_two_members_in_any_order_and_some_twice(told: list[tuple[int, str]], forms: tuple[str, str]) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        world = World(conn, Ids(), Keys(bytes(range(32))))
        both = [
            world.push(form=forms[0]),
            world.push(member=world.otieno, number=OTIENO, code=OTHER, form=forms[1]),
        ]
        seen: set[tuple[int, str]] = set()
        for which, way in told:
            if way in ("text", "line") and (which, way) in seen:
                continue  # the same text again is another test's
            seen.add((which, way))
            both[which].tell(way)
        for each in both:
            each.answer()
            each.query()
        world.finish()
        assert till.holds(conn, WALLET) == 2 * AMOUNT
        assert (world.receipts(), world.receipts(world.otieno)) == (1, 1)
        for which, each in enumerate(both):
            named = {way for place, way in seen if place == which} & {"callback", "text", "line", "confirmation"}
            assert each.row.provider_txn == (each.code if named else each.remote)
        till.nothing_is_lost(conn)
    made.dispose()


# --- two that are equal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["paybill", "phone"])
@pytest.mark.parametrize("order", list(permutations(["one", "two"])), ids=str)
@pytest.mark.parametrize("way", ["text", "line"])
def test_two_equal_payments_of_a_member_are_two(world: World, form: str, order: tuple[str, str], way: str) -> None:
    found = {}
    for which, code in (("one", CODE), ("two", OTHER)):
        found[which] = world.nameless(code=code, form=form)
        world.later(4)
    for which in order:
        found[which].tell(way)
    world.booked(2)
    assert {found["one"].row.provider_txn, found["two"].row.provider_txn} == {CODE, OTHER}
    if form == "paybill":
        assert found["one"].row.provider_txn == CODE
    for which in order:
        found[which].tell("line")
    assert world.compared() == {Found.MATCH: 2}


@pytest.mark.parametrize("first", [CODE, OTHER])
def test_what_the_member_pays_beside_the_push_is_booked_too(world: World, first: str) -> None:
    """In the wallet's own menu, of the same amount, minutes later; nobody can tell which of the two was the push."""
    push = world.nameless(form="phone")
    for code in (CODE, OTHER) if first == CODE else (OTHER, CODE):
        world.text(code, AKINYI, push.at + 2 * MINUTE)
    world.booked(2)


def test_what_the_member_pays_hours_later_is_not_the_push(world: World) -> None:
    push = world.nameless(form="phone")
    world.later(300)
    world.text(OTHER, AKINYI, world.now)
    world.booked(2)
    assert push.row.provider_txn == push.remote
    push.text()
    world.booked(2)
    assert push.row.provider_txn == CODE


@pytest.mark.parametrize("form", ["paybill", "phone"])
def test_the_text_comes_first_and_another_payment_after_it(world: World, form: str) -> None:
    push = world.push(form=form)
    push.text()
    world.text(OTHER, AKINYI, push.at + MINUTE)
    push.answer()
    push.query()
    world.booked(2)
    assert push.row.provider_txn in (CODE, OTHER)


def test_another_amount_is_other_money(world: World) -> None:
    push = world.nameless()
    world.text(CODE, AKINYI, push.at, account=push.reference, amount=AMOUNT + 100)
    assert till.holds(world.conn, WALLET) == 2 * AMOUNT + 100
    assert (world.receipts(), push.row.provider_txn) == (2, push.remote)


# --- the callback, days later -------------------------------------------------------------------------------------


def test_a_callback_days_later_names_it(world: World) -> None:
    push = world.nameless(form="phone")
    world.later(3 * 24 * 60)
    push.callback()
    assert push.row.provider_txn == CODE
    push.text()
    push.confirmation()
    assert world.line(CODE, "", at=None) == "known"
    world.booked()
    assert world.compared() == {Found.MATCH: 1}


def test_a_callback_that_names_what_the_text_does_not_is_asked_about(world: World) -> None:
    """The text was of another payment of the same member: then both have come."""
    push = world.nameless(form="phone")
    world.text(OTHER, AKINYI, push.at)
    assert push.row.provider_txn == OTHER
    push.callback()
    world.finish()
    world.booked(2)


def test_a_callback_that_names_what_another_did_is_for_a_person(world: World) -> None:
    """Of two callbacks one is forged; neither a text nor a statement says which."""
    push = world.nameless()
    push.callback()
    push.code = OTHER
    push.callback()
    (shown,) = intents.problems(world.conn)
    assert shown.problem == "it is called TJF0000002 too; look whether it was paid twice"
    assert till.holds(world.conn, WALLET) == AMOUNT
    push.text()  # the truth comes, and is held until finance has looked
    assert till.holds(world.conn, WALLET) == AMOUNT
    (row,) = wallet_rows.waiting(world.conn)
    assert (row.state, row.reason) == (State.OPEN, Why.PUSH)
    wallet_texts.is_push(
        world.conn, world.office.books, row.id, push.reference, actor="staff:one", reason="seen", now=world.now
    )
    assert push.row.provider_txn == OTHER
    push.line()
    assert world.compared() == {Found.MATCH: 1}
    assert till.holds(world.conn, WALLET) == AMOUNT


# --- nobody can tell ----------------------------------------------------------------------------------------------


def hidden(world: World, code: str = "140212345678") -> wallet_texts.Outcome:
    """A text that names the payer and gives neither number nor time."""
    world.balance += AMOUNT
    return world.says(
        "other",
        "AirtelMoney",
        f"Trans. ID: {code} You have received {AMOUNT / 100:,.2f}Ksh from AKINYI O. Your available balance is "
        f"{world.balance / 100:,.2f}Ksh.",
    )


@pytest.fixture
def airtel(world: World) -> World:
    """The push is one of the wallet whose texts hide the number."""
    world.place = replace(world.place, payees={"airtel-ke": "1"}, labels={"airtel-ke": "Airtel"})
    return world


def push_of(world: World) -> Push:
    push = world.push()
    world.conn.execute(payment_intent.update().values(provider="airtel-ke"))
    return push


@pytest.mark.parametrize("same", [True, False])
def test_what_may_be_the_push_is_held_for_a_person(airtel: World, same: bool) -> None:
    world, books = airtel, airtel.office.books
    push = push_of(world)
    push.answer()
    push.query()
    assert hidden(world).alarm
    (row,) = wallet_rows.waiting(world.conn)
    assert (row.state, row.reason) == (State.OPEN, Why.PUSH)
    assert till.holds(world.conn, replace_owner("airtel-ke")) == AMOUNT
    if same:
        with pytest.raises(Refused, match="which payment"):
            wallet_texts.is_push(world.conn, books, row.id, "X", actor="staff:one", reason="seen", now=world.now)
        wallet_texts.is_push(world.conn, books, row.id, push.reference, actor="staff:one", reason="seen", now=world.now)
        assert push.row.provider_txn == "140212345678"
        assert till.holds(world.conn, replace_owner("airtel-ke")) == AMOUNT
        (entry,) = audit.listing(world.conn, object=f"payment:{push.id}")
        assert (entry.actor, entry.reason) == ("staff:one", "airtel-ke 140212345678")
    else:
        wallet_texts.is_other(world.conn, books, row.id, actor="staff:one", reason="seen", now=world.now)
        assert till.holds(world.conn, replace_owner("airtel-ke")) == 2 * AMOUNT
        assert len(suspense.listing(world.conn)) == 1
    assert not wallet_rows.waiting(world.conn)
    # The next text goes on from this balance, and may be the push as long as that has no number.
    assert hidden(world, "140212345679").state is (State.SUSPENSE if same else State.OPEN)


@pytest.mark.parametrize("hers", [True, False])
def test_what_may_have_come_before_holds_the_push(airtel: World, hers: bool) -> None:
    world, books = airtel, airtel.office.books
    push = push_of(world)
    assert hidden(world).state is State.SUSPENSE
    push.answer()
    push.query()
    assert push.row.problem == "it may be the transaction 140212345678, which is in suspense; match that first"
    assert till.holds(world.conn, replace_owner("airtel-ke")) == AMOUNT
    (item,) = suspense.listing(world.conn)
    suspense.match(world.conn, books, item.id, world.akinyi if hers else world.otieno, actor="staff:one", now=world.now)
    intents.ask_again(world.conn, push.id, world.now)
    push.query()
    assert push.row.state is Step.SUCCEEDED
    assert not intents.problems(world.conn)
    assert till.holds(world.conn, replace_owner("airtel-ke")) == (AMOUNT if hers else 2 * AMOUNT)
    assert world.receipts() == 1


def replace_owner(owner: str) -> Any:
    return WALLET._replace(owner=owner)


def test_a_masked_number_that_fits_is_no_proof_and_one_that_does_not_is_none(world: World) -> None:
    push = world.nameless(form="phone")
    for payer, expected in (
        (AKINYI, Likeness.SAME), ("0700000001", Likeness.SAME), ("2547 ***** 001", Likeness.MAYBE),
        ("2547 ***** 009", Likeness.OTHER), (OTIENO, Likeness.OTHER), ("AKINYI O", Likeness.MAYBE),
        ("", Likeness.MAYBE),
    ):  # fmt: skip
        movement = Movement(source=WALLET, amount=AMOUNT, reference=CODE, payer=payer, at=push.at)
        assert pushes.likeness(push.row, movement, None) is expected, payer
    movement = Movement(source=WALLET, amount=AMOUNT, reference=CODE, payer=AKINYI, at=push.at)
    assert pushes.likeness(push.row, movement, "0042") is Likeness.OTHER


def test_a_line_that_may_be_the_push_is_not_taken_into_suspense(world: World) -> None:
    push, books = world.nameless(), world.office.books
    assert world.line(CODE, "Pay Bill from AKINYI O", at=push.at) == "noted"
    assert world.compared() == {Found.OURS: 1, Found.THEIRS: 1}
    (theirs,) = [row for row in reconciliation.rows(world.conn, WALLET, DAY) if row.found is Found.THEIRS]
    assert theirs.entry_id is not None
    with pytest.raises(Refused, match="without its number"):
        statements.to_suspense(world.conn, books, theirs.entry_id, actor="staff:one", reason="seen", now=world.now)
    statements.is_push(
        world.conn, books, theirs.entry_id, push.reference, actor="staff:one", reason="seen", now=world.now
    )
    assert world.compared() == {Found.MATCH: 1}
    world.booked()


def test_a_bank_s_line_of_a_push_is_no_second_payment(world: World) -> None:
    push = world.nameless()
    line = Line(number=1, day=DAY, amount=AMOUNT, reference="B1", text=f"M-PESA {push.reference} dues of 0042")
    (found,) = statements.add(world.conn, world.office.books, BANK, [line], by="api", actor="x", now=world.now)
    assert found.outcome.value == "suspense"
    assert world.receipts() == 1


# --- what else there is -------------------------------------------------------------------------------------------


def test_a_refund_names_the_transaction_once_it_is_known(world: World) -> None:
    push, books = world.nameless(), world.office.books
    assert push_numbers.number_of(world.conn, "mpesa", push.remote) is None
    push.text()
    assert push_numbers.number_of(world.conn, "mpesa", push.remote) == CODE
    number = world.conn.scalar(select(receipt.c.id))
    assert number is not None
    asked = refunds.request(world.conn, books, number, actor="staff:one", reason="twice", now=world.now)
    refunds.approve(world.conn, books, asked.id, actor="staff:two", now=world.now, providers=["mpesa"])
    sent = world.conn.scalar(select(payment_intent.c.reverses).where(payment_intent.c.kind == Kind.REFUND.value))
    assert sent == CODE


def test_a_member_hears_once_of_what_the_text_told_first(world: World) -> None:
    push = world.push(form="phone")
    push.text()
    count = select(func.count()).select_from(wallet_text).where(wallet_text.c.state == "booked")
    assert world.conn.scalar(count) == 1
    push.answer()
    world.later(1)
    before = NOW.astimezone(UTC)
    push.query()
    assert push.row.receipt is not None
    assert push.row.changed > before
    world.booked()
