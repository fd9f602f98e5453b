"""Consent to somebody else's paying: the member's, where another member has offered it, and the branch's.

12>4 and 15 PAYFOR ask here; whoever agrees or refuses is told of nothing but the amount and the end of a number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from commands import shown
from commands.office import Office, office
from gateway.affairs import cash, members, paycodes, settings
from gateway.affairs.paycodes import PayCode
from gateway.core.model import Member, Reply, Request, Told

_LIFE = timedelta(hours=24)
_OFFICERS = (cash.SECRETARY, cash.TREASURER)


def first_state(conn: Connection, request: Request) -> str:
    """What a new code of a relative waits for."""
    return paycodes.BRANCH if settings.value(conn, "cash.consent", request.now) else paycodes.OPEN


def ask_branch(
    conn: Connection, at: Office, request: Request, action: str, code: PayCode, member: Member
) -> Told | None:
    """Ask the branch's secretary, else a treasurer; None when nobody there has a phone."""
    without = [each for each in (member.id, code.payer_id) if each is not None]
    found = cash.officers(conn, member.branch_path, _OFFICERS, at.today(request.now), without=without)
    for officer in sorted(found, key=_secretaries_first):
        return at.ask_other(
            conn,
            officer,
            "payfor.ask_branch",
            request=request,
            action=action,
            object=f"paycode:{code.id}",
            arguments={"pay_code": code.id, "amount": code.amount, "who": "branch"},
            life=_LIFE,
            amount=at.money(code.amount, officer.language or at.organisation.language),
            tail=shown.tail(member.member_no),
        )
    return None


def ask_member(conn: Connection, at: Office, request: Request, action: str, code: PayCode) -> Told | None:
    """Ask the member whether somebody may pay; None for a member without a phone, for whom the branch speaks."""
    member = cash.phone(conn, code.member_id, at.today(request.now))
    if member is None:
        return None
    return at.ask_other(
        conn,
        member,
        "payfor.ask_member",
        request=request,
        action=action,
        object=f"paycode:{code.id}",
        arguments={"pay_code": code.id, "amount": code.amount, "who": "member"},
        life=_LIFE,
        amount=at.money(code.amount, member.language or at.organisation.language),
    )


def agreed(conn: Connection, request: Request) -> Reply:
    """A Y: the member's leads to the branch, the branch's opens the code to whoever is to pay."""
    at, action = office(request), _action(conn, request)
    code_id = request.arguments["pay_code"]
    if request.arguments["who"] == "member":
        code = paycodes.agreed(conn, code_id, request.now)
        if code is None:
            return at.reply(request, "payfor.over")
        return _to_the_branch(conn, at, request, action, code)
    assert request.member is not None
    code = paycodes.agreed(conn, code_id, request.now, consented_by=request.member.id)
    if code is None:
        return at.reply(request, "payfor.over")
    return replace(at.reply(request, "payfor.consented"), told=tuple(ready(conn, at, request, code)))


def denied(conn: Connection, request: Request) -> Reply:
    """An N, of either: nobody may pay with this code."""
    at = office(request)
    if "pay_code" not in request.arguments:  # the one who wanted to pay has thought better of it
        return at.reply(request, "confirm.no")
    code = paycodes.refused(conn, request.arguments["pay_code"], request.now)
    if code is None:
        return at.reply(request, "payfor.over")
    return replace(
        at.reply(request, "payfor.no"), told=tuple(_tell_who_pays(conn, at, request, code, "payfor.refused"))
    )


def again(conn: Connection, request: Request) -> Reply:
    """The same Y or N once more."""
    code = paycodes.by_id(conn, request.arguments["pay_code"])
    refused = code is None or code.state == paycodes.REFUSED
    return office(request).reply(request, "payfor.no" if refused else "payfor.agreed")


def ready(conn: Connection, at: Office, request: Request, code: PayCode) -> list[Told]:
    """Whoever is to pay learns the number."""
    return _tell_who_pays(conn, at, request, code, "payfor.ready")


def _to_the_branch(conn: Connection, at: Office, request: Request, action: str, code: PayCode) -> Reply:
    assert request.member is not None
    reply = at.reply(request, "payfor.agreed")
    if not settings.value(conn, "cash.consent", request.now):
        opened = paycodes.agreed(conn, code.id, request.now, consented_by=code.member_id)
        return reply if opened is None else replace(reply, told=tuple(ready(conn, at, request, opened)))
    told = ask_branch(conn, at, request, action, code, request.member)
    return at.reply(request, "pay.no_officer") if told is None else replace(reply, told=(told,))


def _tell_who_pays(conn: Connection, at: Office, request: Request, code: PayCode, key: str) -> list[Told]:
    today = at.today(request.now)
    whom = cash.phone(conn, code.payer_id or code.member_id, today)
    member = members.by_id(conn, code.member_id, today)
    if whom is None or member is None:
        return []
    amount = at.money(code.amount, whom.language or at.organisation.language)
    return [at.tell(whom, key, amount=amount, tail=shown.tail(member.member_no), pay_code=code.code)]


def _secretaries_first(officer: members.Sender) -> bool:
    return officer.member is None or cash.SECRETARY not in officer.member.roles


def _action(conn: Connection, request: Request) -> str:
    """The command that the next code belongs to: a member's own wish is 12, another's offer 15."""
    code = paycodes.by_id(conn, request.arguments["pay_code"])
    return "12" if code is None or code.payer_id is None else "15"
