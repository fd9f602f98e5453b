"""The cash of a day: who closed with how much, what members have still to confirm or dispute, what was handed on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from commands import remit
from gateway import telling
from gateway.affairs import cashdays, claims, remittances
from gateway.affairs.cashdays import Day
from gateway.affairs.claims import Claim
from gateway.affairs.ledger import Refused as NotSo
from gateway.affairs.remittances import Remittance
from gateway.console.dues.common import books, day, page, paths
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier
from gateway.core.tables.organisation import member
from gateway.routing import choose

_WAITING = ("second", "open", "unconfirmed")
_DISPUTED = timedelta(days=30)  # shown for so long


class Name(NamedTuple):
    member_no: str
    name: str


class Cash(NamedTuple):
    """What the page shows."""

    closed: tuple[Day, ...]
    claims: tuple[Claim, ...]
    waiting: tuple[Claim, ...]
    disputed: tuple[Claim, ...]
    transit: tuple[Remittance, ...]
    names: dict[int, Name]


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    today = visit.now.astimezone(visit.console.zone).date()
    on = day(visit.query("day")) or today
    found = await visit.console.database.read(_read, paths(visit, "dues detail"), on, visit.now)
    return page(
        visit,
        "dues/days.html",
        {
            "day": on,
            "today": today,
            "cash": found,
            "may_decide": lambda path: visit.who.reaches("dues finance", path),
            "form_id": form_id(visit, "dues days"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, reach: Sequence[str], on: date, now: datetime) -> Cash:
    closed: list[Day] = []
    of_day: list[Claim] = []
    waiting: list[Claim] = []
    transit: list[Remittance] = []
    disputed: list[Claim] = []
    for path in reach:
        closed += cashdays.of_day(conn, on.isoformat(), path)
        of_day += claims.listing(conn, path=path, day=on.isoformat())
        waiting += claims.listing(conn, path=path, states=_WAITING)
        denied = claims.listing(conn, path=path, states=("denied",))
        disputed += [claim for claim in denied if claim.settled is not None and claim.settled > now - _DISPUTED]
        transit += remittances.listing(conn, path=path)
    all_claims = (*of_day, *waiting, *disputed)
    who = {claim.treasurer_id for claim in all_claims} | {claim.member_id for claim in all_claims}
    who |= {each.treasurer_id for each in closed} | {each.treasurer_id for each in transit}
    query = select(member.c.id, member.c.member_no, member.c.name).where(member.c.id.in_(who))
    names = {row.id: Name(row.member_no, row.name) for row in conn.execute(query)}
    return Cash(tuple(closed), tuple(of_day), tuple(waiting), tuple(disputed), tuple(transit), names)


async def decide(visit: Visit) -> Answer:
    """Finance ends what members and treasurers cannot: it was paid, or the treasurer does not hold it."""
    sent(visit, "dues days")
    claim = await visit.console.database.read(claims.find, identifier(visit.path["id"]) or 0)
    if claim is None or not visit.who.reaches("dues finance", claim.branch_path):
        raise Refused(HTTPStatus.NOT_FOUND)
    verdict = visit.form("verdict")
    if verdict not in ("paid", "not"):
        raise Refused(HTTPStatus.BAD_REQUEST)
    if claim.decided_by is not None:
        return await _page(visit, visit.gettext("It is settled already."))
    try:
        receipt = await visit.console.database.run(_decide, visit, claim.id, verdict == "paid")
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect(f"/dues/receipts/{receipt}" if receipt else "/dues/days?done=decided")


def _decide(conn: Connection, visit: Visit, claim_id: int, paid: bool) -> str | None:
    receipt = claims.decide(conn, books(visit), claim_id, paid=paid, by=visit.who.actor, now=visit.now)
    return receipt.number if receipt is not None else None


async def settle(visit: Visit) -> Answer:
    """What was handed on has come to the bank, or never did."""
    sent(visit, "dues days")
    found = await visit.console.database.read(remittances.find, visit.path["number"])
    if found is None or not visit.who.reaches("dues finance", found.branch_path):
        raise Refused(HTTPStatus.NOT_FOUND)
    verdict = visit.form("verdict")
    if verdict not in ("arrived", "returned"):
        raise Refused(HTTPStatus.BAD_REQUEST)
    try:
        await visit.console.database.run(_settle, visit, found.number, verdict == "arrived")
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/days?done=settled")


def _settle(conn: Connection, visit: Visit, number: str, arrived: bool) -> None:
    settled = remittances.arrived if arrived else remittances.returned
    found = settled(conn, books(visit), number, by=visit.who.actor, now=visit.now)
    if found is not None:
        key = "remit.told_arrived" if arrived else "remit.told_missing"
        office = visit.console.office(conn, visit.now)
        told = remit.told(conn, office, found, key, visit.now)
        telling.tell(conn, office, partial(choose, visit.console.board), told, visit.now, actor=visit.who.actor)


ROUTES = (
    Route(rule="/dues/days", handler=listing, may="dues detail"),
    Route(rule="/dues/days/claim/<id>", handler=decide, post=True, may="dues finance"),
    Route(rule="/dues/days/remittance/<number>", handler=settle, post=True, may="dues finance"),
)
