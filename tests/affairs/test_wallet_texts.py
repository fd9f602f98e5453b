"""Texts to the SIM of a wallet: what is true is booked once, what is forged, altered or out of order never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from config.receipt_rules import load
from gateway.affairs import dues, ledger, paybill, suspense, wallet_reversals, wallet_rows, wallet_texts
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.wallet_rows import Arrival, State, Why
from gateway.affairs.wallet_texts import OnSim, Outcome
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.reconciling import wallet_text
from tests.affairs import till
from tests.affairs.till import AKINYI, INCOME, NOW, STRANGER, WALLET

RULES = load()[0]
OPENING = 100000
WALLETS = {"till": OnSim("mpesa", OPENING)}
HELD = suspense.account(WALLET)


def shown(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02d}"


def received(code: str, amount: int, balance: int, payer: str = AKINYI, day: str = "23/11/26") -> str:
    return (
        f"{code} Confirmed.You have received Ksh{shown(amount)} from PERSON ONE 0{payer[4:]} on {day} at 11:30 AM  "
        f"New M-PESA balance is Ksh{shown(balance)}."
    )


def paid_in(code: str, amount: int, balance: int, account: str, payer: str = STRANGER) -> str:
    return (
        f"{code} Confirmed. on 23/11/26 at 11:30 AM Ksh{shown(amount)} received from PERSON NINE {payer[1:]}. "
        f"Account Number {account} New Utility balance is Ksh{shown(balance)}"
    )


def reversed_(code: str, original: str, amount: int, balance: int) -> str:
    return (
        f"{code} confirmed. Reversal of transaction {original} has been successfully reversed on 23/11/26 at 12:31 PM "
        f"and Ksh{shown(amount)} is debited from your M-PESA account. New M-PESA account balance is "
        f"Ksh{shown(balance)}."
    )


def sent(code: str, amount: int, balance: int, fee: int) -> str:
    return (
        f"{code} Confirmed. Ksh{shown(amount)} sent to COUNTY OFFICE 0712000006 on 23/11/26 at 5:01 PM. New M-PESA "
        f"balance is Ksh{shown(balance)}. Transaction cost, Ksh{shown(fee)}."
    )


class Till:
    """The wallet "mpesa" on the modem "till", and everybody who writes to it."""

    def __init__(self, conn: Connection, ids: Callable[[], int], keys: Keys) -> None:
        self.conn, self.ids = conn, ids
        self.books: Books = till.books(keys, ids)
        self.wallets = dict(WALLETS)

    def comes(self, text: str, *, link: str = "till", sender: str = "MPESA", phone: bool = False) -> Outcome | None:
        on_sim = self.wallets.get(link)
        arrival = Arrival(
            id=self.ids(),
            provider=on_sim.provider if on_sim else None,
            link=link,
            sender=sender,
            text=text,
            received=NOW,
            phone=phone,
        )
        return wallet_texts.take(self.conn, self.books, RULES, self.wallets, arrival, NOW)

    def states(self) -> list[tuple[str, str | None]]:
        rows = self.conn.execute(select(wallet_text.c.state, wallet_text.c.reason).order_by(wallet_text.c.id))
        return [(row.state, row.reason) for row in rows]

    def count(self, table: Any) -> int:
        return int(self.conn.scalar(select(func.count()).select_from(table)) or 0)

    def last(self) -> int:
        return int(self.conn.scalar(select(func.max(wallet_text.c.id))) or 0)


@pytest.fixture
def at(conn: Connection, ids: Ids, keys: Keys) -> Till:
    return Till(conn, ids, keys)


@pytest.fixture
def people(conn: Connection, ids: Ids) -> tuple[int, int]:
    return till.settle(conn, ids)


# --- what is true ---------------------------------------------------------------------------------------------


def test_money_from_a_bound_phone_is_booked_with_a_receipt(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(received("TJF0000001", 60000, OPENING + 60000))
    assert outcome is not None
    assert (outcome.state, outcome.alarm) == (State.BOOKED, False)
    (paid,) = outcome.paid
    assert (paid.receipt.member_id, paid.receipt.months, paid.payer) == (people[0], (202609, 202610), AKINYI)
    assert paid.receipt.at == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert (till.holds(at.conn, WALLET), till.holds(at.conn, INCOME)) == (60000, -60000)
    assert dues.owed(at.conn, [people[0]], 202611)[people[0]].amount == 30000
    assert wallet_texts.balance(at.conn, "mpesa") == OPENING + 60000


def test_a_pay_bill_goes_to_the_account_that_was_typed(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(paid_in("TJF0000001", 30000, OPENING + 30000, "0043", payer=AKINYI))
    assert outcome is not None
    assert outcome.paid[0].receipt.member_id == people[1]


def test_who_nobody_knows_waits_in_suspense(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(received("TJF0000001", 500, OPENING + 500, payer=STRANGER))
    assert outcome is not None
    assert (outcome.state, outcome.paid) == (State.SUSPENSE, ())
    (item,) = suspense.listing(at.conn)
    assert (item.amount, item.reference, item.payer) == (500, "TJF0000001", STRANGER)
    assert till.holds(at.conn, HELD) == -500


def test_the_words_are_kept_sealed(at: Till, people: tuple[int, int]) -> None:
    text = received("TJF0000001", 500, OPENING + 500)
    at.comes(text)
    sealed = at.conn.scalar(select(wallet_text.c.sealed))
    assert sealed is not None
    assert b"PERSON" not in sealed
    assert wallet_rows.words(at.conn, at.books, at.last()) == text


# --- what is not ----------------------------------------------------------------------------------------------


def test_a_repeated_text_changes_nothing(at: Till, people: tuple[int, int]) -> None:
    text = received("TJF0000001", 30000, OPENING + 30000)
    at.comes(text)
    for _ in range(3):
        again = at.comes(text)
        assert again is not None
        assert (again.state, again.reason, again.paid, again.alarm) == (State.BOOKED, "repeat", (), False)
    assert (at.count(receipt), at.count(txn), at.count(wallet_text)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sender": "+254700000001", "phone": True}, Why.SENDER),
        ({"sender": "MPESA1"}, Why.SENDER),
        ({"sender": "22222"}, Why.SENDER),
        ({"link": "operator"}, Why.LINK),
    ],
)
def test_a_forged_sender_or_another_link_is_held(
    at: Till, people: tuple[int, int], change: dict[str, Any], why: Why
) -> None:
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000), **change)
    assert outcome is not None
    assert (outcome.state, outcome.reason, outcome.alarm) == (State.HELD, why, True)
    assert at.count(txn) == 0
    assert wallet_texts.balance(at.conn, "mpesa") is None
    # The true one, when it comes, counts.
    true = at.comes(received("TJF0000001", 30000, OPENING + 30000))
    assert true is not None
    assert true.state is State.BOOKED


def test_the_wallet_of_another_modem(at: Till, people: tuple[int, int]) -> None:
    """Two SIMs: each one's texts count on its own modem only."""
    at.wallets["other"] = OnSim("airtel-ke", 0)
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000), link="other")
    assert outcome is not None
    assert (outcome.state, outcome.reason) == (State.HELD, Why.LINK)
    assert at.count(txn) == 0


