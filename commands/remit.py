"""上交 REMIT: a treasurer hands cash on; 到账 ARRIVED and 未到 MISSING: what finance has found of it.

The money is in transit from the treasurer's Y to the word of finance.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from commands import shown
from commands.office import Office, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from gateway.affairs import cash, remittances
from gateway.affairs.remittances import Remittance
from gateway.core.model import LogClass, Member, Reply, Request, Told

REMIT_CODE, ARRIVED_CODE, MISSING_CODE = "REMIT", "ARRIVED", "MISSING"


def check(conn: Connection, request: Request) -> Question | Reply:
    """How much goes and how much stays."""
    at, amount = office(request), request.arguments["amount"]
    book = cash.booked(conn, at.books, _member(request).id)
    if amount > book:
        return at.reply(request, "remit.too_much", book=at.money(book, request.language))
    values = {"amount": at.money(amount, request.language), "left_over": at.money(book - amount, request.language)}
    arguments = {"amount": amount, "reference": request.arguments.get("reference")}
    return Question(key="remit.check", screen="remit.check_screen", values=values, arguments=arguments)


def remit(conn: Connection, request: Request) -> Reply:
    at, treasurer, arguments = office(request), _member(request), request.arguments
    sent = remittances.send(conn, at.books, treasurer, arguments["amount"], arguments.get("reference"), request.now)
    if isinstance(sent, remittances.TooMuch):
        return at.reply(request, "remit.too_much", book=at.money(sent.book, request.language))
    finance = cash.officers(
        conn, treasurer.branch_path, (cash.FINANCE,), at.today(request.now), without=(treasurer.id,)
    )
    told = tuple(
        at.tell(
            each,
            "remit.finance",
            tail=shown.tail(treasurer.member_no),
            amount=at.money(sent.amount, each.language or at.organisation.language),
            remittance=sent.number,
        )
        for each in finance
    )
    amount = at.money(sent.amount, request.language)
    return replace(at.reply(request, "remit.sent", amount=amount, remittance=sent.number), told=told)


def check_found(conn: Connection, request: Request) -> Question | Reply:
    at = office(request)
    found = _on_its_way(conn, at, request)
    if found is None:
        return at.error(request, "E04")
    return Question(
        key="remit.check_arrived",
        screen="remit.check_arrived_screen",
        values={"amount": at.money(found.amount, request.language), "remittance": found.number},
        arguments={"number": found.number},
    )


def check_missing(conn: Connection, request: Request) -> Question | Reply:
    question = check_found(conn, request)
    if isinstance(question, Reply):
        return question
    return replace(question, key="remit.check_missing", screen="remit.check_missing_screen")


def arrived(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = _on_its_way(conn, at, request)
    by = f"member:{_member(request).id}"
    settled = found and remittances.arrived(conn, at.books, found.number, by=by, now=request.now)
    return _settled(conn, at, request, settled, "remit.arrived", "remit.told_arrived")


def missing(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = _on_its_way(conn, at, request)
    by = f"member:{_member(request).id}"
    settled = found and remittances.returned(conn, at.books, found.number, by=by, now=request.now)
    return _settled(conn, at, request, settled, "remit.missing", "remit.told_missing")


def told(conn: Connection, at: Office, found: Remittance, key: str, now: datetime) -> tuple[Told, ...]:
    """What the treasurer hears of it; a page that settles one says the same."""
    treasurer = cash.phone(conn, found.treasurer_id, at.today(now))
    if treasurer is None:
        return ()
    amount = at.money(found.amount, treasurer.language or at.organisation.language)
    return (at.tell(treasurer, key, amount=amount, remittance=found.number),)


def _settled(
    conn: Connection, at: Office, request: Request, found: Remittance | None, key: str, told_key: str
) -> Reply:
    if found is None:
        return at.error(request, "E04")
    amount = at.money(found.amount, request.language)
    reply = at.reply(request, key, amount=amount, remittance=found.number)
    return replace(reply, told=told(conn, at, found, told_key, request.now))


def _on_its_way(conn: Connection, at: Office, request: Request) -> Remittance | None:
    """What this person of finance may speak for; nobody speaks for what they have sent themselves."""
    found = remittances.find(conn, request.arguments["number"])
    if found is None or found.state != remittances.TRANSIT or found.treasurer_id == _member(request).id:
        return None
    paths = cash.reach(conn, _member(request).id, cash.FINANCE, at.today(request.now))
    return found if any(found.branch_path.startswith(path) for path in paths) else None


def _member(request: Request) -> Member:
    assert request.member is not None, "handing on is for members with a role"
    return request.member


_NUMBER = Parameter(name="number", kind=Kind.DIGITS, length=(9, 11))

REMIT = Command(
    code=REMIT_CODE,
    name="remit",
    words={"zh": ("上交",), "en": ("REMIT",), "pinyin": ("SHANGJIAO",)},
    function=remit,
    question=check,
    parameters=(
        Parameter(name="amount", kind=Kind.AMOUNT, most=None),
        Parameter(name="reference", kind=Kind.NUMBERED, required=False, length=(1, 20)),
    ),
    roles=frozenset({cash.TREASURER}),
    confirm=Confirm.CODE,
    log_class=LogClass.B,
)

ARRIVED = Command(
    code=ARRIVED_CODE,
    name="arrived",
    words={"zh": ("到账",), "en": ("ARRIVED",), "pinyin": ("DZ",)},
    function=arrived,
    question=check_found,
    parameters=(_NUMBER,),
    roles=frozenset({cash.FINANCE}),
    confirm=Confirm.CODE,
    log_class=LogClass.B,
)

MISSING = Command(
    code=MISSING_CODE,
    name="missing",
    words={"zh": ("未到",), "en": ("MISSING",), "pinyin": ("WEIDAO",)},
    function=missing,
    question=check_missing,
    parameters=(_NUMBER,),
    roles=frozenset({cash.FINANCE}),
    confirm=Confirm.CODE,
    log_class=LogClass.B,
)
