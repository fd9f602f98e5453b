"""The figures of an hour: counted from rows, kept when the rows have gone, and not doubled by counting again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select

from gateway.affairs import cases, consent, figures
from gateway.affairs.figures import HOUR
from gateway.console import overview_query
from gateway.core.ids import Ids, first_of
from gateway.core.keys import Keys
from gateway.core.tables.desk import figure
from gateway.core.tables.messages import message

ZONE = ZoneInfo("Asia/Shanghai")
TEN = datetime(2026, 9, 21, 2, tzinfo=UTC)  # Monday, 10:00 there


def sent(conn: Connection, at: datetime, number: int, **values: object) -> None:
    row = {
        "id": first_of(at) + number, "direction": "out", "state": "delivered", "channel": "sms", "link": "mobile",
        "number": "+8613800000007", "at": at, "log_class": "A",
    } | values  # fmt: skip
    conn.execute(message.insert().values(row))


def count(conn: Connection, hour: datetime) -> None:
    figures.keep(conn, hour, figures.count(conn, hour, ZONE))


def test_an_hour_is_counted_and_stays_when_its_rows_go(conn: Connection, keys: Keys) -> None:
    for number in range(3):
        sent(conn, TEN + timedelta(minutes=number), number)
    sent(conn, TEN + timedelta(minutes=59), 9, state="failed")
    sent(conn, TEN + HOUR, 0)
    sent(conn, TEN, 10, direction="in", state="received", link="village")
    at = [TEN + timedelta(minutes=5)]
    ids = iter(range(1, 1000))

    def new_id() -> int:
        return first_of(at[0]) + next(ids)

    consent.stop(conn, new_id, "+8613800000007", how="SMS", now=at[0])
    case = cases.open(
        conn, new_id, keys, number="+8613800000007", member=None, language="zh", text="?", message_id=None, now=at[0]
    )
    cases.answer(
        conn, new_id, case.id, staff_id=None, author="x", text="!", message_id=None, now=TEN + timedelta(minutes=25)
    )
    count(conn, TEN)
    count(conn, TEN)
    conn.execute(delete(message))
    [(hour, found)] = figures.by_hour(conn, TEN, TEN + HOUR).items()
    assert hour == TEN
    assert found == {
        ("out", "delivered"): 3, ("out", "failed"): 1, ("in", "received"): 1, ("stop", ""): 1, ("asked", ""): 1,
        ("answered", ""): 1, ("minutes", ""): 20, ("counted", ""): 1, ("link", "mobile"): 4, ("link", "village"): 1,
    }  # fmt: skip
    [(day, total)] = overview_query.days(conn, ZONE, date(2026, 9, 21), 1)
    assert (day, total.came, total.went, total.delivered, total.failed) == (date(2026, 9, 21), 1, 4, 3, 1)
    assert (total.share, total.mean, total.stops, total.under_way) == (75, 20, 1, 0)


def test_a_day_is_the_organisation_s_own(conn: Connection) -> None:
    late = datetime(2026, 9, 21, 15, tzinfo=UTC)  # 23:00 there
    sent(conn, late, 0)
    sent(conn, late + HOUR, 0)  # the next day there, the same day by UTC
    count(conn, late)
    count(conn, late + HOUR)
    found = overview_query.days(conn, ZONE, date(2026, 9, 22), 2)
    assert [(day.day, total.went) for day, total in found] == [(21, 1), (22, 1)]


def test_what_is_still_to_be_counted(conn: Connection, ids: Ids) -> None:
    assert len(figures.hours_to_count(conn, TEN)) == figures.AGAIN + 1, "three days back at first"
    count(conn, TEN - HOUR)
    assert figures.hours_to_count(conn, TEN + timedelta(minutes=5)) == [TEN - 2 * HOUR, TEN - HOUR, TEN]
    count(conn, TEN)
    assert figures.hours_to_count(conn, TEN + timedelta(minutes=5)) == [TEN - HOUR, TEN]
    assert figures.hours_to_count(conn, TEN + 5 * HOUR)[0] == TEN - HOUR, "a night without the gateway"
    assert len(figures.hours_to_count(conn, TEN, again=figures.AGAIN)) == figures.AGAIN
    assert conn.scalar(select(figure.c.value).where(figure.c.name == "counted", figure.c.hour == TEN)) == 1
