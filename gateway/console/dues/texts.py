"""What wallets' providers wrote and was not booked by itself: finance accepts it, rejects it, says where it went."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from sqlalchemy import Connection

from commands.privacy import masked
from gateway.affairs import suspense, wallet_reversals, wallet_rows, wallet_texts
from gateway.affairs.books import Books
from gateway.affairs.intents import Intent
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.ledger import Refused as NotSo
from gateway.affairs.wallet_rows import Row, State, Why
from gateway.console.dues.common import books, page, whole
from gateway.console.forms import form_id, sent
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier


class Line(NamedTuple):
    """A text that waits; `words` of one that no rule reads, with stars for figures."""

    row: Row
    words: str
    reversal: bool  # it waits to be confirmed
    pushes: tuple[Intent, ...] = ()  # the payments without a number that it may be


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    _whole(visit, "dues whole")
    lines, rules = await visit.console.database.read(_read, books(visit))
    return page(
        visit,
        "dues/texts.html",
        {
            "lines": lines,
            "rules": rules,
            "may_act": whole(visit, "dues finance"),
            "form_id": form_id(visit, "texts"),
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, at: Books) -> tuple[tuple[Line, ...], tuple[tuple[str, int], ...]]:
    lines = []
    for row in wallet_rows.waiting(conn):
        words = wallet_rows.words(conn, at, row.id) if row.state is State.UNREAD else None
        reversal = row.state is State.OPEN and row.reversed is not None and row.reason is None
        asks = row.state is State.OPEN and row.reason == Why.PUSH
        may_be = wallet_texts.likely(conn, row, lock=False).pushes if asks else ()
        lines.append(Line(row, masked(words[:300]) if words else "", reversal, may_be))
    return tuple(lines), wallet_rows.rules(conn)


async def rule(visit: Visit) -> Answer:
    """What a rule read last."""
    _whole(visit, "dues whole")
    name = visit.query("name")[:80]
    hits = await visit.console.database.read(wallet_rows.hits, name)
    return page(visit, "dues/texts_rule.html", {"name": name, "hits": hits})


async def act(visit: Visit) -> Answer:
    _whole(visit, "dues finance")
    sent(visit, "texts")
    verb, id_ = visit.path["verb"], identifier(visit.path["id"])
    if verb not in _ACTS or id_ is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    reason = visit.form("reason").strip()[:200]
    if not reason:
        return await _page(visit, visit.gettext("Say why."))
    try:
        await visit.console.database.run(_act, visit, verb, id_, reason)
    except NotSo as refused:
        return await _page(visit, refusal(visit, refused))
    return Redirect("/dues/texts?done=1")


def _act(conn: Connection, visit: Visit, verb: str, id_: int, reason: str) -> None:
    at, by, now = books(visit), visit.who.actor, visit.now
    if verb == "accept":
        for paid in wallet_texts.accept(conn, at, id_, actor=by, reason=reason, now=now).paid:
            suspense.later(conn, at.new_id, "wallet.paid", now, receipt_id=paid.receipt.id, number=paid.payer)
    elif verb == "reject":
        wallet_texts.reject(conn, at, id_, actor=by, reason=reason, now=now)
    elif verb == "push":
        wallet_texts.is_push(conn, at, id_, visit.form("push"), actor=by, reason=reason, now=now)
    elif verb == "other":
        for paid in wallet_texts.is_other(conn, at, id_, actor=by, reason=reason, now=now).paid:
            suspense.later(conn, at.new_id, "wallet.paid", now, receipt_id=paid.receipt.id, number=paid.payer)
    elif verb == "confirm":
        wallet_reversals.confirm(conn, at, id_, actor=by, reason=reason, now=now)
    else:
        to = Account(AccountKind.TRANSIT, wallet_rows.lock(conn, id_).provider)
        wallet_reversals.went_to(conn, at, id_, to, actor=by, reason=reason, now=now)


def _whole(visit: Visit, permission: str) -> None:
    if not whole(visit, permission):
        raise Refused(HTTPStatus.FORBIDDEN)


_ACTS = frozenset({"accept", "reject", "push", "other", "confirm", "transit"})
ROUTES = (
    Route(rule="/dues/texts", handler=listing, may="dues whole"),
    Route(rule="/dues/texts/rule", handler=rule, may="dues whole"),
    Route(rule="/dues/texts/<id>/<verb>", handler=act, post=True, may="dues finance"),
)
