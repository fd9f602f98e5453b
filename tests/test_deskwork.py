"""The hotline's clockwork: a late question reaches the phone of the lead nearest to it, once, and then the county's."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update
from twisted.internet.defer import Deferred

from config.model import Alarms as Settings
from gateway.affairs import cases, figures, roles, staff
from gateway.alarms import Alarms
from gateway.core.database import Inline
from gateway.core.tables.desk import figure
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import branch
from gateway.core.tables.staff import hotline_case
from gateway.core.tables.staff import staff as accounts
from gateway.deskwork import Deskwork
from gateway.links import Board
from tests.commands.people import IDS, NOW, an_office
from tests.test_outbox import Line

NEAR, COUNTY = "+8613800000051", "+8613800000052"


class House:
    def __init__(self, conn: Connection) -> None:
        self.conn, self.now = conn, NOW  # a Tuesday, 10:00 there
        self.counted = 0
        office, database, board = an_office(), Inline(conn), Board(lambda: 0.0)
        board.add(Line(), kind="smpp")
        alarms = Alarms(office, board, database, to=Settings(), quarantined=lambda: 0, now=lambda: self.now)
        self.work = Deskwork(database, lambda: office, alarms, lambda: self.now)
        database.subscribe(figures.TOPIC, self._count)
        self.office = office

    def _count(self) -> None:
        self.counted += 1

    def at(self, moment: datetime) -> list[str]:
        """Who hears of it then."""
        self.now = moment
        self.conn.commit()
        failed: list[object] = []
        Deferred.fromCoroutine(self.work.wind()).addErrback(failed.append)
        Deferred.fromCoroutine(self.work.count()).addErrback(failed.append)
        assert failed == []
        ours = (message.c.actor == "system:alarms", message.c.state == "queued")
        told = list(self.conn.scalars(select(message.c.number).where(*ours).order_by(message.c.id)))
        self.conn.execute(update(message).where(*ours).values(state="sent"))
        return told


def lead(conn: Connection, name: str, phone: str, branch_id: int | None) -> None:
    made = staff.add(conn, IDS, name, now=NOW)
    conn.execute(update(accounts).where(accounts.c.id == made).values(phone=phone))
    roles.grant(conn, IDS, "lead", staff_id=made, branch_id=branch_id, by="test", now=NOW, today=NOW.date())


def test_late_questions_go_up(conn: Connection) -> None:
    house = House(conn)
    row = {"id": 1, "code": "5301", "name": "河口镇", "parent_id": None, "path": "/5301/"}
    conn.execute(insert(branch), row)
    lead(conn, "near", NEAR, 1)
    lead(conn, "county", COUNTY, None)
    cases.open(
        conn, IDS, house.office.keys, number="+8613800000007", member=None, language="zh", text="?", message_id=None,
        now=NOW,
    )  # fmt: skip
    conn.execute(update(hotline_case).values(branch_path="/5301/01/"))
    assert house.at(NOW) == []
    assert house.at(NOW + timedelta(minutes=59)) == []
    assert house.at(NOW + timedelta(minutes=60)) == [NEAR]
    assert house.at(NOW + timedelta(minutes=61)) == []
    assert house.at(NOW + timedelta(minutes=120)) == [COUNTY]
    assert house.at(NOW + timedelta(days=3)) == []
    assert house.counted > 0
    assert conn.scalar(select(figure.c.value).where(figure.c.name == "asked")) == 1


def test_where_no_lead_is_near_the_county_hears_at_once(conn: Connection) -> None:
    house = House(conn)
    lead(conn, "county", COUNTY, None)
    cases.open(
        conn, IDS, house.office.keys, number="+8613800000007", member=None, language="zh", text="?", message_id=None,
        now=NOW,
    )  # fmt: skip
    house.at(NOW)
    assert house.at(NOW + timedelta(hours=1)) == [COUNTY]
