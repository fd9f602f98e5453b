"""Payments to the pay bill: announced, asked about, and booked for the member whose number was typed, once."""

from __future__ import annotations

import pytest
from sqlalchemy import delete
from twisted.internet.defer import Deferred

from gateway.affairs import intents
from gateway.affairs.intents import Kind, Step
from gateway.affairs.ledger import AccountKind
from gateway.core.tables.organisation import number
from gateway.providers.daraja import Daraja
from gateway.providers.simulator import Ending, Prompt
from tests.providers.house import GRACE, PIN, House, until


@pytest.fixture
def announced(house: House) -> House:
    """Daraja knows where to announce payments."""
    wallets = house.muster.wallets
    client = wallets.providers["mpesa"]
    assert isinstance(client, Daraja)
    addresses = [wallets.pay_bill("mpesa", which) for which in ("confirmation", "validation")]
    said = house.running.call(lambda: Deferred.fromCoroutine(client.register(*addresses)))
    assert said == "Success"
    return house


def pays(house: House, account: str, amount: int = 600) -> Ending:
    found: Ending = house.running.call(lambda: Deferred.fromCoroutine(house.daraja.pay(GRACE, amount, account, PIN)))
    return found


def rows(house: House) -> list[intents.Intent]:
    transfers = list(house.daraja_bank.transfers)
    found = [house.work(intents.by_transaction, "mpesa", reference) for reference in transfers]
    return [each for each in found if each is not None]


def test_a_member_pays_to_the_pay_bill(announced: House) -> None:
    house = announced
    assert pays(house, "A0002") is Ending.PAID
    until(lambda: house.paid(house.grace) == 600)
    (intent,) = rows(house)
    assert (intent.kind, intent.state, intent.account) == (Kind.PAYBILL, Step.SUCCEEDED, "A0002")
    assert house.entries() == 1
    until(lambda: house.texts(GRACE))
    assert intent.receipt
    assert intent.receipt in house.texts(GRACE)[0]


def test_an_account_that_is_nobody_s_is_refused_before_the_pin(announced: House) -> None:
    assert pays(announced, "A9999") is Ending.CANCELLED
    assert announced.daraja.validated == [{"ResultCode": "C2B00012", "ResultDesc": "Rejected"}]
    assert announced.entries() == 0


def test_what_nobody_knows_waits_in_suspense(announced: House) -> None:
    """Daraja asks nobody when we are away; the money is there all the same."""
    house = announced
    del house.daraja.registered["ValidationURL"]
    assert pays(house, "A9999") is Ending.PAID
    until(lambda: house.balance(AccountKind.SUSPENSE, "wallet:mpesa") == -600)
    (intent,) = rows(house)
    assert (intent.state, intent.reason, intent.receipt) == (Step.SUCCEEDED, "in suspense", None)


def test_announced_twice_and_late_it_is_booked_once(announced: House) -> None:
    house = announced
    house.fault(callbacks="doubled")
    assert pays(house, "A0002") is Ending.PAID
    until(lambda: house.paid(house.grace) == 600)
    house.fault(callbacks="once")
    (transfer,) = house.daraja_bank.transfers.values()
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    for _ in range(3):
        assert house.call(path, house.daraja._c2b(transfer.reference, GRACE, 600, "A0002"))[0] == 200
    assert (house.entries(), len(rows(house))) == (1, 1)


def test_a_confirmation_of_what_was_never_paid(announced: House) -> None:
    """It opens a row and nothing else: Daraja does not know the transaction, and somebody sees who said so."""
    house = announced
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    assert house.call(path, house.daraja._c2b("FORGED0001", GRACE, 600, "A0002"))[0] == 200
    until(lambda: house.muster.wallets.problems)
    intent = house.work(intents.by_transaction, "mpesa", "FORGED0001")
    assert intent.state is Step.FAILED
    assert intent.problem
    assert house.entries() == 0
    assert house.paid(house.grace) == 0


