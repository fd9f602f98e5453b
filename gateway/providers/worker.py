"""Carries payments out: takes what is due after the commit, asks the provider, and settles its answer."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from commands.shown import decimals
from config.model import Gateway
from config.model import Provider as Settings
from gateway.affairs import intents
from gateway.affairs.intents import Intent, Kind, Taken
from gateway.affairs.wallets import Wallet
from gateway.core.database import Runs
from gateway.core.keys import Keys
from gateway.core.tasks import Rest, Tasks
from gateway.http import NotSent, Trouble
from gateway.providers import settling
from gateway.providers.daraja import SHILLING, Daraja
from gateway.providers.gsma import Gsma
from gateway.providers.protocol import Provider, Seen
from gateway.providers.settling import Event, Place

POLL = 1.0  # seconds: waking is a hint, the rows are the truth
_MAC = 32  # hexadecimal digits of a path's proof


class Wallets:
    """The worker of all providers. `start` it with the links, `stop` it before the database."""

    log = Logger()

    def __init__(
        self,
        database: Runs,
        clock: IReactorTime,
        *,
        providers: Mapping[str, Provider],
        place: Callable[[], Place],
        keys: Keys,
        public_url: str,
        now: Callable[[], datetime],
    ) -> None:
        self._database, self._clock, self.now = database, clock, now
        self.providers = providers
        self.place = place
        self._keys, self._public_url = keys, public_url
        self._tasks = Tasks()
        self._in_hand: set[str] = set()
        self._pause = Rest(clock, POLL)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._stopping = False
        self.events: dict[tuple[str, Event], int] = {}
        self.troubles: dict[str, int] = {}  # requests without an answer, by provider

    async def start(self) -> None:
        found = await self._database.run(intents.recover, self.now())
        if found:
            self.log.warn("{found} payments were under way at the last stop: the providers are asked", found=found)
        self._unsubscribe = self._database.subscribe(intents.TOPIC, self._pause.wake)
        self._tasks.start(self._run())

    def stop(self) -> Deferred[Any]:
        self._stopping = True
        self._unsubscribe()
        return self._tasks.stop()

    @property
    def problems(self) -> int:
        """How often a person had to be asked since the start."""
        return sum(count for (_, event), count in self.events.items() if event in (Event.PROBLEM, Event.UNKNOWN))

    # --- the round ------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._look()
            except CancelledError:
                raise
            except Exception:
                self.log.failure("payments that are due were not looked at")
            await self._pause.rest()

    async def _look(self) -> None:
        for taken in await self._database.run(intents.take, self.now(), tuple(self._in_hand)):
            provider = self.providers.get(taken.intent.provider)
            if provider is None:  # no longer in the configuration: it comes again with its lease
                self.log.warn("{provider}: no such provider, a payment waits", provider=taken.intent.provider)
                continue
            self._in_hand.add(taken.intent.id)
            self._tasks.start(self._attend(provider, taken))

    async def _attend(self, provider: Provider, taken: Taken) -> None:
        """One question to a provider, and what follows from its answer."""
        intent = taken.intent
        try:
            try:
                seen = await self._asked(provider, taken)
            except Trouble as trouble:
                self.troubles[provider.name] = self.troubles.get(provider.name, 0) + 1
                self.log.info("{provider}: {trouble}", provider=provider.name, trouble=trouble)
                work = settling.not_sent if isinstance(trouble, NotSent) and taken.fresh else settling.unclear
                await self._count(intent, self._database.run(work, self.place(), intent.id, self.now()))
            else:
                await self.settle(intent, seen)
        finally:
            self._in_hand.discard(intent.id)
            self._pause.wake()

    async def _asked(self, provider: Provider, taken: Taken) -> Seen:
        intent, callback = taken.intent, self.callback(taken.intent)
        if not taken.fresh:
            return await provider.query(intent, callback, self.now())
        if intent.kind is Kind.REFUND:
            assert intent.reverses is not None
            return await provider.give_back(intent, intent.reverses, callback)
        return await provider.submit(intent, callback)

    async def settle(self, intent: Intent, seen: Seen) -> Event:
        return await self._count(intent, self._database.run(settling.settle, self.place(), intent.id, seen, self.now()))

    async def _count(self, intent: Intent, settled: Deferred[Event]) -> Event:
        event = await settled
        key = intent.provider, event
        self.events[key] = self.events.get(key, 0) + 1
        if event in (Event.PROBLEM, Event.UNKNOWN):
            self.log.error("{provider}: payment {id} needs a person", provider=intent.provider, id=intent.id)
        return event

    # --- where they call back -------------------------------------------------------------------------------------

    def callback(self, intent: Intent) -> str:
        """The address for this payment alone; who does not know the keys cannot guess it, nor make another."""
        return f"{self._public_url}/payments/{intent.provider}/{secret(self._keys, intent.provider, intent.id)}"

    def pay_bill(self, name: str, which: str) -> str:
        """The address where payments to the pay bill are announced: which is confirmation or validation."""
        return f"{self._public_url}/payments/{name}/{pay_bill_secret(self._keys, name, which)}"


def secret(keys: Keys, provider: str, intent_id: str) -> str:
    """The id and its proof: nothing is kept that a thief of the database could use."""
    return UUID(intent_id).hex + keys.mac("payments", f"{provider}:{intent_id}")[:_MAC]


def intent_of(keys: Keys, provider: str, text: str) -> str | None:
    """The intent whose secret `text` is."""
    try:
        id_ = str(UUID(text[:32]))
    except ValueError:
        return None
    right = hmac.compare_digest(secret(keys, provider, id_).encode(), text.encode("utf-8", "replace"))
    return id_ if right else None


def pay_bill_secret(keys: Keys, provider: str, which: str) -> str:
    return keys.mac("payments", f"{provider}:{which}")[:40]


def clients(settings: Gateway, clock: IReactorTime, now: Callable[[], datetime]) -> dict[str, Provider]:
    """A client for each provider of the configuration."""
    kinds: dict[str, Callable[..., Provider]] = {"gsma": Gsma, "daraja": Daraja}
    currency = settings.organisation.currency
    return {
        provider.name: kinds[provider.kind](provider, clock, currency=currency, now=now)
        for provider in settings.providers.values()
    }


def wallets(settings: Gateway) -> tuple[Wallet, ...]:
    """The providers as members meet them."""
    return tuple(_wallet(provider, settings.organisation.currency) for provider in settings.providers.values())


def _wallet(provider: Settings, currency: str) -> Wallet:
    unit: int = 10 ** decimals(currency)
    return Wallet(
        name=provider.name,
        label=provider.label,
        prefixes=provider.prefixes,
        currency=currency,
        least=round(provider.least * unit),
        most=round(provider.most * unit),
        step=SHILLING if provider.kind == "daraja" else 1,
    )
