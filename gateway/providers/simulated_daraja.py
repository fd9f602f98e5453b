"""Daraja in front of a simulated bank: STK push and its query, pay bill, transaction status, reversal."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from random import Random
from typing import Any

import orjson

from gateway.providers.simulated_server import Asked, Options, Reply, Server
from gateway.providers.simulator import Bank, Ending, Transfer

PASSKEY = "passkey"
INITIATOR = "muster"
CREDENTIAL = "credential"

_CODES = {
    Ending.PAID: (0, "The service request is processed successfully."),
    Ending.FUNDS: (1, "The balance is insufficient for the transaction."),
    Ending.CANCELLED: (1032, "Request cancelled by user."),
    Ending.TIMEOUT: (1037, "DS timeout user cannot be reached."),
    Ending.PIN: (2001, "The initiator information is invalid."),
    Ending.NO_WALLET: (2006, "The account is not active."),
}


@dataclass(slots=True)
class _Push:
    checkout: str
    merchant: str
    callback: str
    amount: int
    number: str
    reference: str
    code: int | None = None
    words: str = ""


class SimulatedDaraja(Server):
    """One short code."""

    def __init__(self, reactor: Any, options: Options, bank: Bank, *, random: Random) -> None:
        super().__init__(reactor, options, random=random)
        self.bank = bank
        self.registered: dict[str, str] = {}
        self.validated: list[Any] = []
        self._pushes: dict[str, _Push] = {}
        self._results: dict[str, Transfer | None] = {}  # reversals, by OriginatorConversationID

    async def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/v1/generate":
            return self.token(asked)
        if not self.knows(asked):
            return Reply(401, {"errorCode": "404.001.03", "errorMessage": "Invalid Access Token"})
        content = asked.content if isinstance(asked.content, dict) else {}
        match asked.path:
            case "/mpesa/stkpush/v1/processrequest":
                return await self._push(content)
            case "/mpesa/stkpushquery/v1/query":
                return self._query(content) if self.options.queries else _wrong(503, "503.001.01", "Unavailable")
            case "/mpesa/transactionstatus/v1/query":
                return self._status(content) if self.options.queries else _wrong(503, "503.001.01", "Unavailable")
            case "/mpesa/reversal/v1/request":
                return await self.created(lambda: self._reverse(content))
            case "/mpesa/c2b/v2/registerurl":
                self.registered = {key: str(content.get(key)) for key in ("ConfirmationURL", "ValidationURL")}
                return Reply(200, {"ResponseCode": "0", "ResponseDescription": "Success"})
        return _wrong(404, "404.001.01", "Resource not found")

    # --- push -------------------------------------------------------------------------------------------------------

    async def _push(self, content: dict[str, Any]) -> Reply:
        if not self._is_signed(content):
            return _wrong(500, "500.001.1001", "Wrong credentials")
        if not isinstance(content.get("Amount"), int) or content["Amount"] < 1:
            return _wrong(400, "400.002.02", "Bad Request - Invalid Amount")
        if len(str(content.get("AccountReference"))) > 12 or len(str(content.get("TransactionDesc"))) > 13:
            return _wrong(400, "400.002.02", "Bad Request - Invalid AccountReference")
        push = _Push(
            checkout=f"ws_CO_{self._random.getrandbits(64):020d}",
            merchant=f"{self._random.getrandbits(32)}-1",
            callback=content["CallBackURL"],
            amount=content["Amount"] * 100,
            number=str(content["PhoneNumber"]),
            reference=content["AccountReference"],
        )
        busy: list[Ending] = []

        def ended(ending: Ending, transfer: Transfer | None) -> None:
            if ending is Ending.BUSY:
                busy.append(ending)
            else:
                self._pushed(push, ending, transfer)

        def do() -> Reply:
            self._pushes[push.checkout] = push
            self._forged(push)
            self.bank.ask(push.number, push.amount, push.reference, ended)
            if busy:
                del self._pushes[push.checkout]
                return _wrong(500, "500.001.1001", "Unable to lock subscriber, a transaction is already in process")
            return Reply(
                200,
                {
                    "MerchantRequestID": push.merchant,
                    "CheckoutRequestID": push.checkout,
                    "ResponseCode": "0",
                    "ResponseDescription": "Success. Request accepted for processing",
                    "CustomerMessage": "Success. Request accepted for processing",
                },
            )

        return await self.created(do)

    def _is_signed(self, content: dict[str, Any]) -> bool:
        expected = f"{self.bank.payee}{PASSKEY}{content.get('Timestamp')}"
        return content.get("Password") == base64.b64encode(expected.encode()).decode()

    def _forged(self, push: _Push) -> None:
        """Somebody says at once that it was paid, and names a push of his own."""
        if self.options.callbacks == "forged":
            said = _callback(push, 0, "forged", "FORGED0001", push.amount)
            said["Body"]["stkCallback"]["CheckoutRequestID"] = "ws_CO_of_somebody_else"
            self.forge("POST", push.callback, said)
            self.forge("POST", push.callback, said, elsewhere=False)

    def _pushed(self, push: _Push, ending: Ending, transfer: Transfer | None) -> None:
        push.code, push.words = _CODES[ending]
        receipt = transfer.reference if transfer is not None else None
        amount = push.amount + self.options.extra
        self.call("POST", push.callback, _callback(push, push.code, push.words, receipt, amount))
        if transfer is not None:
            self._confirm(transfer, push.reference)

    def _query(self, content: dict[str, Any]) -> Reply:
        push = self._pushes.get(str(content.get("CheckoutRequestID")))
        if push is None or not self._is_signed(content):
            return _wrong(400, "400.002.02", "Bad Request - Invalid CheckoutRequestID")
        if push.code is None:
            return _wrong(500, "500.001.1001", "The transaction is being processed")
        return Reply(
            200,
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successfully",
                "MerchantRequestID": push.merchant,
                "CheckoutRequestID": push.checkout,
                "ResultCode": str(push.code),
                "ResultDesc": push.words,
            },
        )

    # --- pay bill ---------------------------------------------------------------------------------------------------

    async def pay(self, number: str, amount: int, account: str, pin: str) -> Ending:
        """A member pays by the wallet's own menu: validated if we ask for it, then confirmed."""
        said = self._c2b("", number, amount, account)
        if url := self.registered.get("ValidationURL"):
            answer = await self._http.ask("POST", url, {}, orjson.dumps(said))
            self.validated.append(answer.content)
            if not isinstance(answer.content, dict) or answer.content.get("ResultCode") != 0:
                return Ending.CANCELLED
        ending, transfer = self.bank.pay(number, amount, pin)
        if transfer is not None:
            self._confirm(transfer, account)
        return ending

    def _confirm(self, transfer: Transfer, account: str) -> None:
        if url := self.registered.get("ConfirmationURL"):
            amount = transfer.amount + self.options.extra
            self.call("POST", url, self._c2b(transfer.reference, transfer.payer, amount, account))

    def _c2b(self, reference: str, number: str, amount: int, account: str) -> dict[str, Any]:
        digits = number.removeprefix("+")
        return {
            "TransactionType": "Pay Bill",
            "TransID": reference or f"V{self._random.getrandbits(40):010X}"[:10],
            "TransTime": "20261125191500",
            "TransAmount": f"{amount / 100:.2f}",
            "BusinessShortCode": self.bank.payee,
            "BillRefNumber": account,
            "MSISDN": f"{digits[:5]} ***** {digits[-3:]}",
            "FirstName": "",
        }

    # --- status and reversal ----------------------------------------------------------------------------------------

    def _status(self, content: dict[str, Any]) -> Reply:
        if content.get("Initiator") != INITIATOR or content.get("SecurityCredential") != CREDENTIAL:
            return _wrong(401, "404.001.04", "Invalid initiator")
        original = str(content.get("OriginatorConversationID"))
        if content.get("TransactionID"):
            transfer = self.bank.transfers.get(str(content["TransactionID"]))
        else:
            transfer = self._results.get(original)
        return self._conversation(content, transfer)

    def _reverse(self, content: dict[str, Any]) -> Reply:
        if content.get("Initiator") != INITIATOR or content.get("SecurityCredential") != CREDENTIAL:
            return _wrong(401, "404.001.04", "Invalid initiator")
        original = str(content.get("OriginatorConversationID"))
        if original not in self._results:
            transfer = self.bank.reverse(str(content.get("TransactionID")), int(content.get("Amount", 0)) * 100)
            self._results[original] = transfer
        return self._conversation(content, self._results[original])

    def _conversation(self, content: dict[str, Any], transfer: Transfer | None) -> Reply:
        """Accepted now; the result is called back."""
        conversation = f"AG_20261125_{self._random.getrandbits(80):020x}"
        code = 0 if transfer is not None else 2032
        result: dict[str, Any] = {
            "ResultType": 0,
            "ResultCode": code,
            "ResultDesc": "done" if transfer is not None else "no such transaction",
            "OriginatorConversationID": content.get("OriginatorConversationID"),
            "ConversationID": conversation,
            "TransactionID": transfer.reference if transfer is not None else "0",
        }
        if transfer is not None:
            amount = (transfer.amount + self.options.extra) / 100
            named = {
                "ReceiptNo": transfer.reference,
                "TransactionStatus": "Completed",
                "Amount": amount,
                "DebitPartyName": f"{transfer.payer.removeprefix('+')} - Somebody",
                "CreditPartyName": f"{transfer.payee.removeprefix('+')} - Somebody",
            }
            result["ResultParameters"] = {
                "ResultParameter": [{"Key": key, "Value": value} for key, value in named.items()]
            }
        self._reactor.callLater(0.05, self.call, "POST", str(content.get("ResultURL")), {"Result": result})
        return Reply(
            200,
            {
                "OriginatorConversationID": content.get("OriginatorConversationID"),
                "ConversationID": conversation,
                "ResponseCode": "0",
                "ResponseDescription": "Accept the service request successfully.",
            },
        )


def _callback(push: _Push, code: int, words: str, receipt: str | None, amount: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "MerchantRequestID": push.merchant,
        "CheckoutRequestID": push.checkout,
        "ResultCode": code,
        "ResultDesc": words,
    }
    if receipt is not None:
        items = {
            "Amount": amount / 100,
            "MpesaReceiptNumber": receipt,
            "TransactionDate": 20261125191500,
            "PhoneNumber": int(push.number),
        }
        said["CallbackMetadata"] = {"Item": [{"Name": key, "Value": value} for key, value in items.items()]}
    return {"Body": {"stkCallback": said}}


def _wrong(status: int, code: str, words: str) -> Reply:
    return Reply(status, {"requestId": "1-1-1", "errorCode": code, "errorMessage": words})