def test_a_confirmation_of_another_amount(announced: House) -> None:
    house = announced
    assert pays(house, "A0002", 600) is Ending.PAID
    until(lambda: house.paid(house.grace) == 600)
    house.fault(callbacks="lost")
    assert pays(house, "A0002", 300) is Ending.PAID
    *_, transfer = house.daraja_bank.transfers.values()
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    house.fault(callbacks="once")
    assert house.call(path, house.daraja._c2b(transfer.reference, GRACE, 30_000, "A0002"))[0] == 200
    until(lambda: house.muster.wallets.problems)
    assert house.balance(AccountKind.SUSPENSE, "wallet:mpesa") == -300  # as much as there is
    assert house.paid(house.grace) == 600


def test_a_push_announces_itself_there_too_and_counts_once(announced: House) -> None:
    house = announced
    house.enter()
    id_ = house.open("mpesa")
    house.settled(id_, Step.SUCCEEDED)
    until(lambda: len(house.daraja.called) >= 2)
    assert house.entries() == 1
    assert [each.id for each in rows(house)] == [id_]


def test_who_pays_for_a_neighbour_without_a_phone_reads_nothing_of_them(announced: House) -> None:
    house = announced
    house.work(lambda conn: conn.execute(delete(number).where(number.c.member_id == house.li)).rowcount)
    house.fault(callbacks="lost")
    assert pays(house, "A0001") is Ending.PAID
    (transfer,) = house.daraja_bank.transfers.values()
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    house.fault(callbacks="once")
    said_by = house.daraja._c2b(transfer.reference, GRACE, 600, "A0001") | {"MSISDN": GRACE.removeprefix("+")}
    assert house.call(path, said_by)[0] == 200
    until(lambda: house.texts(GRACE))
    (said,) = house.texts(GRACE)
    assert "Received for the member no ending 0001: 6.00 CNY. Receipt" in said
    assert "Dues paid to" not in said
    assert "dues paid to" not in said


def test_what_is_paid_by_hand_while_the_push_waits_is_not_lost(announced: House) -> None:
    """The pop-up names the reference; a member may type it into the wallet's own menu and let the pop-up go."""
    house = announced
    prompts: list[Prompt] = []
    house.daraja_phones.answer = prompts.append
    id_ = house.open("mpesa")
    until(lambda: prompts and house.waits(id_))
    assert pays(house, house.intent(id_).reference, 600) is Ending.PAID
    until(lambda: house.intent(id_).claims)
    house.running.call(prompts[0].cancel)
    until(lambda: not house.intent(id_).is_open, say=lambda: str((house.intent(id_), house.now())))
    assert house.is_(id_, Step.FAILED)
    until(lambda: house.paid(house.grace) == 600)
    assert [each.kind for each in rows(house)] == [Kind.PAYBILL]
    assert house.entries() == 1


def test_both_ways_at_once_are_two_payments(announced: House) -> None:
    house = announced
    prompts: list[Prompt] = []
    house.daraja_phones.answer = prompts.append
    id_ = house.open("mpesa", amount=300)
    until(lambda: prompts and house.waits(id_))
    for _ in range(2):
        assert pays(house, house.intent(id_).reference, 300) is Ending.PAID
    house.running.call(lambda: prompts[0].answer(PIN))
    until(lambda: house.balance(AccountKind.WALLET, "mpesa") == 900, say=lambda: str(house.intent(id_)))
    assert house.entries() == 3


@pytest.mark.parametrize("change", [{"BusinessShortCode": "700000"}, {"TransAmount": "0"}, {"TransID": "../.."}])
def test_what_is_not_ours_is_not_taken(announced: House, change: dict[str, str]) -> None:
    house = announced
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    status, body = house.call(path, house.daraja._c2b("RKTQDM7W6S", GRACE, 600, "A0002") | change)
    assert status == 400 or b"Rejected" in body
    assert house.work(intents.by_transaction, "mpesa", "RKTQDM7W6S") is None
    assert house.call(path, house.daraja._c2b("RKTQDM7W6S", GRACE, 600, "A0002"), source="127.0.0.2")[0] == 403