def test_other_texts_are_no_business_of_ours(at: Till) -> None:
    assert at.comes("dues", sender="+254700000001", phone=True) is None
    assert at.comes("You won!", sender="LOTTO") is None
    assert at.comes("You won!", sender="MPESA", link="operator") is None
    assert at.count(wallet_text) == 0


def test_an_altered_amount_is_held_for_its_balance(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(received("TJF0000001", 90000, OPENING + 30000))
    assert outcome is not None
    assert (outcome.state, outcome.reason, outcome.alarm) == (State.HELD, Why.BALANCE, True)
    assert at.count(txn) == 0


def test_a_code_that_counted_with_another_amount_is_held(at: Till, people: tuple[int, int]) -> None:
    at.comes(received("TJF0000001", 30000, OPENING + 30000))
    outcome = at.comes(received("TJF0000001", 50000, OPENING + 80000))
    assert outcome is not None
    assert outcome.reason == Why.CODE
    assert till.holds(at.conn, WALLET) == 30000
    with pytest.raises(Refused, match="counted before"):
        wallet_texts.accept(at.conn, at.books, at.last(), actor="staff:njeri", reason="x", now=NOW)


def test_a_time_to_come_is_held(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000, day="25/12/26"))
    assert outcome is not None
    assert outcome.reason == Why.TIME


