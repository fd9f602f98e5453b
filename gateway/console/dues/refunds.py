"""Money that goes back the way it came: one of finance asks for it, another approves, nobody who collected it."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import receipts, refund_rows, refunds
from gateway.affairs.ledger import Refused as NotSo
from gateway.affairs.receipts import Receipt
from gateway.affairs.refund_rows import Refund, State
from gateway.console.dues.common import books, page, whole
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier
from gateway.core.tables.organisation import branch, member

_OVER = (State.DONE, State.REFUSED, State.FAILED)


class Line(NamedTuple):
    """A refund; what came from suspense has no receipt, no member and no branch."""

    refund: Refund
    receipt: Receipt | None
    member_no: str
    name: str
    branch_path: str | None
    case_no: str | None  # in which the member asked for it


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    over = visit.query("show") == "all"
    lines = await visit.console.database.read(_read, visit, over)
    return page(
        visit,
        "dues/refunds.html",
        {
            "asked": [line for line in lines if line.refund.state is State.ASKED],
            "lines": [line for line in lines if line.refund.state is not State.ASKED],
            "over": over,
            "may_act": lambda line: _reaches(visit, line.branch_path),
            "form_id": form_id(visit, "refunds"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _reaches(visit: Visit, path: str | None) -> bool:
    return whole(visit, "dues finance") if path is None else visit.who.reaches("dues finance", path)


def _read(conn: Connection, visit: Visit, over: bool) -> tuple[Line, ...]:
    lines = [_line(conn, each) for each in refund_rows.listing(conn, states=_OVER if over else refund_rows.OPEN)]
    return tuple(
        line
        for line in lines
        if (visit.who.reaches("dues detail", line.branch_path) if line.branch_path else whole(visit, "dues detail"))
    )


def _line(conn: Connection, refund: Refund) -> Line:
    receipt = receipts.by_id(conn, refund.receipt_id) if refund.receipt_id is not None else None
    case = refund_rows.case_of(conn, refund)
    row = conn.execute(
        select(member.c.member_no, member.c.name, branch.c.path)
        .join(branch, branch.c.id == member.c.branch_id)
        .where(member.c.id == refund.member_id)
    ).first()
    member_no, name, path = row if row is not None else ("", refund.instrument, None)
    return Line(refund, receipt, member_no, name, path, case.case_no if case is not None else None)


async def request(visit: Visit) -> Answer:
    """The money of a receipt, or of something in suspense, should go back."""
    sent(visit, "refunds")
    number, item = visit.form("receipt"), identifier(visit.form("suspense"))
    path = await visit.console.database.read(_path_of, number) if number else None
    if (number and path is None) or not _reaches(visit, path):
        raise Refused(HTTPStatus.NOT_FOUND)
    try:
        await visit.console.database.run(_request, visit, number, item or 0)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/refunds?done=request")


def _path_of(conn: Connection, number: str) -> str | None:
    receipt = receipts.by_number(conn, number)
    if receipt is None:
        return None
    found: str | None = conn.scalar(select(branch.c.path).where(branch.c.code == receipt.branch_code))
    return found


def _request(conn: Connection, visit: Visit, number: str, item: int) -> None:
    by, reason = visit.who.actor, visit.form("reason")[:200]
    if number:
        receipt = receipts.by_number(conn, number)
        assert receipt is not None
        refunds.request(conn, books(visit), receipt.id, actor=by, reason=reason, now=visit.now)
    else:
        refunds.return_money(conn, books(visit), item, actor=by, reason=reason, now=visit.now)


async def act(visit: Visit) -> Answer:
    """Approve, refuse, or say what became of it."""
    sent(visit, "refunds")
    verb, id_ = visit.path["verb"], identifier(visit.path["id"]) or 0
    if verb not in ("approve", "refuse", "confirm", "failed"):
        raise Refused(HTTPStatus.NOT_FOUND)
    try:
        line = await visit.console.database.read(_one, id_)
        if not _reaches(visit, line.branch_path):
            raise Refused(HTTPStatus.NOT_FOUND)
        await visit.console.database.run(_act, visit, verb, id_)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect(f"/dues/refunds?done={verb}")


def _one(conn: Connection, id_: int) -> Line:
    return _line(conn, refund_rows.by_id(conn, id_))


def _act(conn: Connection, visit: Visit, verb: str, id_: int) -> None:
    at, by, now, said = books(visit), visit.who.actor, visit.now, visit.form("said")[:200]
    match verb:
        case "approve":
            refunds.approve(conn, at, id_, actor=by, now=now, providers=visit.console.providers)
        case "refuse":
            refunds.refuse(conn, at, id_, actor=by, reason=said, now=now)
        case "confirm":
            refunds.confirm(conn, at, id_, actor=by, reference=said, now=now)
        case _:
            refunds.failed(conn, at, id_, actor=by, reason=said, now=now)


ROUTES = (
    Route(rule="/dues/refunds", handler=listing, may="dues detail"),
    Route(rule="/dues/refunds/request", handler=request, post=True, may="dues finance"),
    Route(rule="/dues/refunds/<id>/<verb>", handler=act, post=True, may="dues finance"),
)
