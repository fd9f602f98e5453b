"""A wallet's text through the desk: logged without its words, booked and told in one transaction, never answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from config.receipt_rules import load
from gateway.affairs.wallet_texts import OnSim
from gateway.core import parts
from gateway.core.model import Fragment
from gateway.core.tables.messages import message
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.reconciling import wallet_text
from gateway.handling import handle
from gateway.workplace import Taken
from tests.affairs.test_wallet_texts import received
from tests.test_inbound import MEMBER, NOW, STRANGER, House

TEXT = received("TJF0000001", 600, 600).replace("0700000001", MEMBER.lstrip("+")).replace("23/11/26", "20/8/26")


@pytest.fixture
def house(conn: Connection) -> House:
    made = House(conn)
    place = replace(made.place, rules=load()[0], wallets={"a": OnSim("mpesa", 0)}, route=lambda number, prefer: "a")
    made.place = made.desk.place = place
    return made


def count(house: House, table: Any) -> int:
    with house.conn.begin():
        return int(house.conn.scalar(select(func.count()).select_from(table)) or 0)


def test_booked_told_and_logged_without_its_words(house: House) -> None:
    house.turn()
    assert house.tell(house.inbound(TEXT, "MPESA")) == ["taken"]
    assert count(house, receipt) == 1
    rows = house.rows(message.c.direction, message.c.number, message.c.log_class, message.c.text, message.c.error)
    assert rows[0][:4] == ("in", "MPESA", "B", f"<unknown> {len(TEXT)}")
    assert rows[0][4] == "wallet text: booked"
    (out,) = [row for row in rows if row[0] == "out"]
    assert out[1] == MEMBER
    assert "收到*" in out[3]


def test_nobody_is_answered_and_staff_hear_of_a_forgery(house: House) -> None:
    assert house.tell(house.inbound(TEXT, STRANGER)) == ["taken"]
    assert house.rows(message.c.id, direction="out") == []
    assert house.rows(message.c.error, direction="in") == ["wallet text: held (sender)"]
    assert house.desk.counters.money == 1
    assert count(house, txn) == 0


def test_a_member_on_the_same_modem_is_answered_as_ever(house: House) -> None:
    assert house.say("会费") is not None
    assert count(house, wallet_text) == 0


def test_a_text_in_two_parts(house: House) -> None:
    text = TEXT + " " + "x" * 60
    halves = (text[:153], text[153:])
    for number, half in enumerate(halves, start=1):
        part = Fragment(reference=7, total=2, number=number)
        assert house.tell(house.inbound(half, "MPESA", part=part)) == ["taken"]
        assert count(house, receipt) == number - 1


def test_a_part_that_stays_away_is_read_as_it_is_and_not_booked(house: House) -> None:
    house.tell(house.inbound(TEXT[:100], "MPESA", part=Fragment(reference=7, total=2, number=1)))
    with house.conn.begin():
        ((overdue, _),) = parts.overdue(house.conn, house.keys, NOW + timedelta(days=2))
    assert house.tell(overdue) == ["taken"]
    assert count(house, receipt) == 0
    assert house.rows(message.c.error, direction="in") == ["wallet text: unread"]


def test_killed_in_the_middle_it_is_booked_once_by_the_rerun(house: House) -> None:
    """What stands in one transaction is there whole or not at all: money, receipt, log and the text to the member."""
    taken = Taken(house.inbound(TEXT, "MPESA"), 1, None)
    tables = (receipt, txn, wallet_text, message)
    transaction = house.conn.begin()
    handle(house.conn, house.place, [taken], {}, NOW, 0.0)
    transaction.rollback()
    assert [count(house, table) for table in tables] == [0, 0, 0, 0]
    for _ in range(2):  # the second time the commit was lost, and it is there
        with house.conn.begin():
            handle(house.conn, house.place, [taken], {}, NOW, 0.0)
    assert [count(house, table) for table in tables] == [1, 1, 1, 2]
