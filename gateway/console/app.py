"""The staff console: sign-in, message log, links, case queue, and whatever pages an extension adds.

A page of the console's own is a module with `ROUTES`, an entry in `_ENTRIES`, a template made from `_macros.html`
(docs/console-style.md) and its words in `translations/LANGUAGE/LC_MESSAGES/NAME.po`.

`Console` is a Service. It owns the pool that checks passwords and the live stream; everything else it is given.

An extension (the demo's handset) is a `web.Extra`: routes, entries of the bar and a folder with templates, static
files and catalogs. Its templates begin with `{% extends "base.html" %}` and fill the blocks `title` and `main`; its
forms hold `<input type="hidden" name="csrf" value="{{ visit.csrf }}">`. Scripts and styles are files, never inline:
the Content-Security-Policy allows nothing else.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Site

from commands import chosen, voice
from commands.office import Office
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs import figures, settings
from gateway.console import (
    account,
    audit_pages,
    case_query,
    cases,
    export_query,
    front,
    imports,
    links,
    live,
    log,
    members,
    notice_form,
    notice_keeping,
    notice_measure,
    notice_turns,
    notices,
    overview,
    saved_searches,
    sessions,
    settings_pages,
    signin,
    staff_pages,
    topic_pages,
)
from gateway.console import exports as export_pages
from gateway.console.drawing import Drawing
from gateway.console.dues import routes as dues_routes
from gateway.console.dues import sums, totals_query
from gateway.console.dues.assessment import Assessment
from gateway.console.dues.counted import Counts
from gateway.console.events import Events, Stream
from gateway.console.exporting import Exporting
from gateway.console.importer import Importer
from gateway.console.language import N_, Languages
from gateway.console.passwords import Passwords
from gateway.console.static import Static
from gateway.console.templates import FOLDER, Templates
from gateway.console.web import Entry, Extra, Visit
from gateway.console.writing import Writing
from gateway.core.database import Runs
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tasks import Tasks
from gateway.links import Board
from gateway.notices import PROGRESS

T = TypeVar("T")
TOPICS = ("messages", "cases", "exports", "notices", "alarms", figures.TOPIC)
LINKS = "links"  # the board tells of these
_ROUTES = (
    *signin.ROUTES,
    *account.ROUTES,
    *log.ROUTES,
    *saved_searches.ROUTES,
    *export_pages.ROUTES,
    *links.ROUTES,
    *overview.ROUTES,
    *cases.ROUTES,
    *dues_routes.ROUTES,
    *live.ROUTES,
    *staff_pages.ROUTES,
    *notices.ROUTES,
    *notice_form.ROUTES,
    *notice_keeping.ROUTES,
    *notice_measure.ROUTES,
    *notice_turns.ROUTES,
    *topic_pages.ROUTES,
    *members.ROUTES,
    *imports.ROUTES,
    *audit_pages.ROUTES,
    *settings_pages.ROUTES,
)


# The navigation: groups in this order, entries in theirs. The names are translated when they are shown.
GROUPS = {
    "desk": N_("Hotline"),
    "send": N_("Notices"),
    "organisation": N_("Organisation"),
    "money": N_("Dues"),
    "system": N_("System"),
    "": N_("More"),
}
_ENTRIES = (
    Entry(href="/overview", title=N_("Overview"), may="overview", group="desk"),
    Entry(href="/queue", title=N_("Queue"), may="queue", group="desk", also=("/case/",)),
    Entry(href="/log", title=N_("Log"), may="log", group="desk", also=("/message/",)),
    Entry(href="/dues", title=N_("Dues"), may="dues", group="money"),
    Entry(href="/exports", title=N_("Exports"), may="exports", group="desk"),
    Entry(href="/bulk", title=N_("Bulk notices"), may="notices", group="send"),
    Entry(href="/topics", title=N_("Topics"), may="topics", group="send"),
    Entry(href="/groups", title=N_("Groups"), may="write notices", group="send"),
    Entry(href="/alarms", title=N_("Alarms"), may="overview", group="system"),
    Entry(href="/links", title=N_("Links"), group="system"),
    Entry(href="/branches", title=N_("Branches"), may="members", group="organisation"),
    Entry(href="/members", title=N_("Members"), may="members", group="organisation", also=("/member/",)),
    Entry(href="/import", title=N_("Import"), may="import", group="organisation"),
    Entry(href="/audit", title=N_("Audit"), may="audit", group="organisation"),
    Entry(href="/staff", title=N_("Staff"), may="staff", group="system"),
    Entry(href="/settings", title=N_("Settings"), may="settings", group="system"),
)


class Settings(Protocol):
    """The `[console]` table."""

    @property
    def public_url(self) -> str: ...

    @property
    def trusted_proxies(self) -> tuple[str, ...]: ...


class Console(Service):
    """Pages for staff. `resource` is what to serve, `site()` a factory for a listening endpoint."""

    log = Logger()
    name = "console"

    def __init__(
        self,
        settings: Settings,
        organisation: Organisation,
        *,
        database: Runs,
        board: Board,
        commands: Mapping[str, Mapping[str, str]],
        texts: Texts,
        keys: Keys,
        ids: Ids,
        reactor: Any,
        now: Callable[[], datetime],
        demo: bool = False,
        sms_to: str = "",
        providers: Collection[str] = (),
        bank: str | None = None,
        extras: Sequence[Extra] = (),
        exports: Path | None = None,
        importer: Importer | None = None,
    ) -> None:
        """`commands` maps the code of each command to its name by language, for the log; `texts` are the organisation's
        own or those that came with Muster; `sms_to` is the number that
        papers ask members to text to, `providers` the wallets that can be asked to give money back, `bank` where what
        treasurers hand on arrives."""
        self.settings = settings
        self.organisation = organisation
        self.database = database
        self.board = board
        self.commands = commands
        self.texts = texts
        self.keys = keys
        self.ids = ids
        self.now = now
        self.demo = demo
        self.reactor = reactor
        self.zone = ZoneInfo(organisation.time_zone)
        self.place = voice.place(organisation, ids)
        self.passwords = Passwords(reactor)
        self.drawing = Drawing(reactor)
        self.assessment = Assessment(database, reactor, now, self.thread)
        self.sms_to = sms_to
        self.providers = providers
        self.bank = bank
        self.importer = importer
        self.tasks = Tasks()
        self.tries = signin.Tries(reactor)
        folders = {extra.name: extra.folder for extra in extras if extra.folder is not None}
        self.static = Static(
            {"": FOLDER / "static"} | {f"{name}/": folder / "static" for name, folder in folders.items()}
        )
        self.languages = Languages(
            [FOLDER / "translations", *(folder / "translations" for folder in folders.values())],
            default=organisation.language,
        )
        self.templates = Templates(
            self.languages, zone=organisation.time_zone, static=self.static.address, extras=folders
        )
        topics = [*TOPICS, LINKS, "dues", *(topic for extra in extras for topic in extra.topics)]
        self.events = Events(reactor, topics, mark=secrets.token_hex(4))
        self.events.alive = self._still_there
        changed = partial(self.events.hint, "dues")
        self.sums = Counts(database, now, self.tasks, sums.read, changed)
        self.totals = Counts(database, now, self.tasks, partial(totals_query.totals, zone=self.zone), changed)
        self.exporting = Exporting(self, exports or Path(tempfile.gettempdir()) / f"muster-exports-{os.getpid()}")
        self.writing = Writing(
            database, reactor, now, watched=lambda: len(self.events) > 0, changed=partial(self.events.hint, "cases")
        )
        self._entries = [*_ENTRIES, *(entry for extra in extras for entry in extra.entries)]
        self._front = front.Front(self, public_url=settings.public_url, trusted_proxies=tuple(settings.trusted_proxies))
        self.routes = (*_ROUTES, *(route for extra in extras for route in extra.routes))
        for route in self.routes:
            self._front.add(route)
        self.resource: Resource = self._front.resource()
        self.session_cookie = self._front.session_cookie
        self.language_cookie = self._front.language_cookie
        self._subscriptions: list[Callable[[], None]] = []

    def thread(self, work: Callable[..., T], *further: Any) -> Deferred[T]:
        """Do what would keep the reactor waiting: files, large forms."""
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *further)

    def office(self, conn: Connection, now: datetime) -> Office:
        """The commands and texts as the organisation has them, for pages that say what a command would."""
        choice = chosen.chosen(settings.snapshot(conn), now)
        return chosen.office(self.organisation, self.keys, self.ids, choice)

    def site(self) -> Site:
        return front.site(self.resource)

    def startService(self) -> None:
        super().startService()
        self.passwords.start()
        self.drawing.start()
        if self.importer is not None:
            self.importer.start()
            recovered = self.database.run(self.importer.recover)
            recovered.addErrback(lambda failure: self.log.failure("imports were not looked at", failure=failure))
        self.events.start()
        self.writing.start()
        for topic in TOPICS:
            self._subscriptions.append(self.database.subscribe(topic, partial(self.events.hint, topic)))
        self._subscriptions.append(self.database.subscribe(export_query.TOPIC, self.exporting.poke))
        self.exporting.start()
        self._subscriptions.append(self.database.subscribe(PROGRESS, partial(self.events.hint, "notices")))
        self._subscriptions.append(self.board.watch(lambda _: self.events.hint(LINKS)))

    def stopService(self) -> None:
        for unsubscribe in self._subscriptions:
            unsubscribe()
        self._subscriptions.clear()
        self.writing.stop()
        self.exporting.stop().addErrback(lambda failure: self.log.failure("an export", failure=failure))
        self.events.stop()
        self.assessment.stop()
        self.drawing.stop()
        if self.importer is not None:
            self.importer.stop()
        self.passwords.stop()
        super().stopService()

    # --- for the guard ----------------------------------------------------------------------------------------

    def arrive(self, conn: Connection, session: str, now: datetime) -> tuple[sessions.Found | None, int]:
        """Whose session it is, and how many cases wait for that person: read together for every page."""
        found = sessions.find(conn, session, now, now.astimezone(self.zone).date())
        if found is None or not found.staff.may("queue"):
            return found, 0
        return found, case_query.open_for(conn, found.staff)

    def render(self, visit: Visit, template: str, values: Mapping[str, Any]) -> str:
        entries = [
            entry for entry in self._entries if entry.may is None or (visit.staff and visit.staff.may(entry.may))
        ]
        here = visit.request.path.decode("latin-1")
        looking = visit.request.method != b"POST"
        groups = [
            (title, inside) for name, title in GROUPS.items() if (inside := [e for e in entries if e.group == name])
        ]
        return self.templates.render(
            template,
            visit.language,
            {
                "visit": visit,
                "organisation": self.organisation,
                "demo": self.demo,
                "groups": groups,
                "here": here,
                "address": visit.request.uri.decode("latin-1") if looking else here,
                **values,
            },
        )

    def _still_there(self, stream: Stream) -> None:
        """End the stream of somebody who has signed out or was switched off."""

        def seen(found: sessions.Found | None) -> None:
            if found is None:
                stream.end("signed-out")

        now = self.now()
        today = now.astimezone(self.zone).date()
        looked = self.database.read(sessions.find, stream.session, now, today)
        looked.addCallback(seen)
        looked.addErrback(lambda failure: self.log.failure("a session could not be looked up", failure=failure))
