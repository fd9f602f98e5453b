"""16 REFUND: a member doubts a receipt; finance looks at it, and never whoever took the money."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from commands import privacy, receipt
from commands.office import office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from gateway.affairs import cash, refund_rows, refund_sources, refunds
from gateway.affairs.cases import Case
from gateway.affairs.receipts import Receipt
from gateway.core.model import LogClass, Reply, Request

_MOST = 300  # characters


def check(conn: Connection, request: Request) -> Question | Reply:
    at, member = office(request), request.member
    assert member is not None, "16 is for members"
    found = receipt.own(conn, member, request.arguments["receipt"])
    if found is None or found.reversed:
        return at.error(request, "E04")
    if (case := _case(conn, found)) is not None:
        return at.reply(request, "refund.already", receipt=found.number, case_no=case.case_no, case=case.id)
    text = privacy.blank(request.arguments.get("text") or "")
    values = {"receipt": found.number, "amount": at.money(found.amount, request.language)}
    arguments = {"receipt": found.number, "text": text}
    return Question(key="refund.check", screen="refund.check_screen", values=values, arguments=arguments)


def ask(conn: Connection, request: Request) -> Reply:
    at, member = office(request), request.member
    assert member is not None
    found = receipt.own(conn, member, request.arguments["receipt"])
    if found is None or found.reversed:
        return at.error(request, "E04")
    if (case := _case(conn, found)) is not None:
        return at.reply(request, "refund.already", receipt=found.number, case_no=case.case_no, case=case.id)
    case = refunds.ask(
        conn,
        at.books,
        member=member,
        receipt=found,
        number=request.number,
        language=request.language,
        text=f"{found.number}: {request.arguments.get('text') or '-'}",
        message_id=request.message or None,
        now=request.now,
    )
    without = [each for each in (refund_sources.collector(conn, found), member.id) if each is not None]
    finance = cash.officers(conn, member.branch_path, (cash.FINANCE,), at.today(request.now), without=without)
    told = tuple(at.tell(each, "refund.finance", case_no=case.case_no, case=case.id) for each in finance)
    reply = at.reply(request, "refund.opened", receipt=found.number, case_no=case.case_no, case=case.id)
    return replace(reply, told=told)


def _case(conn: Connection, found: Receipt) -> Case | None:
    """The case about this receipt that is under way."""
    refund = refund_rows.of_receipt(conn, found.id)
    return refund_rows.case_of(conn, refund) if refund is not None else None


REFUND = Command(
    code="16",
    name="refund",
    words={"zh": ("退款", "查账"), "en": ("REFUND", "DISPUTE"), "pinyin": ("TK",)},
    function=ask,
    question=check,
    parameters=(
        Parameter(name="receipt", kind=Kind.DIGITS, length=receipt.LENGTH),
        Parameter(name="text", kind=Kind.TEXT, required=False, length=(1, _MOST)),
    ),
    confirm=Confirm.CODE,
    log_class=LogClass.D,
)
