"""One's own account: password, second factor with its recovery codes, and where one is signed in."""

from __future__ import annotations

import base64
import secrets
from binascii import Error as NotBase64
from datetime import timedelta
from http import HTTPStatus
from random import SystemRandom

import segno
from markupsafe import Markup
from sqlalchemy import Connection, select
from twisted.internet.threads import deferToThreadPool

from gateway.affairs import second_factor, settings
from gateway.affairs import staff as accounts
from gateway.console import common_passwords, passwords, sessions
from gateway.console.permissions import Staff
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit
from gateway.core import audit
from gateway.core.keys import KeyProblem
from gateway.core.tables.staff import staff

_ENROLS_WITHIN = timedelta(minutes=15)
_PURPOSE = "enrolment"
_RANDOM = SystemRandom()


async def page(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, *, problem: str = "") -> Page:
    state, open_sessions, wants = await visit.console.database.read(_look, visit)
    values = {
        "state": state,
        "sessions": open_sessions,
        "wants": wants,
        "problem": problem,
        "done": visit.query("done"),
        "least": passwords.LEAST,
        "most": passwords.MOST,
    }
    return Page("account.html", values, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _look(conn: Connection, visit: Visit) -> tuple[second_factor.State, tuple[sessions.Open, ...], bool]:
    wanted = settings.value(conn, "staff.second_factor", visit.now)
    return (
        second_factor.state(conn, visit.who.id),
        sessions.opened(conn, visit.who.id, visit.session, visit.now),
        not set(visit.who.roles).isdisjoint(wanted),
    )


# --- password -----------------------------------------------------------------------------------------------------


async def change_password(visit: Visit) -> Answer:
    """The old one is asked for, so that a browser left open does not give the account away."""
    console, new = visit.console, visit.form.text("new")
    if (problem := common_passwords.problem(new, visit.who.name, console.organisation.name, "muster")) is not None:
        return await _page(visit, problem=problem)
    if not await _knows_password(visit, visit.form.text("password")):
        return await _page(visit, problem="password")
    made = await deferToThreadPool(console.reactor, console.passwords.pool, passwords.hashed, new)
    token = secrets.token_urlsafe(32)
    await console.database.run(_set_password, visit, made, sessions.hashed(console.keys, token))
    return Redirect("/account?done=password", {console.session_cookie: token})


def _set_password(conn: Connection, visit: Visit, password_hash: str, new_session: str) -> None:
    assert visit.session is not None
    accounts.change_password(conn, visit.who.id, password_hash)
    sessions.rotate(conn, visit.session, new_session, visit.who.id)
    _record(conn, visit, "password set")


async def _knows_password(visit: Visit, typed: str) -> bool:
    """Whether this is the password; who has none yet, having come by a link, may set the first."""
    console = visit.console
    known = await console.database.read(_kept, visit.who)
    if known is None:
        return True
    if console.tries.too_many(visit.address):
        return False
    try:
        right = await console.passwords.fits(typed, known)
    except passwords.Busy:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE) from None
    if not right:
        console.tries.failed(visit.address)
    return right


def _kept(conn: Connection, person: Staff) -> str | None:
    return conn.scalar(select(staff.c.password_hash).where(staff.c.id == person.id))


# --- second factor ------------------------------------------------------------------------------------------------


async def enrolment(visit: Visit) -> Answer:
    state, _, _ = await visit.console.database.read(_look, visit)
    if state.enrolled:
        return Redirect("/account")
    return _enrolment(visit, second_factor.new_secret(_RANDOM))


def _enrolment(visit: Visit, secret: bytes, *, refused: bool = False) -> Page:
    """The secret travels in the form, sealed for this person: nothing is kept until a code of it was shown."""
    console = visit.console
    address = second_factor.address(secret, console.organisation.name, visit.who.name)
    until = int((visit.now + _ENROLS_WITHIN).timestamp())
    sealed = console.keys.seal(_PURPOSE, f"{visit.who.id} {until} ".encode() + secret)
    drawn = segno.make(address, error="m", micro=False).svg_inline(omitsize=True, dark="#000", light="#fff")
    values = {
        "qr": Markup(drawn),  # made here, of squares only
        "written": " ".join(_fours(second_factor.written(secret))),
        "sealed": base64.urlsafe_b64encode(sealed).decode(),
        "refused": refused,
        "must": visit.who.must_enrol,
    }
    return Page("enrolment.html", values, HTTPStatus.BAD_REQUEST if refused else HTTPStatus.OK)


