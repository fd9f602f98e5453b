"""Dues that need not be paid: a branch proposes, another person above it decides. Hardship is assessed the same way."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import assessing, cases, waivers
from gateway.affairs.assessing import Proposed
from gateway.affairs.cases import Case
from gateway.affairs.waivers import Waiver
from gateway.console.dues import pieces
from gateway.console.dues.common import amount, books, month, page, paths
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier
from gateway.core import audit
from gateway.core.tables.organisation import branch, member

_SHOWN = 30  # of each kind: who decides works from the oldest on
_REFUSALS = (waivers.Refused, assessing.Refused)


class Asked(NamedTuple):
    """What a member has asked by 17 and nobody has proposed yet."""

    case: Case
    member_no: str
    name: str
    branch: str


class Line(NamedTuple):
    waiver: Waiver
    member_no: str
    name: str
    branch: str
    branch_path: str


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    asked, lines, hardship = await visit.console.database.read(_read, paths(visit, "dues waivers"))
    return page(
        visit,
        "dues/waivers.html",
        {
            "asked": asked[:_SHOWN],
            "lines": lines[:_SHOWN],
            "hardship": hardship[:_SHOWN],
            "more": any(len(each) > _SHOWN for each in (asked, lines, hardship)),
            "may_propose": visit.who.may("dues waive"),
            "may_decide": visit.who.may("dues waive"),
            "form_id": form_id(visit, "waivers"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, reach: Sequence[str]) -> tuple[tuple[Asked, ...], tuple[Line, ...], tuple[Proposed, ...]]:
    asked: list[Asked] = []
    lines: list[Line] = []
    hardship: list[Proposed] = []
    for path in reach:
        for case in waivers.asked(conn, path, limit=_SHOWN + 1):
            assert case.member_id is not None, "17 is for members"
            member_no, name, place, _ = _whose(conn, case.member_id)
            asked.append(Asked(case, member_no, name, place))
        lines += [Line(each, *_whose(conn, each.member_id)) for each in waivers.proposed(conn, path, limit=_SHOWN + 1)]
        hardship += assessing.proposed(conn, path, limit=_SHOWN + 1)
    return tuple(asked), tuple(lines), tuple(hardship)


def _whose(conn: Connection, member_id: int) -> tuple[str, str, str, str]:
    """A member's number and name, and the name and path of the branch."""
    query = select(member.c.member_no, member.c.name, branch.c.name, branch.c.path)
    row = conn.execute(query.join(branch, branch.c.id == member.c.branch_id).where(member.c.id == member_id)).one()
    return row[0], row[1], row[2], row[3]


async def propose(visit: Visit) -> Answer:
    sent(visit, "waivers")
    first, last = month(visit.form("first")), month(visit.form("last"))
    if first is None or last is None:
        return await _page(visit, visit.gettext("Months are written 2026-09."))
    some = amount(visit, visit.form("amount")) if visit.form("amount") else None
    if visit.form("amount") and some is None:
        return await _page(visit, visit.gettext("That is no amount. Write it as 5 or 5.00."))
    scope = visit.who.scope("dues waive")
    person = await visit.console.database.read(pieces.by_number, scope, visit.form("member"))
    if person is None:
        return await _page(visit, visit.gettext("There is no member with this number."))
    try:
        await visit.console.database.run(_propose, visit, person.id, first, last, some)
    except _REFUSALS as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/waivers?done=proposed")


def _propose(conn: Connection, visit: Visit, member_id: int, first: int, last: int, some: int | None) -> None:
    """The same proposal again, as by a second click, is none."""
    for known in waivers.of_member(conn, member_id):
        if (known.state, known.first, known.last, known.amount) == (waivers.PROPOSED, first, last, some):
            return
    note = visit.form("note")[:200] or None
    made = waivers.propose(
        conn,
        visit.console.ids,
        member_id,
        first=first,
        last=last,
        amount=some,
        actor=visit.who.actor,
        now=visit.now,
        note=note,
    )
    _audited(conn, visit, "waiver proposed", f"waiver:{made.id}")


async def decline(visit: Visit) -> Answer:
    """The branch has talked with the member and proposes nothing."""
    sent(visit, "waivers")
    case_id = identifier(visit.path["id"]) or 0
    case = await visit.console.database.read(cases.by_id, case_id)
    if case is None or case.branch_path is None or not visit.who.reaches("dues waive", case.branch_path):
        raise Refused(HTTPStatus.NOT_FOUND)
    try:
        await visit.console.database.run(_decline, visit, case_id)
    except _REFUSALS as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/waivers?done=declined")


def _decline(conn: Connection, visit: Visit, case_id: int) -> None:
    waivers.decline(conn, visit.console.ids, case_id, actor=visit.who.actor, now=visit.now)
    _audited(conn, visit, "waiver declined", f"case:{case_id}")


async def decide(visit: Visit) -> Answer:
    """The affairs see to it that it is another person, and one above the branch."""
    sent(visit, "waivers")
    what, verb, id_ = visit.path["what"], visit.path["verb"], identifier(visit.path["id"]) or 0
    if what not in ("waiver", "hardship") or verb not in ("approve", "refuse"):
        raise Refused(HTTPStatus.NOT_FOUND)
    problem = visit.gettext("This is not within your reach.")
    for reach in paths(visit, "dues waive"):
        try:
            await visit.console.database.run(_decide, visit, what, verb, id_, reach)
        except _REFUSALS as refused:
            problem = refusal(visit, refused)
        else:
            return Redirect(f"/dues/waivers?done={verb}")
    return await _page(visit, problem)


def _decide(conn: Connection, visit: Visit, what: str, verb: str, id_: int, reach: str) -> None:
    by, now = visit.who.actor, visit.now
    if what == "waiver":
        decide_waiver = waivers.approve if verb == "approve" else waivers.refuse
        decide_waiver(conn, visit.console.ids, id_, actor=by, now=now, reach=reach)
    elif verb == "approve":
        assessing.approve(conn, books(visit), id_, actor=by, reach=reach, now=now)
    else:
        assessing.refuse(conn, id_, actor=by, reach=reach, now=now)
    _audited(conn, visit, f"{what} {verb}", f"{what}:{id_}")


def _audited(conn: Connection, visit: Visit, action: str, what: str) -> None:
    audit.record(
        conn, id=visit.console.ids(), at=visit.now, actor=visit.who.actor, action=action, object=what, reason=None
    )


ROUTES = (
    Route(rule="/dues/waivers", handler=listing, may="dues waivers"),
    Route(rule="/dues/waivers/propose", handler=propose, post=True, may="dues waive"),
    Route(rule="/dues/waivers/asked/<id>/decline", handler=decline, post=True, may="dues waive"),
    Route(rule="/dues/waivers/<what>/<id>/<verb>", handler=decide, post=True, may="dues waive"),
)
