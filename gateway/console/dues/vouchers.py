"""Batches of vouchers: print one, hand it over, book what was sold, make it worthless."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import cash, vouchers
from gateway.affairs.vouchers import Printed
from gateway.affairs.vouchers import Refused as NotSo
from gateway.console.dues import pieces
from gateway.console.dues.common import amount, page
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit
from gateway.core.tables.organisation import branch
from gateway.core.tables.vouchers import voucher_batch
from gateway.exports.house import house
from gateway.exports.sheets import VoucherSheet, voucher_sheets

MOST = 500  # vouchers that a page prints at once; more by `muster vouchers print`
_PRINT = "vouchers print"


class _Branch(NamedTuple):
    id: int
    code: str
    name: str
    path: str


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    scope = visit.who.scope("dues detail")
    before = visit.query("before")
    batches, holders = await visit.console.database.read(_read, visit, scope, before or None)
    return page(
        visit,
        "dues/vouchers.html",
        {
            "batches": batches,
            "holders": holders,
            "may_print": visit.who.may("dues finance"),
            "may_hand_over": lambda batch: (
                visit.who.reaches("dues branch", batch.branch_path) and batch.printed_by != visit.who.actor
            ),
            "may_sell": lambda batch: visit.who.reaches("dues branch", batch.branch_path),
            "may_void": lambda batch: visit.who.reaches("dues finance", batch.branch_path),
            "form_id": lambda purpose: form_id(visit, purpose),
            "most": MOST,
            "older": f"/dues/vouchers?before={batches[-1].number}" if len(batches) == 100 else None,
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(
    conn: Connection, visit: Visit, scope: Sequence[str] | None, before: str | None
) -> tuple[tuple[vouchers.Batch, ...], dict[str, tuple[pieces.Holder, ...]]]:
    batches = vouchers.batches(conn, paths=scope, before=before)
    today = visit.now.astimezone(visit.console.zone).date()
    paths = {batch.branch_path for batch in batches if batch.activated and not batch.voided}
    return batches, {path: pieces.treasurers(conn, path, today) for path in paths}


async def print_(visit: Visit) -> Answer:
    """The sheets are the answer and nothing keeps them: printed twice there would be two of each code."""
    console = visit.console
    batch_id = sent(visit, _PRINT)
    count = visit.form("count")
    value = amount(visit, visit.form("value"))
    found = await console.database.read(_branch, visit.form("branch"))
    if found is None or not visit.who.reaches("dues finance", found.path):
        return await _page(visit, visit.gettext("There is no such branch within your reach."))
    if value is None:
        return await _page(visit, visit.gettext("That is no amount. Write it as 5 or 5.00."))
    if not (count.isascii() and count.isdecimal() and 0 < int(count[:5]) <= MOST):
        return await _page(visit, visit.gettext("A page prints 1 to %(most)s vouchers.", most=MOST))
    try:
        printed = await console.database.run(_print, visit, batch_id, found, int(count), value)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    at = visit.now.astimezone(console.zone)
    sheet = VoucherSheet(number=printed.number, branch=found.name, value=value, codes=printed.codes)
    try:
        return await console.drawing.pdf(
            f"vouchers-{printed.number}.pdf",
            voucher_sheets,
            house(console.organisation, console.sms_to),
            sheet,
            visit.language,
            at=at,
        )
    except BaseException:
        await console.database.run(_void, visit, printed.number, (), "the sheets failed")
        raise


async def hand_over(visit: Visit) -> Answer:
    number = await _reached(visit, "dues branch")
    try:
        count = await visit.console.database.run(_activate, visit, number)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect(f"/dues/vouchers?done=active-{count}")


async def sell(visit: Visit) -> Answer:
    number = await _reached(visit, "dues branch")
    key, count = sent(visit, f"vouchers sell {number}"), visit.form("count")
    if not (count.isascii() and count.isdecimal() and int(count[:5]) > 0):
        return await _page(visit, visit.gettext("How many were sold? Write a number."))
    try:
        await visit.console.database.run(_sell, visit, number, int(count[:5]), key)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/vouchers?done=sold")


async def void(visit: Visit) -> Answer:
    number = await _reached(visit, "dues finance")
    reason, serials = visit.form("reason")[:200], visit.form("serials").replace("，", ",").replace(",", " ").split()
    if len(reason) < 4:
        return await _page(visit, visit.gettext("Say why, in a few words."))
    if not all(serial.isascii() and serial.isdecimal() and len(serial) <= 5 for serial in serials):
        return await _page(visit, visit.gettext("Serials are numbers: 3, 17, 18. Without any the whole batch is void."))
    await visit.console.database.run(_void, visit, number, tuple(map(int, serials)), reason)
    return Redirect("/dues/vouchers?done=void")


async def _reached(visit: Visit, permission: str) -> str:
    """The number in the address, when the batch is of a branch within reach."""
    number = visit.path["number"]
    path = await visit.console.database.read(_path_of, number)
    if path is None or not visit.who.reaches(permission, path):
        raise Refused(HTTPStatus.NOT_FOUND)
    return number


def _path_of(conn: Connection, number: str) -> str | None:
    query = select(branch.c.path).join(voucher_batch, voucher_batch.c.branch_id == branch.c.id)
    found: str | None = conn.scalar(query.where(voucher_batch.c.number == number))
    return found


def _branch(conn: Connection, code: str) -> _Branch | None:
    query = select(branch.c.id, branch.c.code, branch.c.name, branch.c.path).where(branch.c.code == code)
    row = conn.execute(query).first()
    return _Branch(*row) if row is not None else None


def _print(conn: Connection, visit: Visit, batch_id: int, at: _Branch, count: int, value: int) -> Printed:
    return vouchers.print_batch(
        conn,
        visit.console.keys,
        visit.console.ids,
        secrets.SystemRandom(),
        branch_id=at.id,
        count=count,
        value=value,
        currency=visit.console.organisation.currency,
        actor=visit.who.actor,
        now=visit.now,
        batch_id=batch_id,
    )


def _activate(conn: Connection, visit: Visit, number: str) -> int:
    return vouchers.activate(conn, visit.console.ids, number, actor=visit.who.actor, now=visit.now)


def _sell(conn: Connection, visit: Visit, number: str, count: int, key: int) -> None:
    """The money lies with the treasurer who was chosen, who must be one of that branch."""
    path = _path_of(conn, number) or ""
    today = visit.now.astimezone(visit.console.zone).date()
    holders = {str(holder.member_id): holder for holder in pieces.treasurers(conn, path, today)}
    holder = holders.get(visit.form("holder"))
    if holder is None:
        raise NotSo(visit.gettext("Choose the treasurer who has the money."))
    vouchers.sell(
        conn,
        visit.console.ids,
        number,
        count,
        source=cash.account(holder.member_id),
        key=str(key),
        actor=visit.who.actor,
        now=visit.now,
    )


def _void(conn: Connection, visit: Visit, number: str, serials: tuple[int, ...], reason: str) -> int:
    return vouchers.void(
        conn, visit.console.ids, number, serials=serials, actor=visit.who.actor, reason=reason, now=visit.now
    )


ROUTES = (
    Route(rule="/dues/vouchers", handler=listing, may="dues detail"),
    Route(rule="/dues/vouchers/print", handler=print_, post=True, may="dues finance"),
    Route(rule="/dues/vouchers/<number>/hand-over", handler=hand_over, post=True, may="dues branch"),
    Route(rule="/dues/vouchers/<number>/sell", handler=sell, post=True, may="dues branch"),
    Route(rule="/dues/vouchers/<number>/void", handler=void, post=True, may="dues finance"),
)
