"""81 BIND: a phone becomes a member's, with the code the branch printed and one that goes to the phone itself."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from commands import shown
from commands.office import LIFE, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from commands.texts import Named
from gateway.affairs import consent, invitations, members
from gateway.core import audit
from gateway.core.model import Ask, LogClass, Reply, Request

_DIGITS = 8


def check(conn: Connection, request: Request) -> Question | Reply:
    """Who the invitation is for; a wrong one is wrong in the same words, whatever the reason."""
    at = office(request)
    if request.member is not None:
        return at.reply(request, "bind.already")
    code = request.arguments["invitation"]
    match invitations.check(conn, at.new_id, at.keys, request.number, code, request.now):
        case invitations.Locked(until=until):
            return at.wait(request, until)
        case invitations.Wrong(left=left, alarm=alarm):
            if alarm:
                who = f"number:{request.number}"
                audit.record(conn, id=at.new_id(), at=request.now, actor=who, action="guessed invitations", object=who)
            if not left:
                return at.error(request, "E08", "E08_day")
            ask = Ask(expires=request.now + LIFE, command="81", parameter="invitation", language=request.language)
            return replace(at.error(request, "E07", left=left), ask=ask)
        case invitations.Invited(member_id=member_id, reference=reference):
            found = members.by_id(conn, member_id, at.today(request.now))
    if found is None:
        return at.error(request, "E07", "E07_last")
    values = {"branch": Named(found.branch_name, found.branch_code), "tail": shown.tail(found.member_no)}
    return Question(key="bind.check", values=values, arguments={"reference": reference})


def bind(conn: Connection, request: Request) -> Reply:
    """The phone's own code came back."""
    at = office(request)
    if request.member is not None:
        return at.reply(request, "bind.already")
    member_id = invitations.use(conn, request.arguments["reference"], request.now)
    found = None if member_id is None else members.by_id(conn, member_id, at.today(request.now))
    if found is None:
        return at.error(request, "E07", "E07_last")
    try:
        members.bind(conn, request.number, found.id, request.now)
    except members.Taken:
        return at.reply(request, "bind.already")
    consent.bound(conn, at.new_id, [request.number], how="BIND", now=request.now)
    branch = Named(found.branch_name, found.branch_code)
    return at.reply(request, "bind.done", branch=branch, tail=shown.tail(found.member_no))


BIND = Command(
    code="81",
    name="bind",
    words={"zh": ("绑定",), "en": ("BIND", "JOIN"), "pinyin": ("BD",)},
    function=bind,
    question=check,
    parameters=(Parameter(name="invitation", kind=Kind.DIGITS, length=(_DIGITS, _DIGITS)),),
    public=True,
    confirm=Confirm.CODE,
    log_class=LogClass.C,
)
