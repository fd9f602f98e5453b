"""Payments from wallets that need a person: nobody knows what became of them, or they are not as asked for."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import intents
from gateway.affairs.intents import Intent, Step
from gateway.console.dues.common import page, whole
from gateway.console.forms import form_id, sent
from gateway.console.language import N_
from gateway.console.web import Answer, Redirect, Refused, Route, Visit
from gateway.core import audit
from gateway.core.tables.organisation import member

STATES = {
    Step.CREATED: N_("asked for"),
    Step.SUBMITTED: N_("submitted, not answered"),
    Step.PENDING: N_("with the provider"),
    Step.UNKNOWN: N_("unknown"),
    Step.SUCCEEDED: N_("booked"),
    Step.FAILED: N_("failed"),
    Step.EXPIRED: N_("expired"),
    Step.RECONCILED: N_("closed by a person"),
}
KINDS = {"push": N_("asked of the wallet"), "paybill": N_("paid to the pay bill"), "refund": N_("refund")}


class Line(NamedTuple):
    intent: Intent
    member_no: str


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    if not whole(visit, "dues whole"):
        raise Refused(HTTPStatus.FORBIDDEN)
    everything = visit.query("show") == "all"
    return page(
        visit,
        "dues/wallets.html",
        {
            "lines": await visit.console.database.read(_read, everything),
            "everything": everything,
            "states": {state: visit.gettext(words) for state, words in STATES.items()},
            "kinds": {kind: visit.gettext(words) for kind, words in KINDS.items()},
            "may_close": whole(visit, "dues finance"),
            "form_id": form_id(visit, "wallets"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, everything: bool) -> tuple[Line, ...]:
    found = intents.newest(conn) if everything else intents.problems(conn)
    ids = [each.member_id for each in found if each.member_id is not None]
    numbers = dict(conn.execute(select(member.c.id, member.c.member_no).where(member.c.id.in_(ids))).tuples().all())
    return tuple(Line(each, numbers.get(each.member_id or 0, "")) for each in found)


async def act(visit: Visit) -> Answer:
    """Ask the provider once more now, or close it with what was found out."""
    if not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    sent(visit, "wallets")
    verb, note = visit.path["verb"], visit.form("note").strip()[:200]
    if verb not in ("ask", "close"):
        raise Refused(HTTPStatus.NOT_FOUND)
    if verb == "close" and not note:
        return await _page(visit, visit.gettext("Say what was found out; the note stands beside it."))
    if not await visit.console.database.run(_act, visit, verb, note):
        return await _page(visit, visit.gettext("It is settled already."))
    return Redirect("/dues/wallets")


def _act(conn: Connection, visit: Visit, verb: str, note: str) -> bool:
    id_, actor = visit.path["id"], visit.who.actor
    if verb == "ask":
        done = intents.ask_again(conn, id_, visit.now)
    else:
        done = intents.reconcile(conn, id_, by=actor, note_=note, now=visit.now)
    if done:
        audit.record(
            conn,
            id=visit.console.ids(),
            at=visit.now,
            actor=actor,
            action=f"wallet payment {verb}",
            object=f"payment:{id_}",
            reason=note or None,
        )
    return done


ROUTES = (
    Route(rule="/dues/wallets", handler=listing, may="dues whole"),
    Route(rule="/dues/wallets/<id>/<verb>", handler=act, post=True, may="dues finance"),
)
