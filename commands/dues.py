"""11 DUES: what a member owes, for how many months, and to when it is paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from commands import shown
from commands.office import office
from commands.registry import Command
from gateway.affairs import dues, settings
from gateway.core.model import Channel, LogClass, Reply, Request


def read(conn: Connection, requests: Sequence[Request]) -> Mapping[str, dues.Owed]:
    """What all of these senders owe this month, in one query; by number."""
    if not requests:
        return {}
    month = office(requests[0]).month(requests[0].now)
    members = {request.number: request.member.id for request in requests if request.member is not None}
    found = dues.owed(conn, list(set(members.values())), month, since(conn, month, requests[0].now))
    return {number: found[member] for number, member in members.items() if member in found}


def since(conn: Connection, month: int, now: datetime) -> int:
    """The first month that may still be paid in `month`."""
    back = settings.value(conn, "dues.back_months", now)
    return dues.following(month, -back) if back else 0


def tell(conn: Connection, request: Request) -> Reply:
    at, owed = office(request), request.read or dues.Owed()
    this_month = at.month(request.now)

    def money(minor: int) -> str:
        return at.money(minor, request.language)

    def month(number: int) -> str:
        return shown.month(number, request.language, this_month)

    if request.channel is Channel.USSD:  # the first line of a screen
        if owed.months:
            return at.reply(request, "dues.owe_screen", months=owed.months, amount=money(owed.amount))
        if owed.beyond:
            return at.reply(request, "dues.too_old_screen", beyond=owed.beyond)
        if owed.paid_to is not None:
            return at.reply(request, "dues.clear_screen", month=month(owed.paid_to))
        return at.reply(request, "dues.nothing_screen")
    if owed.beyond:
        key = "dues.beyond" if owed.months else "dues.too_old"
        return at.reply(request, key, months=owed.months, amount=money(owed.amount), beyond=owed.beyond)
    if not owed.months:
        if owed.paid_to is None:
            return at.reply(request, "dues.nothing")
        return at.reply(request, "dues.ahead" if owed.paid_to > this_month else "dues.clear", month=month(owed.paid_to))
    if not owed.current:
        return at.reply(request, "dues.arrears", months=owed.months, amount=money(owed.amount))
    if owed.months == 1:
        return at.reply(request, "dues.month", month=month(this_month), amount=money(owed.amount))
    return at.reply(
        request,
        "dues.months",
        month=month(this_month),
        current=money(owed.current),
        others=owed.months - 1,
        amount=money(owed.amount),
    )


DUES = Command(
    code="11",
    name="dues",
    words={"zh": ("会费", "查会费", "欠费"), "en": ("DUES", "BALANCE", "OWE"), "pinyin": ("HF",)},
    function=tell,
    log_class=LogClass.B,
    reads=read,
    root=True,
)
