"""A payment at a provider is opened once, moves forward only, and is never submitted twice by accident."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gateway.affairs import intents
from gateway.affairs.intents import FORWARD, OPEN, Another, Intent, Step
from gateway.affairs.wallets import Wallet, available, rounded
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.everything import METADATA
from tests.affairs.people import NOW, ZHANG, branch, person

SECOND = timedelta(seconds=1)


def settle(conn: Connection, ids: Ids) -> int:
    return person(conn, ids, "A0001", branch(conn, ids))


@pytest.fixture
def member(conn: Connection, ids: Ids) -> int:
    return settle(conn, ids)


def opened(conn: Connection, ids: Ids, member: int, **others: Any) -> Intent:
    values: dict[str, Any] = {
        "member_id": member,
        "amount": 900,
        "currency": "CNY",
        "provider": "wallet",
        "number": ZHANG,
        "language": "zh",
        "now": NOW,
        "request_key": "sms:1",
    }
    found = intents.open(conn, ids, **values | others)
    assert isinstance(found, Intent)
    return found


def taken(conn: Connection, now: datetime, but: tuple[str, ...] = ()) -> list[tuple[Step, bool]]:
    return [(each.intent.state, each.fresh) for each in intents.take(conn, now, but)]


def test_the_same_request_opens_once(conn: Connection, ids: Ids, member: int) -> None:
    first = opened(conn, ids, member)
    assert opened(conn, ids, member) == first
    assert first.state is Step.CREATED
    assert len(first.reference) <= 12


def test_no_second_charge_while_one_is_open(conn: Connection, ids: Ids, member: int) -> None:
    first = opened(conn, ids, member)
    for state in (Step.SUBMITTED, Step.PENDING, Step.UNKNOWN):
        found = intents.open(
            conn, ids, member_id=member, amount=500, currency="CNY", provider="wallet", number=ZHANG, language="zh",
            now=NOW, request_key=f"sms:{state}",
        )  # fmt: skip
        assert isinstance(found, Another)
        assert found.intent.id == first.id
        assert intents.move(conn, first.id, state, NOW)
    assert intents.open_of(conn, member) is not None
    intents.move(conn, first.id, Step.FAILED, NOW)
    assert intents.open_of(conn, member) is None
    assert opened(conn, ids, member, request_key="sms:2").id != first.id


def test_the_database_itself_refuses_a_second_one(conn: Connection, ids: Ids, member: int) -> None:
    opened(conn, ids, member)
    with pytest.raises(IntegrityError):
        intents._insert(
            conn, ids, kind="push", request_key="x", member_id=member, amount=1, currency="CNY", provider="w",
            number=ZHANG, language="zh", now=NOW, due=NOW,
        )  # fmt: skip


@pytest.mark.parametrize("now", Step)
@pytest.mark.parametrize("to", Step)
def test_a_state_only_moves_forward(conn: Connection, ids: Ids, member: int, now: Step, to: Step) -> None:
    intent = opened(conn, ids, member)
    intents.note(conn, intent.id, state=now.value)
    assert intents.move(conn, intent.id, to, NOW) == (to in FORWARD[now])
    found = intents.by_id(conn, intent.id)
    assert found is not None
    assert found.state is (to if to in FORWARD[now] else now)


def test_nothing_leads_back() -> None:
    """Whatever way is taken, no state comes twice."""

    def reachable(step: Step) -> set[Step]:
        return set(FORWARD[step]).union(*(reachable(onward) for onward in FORWARD[step]))

    assert all(step not in reachable(step) for step in Step)
    assert all(FORWARD[step] for step in OPEN)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(Step), max_size=12))
def test_any_sequence_of_wishes_is_a_way_forward(wishes: list[Step]) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        ids = Ids()
        intent = opened(conn, ids, settle(conn, ids))
        way = [Step.CREATED]
        for wish in wishes:
            if intents.move(conn, intent.id, wish, NOW):
                way.append(wish)
        found = intents.by_id(conn, intent.id)
        assert found is not None
        assert found.state is way[-1]
        assert all(onward in FORWARD[step] for step, onward in pairwise(way))
    made.dispose()


def test_it_is_submitted_before_it_is_written_and_only_once(conn: Connection, ids: Ids, member: int) -> None:
    opened(conn, ids, member)
    assert taken(conn, NOW) == []  # a USSD session closes first
    later = NOW + intents.PUSH_AFTER
    assert taken(conn, later) == [(Step.SUBMITTED, True)]
    assert taken(conn, later) == []  # it is in hand
    # Whoever had it has died: what became of it is asked, it is not submitted again.
    assert taken(conn, later + intents.LEASE) == [(Step.SUBMITTED, False)]


def test_what_was_certainly_not_written_may_be_submitted_again(conn: Connection, ids: Ids, member: int) -> None:
    intent = opened(conn, ids, member)
    later = NOW + intents.PUSH_AFTER
    intents.take(conn, later)
    intents.later(conn, intent.id, later + SECOND, later, unwritten=True)
    (again,) = intents.take(conn, later + SECOND)
    assert again.fresh
    assert again.intent.attempts == 2
    assert taken(conn, later + SECOND + intents.LEASE) == [(Step.SUBMITTED, False)]


def test_what_is_in_hand_is_not_taken_whatever_it_is_due_for(conn: Connection, ids: Ids, member: int) -> None:
    intent = opened(conn, ids, member)
    assert taken(conn, NOW + intents.PUSH_AFTER, (intent.id,)) == []


def test_a_callback_while_it_is_in_hand_is_not_forgotten(conn: Connection, ids: Ids, member: int) -> None:
    intent = opened(conn, ids, member)
    now = NOW + intents.PUSH_AFTER
    intents.take(conn, now)
    assert intents.nudge(conn, intent.id, {"amount": 1}, now)
    intents.move(conn, intent.id, Step.PENDING, now, due=now + timedelta(minutes=1))
    found = intents.by_id(conn, intent.id)
    assert found is not None
    assert found.claims == {"amount": 1}
    intents.take(conn, now + timedelta(minutes=1))
    intents.nudge(conn, intent.id, {"amount": 2}, now)
    intents.later(conn, intent.id, now + timedelta(hours=1), now + SECOND)
    found = intents.by_id(conn, intent.id)
    assert found is not None
    assert found.due == now + 3 * SECOND
    assert found.claims == {"amount": 1}  # the first word is kept


def test_what_has_succeeded_is_not_asked_about_again(conn: Connection, ids: Ids, member: int) -> None:
    intent = opened(conn, ids, member)
    intents.move(conn, intent.id, Step.SUCCEEDED, NOW, provider_txn="T1")
    assert not intents.nudge(conn, intent.id, {}, NOW)
    assert taken(conn, NOW + timedelta(days=2)) == []


def test_a_transaction_belongs_to_one_intent(conn: Connection, ids: Ids, member: int) -> None:
    first = opened(conn, ids, member)
    intents.move(conn, first.id, Step.SUCCEEDED, NOW, provider_txn="T1")
    second = opened(conn, ids, member, request_key="sms:2")
    with pytest.raises(IntegrityError):
        intents.move(conn, second.id, Step.SUCCEEDED, NOW, provider_txn="T1")


def test_money_paid_in_is_known_by_its_transaction(conn: Connection, ids: Ids, member: int) -> None:
    values: dict[str, Any] = {
        "provider": "mpesa", "transaction": "RKTQDM7W6S", "amount": 900, "currency": "KES", "number": ZHANG,
        "account": "A0001", "member_id": member, "language": "zh", "now": NOW,
    }  # fmt: skip
    first = intents.paid_in(conn, ids, **values)
    assert intents.paid_in(conn, ids, **values) == first
    assert intents.by_transaction(conn, "mpesa", "RKTQDM7W6S") == first
    (each,) = intents.take(conn, NOW)
    assert not each.fresh  # there is nothing to be written, only to be asked


def test_a_refund_is_asked_for_once(conn: Connection, ids: Ids, member: int) -> None:
    payment = opened(conn, ids, member)
    intents.move(conn, payment.id, Step.SUCCEEDED, NOW, provider_txn="T1", receipt="R1")
    assert intents.by_receipt(conn, "R1") == intents.by_id(conn, payment.id)
    values: dict[str, Any] = {
        "provider": "wallet", "transaction": "T1", "amount": 400, "currency": "CNY", "number": ZHANG,
        "member_id": member, "language": "zh", "now": NOW, "request_key": "refund:1",
    }  # fmt: skip
    refund = intents.open_refund(conn, ids, **values)
    assert intents.open_refund(conn, ids, **values) == refund
    assert (refund.number, refund.reverses, refund.amount) == (payment.number, "T1", 400)
    assert taken(conn, NOW) == [(Step.SUBMITTED, True)]


def test_which_wallet_a_number_has() -> None:
    def wallet(name: str, *prefixes: str, step: int = 1) -> Wallet:
        return Wallet(name=name, label=name, prefixes=prefixes, currency="CNY", least=100, most=50_000, step=step)

    wallets = (wallet("any"), wallet("mpesa", "+2547", "+2541", step=100), wallet("city", "+86138"))
    names = [getattr(available(wallets, number), "name", None) for number in (ZHANG, "+254712345678", "+8613800000001")]
    assert names == ["any" if not ZHANG.startswith("+86138") else "city", "mpesa", "city"]
    assert available(wallets, "+254712345678", 950) is None
    assert available(wallets, "+254712345678", 900) is not None
    assert available(wallets, "+254712345678", 60_000) is None
    assert rounded(wallets[1], 901) == 1000
    assert available((), ZHANG) is None