def test_without_an_opening_balance_the_first_waits_for_finance(at: Till, people: tuple[int, int]) -> None:
    at.wallets["till"] = OnSim("mpesa")
    first = at.comes(received("TJF0000001", 30000, 130000))
    assert first is not None
    assert first.reason == Why.FIRST
    id_ = at.last()
    accepted = wallet_texts.accept(at.conn, at.books, id_, actor="staff:njeri", reason="seen on the SIM", now=NOW)
    assert accepted.state is State.BOOKED
    second = at.comes(received("TJF0000002", 10000, 140000))
    assert second is not None
    assert second.state is State.BOOKED
    (entry,) = audit.listing(at.conn, object=f"wallet_text:{id_}")
    assert (entry.actor, entry.action) == ("staff:njeri", "accept wallet text")


def test_what_provider_and_text_tell_differently_is_held(at: Till, people: tuple[int, int]) -> None:
    told = Movement(source=WALLET, amount=20000, reference="TJF0000001", payer=AKINYI, at=NOW)
    paybill.receive(at.conn, at.books, told, account=None, actor="provider:mpesa", now=NOW)
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000))
    assert outcome is not None
    assert outcome.reason == Why.BOOKED
    with pytest.raises(Refused, match="another amount"):
        wallet_texts.accept(at.conn, at.books, at.last(), actor="staff:njeri", reason="x", now=NOW)


def test_what_the_provider_told_before_is_found_not_repeated(at: Till, people: tuple[int, int]) -> None:
    told = Movement(source=WALLET, amount=30000, reference="TJF0000001", payer=AKINYI, at=NOW)
    paybill.receive(at.conn, at.books, told, account=None, actor="provider:mpesa", now=NOW)
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000))
    assert outcome is not None
    assert (outcome.state, outcome.paid) == (State.BOOKED, ())
    assert (at.count(txn), till.holds(at.conn, WALLET)) == (1, 30000)
    assert wallet_texts.balance(at.conn, "mpesa") == OPENING + 30000


def test_texts_that_overtake_each_other_are_all_booked(at: Till, people: tuple[int, int]) -> None:
    third = at.comes(received("TJF0000003", 300, OPENING + 600))
    second = at.comes(received("TJF0000002", 200, OPENING + 300))
    assert third is not None
    assert second is not None
    assert (third.reason, second.reason) == (Why.BALANCE, Why.BALANCE)
    first = at.comes(received("TJF0000001", 100, OPENING + 100))
    assert first is not None
    assert [paid.receipt.amount for paid in first.paid] == [100, 200, 300]
    assert [state for state, _ in at.states()] == ["booked"] * 3
    assert wallet_texts.balance(at.conn, "mpesa") == OPENING + 600


def test_after_a_lost_text_finance_accepts_one_and_the_rest_follows(at: Till, people: tuple[int, int]) -> None:
    at.comes(received("TJF0000002", 200, OPENING + 300))  # TJF0000001 never came
    at.comes(received("TJF0000003", 300, OPENING + 600))
    first = at.conn.scalar(select(func.min(wallet_text.c.id)))
    accepted = wallet_texts.accept(at.conn, at.books, int(first or 0), actor="staff:n", reason="statement", now=NOW)
    assert [paid.receipt.amount for paid in accepted.paid] == [200, 300]


