"""A payment from a wallet, whatever befalls it: one ledger entry, or none and something that a person sees."""

from __future__ import annotations

import threading
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, insert

from gateway.affairs import intents
from gateway.affairs.intents import Another, Step
from gateway.affairs.ledger import AccountKind
from gateway.core.tables.staff import fact
from gateway.providers import settling
from gateway.providers.protocol import Outcome, Seen
from gateway.providers.settling import Event
from gateway.providers.simulator import Ending
from tests.providers.house import AMOUNT, GRACE, LI, PIN, House, until

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
    assert house.texts() == [f"【安河组织】Wallet已收9.00元，会费交至11月。收据{intent.receipt}，查看回13"]


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


@BOTH
@pytest.mark.parametrize(
    ("first", "second"),
    [(PIN, PIN), (None, PIN), (PIN, None)],
    ids=["both paid", "failed after paid", "paid after failed"],
)
def test_callbacks_of_two_payments_change_places(
    house: House, provider: str, first: str | None, second: str | None
) -> None:
    """The older one comes after the newer: each is about its own payment, and of what is over nothing changes."""
    house.fault(callbacks="reordered")
    server = house.gsma if provider == "wallet" else house.daraja
    bank = house.bank if provider == "wallet" else house.daraja_bank
    ids = []
    for number, pin in enumerate((first, second)):
        house.enter(pin)
        ids.append(house.open(provider, key=f"sms:{number}"))
        if not number:
            house.settled(ids[0], Step.PENDING)
            house.forward(80)  # its callback does not come: asking settles it
        house.settled(ids[number], Step.FAILED if pin is None else Step.SUCCEEDED)
    until(lambda: len(server.called) == 2)
    assert [url.rpartition("/")[2][:32] for url, _ in server.called] == [UUID(each).hex for each in reversed(ids)]
    assert {status for _, status in server.called} <= {200, 204}
    paid = [id_ for id_, pin in zip(ids, (first, second), strict=True) if pin is not None]
    until(lambda: {house.intent(id_).provider_txn for id_ in paid} == set(bank.transfers))
    assert [house.intent(id_).state for id_ in ids] == [
        Step.FAILED if pin is None else Step.SUCCEEDED for pin in (first, second)
    ]
    assert house.entries() == len(paid)
    assert house.balance(AccountKind.WALLET, provider) == len(paid) * AMOUNT == bank.received


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


# --- what does not agree ------------------------------------------------------------------------------------------


@BOTH
def test_another_amount_is_never_booked_under_the_intent(house: House, provider: str) -> None:
    """The provider itself says that it moved more: the money waits in suspense, and somebody looks at it."""
    house.fault(extra=100)
    house.enter()
    id_ = house.open(provider)
    until(lambda: house.intent(id_).problem)
    intent = house.intent(id_)
    assert intent.state is Step.UNKNOWN
    assert intent.problem == f"amount {AMOUNT + 100}, not {AMOUNT}"
    assert intent.receipt is None
    assert house.paid(house.li) == house.paid(house.grace) == 0
    assert house.balance(AccountKind.SUSPENSE, f"wallet:{provider}") == -(AMOUNT + 100)
    assert house.muster.wallets.problems == 1
    assert [each.id for each in house.work(intents.problems)] == [id_]
    until(lambda: house.texts(phone(provider)))  # that finance looks at it, and not to pay again
    assert len(house.texts(phone(provider))) == 1
    house.hurry()  # nothing asks again by itself: a person decides
    assert house.intent(id_).due is None


def test_an_altered_callback_changes_nothing(house: House) -> None:
    """A callback says 1,000 times as much: the provider is asked, and what it says is booked."""
    house.fault(callbacks="lost")
    house.enter()
    id_ = house.open()
    until(lambda: house.bank.transfers)
    assert house.call(house.callback(id_), completed(house, "wallet", amount=AMOUNT * 1000), method="PUT")[0] == 204
    booked_once(house, "wallet", id_)


