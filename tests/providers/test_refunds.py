"""Money goes back to the wallet it came from, once, and is pending until the provider has confirmed it."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.affairs import intents
from gateway.affairs.intents import Intent, Step
from tests.providers.house import AMOUNT, GRACE, LI, House, until

BOTH = pytest.mark.parametrize("provider", ["wallet", "mpesa"])


def paid(house: House, provider: str) -> Intent:
    house.enter()
    return house.settled(house.open(provider), Step.SUCCEEDED)


def give_back(house: House, payment: Intent, amount: int = AMOUNT) -> str:
    def work(conn: Connection) -> str:
        assert payment.provider_txn is not None
        return intents.open_refund(
            conn,
            house.muster.ids,
            provider=payment.provider,
            transaction=payment.provider_txn,
            amount=amount,
            currency=payment.currency,
            number=payment.number,
            member_id=payment.member_id,
            language=payment.language,
            now=house.now(),
            request_key="refund:1",
        ).id

    id_: str = house.work(work)
    return id_


@BOTH
def test_it_goes_back_to_the_same_wallet(house: House, provider: str) -> None:
    bank, number = (house.bank, LI) if provider == "wallet" else (house.daraja_bank, GRACE)
    payment = paid(house, provider)
    assert bank.accounts[number].balance == 100_00 - AMOUNT
    refund = house.settled(give_back(house, payment), Step.SUCCEEDED)
    assert bank.accounts[number].balance == 100_00
    assert bank.received == 0
    assert refund.provider_txn not in (None, payment.provider_txn)


@BOTH
def test_it_goes_back_once_when_the_answer_is_lost(house: House, provider: str) -> None:
    bank = house.bank if provider == "wallet" else house.daraja_bank
    payment = paid(house, provider)
    house.fault(submits="unanswered", callbacks="lost")
    id_ = give_back(house, payment)
    until(lambda: bank.received == 0)
    house.fault(callbacks="once")
    house.forward_until(lambda: house.intent(id_).state is Step.SUCCEEDED)
    assert sum(each.reverses is not None for each in bank.transfers.values()) == 1


@BOTH
def test_what_the_provider_does_not_give_back_is_seen(house: House, provider: str) -> None:
    payment = paid(house, provider)
    house.settled(give_back(house, payment), Step.SUCCEEDED)

    def again(conn: Connection) -> str:
        assert payment.provider_txn is not None
        return intents.open_refund(
            conn, house.muster.ids, provider=provider, transaction=payment.provider_txn, amount=AMOUNT,
            currency="CNY", number=payment.number, member_id=payment.member_id, language="zh", now=house.now(),
            request_key="refund:2",
        ).id  # fmt: skip

    second = house.work(again)
    house.settled(second, Step.FAILED)
    assert [each.id for each in house.work(intents.problems)] == [second]
    assert house.muster.wallets.problems == 1
