"""Every day of every source against what the other side says: what agrees, what does not, and who stands for it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from urllib.parse import urlencode

from sqlalchemy import Connection

from gateway.affairs import reconciliation, statements
from gateway.affairs.books import Books
from gateway.affairs.comparing import Found
from gateway.affairs.intents import Intent
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.ledger import Refused as NotSo
from gateway.affairs.reconciliation import Row, Summary
from gateway.console.dues.common import books, day, page, whole
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier

_DAYS = 60


async def listing(visit: Visit) -> Answer:
    """The days, the newest first."""
    _whole(visit)
    before = day(visit.query("before"))
    days, waiting = await visit.console.database.read(_days, before)
    return page(
        visit,
        "dues/reconciliation.html",
        {
            "days": days,
            "waiting": waiting,
            "address": _address,
            "today": visit.now.astimezone(visit.console.zone).date(),
            "kinds": [kind.value for kind in reconciliation.KINDS],
            "may_act": whole(visit, "dues finance"),
            "older": f"/dues/reconciliation?before={days[-1].day}" if len(days) == _DAYS else None,
        },
    )


def _days(conn: Connection, before: date | None) -> tuple[tuple[Summary, ...], int]:
    return reconciliation.days(conn, before=before, limit=_DAYS), len(reconciliation.open_rows(conn))


async def one(visit: Visit) -> Answer:
    """A day of a source, row by row."""
    return await _day(visit, *_asked(visit, posted=False))


async def _day(visit: Visit, account: Account, on: date, problem: str = "") -> Answer:
    _whole(visit)
    try:
        summary, rows, pushes = await visit.console.database.read(_rows, books(visit), account, on)
    except NotSo as refused:
        raise Refused(HTTPStatus.NOT_FOUND, refusal(visit, refused)) from None
    return page(
        visit,
        "dues/reconciliation_day.html",
        {
            "summary": summary,
            "rows": rows,
            "pushes": pushes,
            "may_act": whole(visit, "dues finance"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _rows(
    conn: Connection, at: Books, account: Account, on: date
) -> tuple[Summary, tuple[Row, ...], dict[int, tuple[Intent, ...]]]:
    """With the payments without a number that a line of theirs may be, by row."""
    found = reconciliation.rows(conn, account, on)
    alone = [row for row in found if row.open and row.found is Found.THEIRS and row.entry_id is not None]
    pushes = {row.id: statements.likely(conn, at, row.entry_id or 0) for row in alone}
    return reconciliation.summary(conn, account, on), found, pushes


async def compare(visit: Visit) -> Answer:
    account, on = _asked(visit)
    if on > visit.now.astimezone(visit.console.zone).date():
        raise Refused(HTTPStatus.BAD_REQUEST)
    await visit.console.database.run(_compare, visit, account, on)
    return Redirect(_address(account, on))


async def close(visit: Visit) -> Answer:
    """A row that does not agree is closed by a person, with a note."""
    account, on = _asked(visit)
    id_ = identifier(visit.path["id"])
    try:
        await visit.console.database.run(_close, visit, id_ or 0)
    except NotSo as refused:
        return await _day(visit, account, on, refusal(visit, refused))
    return Redirect(_address(account, on))


async def settle(visit: Visit) -> Answer:
    """What is only in the provider's statement came all the same: into suspense, or it is a payment we have."""
    account, on = _asked(visit)
    verb, id_ = visit.path["verb"], identifier(visit.path["id"])
    if verb not in ("suspense", "push") or id_ is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    if not visit.form("note").strip():
        return await _day(visit, account, on, visit.gettext("say what it is; the note stands beside it"))
    try:
        await visit.console.database.run(_settle, visit, verb, id_)
    except NotSo as refused:
        return await _day(visit, account, on, refusal(visit, refused))
    return Redirect(_address(account, on))


async def sign(visit: Visit) -> Answer:
    """Somebody stands for the day."""
    account, on = _asked(visit)
    try:
        await visit.console.database.run(_sign, visit, account, on)
    except NotSo as refused:
        return await _day(visit, account, on, refusal(visit, refused))
    return Redirect(_address(account, on))


def _asked(visit: Visit, *, posted: bool = True) -> tuple[Account, date]:
    fields = visit.form if posted else visit.query
    if posted and not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    on = day(fields("day"))
    try:
        kind = AccountKind(fields("kind"))
    except ValueError:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    if on is None or not fields("owner"):
        raise Refused(HTTPStatus.NOT_FOUND)
    return Account(kind, fields("owner")), on


def _whole(visit: Visit) -> None:
    if not whole(visit, "dues whole"):
        raise Refused(HTTPStatus.FORBIDDEN)


def _address(account: Account, on: date) -> str:
    query = urlencode({"kind": account.kind.value, "owner": account.owner, "day": on.isoformat()})
    return f"/dues/reconciliation/day?{query}"


def _compare(conn: Connection, visit: Visit, account: Account, on: date) -> Summary:
    return reconciliation.run(conn, books(visit), account, on, visit.now)


def _close(conn: Connection, visit: Visit, id_: int) -> None:
    note = visit.form("note")[:300]
    reconciliation.close(conn, books(visit), id_, actor=visit.who.actor, note=note, now=visit.now)


def _settle(conn: Connection, visit: Visit, verb: str, id_: int) -> None:
    """The day is compared anew with what is booked now."""
    at, by, reason = books(visit), visit.who.actor, visit.form("note").strip()[:300]
    row = reconciliation.row(conn, id_)
    if row is None or not row.open or row.entry_id is None or row.found is not Found.THEIRS:
        raise NotSo("there is no such open row")
    if verb == "suspense":
        statements.to_suspense(conn, at, row.entry_id, actor=by, reason=reason, now=visit.now)
    else:
        statements.is_push(conn, at, row.entry_id, visit.form("push"), actor=by, reason=reason, now=visit.now)
    reconciliation.run(conn, at, row.account, row.day, visit.now)


def _sign(conn: Connection, visit: Visit, account: Account, on: date) -> None:
    note = visit.form("note")[:300]
    reconciliation.sign(conn, books(visit), account, on, actor=visit.who.actor, note=note, now=visit.now)


ROUTES = (
    Route(rule="/dues/reconciliation", handler=listing, may="dues whole"),
    Route(rule="/dues/reconciliation/day", handler=one, may="dues whole"),
    Route(rule="/dues/reconciliation/compare", handler=compare, post=True, may="dues finance"),
    Route(rule="/dues/reconciliation/row/<id>/close", handler=close, post=True, may="dues finance"),
    Route(rule="/dues/reconciliation/row/<id>/settle/<verb>", handler=settle, post=True, may="dues finance"),
    Route(rule="/dues/reconciliation/sign", handler=sign, post=True, may="dues finance"),
)
