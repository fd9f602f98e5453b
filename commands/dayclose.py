"""日结 CLOSE: a treasurer has counted the box; the difference to the book is posted when they say Y."""

from __future__ import annotations

from sqlalchemy import Connection

from commands.office import Office, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from gateway.affairs import cash, cashdays
from gateway.affairs.cashdays import Standing
from gateway.core.model import LogClass, Member, Reply, Request

CODE = "CLOSE"


def check(conn: Connection, request: Request) -> Question | Reply:
    """Book and count side by side; a day is closed once."""
    at = office(request)
    found = cashdays.standing(conn, at.books, _treasurer(request).id, request.now)
    if found.closed is not None:
        return at.error(request, "E06", item=at.texts("close.item", request.language))
    counted = request.arguments["cash"]
    values = {
        "book": at.money(found.book, request.language),
        "counted": at.money(counted, request.language),
        "difference": at.money(counted - found.book, request.language),
        "unconfirmed": at.money(found.unconfirmed, request.language) if found.unconfirmed else "",
    }
    arguments = {"cash": counted, "book": found.book, "day": found.day}
    key = "close.even" if counted == found.book else "close.check"
    return Question(key=key, screen=f"{key}_screen", values=values, arguments=arguments)


def close(conn: Connection, request: Request) -> Reply:
    at, arguments = office(request), request.arguments
    found = cashdays.standing(conn, at.books, _treasurer(request).id, request.now)
    if found.closed is not None:
        return at.error(request, "E06", item=at.texts("close.item", request.language))
    made = None
    if found.day == arguments["day"]:
        made = cashdays.close(
            conn, at.books, _treasurer(request), book=arguments["book"], counted=arguments["cash"], now=request.now
        )
    if made is None:
        return _changed(at, request, found)
    return at.reply(
        request,
        "close.done",
        counted=at.money(made.counted, request.language),
        difference=at.money(made.difference, request.language),
        unconfirmed=at.money(made.unconfirmed, request.language) if made.unconfirmed else "",
    )


def denied(conn: Connection, request: Request) -> Reply:
    return office(request).reply(request, "close.count")


def _changed(at: Office, request: Request, found: Standing) -> Reply:
    """Somebody has confirmed or paid between the count and the Y."""
    return at.reply(request, "close.changed", book=at.money(found.book, request.language))


def _treasurer(request: Request) -> Member:
    assert request.member is not None, "closing is for treasurers"
    return request.member


CLOSE = Command(
    code=CODE,
    name="close",
    words={"zh": ("日结",), "en": ("CLOSE",), "pinyin": ("RJ",)},
    function=close,
    question=check,
    denied=denied,
    parameters=(Parameter(name="cash", kind=Kind.AMOUNT, least=0, most=None),),
    roles=frozenset({cash.TREASURER}),
    confirm=Confirm.CODE,
    log_class=LogClass.B,
)
