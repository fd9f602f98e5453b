"""15 PAYFOR: a member pays for another, who agrees, and so does the branch; nothing is said of what the other owes."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from commands import consenting, shown
from commands.office import Office, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from gateway.affairs import members, paycodes, settings
from gateway.affairs.payments import Surplus
from gateway.core.model import LogClass, Member, Reply, Request

CODE = "15"


def check(conn: Connection, request: Request) -> Question | Reply:
    """Who and how much; a number that is nobody's is refused in the words for what is not allowed."""
    at = office(request)
    other = _other(conn, at, request)
    if other is None or not settings.value(conn, "cash.relatives", request.now):
        return at.error(request, "E04")
    amount = request.arguments["amount"]
    values = {"amount": at.money(amount, request.language), "tail": shown.tail(other.member_no)}
    arguments = {"member": other.member_no, "amount": amount}
    return Question(key="payfor.check", screen="payfor.check_screen", values=values, arguments=arguments)


def pay_for(conn: Connection, request: Request) -> Reply:
    """The one who wants to pay has confirmed it: now the other is asked."""
    at, payer = office(request), request.member
    other = _other(conn, at, request)
    if other is None or payer is None:
        return at.error(request, "E04")
    code = paycodes.give(
        conn,
        at.new_id,
        request.random,
        member_id=other.id,
        payer_id=payer.id,
        amount=request.arguments["amount"],
        surplus=Surplus.PREPAID.value,
        now=request.now,
        relative=True,
        state=paycodes.MEMBER,
    )
    amount, tail = at.money(code.amount, request.language), shown.tail(other.member_no)
    if code.state == paycodes.OPEN:
        return at.reply(request, "payfor.ready", amount=amount, tail=tail, pay_code=code.code)
    told = consenting.ask_member(conn, at, request, CODE, code) if code.state == paycodes.MEMBER else None
    if told is None:  # without a phone: the branch speaks for them
        paycodes.agreed(conn, code.id, request.now)
        told = consenting.ask_branch(conn, at, request, CODE, code, other)
    if told is None:
        return at.reply(request, "pay.no_officer")
    return replace(at.reply(request, "payfor.opened", amount=amount, tail=tail), told=(told,))


def _other(conn: Connection, at: Office, request: Request) -> Member | None:
    found = members.by_member_no(conn, request.arguments["member"], at.today(request.now))
    return None if found is None or request.member is None or found.id == request.member.id else found


PAYFOR = Command(
    code=CODE,
    name="payfor",
    words={"zh": ("代交",), "en": ("PAYFOR",), "pinyin": ("DJ",)},
    function=pay_for,
    question=check,
    agreed=consenting.agreed,
    denied=consenting.denied,
    again=consenting.again,
    parameters=(
        Parameter(name="member", kind=Kind.NUMBERED, length=(4, 32)),
        Parameter(name="amount", kind=Kind.AMOUNT, least=20),
    ),
    confirm=Confirm.CODE,
    log_class=LogClass.B,
)