def test_a_text_that_no_rule_reads_waits_and_is_read_when_there_is_one(at: Till, people: tuple[int, int]) -> None:
    text = received("TJF0000001", 30000, OPENING + 30000).replace("You have received", "Umepokea")
    outcome = at.comes(text)
    assert outcome is not None
    assert (outcome.state, outcome.alarm) == (State.UNREAD, True)
    assert [row.state for row in wallet_rows.waiting(at.conn)] == [State.UNREAD]
    id_ = at.last()
    assert wallet_texts.read_again(at.conn, at.books, RULES, at.wallets, id_, NOW) is None
    rule = next(rule for rule in RULES.rules if rule.name == "mpesa.received-2024")
    import regex

    swahili = regex.compile(rule.pattern.pattern.replace("You have received", "Umepokea"), regex.VERSION1)
    more = replace(RULES, rules=(*RULES.rules, replace(rule, name="mpesa.sw", pattern=swahili)))
    again = wallet_texts.read_again(at.conn, at.books, more, at.wallets, id_, NOW)
    assert again is not None
    assert (again.state, len(again.paid)) == (State.BOOKED, 1)
    assert [row.code for row in wallet_rows.hits(at.conn, "mpesa.sw")] == ["TJF0000001"]


def test_a_rejected_text_is_kept_and_can_come_truly(at: Till, people: tuple[int, int]) -> None:
    at.comes(received("TJF0000001", 30000, OPENING + 30000), sender="MPESA1")
    wallet_texts.reject(at.conn, at.books, at.last(), actor="staff:njeri", reason="forged", now=NOW)
    outcome = at.comes(received("TJF0000001", 30000, OPENING + 30000))
    assert outcome is not None
    assert outcome.state is State.BOOKED
    assert [state for state, _ in at.states()] == ["rejected", "booked"]


def test_the_last_fifteen_of_a_rule(at: Till, people: tuple[int, int]) -> None:
    for number in range(20):
        at.comes(received(f"TJF00001{number:02d}", 100, OPENING + 100 * (number + 1)))
    hits = wallet_rows.hits(at.conn, "mpesa.received")
    assert len(hits) == 15
    assert hits[0].code == "TJF0000119"


# --- money that leaves ----------------------------------------------------------------------------------------


def test_a_reversal_opens_one_and_finance_confirms_it_once(at: Till, people: tuple[int, int]) -> None:
    at.comes(received("TJF0000001", 30000, OPENING + 30000))
    outcome = at.comes(reversed_("TJF0000002", "TJF0000001", 30000, OPENING))
    assert outcome is not None
    assert (outcome.state, outcome.alarm) == (State.OPEN, True)
    assert outcome.reversed is not None
    assert dues.owed(at.conn, [people[0]], 202611)[people[0]].amount == 60000  # until it is confirmed
    assert ledger.balance(at.conn, WALLET, "KES") == ledger.Balance(30000, -30000)
    id_ = at.last()
    for _ in range(2):
        wallet_reversals.confirm(at.conn, at.books, id_, actor="staff:njeri", reason="seen", now=NOW)
    assert dues.owed(at.conn, [people[0]], 202611)[people[0]].amount == 90000
    assert ledger.balance(at.conn, WALLET, "KES") == ledger.Balance(0, 0)
    assert at.count(receipt) == 1  # nothing is erased
    till.nothing_is_lost(at.conn)


def test_a_reversal_of_money_in_suspense(at: Till, people: tuple[int, int]) -> None:
    at.comes(received("TJF0000001", 30000, OPENING + 30000, payer=STRANGER))
    at.comes(reversed_("TJF0000002", "TJF0000001", 30000, OPENING))
    (item,) = suspense.listing(at.conn)
    assert item.state is suspense.State.RETURNING
    with pytest.raises(Refused):
        suspense.match(at.conn, at.books, item.id, people[0], actor="staff:njeri", now=NOW)
    wallet_reversals.confirm(at.conn, at.books, at.last(), actor="staff:njeri", reason="seen", now=NOW)
    assert suspense.listing(at.conn) == ()
    assert (till.holds(at.conn, WALLET), till.holds(at.conn, HELD)) == (0, 0)


