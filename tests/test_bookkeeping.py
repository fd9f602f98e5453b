"""What the calendar asks of the books: months, arrears, the close of the day; each once, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, update
from twisted.internet.defer import Deferred

from commands.office import Office
from gateway.affairs import chain, chain_state, dues, roles, verifying
from gateway.bookkeeping import Bookkeeping, warn_branch
from gateway.core import audit, guards
from gateway.core.database import Inline
from gateway.core.ids import Ids, first_of
from gateway.core.tables.dues import arrears_notice
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import number, obligation
from gateway.core.tables.staff import audit as audit_rows
from tests.affairs.people import branch, owes, person
from tests.commands.people import an_office

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)  # of Shanghai
SECRETARY = "+8613800000009"


def route(text: str, prefer: str | None) -> str | None:
    return "mobile"


class House:
    """A gateway's books and a clock that can be set."""

    def __init__(self, conn: Connection) -> None:
        self.conn, self.now, self.office = conn, NOON, an_office()
        self.books = Bookkeeping(Inline(conn), lambda: self.office, route, lambda: self.now)

    def run(self, job: Any) -> int:
        done: list[int] = []
        Deferred.fromCoroutine(job()).addCallback(done.append)
        return done[0]

    def months(self, member_id: int) -> list[int]:
        found = select(obligation.c.month).where(obligation.c.member_id == member_id).order_by(obligation.c.month)
        with self.conn.begin():
            return list(self.conn.scalars(found))


@pytest.fixture
def house(conn: Connection) -> House:
    return House(conn)


def said(office: Office, sealed: bytes | None) -> str:
    """A text while it waits; the log keeps no figure of it."""
    assert sealed is not None
    return office.keys.open("secret", sealed).decode()


def a_branch(conn: Connection, ids: Ids, office: Office) -> int:
    """With a secretary, who has a phone."""
    place = branch(conn, ids)
    chief = person(conn, ids, "S1", place, monthly=0)
    conn.execute(number.insert().values(number=SECRETARY, member_id=chief, main=True))
    today = office.today(NOON)
    roles.grant(conn, ids, "secretary", member_id=chief, branch_id=place, by="x", now=NOON, today=today)
    return place


def test_every_month_is_assessed_once_and_none_is_left_out(house: House, conn: Connection, ids: Ids) -> None:
    with conn.begin():
        zhang = person(conn, ids, "1", branch(conn, ids))
    assert [house.run(house.books.assess) for _ in range(2)] == [1, 0]
    assert house.months(zhang) == [202611]
    house.now = datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    assert house.run(house.books.assess) == 0
    house.now = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # midnight in Shanghai
    assert house.run(house.books.assess) == 1
    house.now = datetime(2027, 2, 10, tzinfo=UTC)  # it was stopped over the new year
    assert house.run(house.books.assess) == 2
    assert house.months(zhang) == [202611, 202612, 202701, 202702]
    house.now = datetime(2026, 12, 10, tzinfo=UTC)  # the clock is put back
    assert house.run(house.books.assess) == 0


def test_the_day_is_closed_by_itself(house: House, conn: Connection, ids: Ids) -> None:
    with conn.begin():
        person(conn, ids, "1", branch(conn, ids))
    assert [house.run(house.books.close) for _ in range(2)] == [2, 0]
    house.now += timedelta(days=1)
    assert house.run(house.books.close) == 2
    with conn.begin():
        assert [each.day for each in chain.links(conn, chain.Name.LEDGER)] == ["2026-11-24", "2026-11-25"]
        assert verifying.verify(conn, house.office.keys).findings == ()


def test_what_the_links_cover_is_compared_after_each_new_one(house: House, conn: Connection, ids: Ids) -> None:
    def state(name: chain.Name = chain.Name.AUDIT) -> chain_state.State:
        with conn.begin():
            return chain_state.state(conn, house.office.keys, name)

    def closed() -> None:
        house.now += timedelta(days=1)
        with conn.begin():
            audit.record(
                conn, id=first_of(house.now), at=house.now, actor="staff:li", action="reveal", object="member:1"
            )
        house.now += timedelta(days=1)
        house.run(house.books.close)
        while house.run(house.books.compare):
            pass

    house.run(house.books.compare)
    assert state().compared is None  # nothing is closed yet
    closed()
    assert (state().compared, state().broken) == (house.now, ())
    with conn.begin():
        guards.remove(conn)
        conn.execute(audit_rows.update().values(actor="staff:somebody"))  # its digest stays as it was
    house.run(house.books.compare)
    assert state().broken == ()  # it is looked at after the next link
    closed()
    assert state().broken == ("2026-11-26",)
    assert state(chain.Name.LEDGER).broken == ()
    with conn.begin():
        audit.erase(conn, ids, house.now + timedelta(days=1), actor="x", now=house.now)
        guards.install(conn)
    closed()
    assert state().broken == ()  # what is no longer kept is not compared