def test_a_callback_that_says_failed_of_what_was_paid(house: House) -> None:
    house.fault(callbacks="lost")
    house.enter()
    id_ = house.open()
    until(lambda: house.bank.transfers)
    said = {"errorCategory": "businessRule", "errorCode": "insufficientFunds"}
    assert house.call(house.callback(id_), said, method="PUT")[0] == 204
    booked_once(house, "wallet", id_)


def test_a_callback_that_says_paid_of_what_was_not(house: House) -> None:
    id_ = house.open()
    house.settled(id_, Step.PENDING)
    said = {"transactionStatus": "completed", "transactionReference": "X", "amount": "9.00", "currency": "CNY"}
    asked = house.gsma.count(house.intent(id_).remote or "-")
    assert house.call(house.callback(id_), said, method="PUT")[0] == 204
    until(lambda: house.gsma.count(house.intent(id_).remote or "-") > asked)
    assert house.intent(id_).state is Step.PENDING
    nothing_booked(house)


@BOTH
def test_strangers_are_not_heard(house: House, provider: str) -> None:
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    path, method = house.callback(id_), "PUT" if provider == "wallet" else "POST"
    result = {"Result": {"ResultCode": 0, "ConversationID": "x"}}
    said = {"transactionStatus": "completed"} if provider == "wallet" else result
    assert house.call(path, said, method=method, source="127.0.0.2")[0] == 403
    # Nobody's proxy is believed.
    assert house.call(path, said, method=method, source="127.0.0.2", X_Forwarded_For="127.0.0.1")[0] == 403
    assert house.call(path[:-1] + ("0" if path[-1] != "0" else "1"), said, method=method)[0] == 404
    assert house.call(path.replace(provider, "other"), said, method=method)[0] == 404
    other = "mpesa" if provider == "wallet" else "wallet"
    assert house.call(path.replace(provider, other), said, method=method)[0] == 404  # the path of another provider
    assert house.call(f"/payments/{provider}/{'0' * 64}", said, method=method)[0] == 404
    assert house.call(path, b"{", method=method)[0] == 400
    assert house.call(path, b"[1]", method=method)[0] == 400
    assert house.call(path, b'{"x": "' + b"y" * 20_000 + b'"}', method=method)[0] == 413
    assert house.intent(id_).claims == {}
    nothing_booked(house)


def test_evidence_that_nobody_has_asked_for_is_none(house: House) -> None:
    """A Result without the conversation that Daraja gave us is not even a hint."""
    id_ = house.open("mpesa")
    house.settled(id_, Step.PENDING)
    result = {
        "ResultCode": 0,
        "ConversationID": "AG_20261125_1",
        "TransactionID": "RKTQDM7W6S",
        "ResultParameters": {
            "ResultParameter": [{"Key": "Amount", "Value": 9}, {"Key": "TransactionStatus", "Value": "Completed"}]
        },
    }
    assert house.call(house.callback(id_), {"Result": result})[0] == 200
    assert house.intent(id_).state is Step.PENDING
    nothing_booked(house)


# --- a provider in trouble ----------------------------------------------------------------------------------------


@BOTH
def test_a_provider_that_is_away_for_a_moment(house: House, provider: str) -> None:
    """Nothing reached it: it is sent again under the same id, and charged once."""
    server, bank = (house.gsma, house.bank) if provider == "wallet" else (house.daraja, house.daraja_bank)
    port = house.gsma_port if provider == "wallet" else house.daraja_port
    house.enter()
    house.running.call(server._port.stopListening)
    id_ = house.open(provider)
    until(lambda: house.intent(id_).attempts >= 1 and house.intent(id_).unwritten)
    house.running.call(server.listen, port)
    booked_once(house, provider, id_)
    assert len(bank.transfers) == 1