@pytest.mark.parametrize(
    ("original", "amount", "why"), [("TJF9999999", 30000, "original"), ("TJF0000001", 1, "amount")]
)
def test_a_reversal_that_fits_nothing_is_money_that_left(
    at: Till, people: tuple[int, int], original: str, amount: int, why: str
) -> None:
    at.comes(received("TJF0000001", 30000, OPENING + 30000))
    outcome = at.comes(reversed_("TJF0000002", original, amount, OPENING + 30000 - amount))
    assert outcome is not None
    assert (outcome.state, outcome.reason, outcome.reversed) == (State.OPEN, why, None)
    assert (till.holds(at.conn, WALLET), till.holds(at.conn, HELD)) == (30000 - amount, amount)
    with pytest.raises(Refused):
        wallet_reversals.confirm(at.conn, at.books, at.last(), actor="staff:njeri", reason="x", now=NOW)


def test_money_that_was_sent_stays_open_until_finance_says_where_it_went(at: Till, people: tuple[int, int]) -> None:
    outcome = at.comes(sent("TJF0000001", 50000, OPENING - 50700, 700))
    assert outcome is not None
    assert outcome.state is State.OPEN
    fees, transit = Account(AccountKind.FEES, "mpesa"), Account(AccountKind.TRANSIT, "53")
    assert [till.holds(at.conn, each) for each in (WALLET, HELD, fees)] == [-50700, 50000, 700]
    wallet_reversals.went_to(at.conn, at.books, at.last(), transit, actor="staff:n", reason="to the bank", now=NOW)
    assert [till.holds(at.conn, each) for each in (HELD, transit)] == [0, 50000]
    assert at.states() == [("done", None)]
    till.nothing_is_lost(at.conn)


# --- whatever comes in whatever order -------------------------------------------------------------------------

arrivals = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["true", "true", "sender", "link", "amount", "balance"])), max_size=25
)
AMOUNTS = (100, 250, 30000, 7, 90000, 1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals)
def test_each_true_text_counts_once_and_no_other_ever(came: list[tuple[int, str]]) -> None:
    """Six payments in a row; their texts come in any order, many times over, among forgeries of them."""
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        ids = Ids()
        till.settle(conn, ids)
        at = Till(conn, ids, Keys(bytes(range(32))))
        for which, how in came:
            amount, balance = AMOUNTS[which], OPENING + sum(AMOUNTS[: which + 1])
            if how == "amount":
                amount += 1
            if how == "balance":
                balance += 50
            text = received(f"TJF000000{which}", amount, balance, payer=(AKINYI, STRANGER)[which % 2])
            at.comes(text, sender="M1" if how == "sender" else "MPESA", link="op" if how == "link" else "till")
        true = {which for which, how in came if how == "true"}
        unbroken = next((which for which in range(6) if which not in true), 6)
        assert till.holds(conn, WALLET) == sum(AMOUNTS[:unbroken])
        waiting = sum(item.amount for item in suspense.listing(conn))
        receipted = int(conn.scalar(select(func.coalesce(func.sum(receipt.c.amount), 0))) or 0)
        assert waiting + receipted == sum(AMOUNTS[:unbroken])
        expected = OPENING + sum(AMOUNTS[:unbroken]) if unbroken else None
        assert wallet_texts.balance(conn, "mpesa") == expected
        till.nothing_is_lost(conn)
    made.dispose()


def test_a_day_is_the_organisation_s_own(at: Till, people: tuple[int, int]) -> None:
    """Half past midnight in Nairobi on the first is the evening before in UTC."""
    text = received("TJF0000001", 30000, OPENING + 30000, day="1/11/26").replace("11:30 AM", "12:30 AM")
    at.comes(text)
    effective = at.conn.scalar(select(txn.c.effective))
    assert effective == datetime(2026, 10, 31, 21, 30, tzinfo=UTC)
    assert effective.astimezone(at.books.zone).date().isoformat() == "2026-11-01"
    assert NOW - effective < timedelta(days=30)
