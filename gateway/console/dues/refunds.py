"""Money that goes back: one of finance proposes it, another approves, nobody who collected it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import refund_requests
from gateway.affairs.ledger import Refused as NotInLedger
from gateway.affairs.receipts import Receipt
from gateway.affairs.refund_requests import Refused as NotSo
from gateway.affairs.refund_requests import Request
from gateway.console.dues.common import books, page, paths
from gateway.console.dues.said import refusal
from gateway.console.forms import form_id, sent
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier
from gateway.core import audit
from gateway.core.tables.organisation import branch, member
from gateway.core.tables.staff import hotline_case

_OPEN = ("asked", "proposed", "pending")
_OVER = ("done", "refused", "failed")


class Line(NamedTuple):
    request: Request
    receipt: Receipt
    member_no: str
    name: str
    branch_path: str
    case_no: str


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    over = visit.query("show") == "all"
    lines = await visit.console.database.read(_read, paths(visit, "dues detail"), over)
    return page(
        visit,
        "dues/refunds.html",
        {
            "lines": lines,
            "over": over,
            "may_act": lambda line: visit.who.reaches("dues finance", line.branch_path),
            "form_id": form_id(visit, "refunds"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, reach: Sequence[str], over: bool) -> tuple[Line, ...]:
    found: list[Line] = []
    for path in reach:
        states = _OVER if over else _OPEN
        found += [_line(conn, request) for request in refund_requests.listing(conn, path=path, states=states)]
    return tuple(found)


def _line(conn: Connection, request: Request) -> Line:
    row = conn.execute(
        select(member.c.member_no, member.c.name, branch.c.path, hotline_case.c.case_no)
        .join(branch, branch.c.id == member.c.branch_id)
        .join(hotline_case, hotline_case.c.id == request.case_id)
        .where(member.c.id == request.member_id)
    ).one()
    return Line(request, refund_requests.receipt_of(conn, request), *row)


async def act(visit: Visit) -> Answer:
    """Propose, approve, refuse, or say that the money has gone back."""
    sent(visit, "refunds")
    verb, id_ = visit.path["verb"], identifier(visit.path["id"])
    if verb not in _ACTS:
        raise Refused(HTTPStatus.NOT_FOUND)
    line = await visit.console.database.read(_one, id_ or 0)
    if line is None or not visit.who.reaches("dues finance", line.branch_path):
        raise Refused(HTTPStatus.NOT_FOUND)
    try:
        await visit.console.database.run(_act, visit, verb, line)
    except (NotSo, NotInLedger) as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect(f"/dues/refunds?done={verb}")


def _one(conn: Connection, id_: int) -> Line | None:
    request = refund_requests.find(conn, id_)
    return None if request is None else _line(conn, request)


def _act(conn: Connection, visit: Visit, verb: str, line: Line) -> None:
    by, id_ = visit.who.actor, line.request.id
    match verb:
        case "propose":
            refund_requests.propose(conn, id_, by=by, now=visit.now)
        case "approve":
            refund_requests.approve(conn, books(visit), id_, by=by, now=visit.now)
        case "refuse":
            refund_requests.refuse(conn, id_, by=by, now=visit.now)
        case _:
            refund_requests.done(conn, books(visit), id_, actor=by, now=visit.now)
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=by,
        action=f"refund {verb}",
        object=f"receipt:{line.receipt.number}",
        reason=f"case {line.case_no}",
    )


_ACTS = frozenset({"propose", "approve", "refuse", "done"})
ROUTES = (
    Route(rule="/dues/refunds", handler=listing, may="dues detail"),
    Route(rule="/dues/refunds/<id>/<verb>", handler=act, post=True, may="dues finance"),
)
