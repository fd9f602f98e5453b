"""14 VOUCHER: sixteen digits from a piece of paper become paid dues. What is typed is never written anywhere."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from commands import shown
from commands.office import office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import vouchers
from gateway.affairs.voucher_codes import DIGITS
from gateway.core import audit
from gateway.core.model import LogClass, Reply, Request


def redeem(conn: Connection, request: Request) -> Reply:
    """Used once, whoever else tries; a wrong one is wrong in the same words, whatever the reason."""
    at = office(request)
    assert request.member is not None, "the registry lets only members in"
    code = request.arguments["code"]
    match vouchers.redeem(conn, at.books, request.number, request.member.id, code, request.now):
        case vouchers.Locked(until=until):
            return at.wait(request, until)
        case vouchers.Used():
            return at.error(request, "E12")
        case vouchers.Wrong(left=left, alarm=alarm):
            if alarm:
                who = f"number:{request.number}"
                audit.record(conn, id=at.new_id(), at=request.now, actor=who, action="guessed vouchers", object=who)
            return at.error(request, "E07", left=left) if left else at.error(request, "E08", "E08_day")
        case receipt:
            pass
    this_month = at.month(request.now)
    values: dict[str, Any] = {"amount": at.money(receipt.amount, request.language), "receipt": receipt.number}
    if receipt.paid_to is None:
        return at.reply(request, "voucher.part", **values)
    values["month"] = shown.month(receipt.paid_to, request.language, this_month)
    if not receipt.credit:
        return at.reply(request, "voucher.done", **values)
    return at.reply(request, "voucher.credit", credit=at.money(receipt.credit, request.language), **values)


VOUCHER = Command(
    code="14",
    name="voucher",
    words={"zh": ("充值码", "充值"), "en": ("VOUCHER", "TOPUP"), "pinyin": ("CZ",)},
    function=redeem,
    parameters=(Parameter(name="code", kind=Kind.DIGITS, length=(DIGITS, DIGITS), sealed=True),),
    log_class=LogClass.C,
)