@BOTH
def test_a_provider_that_stays_away(house: House, provider: str) -> None:
    """No PIN pop-up comes long after it was asked for; the member hears that nothing was taken."""
    server = house.gsma if provider == "wallet" else house.daraja
    house.running.call(server._port.stopListening)
    id_ = house.open(provider)
    until(lambda: house.intent(id_).unwritten)
    house.forward(150)
    house.hurry()
    intent = house.settled(id_, Step.FAILED)
    assert (intent.reason or "").startswith("unavailable")
    until(lambda: house.texts(phone(provider)))
    nothing_booked(house)


@pytest.mark.parametrize("fault", ["unanswered", "failed", "hung"])
def test_the_answer_to_a_push_is_lost(house: House, fault: str) -> None:
    """GSMA: what became of it is asked by our own id, and it is never sent twice."""
    house.fault(submits=fault, callbacks="lost")
    house.enter()
    id_ = house.open()
    until(lambda: house.gsma.count("merchantpay") == 1)
    house.forward(6)
    house.forward_until(lambda: house.intent(id_).state is not Step.SUBMITTED)
    house.forward(80)
    booked_once(house, "wallet", id_)
    assert house.gsma.count("merchantpay") == 1
    assert house.gsma.count(f"/responses/{id_}") >= 1


@pytest.mark.parametrize("fault", ["unanswered", "failed", "hung"])
def test_the_answer_to_a_daraja_push_is_lost(house: House, fault: str) -> None:
    """It has no id of ours to ask by. The callback names the receipt, and the receipt can be asked about."""
    house.fault(submits=fault)
    house.enter()
    id_ = house.open("mpesa")
    until(lambda: house.daraja.count("processrequest") == 1)
    house.forward_until(lambda: house.intent(id_).state is Step.SUCCEEDED)
    booked_once(house, "mpesa", id_)
    assert house.daraja.count("processrequest") == 1
    assert house.daraja.count("transactionstatus/v1/query") >= 1
    assert house.daraja.count("stkpushquery/v1/query") == 0


def test_a_daraja_push_that_nobody_ever_hears_of(house: House) -> None:
    """Unknown, not failed: a person sees it, no second charge is made meanwhile, and it is never pushed again."""
    house.fault(submits="unanswered", callbacks="lost")
    house.enter()
    id_ = house.open("mpesa")
    until(lambda: house.daraja.count("processrequest") == 1)
    for _ in range(8):
        house.forward(900)
        house.hurry()
        until(lambda: house.waits(id_))
    intent = house.settled(id_, Step.UNKNOWN)
    assert house.daraja.count("processrequest") == 1
    assert intent.due is not None  # every night
    nothing_booked(house)
    assert house.work(intents.open_of, house.grace).id == id_
    assert [each.id for each in house.work(intents.problems)] == [id_]
    assert len(house.texts(GRACE)) == 2  # it takes longer; finance looks at it
    # The confirmation of the pay bill brings the receipt at last.
    (transfer,) = house.daraja_bank.transfers.values()
    path = house.muster.wallets.pay_bill("mpesa", "confirmation").removeprefix(house.settings.callbacks.public_url)
    house.fault(callbacks="once")
    said = house.daraja._c2b(transfer.reference, GRACE, AMOUNT, intent.reference)
    assert house.call(path, said)[0] == 200
    booked_once(house, "mpesa", id_)


@BOTH
def test_a_provider_that_answers_no_questions_for_an_hour(house: House, provider: str) -> None:
    house.fault(callbacks="lost", queries=False)
    house.enter()
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    until(lambda: house.bank.transfers or house.daraja_bank.transfers)
    for _ in range(6):
        house.forward(1000)
        house.hurry()
        until(lambda: house.waits(id_))
    house.settled(id_, Step.UNKNOWN)
    nothing_booked(house)
    house.fault(queries=True)
    house.forward(24 * 3600)  # the night comes
    booked_once(house, provider, id_)


@BOTH
def test_a_token_ends_in_the_middle(house: House, provider: str) -> None:
    house.enter()
    server = house.gsma if provider == "wallet" else house.daraja
    first = house.open(provider)
    house.settled(first, Step.SUCCEEDED)
    house.running.call(server.forget_tokens)
    second = house.open(provider, key="sms:2", amount=300)
    house.settled(second, Step.SUCCEEDED)
    assert house.entries() == 2


