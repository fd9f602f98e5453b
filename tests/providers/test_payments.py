"""A payment from a wallet, whatever befalls it: one ledger entry, or none and something that a person sees."""

from __future__ import annotations

import threading

import pytest

from gateway.affairs.intents import Step
from gateway.affairs.ledger import AccountKind
from tests.providers.house import AMOUNT, GRACE, LI, House, until

BOTH = pytest.mark.parametrize("provider", ["wallet", "mpesa"])


def phone(provider: str) -> str:
    return LI if provider == "wallet" else GRACE


def booked_once(house: House, provider: str, id_: str) -> None:
    """The money is in the ledger, the months are paid, there is one receipt and one text about it."""
    intent = house.settled(id_, Step.SUCCEEDED)
    assert house.entries() == 1
    assert house.balance(AccountKind.WALLET, provider) == AMOUNT
    assert house.paid(house.li if provider == "wallet" else house.grace) == AMOUNT
    receipt = intent.receipt
    assert receipt is not None
    until(lambda: any(receipt in text for text in house.texts(phone(provider))))
    assert sum(receipt in text for text in house.texts(phone(provider))) == 1


def nothing_booked(house: House) -> None:
    assert house.entries() == 0


# --- as it should be ----------------------------------------------------------------------------------------------


@BOTH
def test_a_member_pays_by_entering_the_pin(house: House, provider: str) -> None:
    house.enter()
    booked_once(house, provider, house.open(provider))


def test_the_texts(house: House) -> None:
    house.enter()
    intent = house.settled(house.open(), Step.SUCCEEDED)
    until(house.texts)
    assert house.texts() == [f"【安河组织】Wallet已收9.00元，会费交至11月。收据{intent.receipt}"]


@BOTH
@pytest.mark.parametrize(("pin", "reason"), [("0000", "pin"), (None, "cancelled")])
def test_nothing_is_booked_when_the_member_does_not_pay(
    house: House, provider: str, pin: str | None, reason: str
) -> None:
    house.enter(pin)
    intent = house.settled(house.open(provider), Step.FAILED)
    assert (intent.reason or "").startswith(reason)
    nothing_booked(house)
    until(lambda: house.texts(phone(provider)))
    assert len(house.texts(phone(provider))) == 1


@BOTH
def test_too_little_in_the_wallet(house: House, provider: str) -> None:
    house.enter()
    intent = house.settled(house.open(provider, amount=400_00), Step.FAILED)
    assert (intent.reason or "").startswith("funds")
    nothing_booked(house)


@BOTH
def test_a_pop_up_that_nobody_answers(house: House, provider: str) -> None:
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    assert not house.texts(phone(provider))
    house.forward(80)
    until(lambda: house.texts(phone(provider)))  # it takes longer, do not pay again
    prompts = house.phones.prompts if provider == "wallet" else house.daraja_phones.prompts
    house.fault(callbacks="lost")
    from gateway.providers.simulator import Ending

    house.running.call(prompts[0].end, Ending.TIMEOUT)
    house.forward(200)
    intent = house.settled(id_, Step.EXPIRED)
    assert (intent.reason or "").startswith("timeout")
    nothing_booked(house)
    until(lambda: len(house.texts(phone(provider))) == 2)


# --- callbacks ----------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("how", ["doubled", "early", "forged"])
def test_callbacks_however_they_come(house: House, provider: str, how: str) -> None:
    house.fault(callbacks=how)
    if how == "early":
        house.enter_at_once()  # the callback is here before the answer to the request
    else:
        house.enter()
    id_ = house.open(provider)
    booked_once(house, provider, id_)


@BOTH
def test_no_callback_at_all(house: House, provider: str) -> None:
    """Asking settles it: after 75 seconds at the latest."""
    house.fault(callbacks="lost")
    house.enter()
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    house.forward(80)
    booked_once(house, provider, id_)


@BOTH
def test_a_callback_that_comes_when_all_is_over(house: House, provider: str) -> None:
    house.fault(callbacks="late", late=0.5)
    house.enter()
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    house.forward(80)
    booked_once(house, provider, id_)
    server = house.gsma if provider == "wallet" else house.daraja
    until(lambda: server.called)
    assert server.called[-1][1] in (200, 204)
    booked_once(house, provider, id_)


def test_callbacks_in_another_order(house: House) -> None:
    """Two members pay at once, and hear of each other's first."""
    house.enter()
    house.fault(callbacks="lost")
    first, second = house.open("wallet"), house.open("mpesa", key="sms:2")
    house.settled(first, Step.PENDING)
    house.settled(second, Step.PENDING)
    house.forward(80)
    assert house.settled(first, Step.SUCCEEDED).receipt != house.settled(second, Step.SUCCEEDED).receipt
    assert house.entries() == 2
    assert house.paid(house.li) == house.paid(house.grace) == AMOUNT


@BOTH
def test_the_same_callback_a_hundred_times_at_once(house: House, provider: str) -> None:
    house.fault(callbacks="lost")
    house.enter()
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    server = house.gsma if provider == "wallet" else house.daraja
    until(lambda: house.bank.transfers if provider == "wallet" else house.daraja_bank.transfers)
    said = completed(house, provider)
    path, statuses = house.callback(id_), []

    def call() -> None:
        statuses.append(house.call(path, said, method="PUT" if provider == "wallet" else "POST")[0])

    threads = [threading.Thread(target=call) for _ in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(statuses) == {204 if provider == "wallet" else 200}
    assert len(statuses) == 100
    booked_once(house, provider, id_)
    assert server.count("merchantpay") + server.count("processrequest") == 1


def completed(house: House, provider: str, amount: int = AMOUNT) -> dict[str, object]:
    """What an honest provider would call back."""
    if provider == "wallet":
        (transfer,) = house.bank.transfers.values()
        return {
            "transactionStatus": "completed",
            "transactionReference": transfer.reference,
            "amount": f"{amount / 100:.2f}",
            "currency": "CNY",
        }
    (transfer,) = house.daraja_bank.transfers.values()
    items = {"Amount": amount / 100, "MpesaReceiptNumber": transfer.reference, "PhoneNumber": 254712345678}
    return {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": "1-1",
                "CheckoutRequestID": "ws_CO_1",
                "ResultCode": 0,
                "ResultDesc": "ok",
                "CallbackMetadata": {"Item": [{"Name": name, "Value": value} for name, value in items.items()]},
            }
        }
    }
