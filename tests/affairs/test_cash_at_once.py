"""Two who decide about the same money at the same moment, each in a process of their own: one of them does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, Engine, func, select

from gateway.affairs import cash, cashdays, claims, ledger, members, remittances, verifying, waivers
from gateway.affairs.books import Books
from gateway.affairs.claims import Asked
from gateway.core.model import Member
from gateway.core.tables.cash import cash_claim, cash_day
from gateway.core.tables.dues import waiver
from gateway.core.tables.money import receipt
from gateway.core.tables.organisation import obligation
from tests.affairs.people import LI, NOW, TODAY, ZHANG, branch, owes, person
from tests.affairs.test_books_at_once import server, together
from tests.live.operator import until

__all__ = ["server"]
MONTH = 202611
Work = Callable[[Connection, Books], Any]


class Box(NamedTuple):
    """A treasurer, a member who owes a month and has said to have paid nothing yet, and the claim."""

    treasurer: Member
    payer: Member
    claim: int


@pytest.fixture
def box(server: Engine, books: Books) -> Box:
    with server.begin() as conn:
        place = branch(conn, books.new_id)
        who = []
        for number, phone in (("1", ZHANG), ("2", LI)):
            id_ = person(conn, books.new_id, number, place, dues_from=MONTH)
            members.bind(conn, phone, id_, NOW)
            owes(conn, id_, MONTH)
            found = members.by_id(conn, id_, TODAY)
            assert found is not None
            who.append(found)
        asked = claims.make(conn, books, treasurer=who[0], member=who[1], amount=300, now=NOW)
        assert isinstance(asked, Asked)
    return Box(who[0], who[1], asked.claim.id)


def proved(conn: Connection, books: Books) -> None:
    assert verifying.verify(conn, books.keys).findings == ()


def close(box: Box, counted: int = 300) -> Work:
    return lambda conn, own: cashdays.close(conn, own, box.treasurer, book=300, counted=counted, now=NOW)


def deny(box: Box) -> Work:
    return lambda conn, own: claims.deny(conn, box.claim, "1", NOW)


def confirm(box: Box) -> Work:
    return lambda conn, own: claims.confirm(conn, own, box.claim, actor="member:2", now=NOW)


@pytest.mark.parametrize("answer", [deny, confirm])
@pytest.mark.parametrize("closes", [1, 3])
def test_a_member_answers_while_the_day_is_closed(
    server: Engine, books: Books, box: Box, answer: Callable[[Box], Work], closes: int
) -> None:
    """What was counted and agreed to is what the book says at the close, whoever came first."""
    said, *days = together(server, books, [answer(box), *[close(box) for _ in range(closes)]])
    assert said is not None
    closed = [day for day in days if day is not None]
    with server.begin() as conn:
        assert conn.scalar(select(func.count()).select_from(cash_day)) == len(closed) <= 1
        held = ledger.balance(conn, cash.account(box.treasurer.id), "CNY").posted
        carried = -ledger.balance(conn, cash.suspense(box.treasurer.id), "CNY").posted
        if answer is confirm:
            assert (held, carried) == (300, 0)
            assert conn.scalar(select(func.count()).select_from(receipt)) == 1
        else:  # the box was closed with the money in it, which finance decides about, or it was never there
            assert (held, carried) == ((300, 300) if closed else (0, 0))
        assert cash.in_hand(conn, books, box.treasurer.id) == held
        proved(conn, books)


def test_the_order_of_a_denial_and_a_close_is_decided_by_the_row(server: Engine, books: Books, box: Box) -> None:
    """The N is written and not committed when the close looks: the close waits, and finds the book changed."""
    found: list[Any] = []
    with server.begin() as conn:
        assert claims.deny(conn, box.claim, "1", NOW) is not None

        def closes() -> None:
            with server.begin() as other:
                found.append(cashdays.close(other, books, box.treasurer, book=300, counted=300, now=NOW))

        thread = threading.Thread(target=closes)
        thread.start()
        _waits(server)
    thread.join(30)
    assert found == [None]
    with server.begin() as conn:
        assert conn.scalar(select(func.count()).select_from(cash_day)) == 0
        proved(conn, books)


def _waits(server: Engine) -> None:
    """Until somebody waits for a lock."""

    def waiting() -> bool:
        with server.connect() as conn:
            return bool(conn.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar())

    until(waiting)


def test_a_day_is_closed_once_by_two_at_once(server: Engine, books: Books, box: Box) -> None:
    found = together(server, books, [close(box, 280 + index) for index in range(6)])
    (day,) = [each for each in found if each is not None]
    with server.begin() as conn:
        held = ledger.balance(conn, cash.account(box.treasurer.id), "CNY").posted
        assert held == day.counted
        assert conn.scalar(select(cash_claim.c.suspended)) is True
        proved(conn, books)


def test_what_lies_in_the_box_is_handed_on_once(server: Engine, books: Books, box: Box) -> None:
    with server.begin() as conn:
        assert claims.confirm(conn, books, box.claim, actor="member:2", now=NOW) is not None
    found = together(server, books, [lambda conn, own: remittances.send(conn, own, box.treasurer, 200, None, NOW)] * 4)
    assert sum(isinstance(each, remittances.Remittance) for each in found) == 1
    with server.begin() as conn:
        assert ledger.balance(conn, cash.account(box.treasurer.id), "CNY").posted == 100
        proved(conn, books)


def test_a_waiver_is_decided_once(server: Engine, books: Books, box: Box) -> None:
    with server.begin() as conn:
        id_ = waivers.propose(conn, books.new_id, box.payer.id, first=MONTH, last=MONTH, actor="staff:a", now=NOW).id

    def decide(verb: Callable[..., Any], actor: str) -> Work:
        def work(conn: Connection, own: Books) -> Any:
            try:
                return verb(conn, own.new_id, id_, actor=actor, now=NOW).state
            except waivers.Refused:
                return None

        return work

    works = [decide(verb, f"staff:{n}") for n in range(4) for verb in (waivers.approve, waivers.refuse)]
    (state,) = [each for each in together(server, books, works) if each is not None]
    with server.begin() as conn:
        assert conn.scalar(select(waiver.c.state)) == state
        waived = conn.scalar(select(obligation.c.waived).where(obligation.c.member_id == box.payer.id))
        assert waived == (300 if state == waivers.APPROVED else 0)
        proved(conn, books)
