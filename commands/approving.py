"""批准 OK, 驳回 DENY: a notice of somebody else's is approved or sent back by SMS; who has to hear of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update

from commands import shown
from commands.drafted import APPROVERS, DRAFT, beginning, named, person, place, reachable
from commands.office import Office, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from gateway.affairs import challenges, members
from gateway.affairs.notices import approval, drafts
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import Notice, Refused
from gateway.core.model import LogClass, Reply, Request, Told
from gateway.core.tables.notices import notice
from gateway.core.tables.organisation import branch, number, role_grant

_TOLD = 10  # approvers who hear of one notice


def ask_for_code(conn: Connection, request: Request) -> Question | Reply:
    """Whoever approves sends back a code; one that was sent along with the draft's number is as good."""
    at = office(request)
    found = reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    if person(request).is_same(found.author, found.author_phone):
        return at.reply(request, "approve.own", draft=found.reference)
    if found.state != drafts.WAITING:
        return at.reply(request, "approve.over", draft=found.reference)
    code = request.arguments.get("code")
    if code:

        def meant(action: str, arguments: Mapping[str, Any]) -> bool:
            return action == APPROVE.code and arguments.get("draft") == found.reference

        match challenges.check(conn, at.keys, request.number, code, request.now, meant=meant):
            case challenges.Confirmed(arguments=arguments):
                return approve(conn, replace(request, arguments=arguments))
            case challenges.Wrong(left=left):
                return at.error(request, "E07", left=left)
            case challenges.Locked(until=until):
                return at.wait(request, until)
            case _:
                return at.reply(request, "confirm.nothing")
    values = {"draft": found.reference, "send": found.funnel.left, "text": beginning(found, request.language)}
    asked = {"draft": found.reference, "submitted": found.submission}
    return Question(key="approve.check", values=values, arguments=asked)


def approve(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    if request.arguments.get("submitted") != found.submission:  # written anew since the code was asked for
        return at.reply(request, "confirm.nothing")
    try:
        found = approval.approve(conn, place(at), found, person(request), request.now)
    except Refused as refused:
        if refused.why == "author":
            return at.reply(request, "approve.own", draft=found.reference)
        return at.reply(request, "approve.over", draft=found.reference)
    if found.state == drafts.WAITING:
        return at.reply(request, "approve.more", draft=found.reference)
    return scheduled(at, request, found)


def deny(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    reason = (request.arguments.get("reason") or "")[:100]
    try:
        approval.deny(conn, place(at), found, person(request), reason, request.now)
    except Refused:
        return at.reply(request, "approve.over", draft=found.reference)
    return at.reply(request, "deny.done", draft=found.reference)


def scheduled(at: Office, request: Request, found: Notice) -> Reply:
    assert found.starts is not None
    time = shown.moment(found.starts.astimezone(at.zone), request.language)
    stop = named(at, request.member, request.language, "PAUSE", found)
    return at.reply(request, "approve.done", draft=found.reference, time=time, send=found.funnel.left, withdraw=stop)


# --- who hears of it ---------------------------------------------------------------------------------------------


def announcements(conn: Connection, place: Place, at: Office, now: datetime) -> list[Told]:
    """What waits for approval, to those who may; what was denied, to its author in the field. Each once."""
    rows = conn.execute(
        select(notice.c.id)
        .where(
            ~notice.c.announced,
            (notice.c.state == drafts.WAITING) | ((notice.c.state == drafts.DRAFT) & notice.c.reason.is_not(None)),
        )
        .limit(20)
    ).all()
    told: list[Told] = []
    for row in rows:
        found = drafts.get(conn, row.id)
        told += (
            _to_approvers(conn, place, at, found, now) if found.state == drafts.WAITING else _back(conn, at, found, now)
        )
        conn.execute(update(notice).where(notice.c.id == found.id).values(announced=True))
    return told


def _to_approvers(conn: Connection, place: Place, at: Office, found: Notice, now: datetime) -> list[Told]:
    today = place.today(now)
    rows = conn.execute(
        select(number.c.number, branch.c.path)
        .select_from(
            role_grant.join(number, (number.c.member_id == role_grant.c.member_id) & number.c.main).outerjoin(
                branch, branch.c.id == role_grant.c.branch_id
            )
        )
        .where(
            role_grant.c.role.in_(APPROVERS),
            or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
        )
        .order_by(role_grant.c.id)
    ).all()
    told: list[Told] = []
    for row in rows:
        author = found.author_phone == row.number
        if author or not drafts.reaches((row.path or "",), found.paths) or len(told) >= _TOLD:
            continue
        sender = members.by_number(conn, row.number, today)
        if sender.member is None or found.author == f"member:{sender.member.id}":
            continue
        language = sender.language or at.organisation.language
        how = named(at, sender.member, language, "OK", found)
        if not how:
            continue
        text = at.say(
            "approve.waits",
            language,
            sender.member,
            draft=found.reference,
            send=found.funnel.left,
            text=beginning(found, language),
            withdraw=how,
        )
        told.append(Told(number=row.number, text=text, language=language, member=sender.member))
    return told


def _back(conn: Connection, at: Office, found: Notice, now: datetime) -> list[Told]:
    if not found.author.startswith("member:") or found.author_phone is None:
        return []
    sender = members.by_number(conn, found.author_phone, at.today(now))
    language = sender.language or at.organisation.language
    text = at.say("deny.told", language, sender.member, draft=found.reference, reason=(found.reason or "")[:20])
    return [Told(number=found.author_phone, text=text, language=language, member=sender.member)]


APPROVE = Command(
    code="OK",
    name="approve",
    words={"zh": ("批准",), "en": ("OK", "APPROVE"), "pinyin": ("PZ",)},
    function=approve,
    parameters=(DRAFT, Parameter(name="code", kind=Kind.DIGITS, length=(4, 4), required=False)),
    roles=APPROVERS,
    confirm=Confirm.CODE,
    question=ask_for_code,
    log_class=LogClass.B,  # the code may stand in it
)
DENY = Command(
    code="DENY",
    name="deny",
    words={"zh": ("驳回",), "en": ("DENY",), "pinyin": ("BH",)},
    function=deny,
    parameters=(DRAFT, Parameter(name="reason", kind=Kind.TEXT, length=(1, 100), required=False)),
    roles=APPROVERS,
)
