"""Money that nobody knows whose it is: finance says whose, once, and the member gets a receipt."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy import Connection

from gateway.affairs import suspense
from gateway.affairs.ledger import Refused as NotSo
from gateway.affairs.payments import Surplus
from gateway.affairs.receipts import Receipt
from gateway.console.dues import pieces
from gateway.console.dues.common import books, page, whole
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier

_SHOWN = 40  # each has two forms


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    if not whole(visit, "dues whole"):
        raise Refused(HTTPStatus.FORBIDDEN)
    everything = visit.query("show") == "all"
    items, ages = await visit.console.database.read(_read, visit, everything)
    return page(
        visit,
        "dues/suspense.html",
        {
            "items": items,
            "ages": ages,
            "everything": everything,
            "older": f"/dues/suspense?show=all&before={items[-1].id}" if everything and len(items) == _SHOWN else None,
            "may_match": whole(visit, "dues finance"),
            "form_id": form_id(visit, "suspense"),
            "refund_form": form_id(visit, "refunds"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(
    conn: Connection, visit: Visit, everything: bool
) -> tuple[tuple[suspense.Item, ...], tuple[suspense.Ageing, ...]]:
    before = identifier(visit.query("before"))
    items = suspense.listing(conn, open_only=not everything, before=before, limit=_SHOWN)
    return items, suspense.ageing(conn, visit.now)


async def match(visit: Visit) -> Answer:
    if not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    sent(visit, "suspense")
    id_ = identifier(visit.path["id"])
    if id_ is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    person = await visit.console.database.read(pieces.by_number, None, visit.form("member"))
    if person is None:
        return await _page(visit, visit.gettext("There is no member with this number."))
    try:
        receipt = await visit.console.database.run(_match, visit, id_, person.id)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect(f"/dues/receipts/{receipt.number}")


def _match(conn: Connection, visit: Visit, id_: int, member_id: int) -> Receipt:
    surplus = Surplus.VOLUNTARY if visit.form("surplus") == "voluntary" else Surplus.PREPAID
    return suspense.match(
        conn,
        books(visit),
        id_,
        member_id,
        actor=visit.who.actor,
        now=visit.now,
        reason=visit.form("reason")[:200] or None,
        surplus=surplus,
    )


ROUTES = (
    Route(rule="/dues/suspense", handler=listing, may="dues whole"),
    Route(rule="/dues/suspense/<id>/match", handler=match, post=True, may="dues finance"),
)
