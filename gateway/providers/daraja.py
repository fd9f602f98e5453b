"""Safaricom's Daraja: STK push, what became of it, reversals, and payments to the pay bill.

It knows no idempotency key: a push whose answer was lost is never sent again. A result code that nobody has described
is no failure (4999 is "still under processing"), and an amount has no cents.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from twisted.internet.interfaces import IReactorTime

from config.model import Provider as Settings
from gateway.affairs.intents import Intent, Kind, is_about
from gateway.http import Answer, Http, NotSent, Unclear
from gateway.providers.protocol import Notice, Outcome, Reason, Seen, Unreadable, minor
from gateway.providers.tokens import Tokens

ASKED = "status:"  # before a conversation id that we wait for, in the place of a checkout id
SHILLING = 100

_NAIROBI = ZoneInfo("Africa/Nairobi")
_REASONS = {
    "1": Reason.FUNDS,
    "17": Reason.BUSY,
    "26": Reason.UNAVAILABLE,
    "1001": Reason.BUSY,
    "1019": Reason.TIMEOUT,
    "1025": Reason.UNAVAILABLE,
    "1032": Reason.CANCELLED,
    "1037": Reason.TIMEOUT,
    "2001": Reason.PIN,
    "2006": Reason.REFUSED,
    "2028": Reason.REFUSED,
    "8006": Reason.PIN,
    "9999": Reason.UNAVAILABLE,
}
_UNREACHED = "1037"
_UNREACHED_STANDS = timedelta(minutes=2)  # before that, some were paid all the same
_BUSY = "500.001.1001"  # of a push: another is open on that phone; of a query: it is being processed
_NO_TOKEN = ("404.001.03", "400.003.01", "401")
_TOO_FAST = ("500.003.02", "500.003.03", "429")


class Daraja:
    """One pay bill."""

    def __init__(self, settings: Settings, clock: IReactorTime, *, currency: str, now: Callable[[], datetime]) -> None:
        self.name = settings.name
        self._settings, self._currency, self._now = settings, currency, now
        self._http = Http(clock, seconds=settings.timeout)
        self.tokens = Tokens(
            self._http,
            clock,
            method="GET",
            url=f"{settings.url}/oauth/v1/generate?grant_type=client_credentials",
            client=settings.client_id,
            secret=settings.client_secret,
        )

    async def submit(self, intent: Intent, callback: str) -> Seen:
        number = _digits(intent.number)
        answer = await self._ask(
            "/mpesa/stkpush/v1/processrequest",
            {
                **self._signed(),
                "TransactionType": "CustomerPayBillOnline",
                "Amount": intent.amount // SHILLING,
                "PartyA": number,
                "PartyB": self._settings.payee,
                "PhoneNumber": number,
                "CallBackURL": callback,
                "AccountReference": intent.reference,
                "TransactionDesc": "Dues",
            },
        )
        code = _text(answer.content, "errorCode")
        remote = _text(answer.content, "CheckoutRequestID")
        if answer.status == 200 and _text(answer.content, "ResponseCode") == "0" and remote:
            return Seen(outcome=Outcome.PENDING, remote=remote)
        if code == _BUSY:
            return Seen(outcome=Outcome.FAILED, reason=Reason.BUSY, detail=code)
        return self._refused(answer)

    async def give_back(self, intent: Intent, transaction: str, callback: str) -> Seen:
        if not self._settings.initiator:
            return Seen(outcome=Outcome.BLIND, detail="no initiator")
        answer = await self._ask(
            "/mpesa/reversal/v1/request",
            {
                **self._initiated(intent, callback),
                "CommandID": "TransactionReversal",
                "TransactionID": transaction,
                "Amount": intent.amount // SHILLING,
                "ReceiverParty": self._settings.payee,
                "RecieverIdentifierType": "11",  # as the API spells it
            },
        )
        return self._accepted(answer) or self._refused(answer)

    async def query(self, intent: Intent, callback: str, now: datetime) -> Seen:
        if intent.remote is not None and not intent.remote.startswith(ASKED):
            return await self._query_push(intent, now)
        if not self._settings.initiator:
            return Seen(outcome=Outcome.BLIND, detail="no initiator")
        asked: dict[str, Any] = {}
        if intent.kind is Kind.REFUND:
            asked = {"OriginatorConversationID": intent.id}
        elif (transaction := intent.provider_txn or intent.claims.get("MpesaReceiptNumber")) is not None:
            asked = {"TransactionID": transaction}
        else:
            return Seen(outcome=Outcome.BLIND, detail="the answer to the push was lost")
        answer = await self._ask(
            "/mpesa/transactionstatus/v1/query",
            {
                **self._initiated(intent, callback),
                **asked,
                "CommandID": "TransactionStatusQuery",
                "PartyA": self._settings.payee,
                "IdentifierType": "4",
            },
        )
        accepted = self._accepted(answer)
        if accepted is None:
            raise self._unanswered(answer)
        return accepted

    async def _query_push(self, intent: Intent, now: datetime) -> Seen:
        answer = await self._ask("/mpesa/stkpushquery/v1/query", {**self._signed(), "CheckoutRequestID": intent.remote})
        if _text(answer.content, "errorCode") == _BUSY:
            return Seen(outcome=Outcome.PENDING)
        code = _text(answer.content, "ResultCode")
        if code is None or _text(answer.content, "CheckoutRequestID") not in (None, intent.remote):
            raise self._unanswered(answer)
        if code == "0":
            return confirmed(intent)
        if code == _UNREACHED and now - intent.changed < _UNREACHED_STANDS:
            return Seen(outcome=Outcome.PENDING, detail=code)
        if (reason := _REASONS.get(code)) is None:
            return Seen(outcome=Outcome.PENDING, detail=code)
        return Seen(outcome=Outcome.FAILED, reason=reason, detail=code)

    async def probe(self) -> str:
        await self.tokens()
        return ""

    async def register(self, confirmation: str, validation: str) -> str:
        """Tell Daraja where payments to the pay bill are to be announced; what it answers."""
        answer = await self._ask(
            "/mpesa/c2b/v2/registerurl",
            {
                "ShortCode": self._settings.payee,
                "ResponseType": "Completed",  # when we cannot be reached: the money is the members', take it
                "ConfirmationURL": confirmation,
                "ValidationURL": validation,
            },
        )
        if answer.status != 200:
            raise self._unanswered(answer)
        return _text(answer.content, "ResponseDescription") or "registered"

    def read(self, content: Any) -> Notice:
        if not isinstance(content, dict):
            raise Unreadable("no object")
        if isinstance(result := content.get("Result"), dict):
            return self._read_result(result)
        body = content.get("Body")
        push = body.get("stkCallback") if isinstance(body, dict) else None
        if not isinstance(push, dict) or _text(push, "ResultCode") is None:
            raise Unreadable("neither stkCallback nor Result")
        items = _items(push.get("CallbackMetadata"), "Item", "Name")
        claims = {"ResultCode": _text(push, "ResultCode"), "CheckoutRequestID": _text(push, "CheckoutRequestID")}
        claims |= {key: _text(items, key) for key in ("Amount", "MpesaReceiptNumber", "PhoneNumber")}
        return Notice(claims={key: value for key, value in claims.items() if value is not None})

    def _read_result(self, result: dict[str, Any]) -> Notice:
        """The answer to a status query or a reversal that we have asked for; `answers` is which."""
        conversation, code = _text(result, "ConversationID"), _text(result, "ResultCode")
        if conversation is None or code is None:
            raise Unreadable("a Result without ConversationID and ResultCode")
        found = _items(result.get("ResultParameters"), "ResultParameter", "Key")
        status = _text(found, "TransactionStatus")
        amount = _text(found, "Amount")
        if code != "0":
            seen = Seen(outcome=Outcome.FAILED, reason=Reason.REFUSED, detail=code)
        elif status not in (None, "Completed"):
            failed = status in ("Failed", "Cancelled", "Declined", "Expired", "Reversed")
            outcome = Outcome.FAILED if failed else Outcome.PENDING
            seen = Seen(outcome=outcome, reason=Reason.REFUSED if failed else None, detail=status or "")
        else:
            seen = Seen(
                outcome=Outcome.COMPLETED,
                transaction=_text(found, "ReceiptNo") or _text(result, "TransactionID"),
                amount=None if amount is None else minor(amount, "KES"),
                currency=self._currency,
                payer=_party(found, "DebitPartyName"),
                payee=_party(found, "CreditPartyName"),
            )
        return Notice(answers=ASKED + conversation, evidence=seen)

    # --- HTTP ---------------------------------------------------------------------------------------------------

    async def _ask(self, path: str, content: dict[str, Any]) -> Answer:
        """With a fresh token once more, when the old one is refused: then nothing was done."""
        token = await self.tokens()
        answer = await self._ask_with(token, path, content)
        if answer.status == 401 or (_text(answer.content, "errorCode") or "").startswith(_NO_TOKEN):
            self.tokens.refused(token)
            answer = await self._ask_with(await self.tokens(), path, content)
        return answer

    async def _ask_with(self, token: str, path: str, content: dict[str, Any]) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._http.ask("POST", self._settings.url + path, headers, orjson.dumps(content))

    def _signed(self) -> dict[str, Any]:
        at = self._now().astimezone(_NAIROBI).strftime("%Y%m%d%H%M%S")
        code = self._settings.payee
        password = b64encode(f"{code}{self._settings.passkey}{at}".encode()).decode()
        return {"BusinessShortCode": code, "Password": password, "Timestamp": at}

    def _initiated(self, intent: Intent, callback: str) -> dict[str, Any]:
        return {
            "Initiator": self._settings.initiator,
            "SecurityCredential": self._settings.security_credential,
            "OriginatorConversationID": intent.id,
            "ResultURL": callback,
            "QueueTimeOutURL": callback,
            "Remarks": "Dues",
            "Occasion": intent.reference,
        }

    def _accepted(self, answer: Answer) -> Seen | None:
        conversation = _text(answer.content, "ConversationID")
        if answer.status == 200 and _text(answer.content, "ResponseCode") == "0" and conversation:
            return Seen(outcome=Outcome.PENDING, remote=ASKED + conversation)
        return None

    def _refused(self, answer: Answer) -> Seen:
        """What an answer that is no yes means for what we wanted: nothing was done, or nobody knows."""
        code = _text(answer.content, "errorCode") or ""
        if answer.status in (401, 429) or code.startswith((*_NO_TOKEN, *_TOO_FAST)):
            raise NotSent(f"answer {answer.status} {code}".strip())
        if answer.status >= 500 or answer.content is None:
            raise Unclear(f"answer {answer.status} {code}".strip())
        detail = code or _text(answer.content, "ResponseCode") or str(answer.status)
        return Seen(outcome=Outcome.FAILED, reason=Reason.REFUSED, detail=detail)

    def _unanswered(self, answer: Answer) -> Unclear:
        return Unclear(f"answer {answer.status} {_text(answer.content, 'errorCode') or ''}".strip())


def confirmed(intent: Intent) -> Seen:
    """A push is for the amount, the phone and the pay bill that we have named; its query repeats none of them."""
    claims = intent.claims if is_about(intent.claims, intent) else {}
    claimed = claims.get("MpesaReceiptNumber")
    return Seen(
        outcome=Outcome.COMPLETED,
        transaction=claimed if isinstance(claimed, str) else intent.remote,
        amount=intent.amount if (paid := claims.get("Amount")) is None else minor(paid, "KES"),
        currency=intent.currency,
        payer=claims.get("PhoneNumber"),
    )


def _text(content: Any, key: str) -> str | None:
    """A value as text: codes come as numbers and as texts, as it pleases."""
    value = content.get(key) if isinstance(content, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    return text if len(text) <= 500 else None


def _items(content: Any, key: str, name: str) -> dict[str, Any]:
    """A list of names and values as one object; a single one stands without a list."""
    found = content.get(key) if isinstance(content, dict) else None
    listed = found if isinstance(found, list) else [found]
    return {each[name]: each.get("Value") for each in listed if isinstance(each, dict) and name in each}


def _party(content: Any, key: str) -> str | None:
    """The number in "254708374149 - John Doe"."""
    text = _text(content, key)
    return None if text is None else text.partition(" - ")[0].strip() or None


def _digits(number: str) -> str:
    return number.removeprefix("+")
