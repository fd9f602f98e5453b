"""An organisation with a wallet, for tests: two branches' members, their phones and what they owe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from config.model import Organisation
from gateway.affairs import ledger, members
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.keys import Keys
from tests.affairs.people import branch, owes, person

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KENYA = Organisation(
    name="Kisumu", country="KE", currency="KES", time_zone="Africa/Nairobi", language="en", signature={"en": "Kisumu"}
)
WALLET = Account(AccountKind.WALLET, "mpesa")
BANK = Account(AccountKind.BANK, "county")
INCOME = Account(AccountKind.INCOME, "5301")
AKINYI, OTIENO, STRANGER = "+254700000001", "+254700000002", "+254700000009"


def books(keys: Keys, new_id: Callable[[], int]) -> Books:
    return Books(KENYA, keys, new_id)


def settle(conn: Connection, new_id: Callable[[], int]) -> tuple[int, int]:
    """Akinyi (number 0042) and Otieno (0043), each three months behind."""
    top = branch(conn, new_id, "53")
    village = branch(conn, new_id, "5301", "53")
    del top
    people = []
    for number, phone in (("0042", AKINYI), ("0043", OTIENO)):
        found = person(conn, new_id, number, village, dues_from=202609, language="en")
        for month in (202609, 202610, 202611):
            owes(conn, found, month, 30000)
        members.bind(conn, phone, found, NOW)
        people.append(found)
    return people[0], people[1]


def holds(conn: Connection, account: Account) -> int:
    return ledger.balance(conn, account, "KES").posted


def nothing_is_lost(conn: Connection) -> None:
    """Every account together is nothing."""
    from sqlalchemy import func, select

    from gateway.core.tables.money import account

    total: Any = conn.scalar(select(func.coalesce(func.sum(account.c.balance), 0)))
    assert int(total) == 0