def test_money_that_comes_after_all_was_over(house: House) -> None:
    """The member heard that nothing was taken; the provider says otherwise later. It waits in suspense, and is seen."""
    house.fault(callbacks="lost")
    id_ = house.open()
    house.settled(id_, Step.PENDING)
    house.work(lambda conn: intents.move(conn, id_, Step.FAILED, house.now(), reason="funds"))
    house.running.call(house.phones.prompts[0].answer, "1234")
    assert house.call(house.callback(id_), completed(house, "wallet"), method="PUT")[0] == 204
    until(lambda: house.intent(id_).problem)
    assert house.intent(id_).problem == "paid after it was failed"
    assert house.balance(AccountKind.SUSPENSE, "wallet:wallet") == -AMOUNT
    assert house.paid(house.li) == 0
    house.call(house.callback(id_), completed(house, "wallet"), method="PUT")
    until(lambda: house.intent(id_).due is None)
    assert house.entries() == 1


def test_two_payments_at_once(house: House) -> None:
    """Of one member the second is refused while the first is open; of two members both go."""
    id_ = house.open()
    again = house.work(
        lambda conn: intents.open(
            conn, house.muster.ids, member_id=house.li, amount=AMOUNT, currency="CNY", provider="wallet", number=LI,
            language="zh", now=house.now(), request_key="sms:2",
        )
    )  # fmt: skip
    assert isinstance(again, Another)
    assert again.intent.id == id_
    house.enter()
    other = house.open("mpesa", key="sms:3")
    house.settled(other, Step.SUCCEEDED)
    until(lambda: house.phones.prompts)
    house.running.call(house.phones.prompts[0].answer, "1234")
    house.settled(id_, Step.SUCCEEDED)
    assert house.entries() == 2


def test_nothing_is_submitted_after_a_restore(quick: House) -> None:
    """It may have been, in what the backup lacks; an operator releases."""
    quick.enter()
    quick.work(lambda conn: conn.execute(insert(fact).values(name="hold", value="restored")))
    id_ = quick.open()
    until(lambda: quick.waits(id_))
    assert quick.intent(id_).state is Step.CREATED
    assert not quick.gsma.count("merchantpay")
    quick.work(lambda conn: conn.execute(delete(fact).where(fact.c.name == "hold")))
    quick.hurry()
    quick.settled(id_, Step.SUCCEEDED)


# --- a gateway that ends in the middle ----------------------------------------------------------------------------


@BOTH
def test_stopped_and_started_while_the_pop_up_is_open(house: House, provider: str) -> None:
    id_ = house.open(provider)
    house.settled(id_, Step.PENDING)
    house.restart()
    phones = house.phones if provider == "wallet" else house.daraja_phones
    house.running.call(phones.prompts[0].answer, "1234")
    booked_once(house, provider, id_)


def test_a_transaction_that_is_rolled_back_books_nothing(house: House) -> None:
    """The answer is there, the booking fails in the middle: nothing of it stays, and the next look books it once."""
    house.fault(callbacks="lost")
    house.enter()
    id_ = house.open()
    house.settled(id_, Step.PENDING)
    until(lambda: house.bank.transfers)
    (transfer,) = house.bank.transfers.values()
    seen = Seen(
        outcome=Outcome.COMPLETED, transaction=transfer.reference, amount=AMOUNT, currency="CNY", payer=LI, payee="2999"
    )

    def broken(conn: Connection) -> None:
        assert settling.settle(conn, house.muster.wallets.place(), id_, seen, house.now()) is Event.BOOKED
        raise RuntimeError("killed before the commit")

    with pytest.raises(RuntimeError):
        house.work(broken)
    nothing_booked(house)
    assert house.intent(id_).state is Step.PENDING
    assert house.paid(house.li) == 0
    house.forward(80)
    booked_once(house, "wallet", id_)
