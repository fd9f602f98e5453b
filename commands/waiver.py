"""17 WAIVER: a member asks the branch to be let off dues; the reason is for a talk, never for an SMS."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from commands import shown
from commands.office import office
from commands.registry import Command
from gateway.affairs import cases, cash
from gateway.affairs.waivers import KIND
from gateway.core.model import LogClass, Reply, Request


def ask(conn: Connection, request: Request) -> Reply:
    """One case at a time: asked again, its number is said again."""
    at, member = office(request), request.member
    assert member is not None, "17 is for members"
    if (case := cases.open_of(conn, member.id, KIND)) is not None:
        return at.reply(request, "waiver.sent", case_no=case.case_no, case=case.id)
    case = at.open_case(conn, request, at.texts("waiver.case", request.language), kind=KIND, digit=1)
    tail = shown.tail(member.member_no)
    officers = cash.officers(conn, member.branch_path, (cash.SECRETARY,), at.today(request.now), without=(member.id,))
    told = tuple(at.tell(each, "waiver.branch", case_no=case.case_no, tail=tail, case=case.id) for each in officers[:1])
    return replace(at.reply(request, "waiver.sent", case_no=case.case_no, case=case.id), told=told)


WAIVER = Command(
    code="17",
    name="waiver",
    words={"zh": ("减免",), "en": ("WAIVER",), "pinyin": ("JM",)},
    function=ask,
    log_class=LogClass.D,
)
