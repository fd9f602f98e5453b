"""退现 PAYBACK: a treasurer has given cash back that two of finance have agreed to; only the member's Y settles it.

退现 140601574       the number of the receipt that is refunded
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from commands import receipt as receipt_texts
from commands.office import office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import cash, receipts, refund_rows, refunds
from gateway.affairs.claims import LIFE
from gateway.affairs.ledger import Refused
from gateway.affairs.refund_rows import Refund, State
from gateway.core.model import LogClass, Reply, Request

CODE = "PAYBACK"
DISPUTE = "dispute"


def pay_back(conn: Connection, request: Request) -> Reply:
    """Ask the member whether they have got it."""
    at, treasurer = office(request), request.member
    assert treasurer is not None, "giving back is for treasurers"
    receipt = receipts.by_number(conn, request.arguments["receipt"])
    refund = refund_rows.of_receipt(conn, receipt.id) if receipt is not None else None
    mine = refund is not None and refund.source == cash.account(treasurer.id)
    if receipt is None or refund is None or not mine:
        return at.error(request, "E04")
    if refund.state is not State.APPROVED:
        return at.reply(request, "payback.over" if refund.state is State.DONE else "payback.early")
    whom = cash.phone(conn, receipt.member_id, at.today(request.now))
    if whom is None:
        return at.reply(request, "payback.no_phone")
    told = at.ask_other(
        conn,
        whom,
        "payback.ask",
        request=request,
        action=CODE,
        object=f"refund:{refund.id}",
        arguments={"refund": refund.id, "receipt": receipt.number},
        life=LIFE,
        amount=at.money(refund.amount, whom.language or at.organisation.language),
        receipt=receipt.number,
    )
    amount = at.money(refund.amount, request.language)
    return replace(at.reply(request, "payback.sent", amount=amount, receipt=receipt.number), told=(told,))


def agreed(conn: Connection, request: Request) -> Reply:
    """The member has it."""
    at, refund = office(request), _refund(conn, request)
    actor = f"member:{request.member.id}" if request.member is not None else f"number:{request.number}"
    try:
        refunds.confirm(conn, at.books, refund.id, actor=actor, reference="cash", now=request.now, told=True)
    except Refused:
        return at.reply(request, "payback.over")
    return at.reply(
        request,
        "payback.done",
        amount=at.money(refund.amount, request.language),
        receipt=request.arguments["receipt"],
    )


def denied(conn: Connection, request: Request) -> Reply:
    """The member says that they have not got it: a case for the auditor; the refund waits."""
    at, refund = office(request), _refund(conn, request)
    if refund.state is not State.APPROVED:
        return again(conn, request)
    case = at.open_case(conn, request, f"N: refund of receipt {request.arguments['receipt']}", kind=DISPUTE, digit=1)
    path = request.member.branch_path if request.member is not None else ""
    without = [int(refund.source.owner)] if refund.source.owner.isdecimal() else []
    auditors = cash.officers(conn, path, (cash.AUDITOR,), at.today(request.now), without=without)
    told = tuple(at.tell(each, "payback.audit", case_no=case.case_no, case=case.id) for each in auditors)
    return replace(at.reply(request, "payback.no", case_no=case.case_no, case=case.id), told=told)


def again(conn: Connection, request: Request) -> Reply:
    """What came of it, for an answer that was sent before."""
    at, refund = office(request), _refund(conn, request)
    if refund.state is State.DONE:
        amount = at.money(refund.amount, request.language)
        return at.reply(request, "payback.done", amount=amount, receipt=request.arguments["receipt"])
    return at.reply(request, "payback.over")


def _refund(conn: Connection, request: Request) -> Refund:
    return refund_rows.by_id(conn, request.arguments["refund"])


PAYBACK = Command(
    code=CODE,
    name="payback",
    words={"zh": ("退现",), "en": ("PAYBACK",), "pinyin": ("TX",)},
    function=pay_back,
    agreed=agreed,
    denied=denied,
    again=again,
    parameters=(Parameter(name="receipt", kind=Kind.DIGITS, length=receipt_texts.LENGTH),),
    roles=frozenset({cash.TREASURER}),
    log_class=LogClass.B,
)
