"""The GSMA Mobile Money API 1.2 in front of a simulated bank."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from gateway.providers.protocol import minor, written
from gateway.providers.simulated_server import Asked, Options, Reply, Server
from gateway.providers.simulator import Bank, Ending, Transfer

_ERRORS = {
    Ending.PIN: ("authorisation", "requestingPartyAuthorisationError"),
    Ending.CANCELLED: ("businessRule", "requestDeclined"),
    Ending.FUNDS: ("businessRule", "insufficientFunds"),
    Ending.TIMEOUT: ("businessRule", "quoteHasExpired"),
    Ending.BUSY: ("businessRule", "incorrectState"),
    Ending.NO_WALLET: ("identification", "identifierError"),
}


@dataclass(slots=True)
class _Request:
    """What a client has asked for, by its correlation id."""

    server_id: str
    callback: str
    status: str = "pending"
    reference: str | None = None
    error: dict[str, str] | None = None


class SimulatedGsma(Server):
    """`listen` and it is there; `bank` is behind it."""

    def __init__(self, reactor: Any, options: Options, bank: Bank, *, random: Random, currency: str = "CNY") -> None:
        super().__init__(reactor, options, random=random)
        self.bank, self.currency = bank, currency
        self._requests: dict[str, _Request] = {}

    async def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth/token" and asked.method == "POST":
            return self.token(asked)
        if asked.headers.get("x-client-id") != self.options.client_id:
            return _error(401, "authorisation", "clientAuthorisationError")
        if "authorization" in asked.headers and not self.knows(asked):
            return _error(401, "authorisation", "clientAuthorisationError")
        if asked.method == "POST":
            return await self._post(asked)
        if asked.path == f"/accounts/accountid/{self.bank.payee}/statemententries" and self.options.queries:
            return self._statement(asked.query)
        return self._get(asked.path) if self.options.queries else _error(503, "serviceUnavailable", "genericError")

    async def _post(self, asked: Asked) -> Reply:
        correlation = asked.headers.get("x-correlationid", "")
        if correlation in self._requests:
            return _error(400, "businessRule", "duplicateRequest")
        if not re.fullmatch(r"[0-9a-f-]{36}", correlation) or not isinstance(asked.content, dict):
            return _error(400, "validation", "formatError")
        reversal = re.fullmatch(r"/transactions/(\w+)/reversals", asked.path)
        if asked.path != "/transactions/type/merchantpay" and reversal is None:
            return _error(404, "identification", "identifierError")
        amount = minor(asked.content.get("amount"), self.currency)
        if asked.content.get("currency") != self.currency or amount is None or amount <= 0:
            return _error(400, "validation", "currencyNotSupported" if amount else "formatError")
        request = _Request(
            str(uuid.UUID(int=self._random.getrandbits(128), version=4)), asked.headers.get("x-callback-url", "")
        )

        def do() -> Reply:
            self._requests[correlation] = request
            if reversal is not None:
                made = self.bank.reverse(reversal[1], amount)
                self._ended(request, Ending.PAID if made else Ending.BUSY, made)
            else:
                debit = next((each["value"] for each in asked.content["debitParty"] if each["key"] == "msisdn"), "")
                self._forged(request, amount)
                reference = asked.content.get("requestingOrganisationTransactionReference", "")
                self.bank.ask(debit, amount, reference, lambda ending, made: self._ended(request, ending, made))
            return Reply(202, self._state(request, status="pending"))

        return await self.created(do)

    def _forged(self, request: _Request, amount: int) -> None:
        """Somebody says at once that it was paid."""
        if self.options.callbacks == "forged":
            said = {
                "transactionStatus": "completed",
                "transactionReference": "FORGED0001",
                "amount": written(amount, self.currency),
                "currency": self.currency,
            }
            self.forge("PUT", request.callback, said)
            self.forge("PUT", request.callback, said, elsewhere=False)

    def _ended(self, request: _Request, ending: Ending, transfer: Transfer | None) -> None:
        if transfer is None:
            category, code = _ERRORS.get(ending, ("businessRule", "genericError"))
            request.status, request.error = "failed", {"errorCategory": category, "errorCode": code}
            content: dict[str, Any] = dict(request.error)
        else:
            request.status, request.reference = "completed", transfer.reference
            content = self._transaction(transfer)
        if request.callback:
            self.call("PUT", request.callback, content)

    def _get(self, path: str) -> Reply:
        if path == "/heartbeat":
            return Reply(200, {"serviceStatus": "available"})
        kind, _, name = path.removeprefix("/").partition("/")
        if kind == "requeststates":
            found = next((each for each in self._requests.values() if each.server_id == name), None)
            return Reply(200, self._state(found)) if found else _error(404, "identification", "identifierError")
        if kind == "responses" and (request := self._requests.get(name)) is not None:
            link = f"/requeststates/{request.server_id}"
            return Reply(200, {"link": f"/transactions/{request.reference}" if request.reference else link})
        if kind == "transactions" and (transfer := self.bank.transfers.get(name)) is not None:
            return Reply(200, self._transaction(transfer))
        return _error(404, "identification", "identifierError")

    def _statement(self, query: dict[str, str]) -> Reply:
        """What moved in a time, the oldest first, a page of it."""
        first, last = (datetime.fromisoformat(query[name]) for name in ("fromDateTime", "toDateTime"))
        offset, limit = int(query.get("offset", 0)), min(int(query.get("limit", 50)), 50)
        moved = [each for each in self.bank.transfers.values() if first <= each.at < last]
        return Reply(200, [self._transaction(each) for each in moved[offset : offset + limit]])

    def _state(self, request: _Request, *, status: str | None = None) -> dict[str, Any]:
        state: dict[str, Any] = {
            "serverCorrelationId": request.server_id,
            "status": status or request.status,
            "notificationMethod": "callback",
            "pollLimit": 100,
        }
        if status is None and request.reference is not None:
            state["objectReference"] = request.reference
        if status is None and request.error is not None:
            state["error"] = request.error
        return state

    def _transaction(self, transfer: Transfer) -> dict[str, Any]:
        parties = [("debitParty", transfer.payer), ("creditParty", transfer.payee)]
        return {
            "transactionReference": transfer.reference,
            "transactionReceipt": transfer.reference,
            "creationDate": transfer.at.isoformat(timespec="seconds"),
            "transactionStatus": "completed",
            "type": "reversal" if transfer.reverses else "merchantpay",
            "amount": written(transfer.amount + self.options.extra, self.currency),
            "currency": self.currency,
            **{
                side: [{"key": "accountid" if party == self.bank.payee else "msisdn", "value": party}]
                for side, party in parties
            },
        }


def _error(status: int, category: str, code: str) -> Reply:
    return Reply(status, {"errorCategory": category, "errorCode": code})
