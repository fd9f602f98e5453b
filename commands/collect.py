"""收 COLLECT: a treasurer has taken cash; the code goes to the member, and only their Y books it.

    收 4107 9            a member number or its end, and the amount
    收 730418            a pay code
    收 4107 9 12345      a member without a phone, with the number of the paper slip

Above a limit, and for a member without a phone, a second officer of the branch is asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from commands import receipt, shown
from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import cash, claims, members, paycodes
from gateway.affairs.claims import Claim, No
from gateway.affairs.members import Sender
from gateway.affairs.paycodes import PayCode
from gateway.affairs.receipts import Receipt
from gateway.core.model import Ask, LogClass, Member, Reply, Request, Told

CODE = "COLLECT"
DISPUTE = "dispute"


def collect(conn: Connection, request: Request) -> Reply:
    at, treasurer = office(request), request.member
    assert treasurer is not None, "collecting is for treasurers"
    named, amount = request.arguments["who"], request.arguments.get("amount")
    paths = cash.reach(conn, treasurer.id, cash.TREASURER, at.today(request.now))
    code = _pay_code(conn, at, request, paths, named, amount)
    member_id = code.member_id if code is not None else cash.within(conn, paths, named)
    member = None if member_id is None else members.by_id(conn, member_id, at.today(request.now))
    if member is None:
        return at.error(request, "E04")
    amount = code.amount if code is not None else amount
    if amount is None:
        return _ask(at, request, "amount")
    made = claims.make(
        conn,
        at.books,
        treasurer=treasurer,
        member=member,
        amount=amount,
        now=request.now,
        code=code,
        slip=request.arguments.get("slip"),
    )
    if isinstance(made, claims.Refused):
        return _refused(at, request, member, amount, made)
    return _asked(conn, at, request, member, made)


def agreed(conn: Connection, request: Request) -> Reply:
    """The Y of a second officer leads to the member, the member's books it; both sides get a receipt."""
    at, claim = office(request), _claim(conn, request)
    if request.arguments["step"] == "second":
        asked = claims.second(conn, at.books, claim.id, request.now)
        if asked is None:
            return at.reply(request, "collect.over")
        reply = at.reply(request, "collect.seconded")
        return replace(reply, told=_codes(conn, at, request, asked))
    actor = f"member:{request.member.id}" if request.member is not None else f"number:{request.number}"
    booked = claims.confirm(conn, at.books, claim.id, actor=actor, now=request.now)
    if booked is None:
        return again(conn, request)
    told = _tell_booked(conn, at, request, claim, booked)
    if claim.slip is not None:  # it was an officer who said so
        return replace(at.reply(request, "collect.witnessed", receipt=booked.number), told=told)
    return replace(receipt.reply(conn, at, request, booked), told=told)


def denied(conn: Connection, request: Request) -> Reply:
    """Somebody says that it is not so: a case for the auditor, which the treasurer has no part in."""
    at, claim = office(request), _claim(conn, request)
    if claim.state in (claims.CONFIRMED, claims.DENIED):
        return again(conn, request)
    said = f"N: {shown.money(claim.amount, at.organisation.currency, 'en')}, claim {claim.id}, {claim.day}"
    case = at.open_case(conn, request, said, kind=DISPUTE, digit=1)
    claims.deny(conn, claim.id, case.case_no, request.now)
    today = at.today(request.now)
    auditors = cash.officers(conn, claim.branch_path, (cash.AUDITOR,), today, without=(claim.treasurer_id,))
    told = [at.tell(each, "collect.audit", case_no=case.case_no, case=case.id) for each in auditors]
    treasurer, member = cash.phone(conn, claim.treasurer_id, today), members.by_id(conn, claim.member_id, today)
    if treasurer is not None and member is not None:
        amount = at.money(claim.amount, treasurer.language or at.organisation.language)
        told.append(at.tell(treasurer, "collect.denied", tail=shown.tail(member.member_no), amount=amount))
    return replace(at.reply(request, "collect.no", case_no=case.case_no, case=case.id), told=tuple(told))


def again(conn: Connection, request: Request) -> Reply:
    """What came of it, for a Y or N that was sent before."""
    at, claim = office(request), _claim(conn, request)
    booked = claims.receipt_of(conn, claim)
    if booked is not None and claim.slip is None and request.arguments["step"] == "member":
        return receipt.reply(conn, at, request, booked)
    if booked is not None:
        return at.reply(request, "collect.witnessed", receipt=booked.number)
    if claim.case_no is not None:
        return at.reply(request, "collect.no", case_no=claim.case_no)
    return at.reply(request, "collect.seconded" if claim.state == claims.OPEN else "collect.over")


def lapsed(conn: Connection, at: Office, claim: Claim, now: datetime) -> tuple[Told, ...]:
    """What the treasurer hears when nobody has answered for a day."""
    today = at.today(now)
    treasurer, member = cash.phone(conn, claim.treasurer_id, today), members.by_id(conn, claim.member_id, today)
    if treasurer is None or member is None:
        return ()
    amount = at.money(claim.amount, treasurer.language or at.organisation.language)
    return (at.tell(treasurer, "collect.unconfirmed", tail=shown.tail(member.member_no), amount=amount),)


# --- who is meant ---------------------------------------------------------------------------------------------------


