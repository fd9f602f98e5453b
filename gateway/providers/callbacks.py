"""What providers tell us: taken from the addresses they have, on a path that only they know, and never believed.

A callback makes us ask. Only the answer to a question of ours, named by the id that the provider gave to it, is settled
as it stands.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection
from twisted.logger import Logger

from config.model import Gateway
from gateway.affairs import intents
from gateway.affairs.intents import Intent
from gateway.core.database import Runs
from gateway.core.keys import Keys
from gateway.providers import paybill, settling
from gateway.providers.paybill import PaidIn
from gateway.providers.protocol import Notice, Provider, Unreadable
from gateway.providers.worker import Wallets, intent_of, pay_bill_secret

MOST_OCTETS = 16 << 10

_DARAJA = {"ResultCode": 0, "ResultDesc": "Accepted"}
_NO_ACCOUNT = {"ResultCode": "C2B00012", "ResultDesc": "Rejected"}
_NOT_OURS = {"ResultCode": "C2B00015", "ResultDesc": "Rejected"}  # another short code


class Said(NamedTuple):
    """Our answer; no content is an empty body."""

    status: int
    content: dict[str, Any] | None = None


class Doors:
    """One door for each payment, and two for each pay bill."""

    log = Logger()

    def __init__(self, settings: Gateway, database: Runs, wallets: Wallets, keys: Keys) -> None:
        self._settings, self._database, self._wallets, self._keys = settings, database, wallets, keys
        self._networks = {name: networks(each.sources) for name, each in settings.providers.items()}
        self._proxies = networks(settings.callbacks.trusted_proxies)
        self.heard: dict[tuple[str, int], int] = {}  # by provider and status of our answer

    async def hear(self, name: str, secret: str, body: bytes, peer: str, forwarded: str | None) -> Said:
        """A request to /payments/NAME/SECRET; the caller has seen to the size of its body."""
        said = await self._hear(name, secret, body, self._origin(peer, forwarded))
        if name in self._networks:
            self.heard[name, said.status] = self.heard.get((name, said.status), 0) + 1
        return said

    async def _hear(self, name: str, secret: str, body: bytes, origin: str) -> Said:
        provider = self._wallets.providers.get(name)
        if provider is None:
            return Said(404)
        if not is_within(origin, self._networks[name]):
            self.log.warn(
                "{provider}: a callback from {origin}, which is not of its sources", provider=name, origin=origin
            )
            return Said(403)
        which = next((each for each in ("confirmation", "validation") if self._is_pay_bill(name, secret, each)), None)
        intent_id = None if which is not None else intent_of(self._keys, name, secret)
        if which is None and intent_id is None:
            self.log.warn("{provider}: a callback on a path that is nobody's", provider=name)
            return Said(404)
        try:
            content = orjson.loads(body)
            if which is not None:
                return await self._paid_in(name, which, paybill.read(content, self._settings.organisation.currency))
            assert intent_id is not None
            return await self._about(provider, intent_id, provider.read(content))
        except (Unreadable, orjson.JSONDecodeError) as problem:
            self.log.warn("{provider}: a callback that cannot be read: {problem}", provider=name, problem=problem)
            return Said(400)

    def _is_pay_bill(self, name: str, secret: str, which: str) -> bool:
        if self._settings.providers[name].kind != "daraja":
            return False
        return hmac.compare_digest(pay_bill_secret(self._keys, name, which).encode(), secret.encode("utf-8", "replace"))

    async def _about(self, provider: Provider, intent_id: str, notice: Notice) -> Said:
        """About a payment of ours: noted, and asked about at once. Said again, the answer is the same."""
        intent = await self._database.run(self._note, intent_id, notice)
        if intent is None:
            return Said(404)
        if notice.evidence is not None and notice.answers is not None and notice.answers == intent.remote:
            await self._wallets.settle(intent, notice.evidence)
        return Said(204) if self._settings.providers[provider.name].kind == "gsma" else Said(200, _DARAJA)

    def _note(self, conn: Connection, intent_id: str, notice: Notice) -> Intent | None:
        if notice.evidence is None:
            settling.called_back(conn, self._wallets.place(), intent_id, notice.claims, self._wallets.now())
        return intents.by_id(conn, intent_id)

    async def _paid_in(self, name: str, which: str, paid: PaidIn) -> Said:
        if paid.payee != self._settings.providers[name].payee:
            return Said(200, _NOT_OURS)
        office, now = self._wallets.place().office, self._wallets.now()
        if which == "validation":
            known = await self._database.read(paybill.known_account, paid.account, now)
            return Said(200, _DARAJA if known else _NO_ACCOUNT)
        await self._database.run(paybill.announced, office, name, paid, now)
        return Said(200, _DARAJA)

    def _origin(self, peer: str, forwarded: str | None) -> str:
        """Who asks: behind a proxy of ours the last address that is none of our proxies."""
        if not forwarded or not is_within(peer, self._proxies):
            return peer
        hops = [hop.strip() for hop in forwarded.split(",")]
        return next((hop for hop in reversed(hops) if not is_within(hop, self._proxies)), peer)


_Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(texts: Iterable[str]) -> _Networks:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def is_within(address: str, among: _Networks) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)  # a dual-stack socket writes ::ffff:192.0.2.1
    return any((mapped or found) in network for network in among)
