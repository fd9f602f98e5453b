"""Where everything is joined: the database, the desk, the links, the console, the API and the timetable."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.logger import Logger

from commands import chosen, voice
from commands.office import Office
from config import receipt_rules
from config.model import ApiKey, Gateway
from gateway import deciding, linking, wire
from gateway.affairs import chain
from gateway.affairs import settings as decisions
from gateway.affairs.settings import Snapshot
from gateway.alarms import Alarms
from gateway.api import intake
from gateway.bookkeeping import Bookkeeping
from gateway.console.app import TOPICS, Console
from gateway.console.importer import Importer
from gateway.console.importer import forget as forget_imports
from gateway.console.importer import forget_jobs as forget_import_jobs
from gateway.console.web import Extra
from gateway.core import deliveries, messages, outcomes, recovery, upgrade
from gateway.core.database import Database
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Part
from gateway.core.tables.messages import message
from gateway.deskwork import Deskwork
from gateway.inbound import Desk
from gateway.limits import Limits
from gateway.links import Board, Link
from gateway.mail import Mailer
from gateway.moneywork import Moneywork
from gateway.notices import PROGRESS, Notices
from gateway.outbox import Outbox
from gateway.providers.fetching import Statements
from gateway.providers.settling import Place
from gateway.providers.worker import Wallets, clients
from gateway.routing import choose
from gateway.sharing import Sharing
from gateway.timetable import Job, Timetable, background
from gateway.upkeep import Upkeep
from gateway.wire import Wire
from gateway.workplace import Workplace
from menus.sessions import Sessions

if TYPE_CHECKING:
    from gateway.api.callbacks import Callbacks
    from gateway.api.site import Api

PARTS = frozenset({"links", "console", "api"})  # what `--only` may name
SHARED = (*TOPICS, PROGRESS)  # of pages: what a process must hear of that another one has done
GRACE = 10.0  # seconds for what is on its way, when the gateway stops
_KEPT = timedelta(days=1)  # what is over, before it is erased


class Muster:
    """One gateway. `start` fires when it works, `stop` when it is safe to end the process."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Gateway,
        *,
        only: Collection[str] = PARTS,
        demo: bool = False,
        extras: Callable[[Muster], Sequence[Extra]] = lambda _: (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.reactor = reactor
        self.now = now
        self.demo = demo
        self._only = frozenset(only)
        self._extras = extras
        self.keys = Keys.load(settings.security.key_file)
        self.random = random.SystemRandom()
        self.database = Database(settings.database.url, reactor, links="links" in self._only)
        self.ids = Ids(slot=_slot(self._only, self.random) if self.database.shared else 0)
        # What is done once for all, by the clock or after a start, is done where the links are.
        self._keeps = "links" in self._only or not self.database.shared
        self.board = Board(reactor.seconds)
        self.decided = Snapshot()  # what the organisation decides while it runs
        self._chosen = chosen.Chosen()
        office = deciding.office(settings, self.keys, self.ids, self._chosen)
        self.place = Workplace(
            office=office,
            engine=deciding.engine(office, settings),
            sessions=Sessions(),
            limits=Limits(),
            random=self.random,
            route=self._route,
            rules=receipt_rules.load(settings.receipts.folder)[0],
            wallets=deciding.on_sims(settings),
        )
        self.desk = Desk(self.place, self.database, self.board, reactor, now)
        self.notices = Notices(
            voice.place(settings.organisation, self.ids), self.desk, self.database, self.board, reactor, now
        )
        self.importer = Importer(
            url=settings.database.url,
            folder=settings.path.parent / "imports",
            keys=self.keys,
            ids=self.ids,
            organisation=settings.organisation,
            reactor=reactor,
            now=now,
        )
        self.console: Console | None = None
        self.api: Api | None = None
        self.wallets = Wallets(
            self.database,
            reactor,
            providers=clients(settings, reactor, now),
            place=self._settling,
            keys=self.keys,
            public_url=settings.callbacks.public_url,
            now=now,
        )
        self._alarms = Alarms(
            self.office,
            self.board,
            self.database,
            to=settings.alarms,
            quarantined=lambda: self.desk.counters.quarantined,
            money=lambda: self.desk.counters.money,
            payments=lambda: self.wallets.problems,
            now=now,
        )
        self._bookkeeping = Bookkeeping(self.database, lambda: self.office, self._route, now)
        self._moneywork = Moneywork(
            self.database, lambda: self.place, self._route, now, askable=tuple(settings.providers),
            statements=Statements(self.database, self.wallets.providers, lambda: self.office.books, now).fetch,
        )  # fmt: skip
        self._upkeep = Upkeep(self.database, self.desk, lambda: self.office, reactor, now)
        self._mailer = Mailer(reactor, self.database, settings.alarms, now)
        self._deskwork = Deskwork(self.database, lambda: self.office, self._alarms, now)
        self._timetable = Timetable(reactor, self._jobs(), self._busy)
        self._ports: list[IListeningPort] = []
        self._sharing: Sharing | None = None
        # Imported where it is needed: a gateway that tells nobody by HTTP is smaller without.
        self._tells = bool(settings.alarms.webhook or settings.api.keys)
        self._callbacks: Callbacks | None = None

    @property
    def office(self) -> Office:
        """As the organisation has it now: ask again rather than keep it."""
        return self.place.office

    # --- start ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        _calm_collector()
        self.database.start()
        await self.database.run(upgrade.check, self.keys)
        newest = await self.database.run(_newest)
        self.ids.start_after(newest)
        await self._decide()
        if self._keeps:
            await self._recover()
        if "links" in self._only:
            for link, kind, prefixes in self._links():
                await self._add(link, kind, prefixes)
        if "api" in self._only:
            from gateway.api.site import Api

            self.api = Api(self)
            self.api.start()
            await self._listen(self.settings.api.listen, self.api.site())
            if self.settings.callbacks.listen:
                await self._listen(self.settings.callbacks.listen, self.api.callbacks_site())
        if "console" in self._only:
            self.console = self._make_console()
            self.console.startService()
            await self._listen(self.settings.console.listen, self.console.site())
        for name, outbox in self.desk.outboxes.items():
            outbox.start()
            self.board[name].link.startService()
        await self._share()
        if "links" in self._only:
            await self.wallets.start()
        self.database.subscribe("queue", self.desk.poke)
        self.database.subscribe(decisions.TOPIC, lambda: self._timetable.now("settings"))
        self._timetable.start()
        if self._tells:
            self._callbacks = self._make_callbacks()
            self._callbacks.start()
        if self._keeps:
            self.notices.start()
        self.log.info(
            "{name}: ready, {links} links", name=self.settings.organisation.name, links=len(self.board.links())
        )

    async def _recover(self) -> None:
        folder = self.settings.path.parent
        leased, unknown = await self.database.run(recovery.recover, self.now(), wire.left(folder, wire.boot()))
        wire.discard(folder)
        if leased or unknown:
            self.log.warn(
                "after the last stop: {leased} queued again, {unknown} unknown", leased=leased, unknown=unknown
            )

    async def _share(self) -> None:
        """Tell other processes on this database what is new, and hear of it."""
        if not self.database.shared:
            return
        self._sharing = Sharing(
            self.database,
            self.board,
            self.reactor,
            self.now,
            process=f"{self.random.getrandbits(64):016x}",
            topics=SHARED,
            holds="links" in self._only,
            watched=lambda: self.console is not None and len(self.console.events) > 0,
        )
        await self._sharing.start()

    def _links(self) -> list[tuple[Link, str, tuple[str, ...]]]:
        return linking.links(
            self.settings,
            self.desk,
            reactor=self.reactor,
            random=self.random,
            new_id=self.ids,
            now=self.now,
        )

    async def _add(self, link: Link, kind: str, prefixes: tuple[str, ...]) -> None:
        stored = kind == "modem"
        since = self.now() - timedelta(days=7) if stored else None
        found = await self.database.run(messages.fingerprints, link.name, since)
        self.desk.add_link(link.name, stored=stored, fingerprints=found)
        entry = self.board.add(link, kind=kind, prefixes=prefixes)
        outbox = Outbox(
            link,
            self.database,
            self.keys,
            self.reactor,
            self.now,
            settled=partial(self._count, link.name),
            throttled=entry.throttled.add,
            wrote=entry.went.add,
            elsewhere=partial(self._elsewhere, link.name),
            wire=self._wire(link),
            bulk=self.notices.handover,
        )
        entry.counted = lambda: outbox.unanswered
        self.desk.outboxes[link.name] = outbox

    def _wire(self, link: Link) -> Wire | None:
        boot = wire.boot()
        if not boot or not link.window:
            return None
        try:
            return Wire(self.settings.path.parent, link.name, link.window, boot)
        except OSError as error:
            self.log.warn(
                "{link}: {error}; a slow operator waits a little for each window", link=link.name, error=error.strerror
            )
            return None

    def _elsewhere(self, link: str, part: Part) -> str | None:
        return choose([other for other in self.board if other.ready and other.name != link], part.to)

    def _count(self, link: str, answers: Sequence[outcomes.Answer]) -> None:
        for answer in answers:
            self.desk.counters.part(link, answer.state)

    def _make_console(self) -> Console:
        return Console(
            self.settings.console,
            self.settings.organisation,
            database=self.database,
            board=self.board,
            commands=deciding.names(self.office),
            texts=self.office.texts,
            keys=self.keys,
            ids=self.ids,
            reactor=self.reactor,
            now=self.now,
            demo=self.demo,
            providers=tuple(self.settings.providers),
            bank=self.settings.remittance_bank,
            sms_to=next((link.source for link in self.settings.smpp.values() if link.source), ""),
            extras=self._extras(self),
            exports=self.settings.path.parent / "exports",
            importer=self.importer,
        )

    def _make_callbacks(self) -> Callbacks:
        from gateway.api.callbacks import Callbacks

        settings = self.settings
        return Callbacks(self.database, self.reactor, accounts=_told(settings), new_id=self.ids, now=self.now)

    async def _listen(self, endpoint: str, site: Any) -> None:
        self._ports.append(await serverFromString(self.reactor, endpoint).listen(site))

    def addresses(self) -> list[Any]:
        """Where it listens."""
        return [port.getHost() for port in self._ports]

    # --- stop -------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Take nothing new, let what is on its way arrive, park the rest, close."""
        await DeferredList([maybeDeferred(port.stopListening) for port in self._ports])
        await self._timetable.stop()
        await self.notices.stop()
        await self.wallets.stop()
        if self._callbacks is not None:
            await self._callbacks.stop()
        if self._sharing is not None:
            await _at_most(self.reactor, Deferred.fromCoroutine(self._sharing.stop()), 1)
        if self.api is not None:
            self.api.stop()
        if self.console is not None:
            self.console.stopService()
        outboxes = list(self.desk.outboxes.values())
        drained = DeferredList([outbox.stop() for outbox in outboxes])
        await _at_most(self.reactor, drained, GRACE * 0.65)
        # A link waits once more for answers; the last of GRACE is for the database.
        await _at_most(self.reactor, DeferredList([maybeDeferred(entry.link.stopService) for entry in self.board]), 1)
        parked = sum(outbox.inflight for outbox in outboxes)
        await _at_most(self.reactor, self.desk.idle(), 0.5)
        await self.database.stop()
        self.log.info("stopped, {parked} parts without an answer", parked=parked)

    # --- by the clock -----------------------------------------------------------------------------------------

    def _jobs(self) -> list[Job]:
        """Alarms are looked for and told in every process: one of them may be what has failed."""
        return [
            *(self._kept() if self._keeps else ()),
            Job("old imports", 3600.0, self.importer.sweep),
            Job("settings", 1.0, self._decide),
            Job("alarms", 10.0, self._alarms.look),
            Job("mail", 10.0, self._mailer.look),
        ]

    def _kept(self) -> list[Job]:
        return [
            *self._upkeep.jobs(),
            *self._bookkeeping.jobs(),
            *self._moneywork.jobs(),
            *self._deskwork.jobs(),
            background(self.database, "forget requests", 3600.0, intake.forget, lambda: self.now() - _KEPT),
            background(self.database, "forget imports", 600.0, forget_imports, self.now),
            background(self.database, "forget import jobs", 3600.0, forget_import_jobs, self.now),
        ]

    async def _decide(self) -> int:
        """Let what was decided since, here or by another process, take effect; what is dated ahead as well."""
        now = self.now()
        self.decided, choice, office = await self.database.read(
            deciding.decided, self.settings, self.keys, self.ids, self._chosen, now
        )
        self.place.limits.most = (
            self.decided.value("limits.replies", now),
            self.decided.value("limits.same", now),
            self.decided.value("limits.errors", now),
        )
        if office is not None:
            self._chosen = choice
            self._alarms.office = office
            self.place = self.desk.place = replace(
                self.place, office=office, engine=deciding.engine(office, self.settings)
            )
            if self.console is not None:
                self.console.commands, self.console.texts = deciding.names(office), office.texts
            self.log.info("commands, words and texts are as the organisation has them now")
        return 0

    def _route(self, number: str, prefer: str | None) -> str | None:
        """The link for somebody who is told; asked in the database's thread, which only reads the board."""
        return choose(tuple(self.board), number) or prefer

    def _settling(self) -> Place:
        providers = self.settings.providers.values()
        return Place(
            office=self.office,
            route=self._route,
            labels={each.name: each.label for each in providers},
            payees={each.name: each.payee for each in providers},
        )

    def _busy(self) -> bool:
        return self.desk.waiting > 0 or any(outbox.inflight for outbox in self.desk.outboxes.values())


def _slot(parts: Collection[str], chance: random.Random) -> int:
    """Of the ids: another for each part, so that two processes never make the same one; by chance for equal ones."""
    return sum(1 << bit for bit, part in enumerate(sorted(PARTS)) if part in parts) << 6 | chance.getrandbits(6)


def _told(settings: Gateway) -> dict[str, ApiKey]:
    """Who is told something by HTTP: those with a key of the API, and where alarms go."""
    alarms = settings.alarms
    return {**settings.api.keys, deliveries.WEBHOOK: ApiKey(name="alarms", key=alarms.webhook_key)}


def _calm_collector() -> None:
    """What was loaded stays; looking through it again and again costs a tenth of the path."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _newest(conn: Connection) -> int:
    """No id is made below these: the clock may have been put back while the gateway was stopped."""
    return max(conn.scalar(select(func.max(message.c.id))) or 0, chain.newest_id(conn))


async def run(reactor: Any, settings: Gateway, *, only: Collection[str] | None = None) -> None:
    """The daemon: start, then wait for the signal that ends it, or for the end of its database."""
    muster = Muster(reactor, settings, only=PARTS if only is None else only)
    begun: Deferred[None] = Deferred()
    stopped = False

    async def end() -> None:
        """The signal may come while it starts, when its threads would already keep the process from ending."""
        await _at_most(reactor, begun, GRACE)
        if not stopped:
            await muster.stop()

    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(end()))
    try:
        await muster.start()
    except BaseException:
        stopped = True
        await muster.stop()
        raise
    finally:
        begun.callback(None)
    raise await muster.database.lost  # else a signal ends it


async def _at_most(reactor: Any, work: Deferred[Any], seconds: float) -> None:
    """Wait for `work`, and after `seconds` no longer."""
    limit: Deferred[None] = deferLater(reactor, seconds)
    limit.addErrback(lambda _: None)
    await DeferredList([work, limit], fireOnOneCallback=True, consumeErrors=True)
    limit.cancel()
