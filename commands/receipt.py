"""13 RECEIPT: the last receipts of a member, older ones, and each in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from commands import shown
from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from commands.texts import Named
from gateway.affairs import branches, receipts
from gateway.affairs.receipts import Receipt
from gateway.core.model import Ask, Channel, LogClass, Member, Reply, Request

CODE = "13"
LENGTH = (9, 11)  # of a receipt's number
_SHOWN = 3


def tell(conn: Connection, request: Request) -> Reply:
    at, member = office(request), request.member
    assert member is not None, "13 is for members"
    number = request.arguments.get("receipt")
    if number is not None:
        receipt = own(conn, member, number)
        if receipt is None:
            return at.error(request, "E04")
        return reply(conn, at, request, receipt)
    return _list(conn, at, request, member)


def own(conn: Connection, member: Member, number: str) -> Receipt | None:
    """A receipt of this member; another's is as if there were none."""
    found = receipts.by_number(conn, number) if receipts.is_receipt_number(number) else None
    return found if found is not None and found.member_id == member.id else None


def text(conn: Connection, at: Office, language: str, member: Member | None, receipt: Receipt) -> str:
    """The receipt as its owner reads it."""
    key, values = _full(conn, at, language, receipt)
    return at.say(key, language, member, **values)


def reply(conn: Connection, at: Office, request: Request, receipt: Receipt) -> Reply:
    key, values = _full(conn, at, request.language, receipt)
    return at.reply(request, key, **values)


def _full(conn: Connection, at: Office, language: str, receipt: Receipt) -> tuple[str, dict[str, Any]]:
    branch = branches.by_code(conn, receipt.branch_code)
    values: dict[str, Any] = {
        "receipt": receipt.number,
        "amount": at.money(receipt.amount, language),
        "method": at.texts(f"receipt.{receipt.method}", language),
        "paid": "",
        "branch_short": Named(branch.name if branch else receipt.branch_code, receipt.branch_code),
    }
    if receipt.paid_to is not None:
        values["paid"] = shown.month(receipt.paid_to, language, at.month(receipt.at))
    return "receipt.reversed" if receipt.reversed else "receipt.full", values


def _list(conn: Connection, at: Office, request: Request, member: Member) -> Reply:
    found = receipts.of_member(conn, member.id, _SHOWN + 1, request.arguments.get("before"))
    if not found:
        older = request.arguments.get("before") is not None
        return at.reply(request, "receipt.no_older" if older else "receipt.none")
    count = min(_SHOWN, len(found))
    reply = _lines(at, request, found[:count], len(found) > count)
    while count > 1 and not at.fits(reply.text):
        count -= 1
        reply = _lines(at, request, found[:count], True)
    return reply


def _lines(at: Office, request: Request, found: tuple[Receipt, ...], more: bool) -> Reply:
    by_phone = request.channel is Channel.USSD
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {
        str(place): (CODE, {"receipt": receipt.number}) for place, receipt in enumerate(found, 1)
    }
    if more:
        choices["9" if by_phone else "M"] = (CODE, {"before": found[-1].id})
    between = "\n" if by_phone else " "
    lines = between.join(f"{place}){_line(at, request, each)}" for place, each in enumerate(found, 1))
    key = "receipt.list_screen" if by_phone else "receipt.list"
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return replace(at.reply(request, key, receipts=lines, more="M" if more else ""), ask=ask)


def _line(at: Office, request: Request, receipt: Receipt) -> str:
    day = receipt.at.astimezone(at.zone)
    date = f"{day.month}/{day.day}" if request.language == "zh" else f"{day:%m-%d}"
    return f"{date} {shown.figure(receipt.amount, at.organisation.currency)}"


RECEIPT = Command(
    code=CODE,
    name="receipt",
    words={"zh": ("收据",), "en": ("RECEIPT",), "pinyin": ("SJ",)},
    function=tell,
    parameters=(Parameter(name="receipt", kind=Kind.DIGITS, length=LENGTH, required=False),),
    log_class=LogClass.B,
)
