"""The HTTP surface for other systems: messages, USSD vendors, health, figures, and its own description."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import orjson
from klein import Klein
from sqlalchemy import Connection, delete, insert, select
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Request, Site
from werkzeug.exceptions import HTTPException

from commands import voice
from config.model import ApiKey
from gateway.api import intake, messages, metrics, notices, openapi
from gateway.api.accounts import Accounts, Daily, sent_since
from gateway.api.intake import Intake, error
from gateway.api.joined import Joined
from gateway.api.messages import Messages
from gateway.api.noticing import Noticing
from gateway.api.server import ApiSite
from gateway.api.submission import Invalid
from gateway.api.ussd import Ussd
from gateway.core.database import Queue, Runs
from gateway.core.release import on_hold
from gateway.core.tables.staff import fact
from gateway.providers.callbacks import MOST_OCTETS as CALLBACK_OCTETS
from gateway.providers.callbacks import Doors
from gateway.routing import choose
from menus.vendors import NotUnderstood

MOST_FORM_OCTETS = 16 << 10  # of a vendor's
READY_SECONDS = 2.0
PROBE_EVERY = 0.5  # seconds: whoever asks more often is told what was found last
KEYS_KEPT = timedelta(hours=24)  # idempotency keys

_JSON = "application/json"
_OUTSIDE = (b"/payments/", b"/ussd/")  # what is for providers and vendors


class Api:
    """`start` it, serve its `site()`, `stop` it before the database."""

    log = Logger()
    app = Klein()

    def __init__(self, gateway: Joined) -> None:
        settings = gateway.settings
        self._gateway = gateway
        self._database: Runs = gateway.database
        self._figures = metrics.Figures()
        self._accounts = Accounts(settings.api.keys.values())
        self._daily = Daily(ZoneInfo(settings.organisation.time_zone), gateway.now)
        self._ussd = Ussd(gateway, settings.ussd_http, self._figures)
        self._intake = Intake(
            gateway.database,
            gateway.reactor,
            route=partial(choose, gateway.board),
            new_id=gateway.ids,
            now=gateway.now,
            zone=ZoneInfo(settings.organisation.time_zone),
        )
        self._messages = Messages(
            self._accounts,
            self._daily,
            self._intake,
            self._figures,
            country=settings.organisation.country,
            now=gateway.now,
        )
        self.doors = Doors(settings, gateway.database, gateway.wallets, gateway.keys)
        self._place = voice.place(settings.organisation, gateway.ids)
        self._noticed = Noticing(gateway.database, self._place, settings.organisation.country, gateway.now)
        self._probed: tuple[float, str, bool] | None = None
        self._housekeeping = LoopingCall(self._tidy)
        self._housekeeping.clock = gateway.reactor

    def start(self) -> None:
        self._housekeeping.start(3600, now=False).addErrback(
            lambda failure: self.log.failure("housekeeping of the API ended", failure)
        )
        limited = [key.name for key in self._gateway.settings.api.keys.values() if key.per_day]
        if limited:
            counted = self._database.read(sent_since, limited, self._daily.begun())
            counted.addCallbacks(
                self._daily.restore,
                lambda failure: self.log.failure("what was sent today could not be counted", failure),
            )

    def stop(self) -> None:
        if self._housekeeping.running:
            self._housekeeping.stop()

    def site(self) -> Site:
        apart = _OUTSIDE if self._gateway.settings.callbacks.listen else ()
        return ApiSite(messages.ROUTE.encode(), self._messages, self.app.resource(), but=apart)

    def callbacks_site(self) -> Site:
        """What providers and vendors may reach, and nothing else."""
        return ApiSite(b"", self._messages, self.app.resource(), only=_OUTSIDE)

    def _tidy(self) -> Deferred[None]:
        async def tidy() -> None:
            before = self._gateway.now() - KEYS_KEPT
            while await self._database.run(intake.forget, before, queue=Queue.BACKGROUND):
                pass

        done = Deferred.fromCoroutine(tidy())
        done.addErrback(lambda failure: self.log.failure("old idempotency keys were not forgotten", failure))
        return done

    # --- messages -------------------------------------------------------------------------------------------------

    @app.route("/v1/messages/<id_>", methods=["GET"])
    async def message(self, request: Request, id_: str) -> bytes:
        account = self._account(request)
        if account is None:
            request.setHeader(b"www-authenticate", b"Bearer")
            return self._refuse(request, 401, "key", "a right key is missing: Authorization: Bearer ...")
        found = None
        if (number := _identifier(id_)) is not None:
            found = await self._database.read(messages.standing, account.name, number)
        if found is None:
            return self._refuse(request, 404, "unknown", "you have sent no such message")
        return self._answer(request, 200, found)

    # --- notices --------------------------------------------------------------------------------------------------

    @app.route("/v1/notices", methods=["POST"])
    async def notice(self, request: Request) -> bytes:
        account = self._noticing(request)
        if isinstance(account, bytes):
            return account
        key = request.requestHeaders.getRawHeaders(b"idempotency-key", [None])[0]
        named = key.decode("latin-1") if key is not None else None
        if named is not None and not (0 < len(named) <= 200 and named.isascii() and named.isprintable()):
            return self._refuse(request, 400, "idempotency", "Idempotency-Key must be 1 to 200 printable letters")
        body = request.content.read() if request.content else b""
        organisation = self._gateway.settings.organisation
        try:
            asked = notices.read(body, organisation.language)
        except Invalid as invalid:
            fields = [{"field": problem.field, "message": problem.message} for problem in invalid.problems]
            request.setResponseCode(400)
            request.setHeader("content-type", _JSON)
            return error("invalid", "nothing was made", fields=fields)
        approves = notices.APPROVE in account.may
        found = await self._noticed.make(account.name, asked, key=named, body=body, approves=approves)
        return self._found(request, "/v1/notices", found)

    @app.route("/v1/notices/<id_>", methods=["GET"])
    async def notice_standing(self, request: Request, id_: str) -> bytes:
        account = self._noticing(request)
        if isinstance(account, bytes):
            return account
        found = None
        if (number := _identifier(id_)) is not None:
            found = await self._database.read(notices.look, account.name, number)
        if found is None:
            return self._refuse(request, 404, "unknown", "you have made no such notice")
        return self._answer(request, 200, found)

    @app.route("/v1/notices/<id_>/<what>", methods=["POST"])
    async def notice_turn(self, request: Request, id_: str, what: str) -> bytes:
        account = self._noticing(request)
        if isinstance(account, bytes):
            return account
        number = _identifier(id_)
        if what not in ("pause", "resume", "cancel") or number is None:
            return self._found(request, "/v1/notices", notices.UNKNOWN)
        now = self._gateway.now()
        refused = await self._database.run(notices.turn, self._place, account.name, number, what, now)
        if refused is not None:
            return self._found(request, "/v1/notices", refused)
        found = await self._database.read(notices.look, account.name, number)
        return self._found(request, "/v1/notices", (200, orjson.dumps(found)))

    def _noticing(self, request: Request) -> ApiKey | bytes:
        """The account that asks, if it may; else the refusal."""
        account = self._account(request)
        if account is None:
            request.setHeader(b"www-authenticate", b"Bearer")
            return self._refuse(request, 401, "key", "a right key is missing: Authorization: Bearer ...")
        if notices.NOTICES not in account.may:
            return self._refuse(request, 403, "key", "this key may not make notices")
        return account

    def _found(self, request: Request, route: str, answer: notices.Answer) -> bytes:
        self._figures.request(route, answer[0])
        request.setResponseCode(answer[0])
        request.setHeader("content-type", _JSON)
        request.setHeader("cache-control", "no-store")
        return answer[1]

    def _account(self, request: Request) -> ApiKey | None:
        return self._accounts.of(request.requestHeaders.getRawHeaders(b"authorization", [None])[0])

    # --- USSD -----------------------------------------------------------------------------------------------------

    @app.route("/ussd/<name>/<path_key>", methods=["POST"])
    async def ussd(self, request: Request, name: str, path_key: str) -> bytes:
        vendor = self._ussd.vendor(name, path_key)
        if vendor is None:
            return self._refuse(request, 404, "unknown", "there is nothing here")
        body = request.content.read(MOST_FORM_OCTETS + 1) if request.content else b""
        if len(body) > MOST_FORM_OCTETS:
            return self._refuse(request, 413, "size", "a form of a USSD step is smaller")
        try:
            form = parse_qs(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
            text = await self._ussd.answer(vendor, form)
        except ValueError:  # UnicodeDecodeError is one
            return self._refuse(request, 400, "invalid", "this is no form in UTF-8")
        except NotUnderstood as problem:
            return self._refuse(request, 400, "invalid", str(problem))
        self._figures.request(f"/ussd/{name}", 200)
        request.setHeader("content-type", vendor.content_type)
        return text.encode()

    # --- payments -------------------------------------------------------------------------------------------------

    @app.route("/payments/<name>/<secret>", methods=["POST", "PUT"])
    async def payment(self, request: Request, name: str, secret: str) -> bytes:
        body = request.content.read(CALLBACK_OCTETS + 1) if request.content else b""
        if len(body) > CALLBACK_OCTETS:
            return self._refuse(request, 413, "size", "a callback is smaller")
        peer = str(getattr(request.getClientAddress(), "host", ""))
        forwarded = request.requestHeaders.getRawHeaders("x-forwarded-for", [])
        said = await self.doors.hear(name, secret, body, peer, ",".join(forwarded) or None)
        if said.status >= 400:
            return self._refuse(request, said.status, "unknown", "there is nothing here")
        self._figures.request("/payments", said.status)
        if said.content is None:
            request.setResponseCode(said.status)
            return b""
        return self._answer(request, said.status, said.content)

    # --- how it is ------------------------------------------------------------------------------------------------

    @app.route("/healthz", methods=["GET"])
    def healthz(self, request: Request) -> bytes:
        return self._answer(request, 200, {"status": "ok"})

    @app.route("/readyz", methods=["GET"])
    async def readyz(self, request: Request) -> bytes:
        """Whether messages can come and go: what a load balancer and `systemctl` want to know."""
        seconds = self._gateway.reactor.seconds()
        if self._probed is None or seconds - self._probed[0] >= PROBE_EVERY:
            self._probed = (seconds, *await self._probe())
        _, database, held = self._probed
        links = {entry.name: entry.state.status.value for entry in self._gateway.board}
        ready = database == "ok" and not held and any(entry.ready for entry in self._gateway.board)
        found = {"status": "ready" if ready else "not ready", "database": database, "on_hold": held, "links": links}
        return self._answer(request, 200 if ready else 503, found)

    async def _probe(self) -> tuple[str, bool]:
        """What is the matter with the database, or "ok", and whether everything is on hold."""
        try:
            working: Deferred[bool] = self._database.run(_write, self._gateway.now(), queue=Queue.FIRST)
            return "ok", await working.addTimeout(READY_SECONDS, self._gateway.reactor)
        except CancelledError:
            raise  # whoever asked has hung up: nothing is known
        except Exception as problem:
            return type(problem).__name__, False

    @app.route("/metrics", methods=["GET"])
    async def metrics(self, request: Request) -> bytes:
        if not _is_here(request) and self._account(request) is None:
            return self._refuse(request, 403, "key", "figures are told on this machine, or with a key")
        try:
            found = await self._database.read(metrics.stored, self._gateway.now())
        except Exception:
            self.log.failure("the figures of the database are missing")
            found = None  # the others are needed now more than ever
        request.setHeader("content-type", metrics.CONTENT_TYPE)
        return metrics.exposition(self._gateway, self._figures, found, called_back=self.doors.heard)

    @app.route("/openapi.json", methods=["GET"])
    def openapi(self, request: Request) -> bytes:
        return self._answer(request, 200, openapi.document())

    # --- answers --------------------------------------------------------------------------------------------------

    @app.handle_errors(HTTPException)
    def _no_route(self, request: Any, failure: Failure) -> bytes:
        problem: Any = failure.value
        status = problem.code or 500
        if status == 405:
            request.setHeader(b"allow", ", ".join(sorted(problem.valid_methods or ())).encode())
            return self._refuse(request, 405, "method", "not with this method")
        return self._refuse(request, 404 if status < 500 else 500, "unknown", "there is nothing here")

    @app.handle_errors(Exception)
    def _failed(self, request: Any, failure: Failure) -> bytes:
        self.log.failure("an API request failed", failure)
        return self._refuse(request, 500, "failed", "this went wrong here; it is in the gateway's log")

    def _answer(self, request: Request, status: int, found: Any) -> bytes:
        request.setResponseCode(status)
        request.setHeader("content-type", _JSON)
        request.setHeader("cache-control", "no-store")
        return orjson.dumps(found)

    def _refuse(self, request: Request, status: int, code: str, message: str) -> bytes:
        self._figures.request("other", status)
        request.setResponseCode(status)
        request.setHeader("content-type", _JSON)
        return error(code, message)


def _identifier(written: str) -> int | None:
    """An id as an address has it."""
    if written.isascii() and written.isdecimal() and len(written) < 20 and int(written) < 1 << 63:
        return int(written)
    return None


def _write(conn: Connection, now: datetime) -> bool:
    """Write a row and take it away again; whether everything is on hold after a restore."""
    conn.execute(delete(fact).where(fact.c.name == "probe"))
    conn.execute(insert(fact), {"name": "probe", "value": now.isoformat()})
    assert conn.scalar(select(fact.c.value).where(fact.c.name == "probe")) is not None
    conn.execute(delete(fact).where(fact.c.name == "probe"))
    return on_hold(conn)


def _is_here(request: Request) -> bool:
    """Whether it was asked for on this machine, and not through a proxy that runs on it."""
    if request.requestHeaders.hasHeader(b"x-forwarded-for") or request.requestHeaders.hasHeader(b"forwarded"):
        return False
    try:
        return ipaddress.ip_address(getattr(request.getClientAddress(), "host", "")).is_loopback
    except ValueError:
        return False