async def enrol(visit: Visit) -> Answer:
    secret = _unsealed(visit)
    if secret is None:
        return Redirect("/account/second")
    token = secrets.token_urlsafe(32)
    codes = await visit.console.database.run(_enrol, visit, secret, sessions.hashed(visit.console.keys, token))
    if codes is None:
        return _enrolment(visit, secret, refused=True)
    return _printed(codes, {visit.console.session_cookie: token})


def _enrol(conn: Connection, visit: Visit, secret: bytes, new_session: str) -> tuple[str, ...] | None:
    assert visit.session is not None
    if second_factor.state(conn, visit.who.id).enrolled:
        return None
    typed = "".join(visit.form("code").split())
    codes = second_factor.enrol(conn, visit.console.keys, _RANDOM, visit.who.id, secret, typed, visit.now)
    if codes is not None:
        sessions.rotate(conn, visit.session, new_session, visit.who.id)
        _record(conn, visit, "second factor enrolled")
    return codes


async def new_codes(visit: Visit) -> Answer:
    """Fresh recovery codes, for a code of the app."""
    codes = await visit.console.database.run(_new_codes, visit)
    if codes is None:
        visit.console.tries.failed(visit.address)
        return await _page(visit, problem="code")
    return _printed(codes)


def _new_codes(conn: Connection, visit: Visit) -> tuple[str, ...] | None:
    if visit.console.tries.too_many(visit.address) or not _shows_code(conn, visit):
        return None
    _record(conn, visit, "recovery codes made")
    return second_factor.new_recovery_codes(conn, visit.console.keys, _RANDOM, visit.who.id)


async def remove(visit: Visit) -> Answer:
    """Take the second factor away, for a code of it; whose role wants one enrols the next at once."""
    if not await visit.console.database.run(_remove, visit):
        visit.console.tries.failed(visit.address)
        return await _page(visit, problem="code")
    return Redirect("/account")


def _remove(conn: Connection, visit: Visit) -> bool:
    if visit.console.tries.too_many(visit.address) or not _shows_code(conn, visit):
        return False
    second_factor.reset(conn, visit.who.id)
    _record(conn, visit, "second factor removed")
    return True


def _shows_code(conn: Connection, visit: Visit) -> bool:
    return second_factor.passes(conn, visit.console.keys, visit.who.id, visit.form("code")[:40], visit.now)


def _printed(codes: tuple[str, ...], cookies: dict[str, str | None] | None = None) -> Page:
    return Page("recovery_codes.html", {"codes": codes}, cookies=cookies or {})


def _unsealed(visit: Visit) -> bytes | None:
    """The secret of a form of ours, made for this person and not long ago."""
    try:
        content = visit.console.keys.open(_PURPOSE, base64.urlsafe_b64decode(visit.form("sealed")))
    except (NotBase64, ValueError, KeyProblem):
        return None
    whose, until, secret = content.split(b" ", 2)
    fine = int(whose) == visit.who.id and int(until) >= visit.now.timestamp()
    return secret if fine else None


def _fours(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]


# --- sessions -----------------------------------------------------------------------------------------------------


async def end_session(visit: Visit) -> Answer:
    console = visit.console
    await console.database.run(sessions.end_one, console.ids, visit.who, visit.form("session"), visit.now)
    return Redirect("/account#sessions")


async def end_others(visit: Visit) -> Answer:
    token = secrets.token_urlsafe(32)
    await visit.console.database.run(_end_others, visit, sessions.hashed(visit.console.keys, token))
    return Redirect("/account#sessions", {visit.console.session_cookie: token})


def _end_others(conn: Connection, visit: Visit, new_session: str) -> None:
    assert visit.session is not None
    sessions.rotate(conn, visit.session, new_session, visit.who.id)
    _record(conn, visit, "other sessions ended")


def _record(conn: Connection, visit: Visit, action: str) -> None:
    actor = visit.who.actor
    audit.record(conn, id=visit.console.ids(), at=visit.now, actor=actor, action=action, object=actor)


ROUTES = (
    Route(rule="/account", handler=page),
    Route(rule="/account/password", handler=change_password, post=True),
    Route(rule="/account/second", handler=enrolment, early=True),
    Route(rule="/account/second", handler=enrol, post=True, early=True),
    Route(rule="/account/codes", handler=new_codes, post=True),
    Route(rule="/account/remove", handler=remove, post=True),
    Route(rule="/account/session/end", handler=end_session, post=True),
    Route(rule="/account/session/others", handler=end_others, post=True),
)