def test_what_retention_takes_while_links_are_compared_was_not_changed(
    house: House, conn: Connection, ids: Ids
) -> None:
    for _ in range(2):
        house.now += timedelta(days=1)
        with conn.begin():
            audit.record(
                conn, id=first_of(house.now), at=house.now, actor="staff:li", action="reveal", object="member:1"
            )
        house.now += timedelta(days=1)
        house.run(house.books.close)
    assert house.run(house.books.compare) == 1  # the newest link; the older one is still to come
    with conn.begin():
        guards.remove(conn)  # which let rows go that are years old
        audit.erase(conn, ids, house.now - timedelta(days=2), actor="x", now=house.now)
        guards.install(conn)
    while house.run(house.books.compare):
        pass
    with conn.begin():
        assert chain_state.compared(conn) == (house.now, {})
        assert len(audit.listing(conn)) == 1


def test_a_secretary_is_told_once_for_each_threshold(house: House, conn: Connection, ids: Ids) -> None:
    def texts() -> list[str]:
        found = select(message.c.sealed, message.c.lane, message.c.number, message.c.link).order_by(message.c.id)
        rows = conn.execute(found).all()
        assert {(row.lane, row.number, row.link) for row in rows} <= {(3, SECRETARY, "mobile")}
        return [said(house.office, row.sealed) for row in rows]

    with conn.begin():
        place = a_branch(conn, ids, house.office)
        li, wang, zhao = (person(conn, ids, f"A{index}4107", place) for index in range(3))
        for who, first in ((li, 202608), (wang, 202609), (zhao, 202606)):
            for month in dues.months(first, 202611):
                owes(conn, who, month)
    assert [house.run(house.books.warn) for _ in range(2)] == [1, 0]
    with conn.begin():
        early, late = texts()
        assert "1人欠交满3个月" in early
        assert "尾号4107。" in early
        assert "1人欠交满5个月" in late
        assert {word for word in ("300", "元", "成员") if word in early + late} == set()
        assert warn_branch(conn, house.office, route, place, NOON) == 0
        december = NOON + timedelta(days=20)
        assert warn_branch(conn, house.office, route, place, december) == 1  # of Wang, who now owes three
        assert "1人欠交满3个月" in texts()[2]
        conn.execute(update(obligation).where(obligation.c.member_id == li).values(paid=300))
        assert warn_branch(conn, house.office, route, place, december) == 0
        notices = conn.execute(select(arrears_notice.c.member_id, arrears_notice.c.months)).all()
        assert {tuple(row) for row in notices} == {(wang, 3), (zhao, 5)}
        assert len(texts()) == 3


def test_nobody_is_told_at_night_nor_lost_without_a_secretary(house: House, conn: Connection, ids: Ids) -> None:
    with conn.begin():
        place = a_branch(conn, ids, house.office)
        conn.execute(delete(number))
        li = person(conn, ids, "1", place)
        for month in dues.months(202607, 202611):
            owes(conn, li, month)
    house.now = NOON - timedelta(hours=9)
    assert house.run(house.books.warn) == 0
    house.now = NOON
    assert house.run(house.books.warn) == 1
    with conn.begin():
        assert conn.scalar(select(message.c.id)) is None
        assert conn.scalar(select(arrears_notice.c.months)) is None


def test_a_long_list_stays_in_one_segment(conn: Connection, ids: Ids) -> None:
    office = an_office()
    place = a_branch(conn, ids, office)
    for index in range(40):
        who = person(conn, ids, f"A{index:05}", place)
        for month in dues.months(202608, 202611):
            owes(conn, who, month)
    assert warn_branch(conn, office, route, place, NOON) == 1
    text = said(office, conn.scalar(select(message.c.sealed)))
    assert office.fits(text)
    assert "40人欠交满3个月" in text
    assert "0000、0001" in text
    assert "等。" in text
