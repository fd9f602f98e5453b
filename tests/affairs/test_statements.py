"""A bank's statement comes in: what is new is booked once, whatever overlaps, and nothing is guessed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from config.statement_profiles import load
from gateway.affairs import (
    cash,
    members,
    paybill,
    paycodes,
    payments,
    remittances,
    statement_importing,
    statements,
    suspense,
    vouchers,
)
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.payments import Method, Payment
from gateway.affairs.statement_importing import Job
from gateway.affairs.statement_lines import Line
from gateway.affairs.statements import Outcome
from gateway.core import audit
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.organisation import branch
from gateway.core.tables.reconciling import statement_entry, untold
from tests.affairs import till
from tests.affairs.till import BANK, NOW, WALLET

PROFILE = load()[0]
HEAD = "date,reference,amount,text,payer\n"


@pytest.fixture
def books(keys: Keys, ids: Ids) -> Books:
    return till.books(keys, ids)


@pytest.fixture
def people(conn: Connection, ids: Ids) -> tuple[int, int]:
    found = till.settle(conn, ids)
    conn.commit()
    return found


@pytest.fixture
def imports(conn: Connection, books: Books, tmp_path: Path) -> Callable[..., dict[str, int]]:
    """Import these rows; how many of each outcome."""

    def run(rows: str, account: Account = BANK, **more: Any) -> dict[str, int]:
        path = tmp_path / "november.csv"
        path.write_text(HEAD + rows, "utf-8")
        job = Job(file=path, account=account, profile=PROFILE, iban=None, actor="system:command line", **more)
        conn.commit()
        counts = statement_importing.run(conn, books, job, NOW)
        return {outcome.value: many for outcome, many in counts.items()}

    return run


def count(conn: Connection, table: Any) -> int:
    return int(conn.scalar(select(func.count()).select_from(table)) or 0)


ROWS = (
    "2026-11-20,B1,600.00,dues of 0042,AKINYI\n"
    "2026-11-20,B2,50.00,rent,SOMEBODY\n"
    "2026-11-21,B3,-3.00,fee,BANK\n"
    "2026-11-21,B4,not much,x,Y\n"
)


def test_each_line_goes_where_it_belongs(
    conn: Connection, books: Books, people: tuple[int, int], imports: Callable[..., dict[str, int]]
) -> None:
    report = io.StringIO()
    assert imports(ROWS, report=report) == {"booked": 1, "suspense": 1, "noted": 1, "error": 1}
    assert till.holds(conn, BANK) == 65000
    (item,) = suspense.listing(conn)
    assert (item.reference, item.payer, item.said, item.amount) == ("B2", "SOMEBODY", "rent", 5000)
    number = conn.scalar(select(receipt.c.number))
    assert list(csv.reader(io.StringIO(report.getvalue()))) == [
        ["line", "reference", "amount", "outcome", "what"],
        ["2", "B1", "600.00", "booked", f"receipt {number}"],
        ["3", "B2", "50.00", "suspense", ""],
        ["4", "B3", "'-3.00", "noted", ""],
        ["5", "", "0.00", "error", "amount"],
    ]
    (entry,) = audit.listing(conn, object="account:bank:county")
    assert entry.reason == "4 lines, 3 new"
    assert count(conn, untold) == 1  # the gateway tells the member
    till.nothing_is_lost(conn)


def test_the_same_file_twice_and_one_that_overlaps_change_nothing_twice(
    conn: Connection, people: tuple[int, int], imports: Callable[..., dict[str, int]]
) -> None:
    imports(ROWS)
    assert imports(ROWS) == {"unchanged": 3, "error": 1}
    more = ROWS + "2026-11-20,B2,50.00,rent,SOMEBODY\n2026-11-22,B5,300.00,0043,OTIENO\n"
    assert imports(more) == {"unchanged": 3, "error": 1, "suspense": 1, "booked": 1}
    assert till.holds(conn, BANK) == 65000 + 5000 + 30000
    assert count(conn, txn) == 4


def test_a_dry_run_changes_nothing(
    conn: Connection, people: tuple[int, int], imports: Callable[..., dict[str, int]]
) -> None:
    assert imports(ROWS, dry_run=True) == {"booked": 1, "suspense": 1, "noted": 1, "error": 1}
    assert [count(conn, table) for table in (txn, receipt, statement_entry, untold)] == [0, 0, 0, 0]
    assert imports(ROWS)["booked"] == 1


def test_a_batch_of_vouchers_is_paid_for(
    conn: Connection,
    books: Books,
    keys: Keys,
    ids: Ids,
    people: tuple[int, int],
    imports: Callable[..., dict[str, int]],
) -> None:
    village = conn.scalar(select(branch.c.id).where(branch.c.code == "5301"))
    assert village is not None
    number = vouchers.print_batch(
        conn, keys, ids, Random(1), branch_id=village, value=10000, currency="KES", count=5, actor="staff:a", now=NOW
    ).number
    vouchers.activate(conn, ids, number, actor="staff:b", now=NOW)
    conn.commit()
    sold = Account(AccountKind.VOUCHERS, "5301")
    assert imports(f"2026-11-20,B1,300.00,batch {number},5301\n") == {"booked": 1}
    assert (till.holds(conn, BANK), till.holds(conn, sold)) == (30000, -30000)
    # More than are left, or no whole number of them: a person looks at it.
    rows = f"2026-11-20,B2,300.00,{number},5301\n2026-11-20,B3,150.00,{number},5301\n"
    assert imports(rows) == {"suspense": 2}
    assert till.holds(conn, sold) == -30000


def test_what_a_treasurer_handed_on_is_found_by_its_number(
    conn: Connection, books: Books, people: tuple[int, int], imports: Callable[..., dict[str, int]]
) -> None:
    treasurer = members.by_id(conn, people[1], NOW.date())
    assert treasurer is not None
    box = cash.account(treasurer.id)
    paid = Payment(key="k", member_id=people[0], amount=90000, method=Method.CASH, source=box, actor="member:1", at=NOW)
    payments.receive(conn, books, paid, NOW)
    sent = [remittances.send(conn, books, treasurer, amount, None, NOW) for amount in (60000, 20000)]
    numbers = [each.number for each in sent if isinstance(each, remittances.Remittance)]
    rows = f"2026-11-20,B1,600.00,remittance {numbers[0]},OTIENO\n2026-11-20,B2,199.00,{numbers[1]},OTIENO\n"
    assert imports(rows) == {"booked": 1, "suspense": 1}
    found = [remittances.find(conn, number) for number in numbers]
    assert [each.state for each in found if each] == [remittances.ARRIVED, remittances.TRANSIT]
    assert [till.holds(conn, each) for each in (box, BANK)] == [10000, 60000 + 19900]
    assert imports(rows) == {"unchanged": 2}
    till.nothing_is_lost(conn)


def test_a_pay_code_names_its_member_until_it_is_used(
    conn: Connection, books: Books, ids: Ids, people: tuple[int, int], imports: Callable[..., dict[str, int]]
) -> None:
    code = paycodes.give(
        conn, ids, Random(1), member_id=people[1], amount=30000, surplus="prepaid", now=NOW, relative=True
    ).code
    rows = f"2026-11-20,B1,300.00,for my uncle {code},A NEPHEW\n"
    assert imports(rows) == {"booked": 1}
    assert conn.scalar(select(receipt.c.member_id)) == people[1]
    assert paycodes.find(conn, code, NOW) is None
    assert imports(rows + f"2026-11-20,B2,300.00,{code},A NEPHEW\n") == {"unchanged": 1, "suspense": 1}


def test_a_provider_s_statement_is_kept_and_compared_not_booked(
    conn: Connection, books: Books, people: tuple[int, int]
) -> None:
    told = Movement(source=WALLET, amount=30000, reference="TJF0000001", payer="", at=NOW)
    paybill.receive(conn, books, told, account="0042", actor="provider", now=NOW)
    day = date(2026, 11, 23)
    lines = [
        Line(number=1, day=day, amount=30000, reference="TJF0000001"),
        Line(number=2, day=day, amount=500, reference="TJF0000002", payer="+254700000009"),
    ]
    for expected in (["known", "noted"], ["unchanged", "unchanged"]):
        results = statements.add(conn, books, WALLET, lines, by="api", actor="provider", now=NOW)
        assert [result.outcome.value for result in results] == expected
    assert till.holds(conn, WALLET) == 30000
    entry = conn.scalar(select(statement_entry.c.id).where(statement_entry.c.reference == "TJF0000002"))
    assert entry is not None
    held = statements.to_suspense(conn, books, entry, actor="staff:njeri", reason="seen in the portal", now=NOW)
    assert held.fresh
    assert till.holds(conn, WALLET) == 30500
    with pytest.raises(Refused, match="ours already"):
        statements.to_suspense(conn, books, entry, actor="staff:njeri", reason="again", now=NOW)
    # Whoever else hears of it finds it there.
    again = Movement(source=WALLET, amount=500, reference="TJF0000002", payer="", at=NOW)
    assert not paybill.receive(conn, books, again, account=None, actor="x", now=NOW).fresh


def test_killed_between_two_steps_it_goes_on_where_it_was(
    conn: Connection,
    books: Books,
    people: tuple[int, int],
    imports: Callable[..., dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = "".join(f"2026-11-20,C{number},1.00,x,Y\n" for number in range(120))
    real, calls = statements.take, []

    def dies(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(statements, "take", dies)
    with pytest.raises(KeyboardInterrupt):
        imports(rows)
    monkeypatch.undo()
    assert till.holds(conn, BANK) == 5000
    conn.commit()
    assert imports(rows) == {"unchanged": 50, "suspense": 70}
    assert till.holds(conn, BANK) == 12000
    assert Outcome.ERROR not in imports(rows)
