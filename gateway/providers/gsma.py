"""The GSMA Mobile Money API 1.2: merchant payments that the payee initiates, reversals, and what became of them.

Every creation carries our correlation id. Sent again it is the same one, and `/responses/ID` says what became of it
when its answer was lost, so nothing is ever charged twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from twisted.internet.interfaces import IReactorTime

from config.model import Provider as Settings
from gateway.affairs.intents import Intent, Kind
from gateway.http import Answer, Http, NotSent, Unclear
from gateway.providers.protocol import Notice, Outcome, Reason, Seen, StatementEntry, Unreadable, minor, written
from gateway.providers.tokens import Tokens

_FAILED = frozenset({"failed", "declined", "rejected", "expired", "cancelled", "canceled", "reversed"})
_REASONS = {
    "insufficientFunds": Reason.FUNDS,
    "requestDeclined": Reason.CANCELLED,
    "requestingPartyAuthorisationError": Reason.PIN,
    "servicingPartyAuthorisationError": Reason.REFUSED,
    "identifierError": Reason.NO_WALLET,
    "incorrectState": Reason.BUSY,
    "underPaymentNotAllowed": Reason.LIMIT,
    "overPaymentNotAllowed": Reason.LIMIT,
    "lessThanTransactionMinValue": Reason.LIMIT,
    "greaterThanTransactionMaxValue": Reason.LIMIT,
    "maxBalanceExceeded": Reason.LIMIT,
    "quoteHasExpired": Reason.TIMEOUT,
}
_REFERENCE = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class Gsma:
    """One provider by this API."""

    page = 50  # entries of a statement that are asked for at a time

    def __init__(self, settings: Settings, clock: IReactorTime, *, currency: str, now: Callable[[], datetime]) -> None:
        self.name = settings.name
        self._settings, self._currency, self._now = settings, currency, now
        self._http = Http(clock, seconds=settings.timeout)
        self.tokens: Tokens | None = None
        if settings.token_url:
            self.tokens = Tokens(
                self._http,
                clock,
                method="POST",
                url=settings.token_url,
                client=settings.client_id,
                secret=settings.client_secret,
            )

    async def submit(self, intent: Intent, callback: str) -> Seen:
        payment = {
            "amount": written(intent.amount, intent.currency),
            "currency": intent.currency,
            "debitParty": [{"key": "msisdn", "value": intent.number}],
            "creditParty": [{"key": "accountid", "value": self._settings.payee}],
            "requestingOrganisationTransactionReference": intent.reference,
            "descriptionText": "Dues",
        }
        return await self._create("/transactions/type/merchantpay", payment, intent, callback)

    async def give_back(self, intent: Intent, transaction: str, callback: str) -> Seen:
        reversal = {
            "type": "reversal",
            "amount": written(intent.amount, intent.currency),
            "currency": intent.currency,
            "requestingOrganisationTransactionReference": intent.reference,
        }
        if not _REFERENCE.fullmatch(transaction):  # nothing is asked, so nothing is unclear
            return Seen(outcome=Outcome.FAILED, reason=Reason.REFUSED, detail=f"no reference: {transaction:.40}")
        return await self._create(f"/transactions/{transaction}/reversals", reversal, intent, callback)

    async def query(self, intent: Intent, callback: str, now: datetime) -> Seen:
        if intent.remote is not None and _REFERENCE.fullmatch(intent.remote):
            answer = await self._ask("GET", f"/requeststates/{intent.remote}")
            if answer.status == 200:
                return await self._state(answer.content, intent)
            if answer.status != 404:
                raise self._unanswered(answer)
        answer = await self._ask("GET", f"/responses/{intent.id}")
        if answer.status == 404:
            return Seen(outcome=Outcome.ABSENT)
        if answer.status != 200:
            raise self._unanswered(answer)
        link = _text(answer.content, "link")
        found = re.fullmatch(r"(?:.*)/(transactions|requeststates)/([A-Za-z0-9._~-]{1,128})", link or "")
        if found is None:
            raise Unclear("the answer to /responses has no link to a transaction")
        if found[1] == "transactions":
            return await self._transaction(found[2], intent)
        answer = await self._ask("GET", f"/requeststates/{found[2]}")
        if answer.status != 200:
            raise self._unanswered(answer)
        return await self._state(answer.content, intent)

    async def statement(self, first: datetime, last: datetime, offset: int) -> list[StatementEntry]:
        query = urlencode(
            {
                "fromDateTime": _moment(first),
                "toDateTime": _moment(last),
                "limit": self.page,
                "offset": offset,
            }
        )
        answer = await self._ask("GET", f"/accounts/accountid/{quote(self._settings.payee)}/statemententries?{query}")
        if answer.status != 200 or not isinstance(answer.content, list):
            raise self._unanswered(answer)
        return [self._entry(each) for each in answer.content]

    def _entry(self, content: Any) -> StatementEntry:
        currency = _text(content, "currency") or ""
        amount = minor(content.get("amount"), currency) if isinstance(content, dict) and currency else None
        left = _party(content, "debitParty", "accountid") == self._settings.payee
        if (_text(content, "transactionStatus") or "completed").lower() != "completed":
            amount = None
        return StatementEntry(
            transaction=_text(content, "transactionReference") or "",
            amount=-amount if left and amount is not None else amount,
            currency=currency,
            at=_read_moment(_text(content, "creationDate")),
            payer=_party(content, "debitParty", "msisdn") or "",
            text=_text(content, "requestingOrganisationTransactionReference") or "",
        )

    async def probe(self) -> str:
        answer = await self._ask("GET", "/heartbeat")
        if answer.status != 200:
            raise self._unanswered(answer)
        status = _text(answer.content, "serviceStatus") or "without a status"
        return "" if status == "available" else status

    def read(self, content: Any) -> Notice:
        """A transaction, a request state or an error: hints, all of them."""
        if not isinstance(content, dict) or not content.keys() & {
            "transactionStatus", "transactionReference", "status", "errorCode", "serverCorrelationId",
        }:  # fmt: skip
            raise Unreadable("neither a transaction nor an error")
        claims = {
            key: content[key]
            for key in ("transactionStatus", "transactionReference", "status", "errorCode", "amount", "currency")
            if isinstance(content.get(key), str)
        }
        return Notice(claims=claims)

    # --- a creation ---------------------------------------------------------------------------------------------

    async def _create(self, path: str, content: dict[str, Any], intent: Intent, callback: str) -> Seen:
        headers = {"X-CorrelationID": intent.id, "X-Callback-URL": callback, "X-Channel": "USSD"}
        answer = await self._ask("POST", path, content, headers)
        if answer.status in (200, 201, 202):
            return await self._created(answer.content, intent)
        if answer.status >= 500:
            raise Unclear(f"answer {answer.status}")
        code = _text(answer.content, "errorCode") or ""
        if code == "duplicateRequest":
            return await self.query(intent, callback, self._now())
        if answer.status in (401, 403, 429) or code == "rateLimitError":
            raise NotSent(f"answer {answer.status} {code}".strip())
        if answer.status < 400 or not code:
            raise Unclear(f"answer {answer.status} without a code")
        return _failed(answer.content)

    async def _created(self, content: Any, intent: Intent) -> Seen:
        if _text(content, "transactionStatus") is not None:
            return self._read(content, intent)
        if _text(content, "status") is not None:
            return await self._state(content, intent)
        raise Unclear("the answer to a creation is no request state")

    async def _state(self, content: Any, intent: Intent) -> Seen:
        remote, status = _text(content, "serverCorrelationId"), _text(content, "status")
        if status == "failed":
            return _failed(content.get("error") or {})
        reference = _text(content, "objectReference")
        if status == "completed":
            if reference is None or not _REFERENCE.fullmatch(reference):
                raise Unclear("a completed request names no transaction")
            return await self._transaction(reference, intent)
        return Seen(outcome=Outcome.PENDING, remote=remote)

    async def _transaction(self, reference: str, intent: Intent) -> Seen:
        answer = await self._ask("GET", f"/transactions/{reference}")
        if answer.status != 200:
            raise self._unanswered(answer)
        return self._read(answer.content, intent)

    def _read(self, content: Any, intent: Intent) -> Seen:
        status = (_text(content, "transactionStatus") or "").lower()
        if status in _FAILED:
            return _failed(content)
        if status != "completed":
            return Seen(outcome=Outcome.PENDING)
        currency = _text(content, "currency")
        payer, payee = _party(content, "debitParty", "msisdn"), _party(content, "creditParty", "accountid")
        if intent.kind is Kind.REFUND:
            payer, payee = _party(content, "debitParty", "accountid"), _party(content, "creditParty", "msisdn")
        return Seen(
            outcome=Outcome.COMPLETED,
            transaction=_text(content, "transactionReference"),
            amount=minor(content.get("amount"), currency or intent.currency),
            currency=currency,
            payer=payer,
            payee=payee,
        )

    # --- HTTP ---------------------------------------------------------------------------------------------------

    async def _ask(self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """With a fresh token once more, when the old one is refused."""
        token = await self.tokens() if self.tokens is not None else ""
        answer = await self._ask_with(token, method, path, content, headers or {})
        if answer.status == 401 and self.tokens is not None:
            self.tokens.refused(token)
            answer = await self._ask_with(await self.tokens(), method, path, content, headers or {})
        return answer

    async def _ask_with(self, token: str, method: str, path: str, content: Any, headers: dict[str, str]) -> Answer:
        body = None if content is None else orjson.dumps(content)
        named = {"X-Date": self._now().isoformat(timespec="seconds"), **headers}
        for header, value in (("X-Client-Id", self._settings.client_id), ("X-API-Key", self._settings.api_key)):
            if value:
                named[header] = value
        if token:
            named["Authorization"] = f"Bearer {token}"
        if body is not None:
            named["X-Content-Hash"] = hashlib.sha256(body).hexdigest()
        return await self._http.ask(method, self._settings.url + path, named, body)

    def _unanswered(self, answer: Answer) -> Unclear:
        return Unclear(f"answer {answer.status} {_text(answer.content, 'errorCode') or ''}".strip())


def _failed(content: Any) -> Seen:
    code = _text(content, "errorCode") or "failed"
    reason = _REASONS.get(code, Reason.LIMIT if code.endswith("Exceeded") else Reason.REFUSED)
    return Seen(outcome=Outcome.FAILED, reason=reason, detail=code)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _read_moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _text(content: Any, key: str) -> str | None:
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, str) and len(value) <= 500 else None


def _party(content: Any, side: str, key: str) -> str | None:
    """The value of one identifier of a party, which has several."""
    for each in (content.get(side) if isinstance(content, dict) else None) or ():
        if isinstance(each, dict) and each.get("key") == key and isinstance(each.get("value"), str):
            value: str = each["value"]
            return value
    return None
