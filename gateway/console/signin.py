"""Signing in and out, by password or by a one-time link, and choosing a language."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from datetime import timedelta
from http import HTTPStatus

from twisted.internet.interfaces import IReactorTime

from gateway.affairs import staff
from gateway.console import passwords, sessions
from gateway.console.language import LANGUAGES, N_
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier, inside

_TRIES = 20  # of one address within _WINDOW, right ones not counted
_WINDOW = 600.0
_ADDRESSES = 10_000
_HOMES = (("queue", "/queue"), ("log", "/log"), ("notices", "/bulk"), ("dues", "/dues"))  # who may, and where it is
_SECOND_STEP = timedelta(minutes=5)


class Tries:
    """Failed attempts by address, in memory: they slow down who tries many names."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def too_many(self, address: str) -> bool:
        tries = self._failed.get(address)
        if tries is None:
            return False
        while tries and tries[0] <= self._clock.seconds() - _WINDOW:
            tries.popleft()
        return len(tries) >= _TRIES

    def failed(self, address: str) -> None:
        self._failed.setdefault(address, deque(maxlen=_TRIES)).append(self._clock.seconds())
        self._failed.move_to_end(address)
        if len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)


async def home(visit: Visit) -> Answer:
    """The page that somebody's work begins with."""
    return Redirect(next((href for may, href in _HOMES if visit.who.may(may)), "/links"))


async def form(visit: Visit) -> Answer:
    if visit.staff is not None:
        return Redirect(inside(visit.query("next")))
    return _form(visit, wanted=visit.query("next"))


async def sign_in(visit: Visit) -> Answer:
    """The answer is the same for a wrong name, a wrong password, a locked name and an address that tries too much."""
    console, name = visit.console, visit.form("name")
    known = await console.database.read(sessions.account, name, visit.now)
    try:
        right = await console.passwords.fits(visit.form.text("password"), known.password_hash)
    except passwords.Busy:
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE, N_("Many people are signing in. Try again in a minute.")
        ) from None
    slowed = console.tries.too_many(visit.address)
    if known.id is None or not right or known.locked or slowed:
        console.tries.failed(visit.address)
        if known.id is not None and not known.locked and not slowed:
            await console.database.run(sessions.failed, console.ids, known.id, visit.address, visit.now)
        return _form(visit, name=name, wanted=visit.form("next"), refused=True)
    if known.second:
        return _second_step(visit, known.id, wanted=visit.form("next"))
    token = secrets.token_urlsafe(32)
    await console.database.run(
        sessions.begin,
        console.ids,
        known.id,
        sessions.hashed(console.keys, token),
        visit.address,
        visit.now,
        agent(visit),
    )
    return Redirect(inside(visit.form("next")), {console.session_cookie: token})


async def second_step(visit: Visit) -> Answer:
    """The code of an app, or a recovery code, after the password was right a few minutes ago in this browser."""
    console = visit.console
    staff_id = _pending(visit)
    if staff_id is None:
        return _form(visit, wanted=visit.form("next"), late=True)
    token = secrets.token_urlsafe(32)
    right = not console.tries.too_many(visit.address) and await console.database.run(
        sessions.with_second_factor,
        console.keys,
        console.ids,
        staff_id,
        visit.form("code")[:40],
        sessions.hashed(console.keys, token),
        visit.address,
        visit.now,
        agent(visit),
    )
    if not right:
        console.tries.failed(visit.address)
        return _second_step(visit, staff_id, wanted=visit.form("next"), pending=visit.form("pending"))
    return Redirect(inside(visit.form("next")), {console.session_cookie: token})


async def by_link(visit: Visit) -> Answer:
    """Sign in with a link that works once. A browser that only looks ahead must not use it up."""
    console = visit.console
    if (visit.request.getHeader("sec-purpose") or visit.request.getHeader("purpose") or "").startswith("prefetch"):
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE)
    token = secrets.token_urlsafe(32)
    link = sessions.hashed(console.keys, visit.path["token"])
    signed_in: sessions.Account | None = None
    if not console.tries.too_many(visit.address):
        signed_in = await console.database.run(
            sessions.use_link,
            console.ids,
            link,
            sessions.hashed(console.keys, token),
            visit.address,
            visit.now,
            agent(visit),
        )
    if signed_in is None or signed_in.id is None:
        console.tries.failed(visit.address)
        return _form(visit, spent=True)
    if signed_in.second:
        return _second_step(visit, signed_in.id)
    return Redirect("/", {console.session_cookie: token})


async def sign_out(visit: Visit) -> Answer:
    console = visit.console
    if visit.session is not None:
        await console.database.run(sessions.end, console.ids, visit.session, visit.who, visit.now)
    visit.request.setHeader("clear-site-data", '"cache", "storage"')
    return Redirect("/sign-in", {console.session_cookie: None})


async def choose_language(visit: Visit) -> Answer:
    """Remember the language in the browser and, for who is signed in, with the person."""
    console, language = visit.console, visit.form("language")
    if language not in LANGUAGES:
        raise Refused(HTTPStatus.BAD_REQUEST)
    if visit.staff is not None:
        await console.database.run(staff.set_language, visit.staff.id, language)
    return Redirect(inside(visit.form("next")), {console.language_cookie: language})


def agent(visit: Visit) -> str:
    """What the browser calls itself, for the list of one's sessions."""
    return visit.request.getHeader("user-agent") or ""


def _form(
    visit: Visit,
    *,
    name: str = "",
    wanted: str = "",
    refused: bool = False,
    spent: bool = False,
    late: bool = False,
) -> Page:
    status = HTTPStatus.FORBIDDEN if refused or spent or late else HTTPStatus.OK
    values = {"name": name, "next": wanted, "refused": refused, "spent": spent, "late": late}
    return Page("sign_in.html", values, status)


def _second_step(visit: Visit, staff_id: int, *, wanted: str = "", pending: str = "") -> Page:
    """Ask for the second factor; what the form carries says whose password was right, and until when that counts."""
    until = int((visit.now + _SECOND_STEP).timestamp())
    made = pending or f"{staff_id}.{until}.{_mark(visit, staff_id, until)}"
    status = HTTPStatus.FORBIDDEN if pending else HTTPStatus.OK
    return Page("second_step.html", {"pending": made, "next": wanted, "refused": bool(pending)}, status)


def _pending(visit: Visit) -> int | None:
    """Whose second factor is asked for; None when it is too late, or the form is none of ours."""
    whose, _, rest = visit.form("pending").partition(".")
    until, _, mark = rest.partition(".")
    staff_id, late = identifier(whose), identifier(until)
    if staff_id is None or late is None or late < visit.now.timestamp():
        return None
    return staff_id if hmac.compare_digest(_mark(visit, staff_id, late).encode(), mark.encode()) else None


def _mark(visit: Visit, staff_id: int, until: int) -> str:
    """Bound to this browser's form cookie, so that it is worth nothing elsewhere."""
    return visit.console.keys.mac("console second step", f"{staff_id} {until} {visit.csrf}")


ROUTES = (
    Route(rule="/", handler=home),
    Route(rule="/sign-in", handler=form, may=None),
    Route(rule="/sign-in", handler=sign_in, post=True, may=None),
    Route(rule="/sign-in/second", handler=second_step, post=True, may=None),
    Route(rule="/sign-in/link/<token>", handler=by_link, may=None),
    Route(rule="/sign-out", handler=sign_out, post=True, early=True),
    Route(rule="/language", handler=choose_language, post=True, may=None),
)