def _pay_code(
    conn: Connection, at: Office, request: Request, paths: tuple[str, ...], named: str, amount: int | None
) -> PayCode | None:
    """The pay code that was said, of a member of this treasurer's branches; a member number comes before it."""
    if len(named) != paycodes.DIGITS or not named.isdecimal():
        return None
    if amount is not None and cash.within(conn, paths, named) is not None:
        return None
    code = paycodes.find(conn, named, request.now)
    if code is None or amount not in (None, code.amount):
        return None
    member = members.by_id(conn, code.member_id, at.today(request.now))
    near = member is not None and any(member.branch_path.startswith(path) for path in paths)
    return code if near else None


# --- what is said ---------------------------------------------------------------------------------------------------


def _ask(at: Office, request: Request, parameter: str) -> Reply:
    known = {name: value for name, value in request.arguments.items() if value is not None}
    ask = Ask(expires=request.now + LIFE, command=CODE, parameter=parameter, arguments=known, language=request.language)
    return replace(at.reply(request, f"collect.{parameter}"), ask=ask)


def _refused(at: Office, request: Request, member: Member, amount: int, made: claims.Refused) -> Reply:
    tail, money = shown.tail(member.member_no), at.money(amount, request.language)
    match made.why:
        case No.SLIP:
            named = {**request.arguments, "amount": amount}
            return _ask(at, replace(request, arguments=named), "slip")
        case No.CLOSED:
            item = at.texts("collect.today", request.language)
            time = shown.moment(made.at.astimezone(at.zone), request.language) if made.at is not None else ""
            return at.error(request, "E05", item=item, time=time)
        case No.TWICE:
            item = at.say("collect.item", request.language, request.member, tail=tail, amount=money)
            return at.error(request, "E06", item=item)
    return at.reply(request, f"collect.{made.why}", tail=tail, amount=money)


def _asked(conn: Connection, at: Office, request: Request, member: Member, asked: claims.Asked) -> Reply:
    claim = asked.claim
    hand = at.money(cash.in_hand(conn, at.books, claim.treasurer_id), request.language)
    officer = claim.state == claims.SECOND or claim.slip is not None
    reply = at.reply(
        request,
        "collect.sent_second" if officer else "collect.sent",
        tail=shown.tail(member.member_no),
        amount=at.money(claim.amount, request.language),
        hand=hand,
    )
    return replace(reply, told=_codes(conn, at, request, asked))


def _codes(conn: Connection, at: Office, request: Request, asked: claims.Asked) -> tuple[Told, ...]:
    """The code for whoever is to answer; none again for what was sent a moment ago."""
    claim, whom = asked.claim, asked.whom
    if whom is None:
        return ()
    step = "second" if claim.state == claims.SECOND else "member"
    key = "collect.ask" if step == "member" else "collect.ask_second"
    told = at.ask_other(
        conn,
        whom,
        "collect.ask_slip" if claim.slip is not None else key,
        request=request,
        action=CODE,
        object=f"claim:{claim.id}",
        arguments={"claim": claim.id, "amount": claim.amount, "step": step},
        life=claims.LIFE,
        amount=at.money(claim.amount, whom.language or at.organisation.language),
        tail=_tail(conn, at, request, claim),
        slip=claim.slip or "",
    )
    return (told,)


def _tell_booked(conn: Connection, at: Office, request: Request, claim: Claim, booked: Receipt) -> tuple[Told, ...]:
    today = at.today(request.now)
    told = []
    treasurer = cash.phone(conn, claim.treasurer_id, today)
    if treasurer is not None:
        language = treasurer.language or at.organisation.language
        hand = at.money(cash.in_hand(conn, at.books, claim.treasurer_id), language)
        told.append(_booked(conn, at, request, claim, booked, treasurer, "collect.booked", hand))
    code = paycodes.by_id(conn, claim.pay_code_id) if claim.pay_code_id is not None else None
    payer = cash.phone(conn, code.payer_id, today) if code is not None and code.payer_id is not None else None
    if payer is not None:
        told.append(_booked(conn, at, request, claim, booked, payer, "payfor.paid"))
    return tuple(told)


def _booked(
    conn: Connection, at: Office, request: Request, claim: Claim, booked: Receipt, to: Sender, key: str, hand: str = ""
) -> Told:
    amount = at.money(booked.amount, to.language or at.organisation.language)
    return at.tell(to, key, receipt=booked.number, tail=_tail(conn, at, request, claim), amount=amount, hand=hand)


def _tail(conn: Connection, at: Office, request: Request, claim: Claim) -> str:
    member = members.by_id(conn, claim.member_id, at.today(request.now))
    return shown.tail(member.member_no) if member is not None else ""


def _claim(conn: Connection, request: Request) -> Claim:
    found = claims.find(conn, request.arguments["claim"])
    assert found is not None, "claims are never erased while a code for them lives"
    return found


COLLECT = Command(
    code=CODE,
    name="collect",
    words={"zh": ("收",), "en": ("COLLECT",), "pinyin": ("SHOU",)},
    function=collect,
    agreed=agreed,
    denied=denied,
    again=again,
    parameters=(
        Parameter(name="who", kind=Kind.NUMBERED, length=(cash.SHORTEST_TAIL, 32)),
        Parameter(name="amount", kind=Kind.AMOUNT, required=False, least=20),
        Parameter(name="slip", kind=Kind.NUMBERED, required=False, length=(1, 12)),
    ),
    roles=frozenset({cash.TREASURER}),
    log_class=LogClass.B,
)
