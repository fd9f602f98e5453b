"""The chains over ledger and audit, and the proof that finds the first wrong row."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.affairs import chain, ledger, payments, receipts, verifying
from gateway.affairs.books import Books
from gateway.affairs.chain import Name
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting
from gateway.affairs.payments import Surplus
from gateway.affairs.receipts import Kind
from gateway.core import audit, guards
from gateway.core.digests import digest
from gateway.core.driver import ask, insert
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from tests.affairs.people import NOW, branch, owes, person
from tests.affairs.test_payments import payment


class Clock:
    """Ids and the time of day go together."""

    def __init__(self) -> None:
        self.now = NOW
        self.ids = Ids(self.seconds)

    def seconds(self) -> float:
        return self.now.timestamp()

    def __call__(self) -> int:
        return self.ids()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(conn: Connection, books: Books, clock: Clock) -> Books:
    return Books(books.organisation, books.keys, clock)


def close(conn: Connection, books: Books, now: datetime) -> list[Name]:
    closed = []
    for name in Name:
        plan = chain.plan(conn, name, books.zone, now)
        if plan is not None:
            assert chain.append(conn, books.keys, plan, *chain.read(conn, plan), now)
            closed.append(name)
    return closed


def busy(conn: Connection, books: Books, clock: Clock) -> int:
    """A day on which a member pays, one payment is called off and somebody looks at a number."""
    branch(conn, clock, "53")
    zhang = person(conn, clock, "A1", branch(conn, clock, "5301", "53"), dues_from=202609)
    for month in (202609, 202610, 202611):
        owes(conn, zhang, month)
    payments.receive(conn, books, payment(zhang, 500), clock.now)
    receipt = payments.receive(conn, books, payment(zhang, 900, "p2"), clock.now)
    back = payments.reverse(conn, books, receipt.id, key="r1", actor="staff:x", now=clock.now, pending=True)
    clock.now += timedelta(days=1)
    ledger.settle_pending(conn, clock, back.id, actor="system", now=clock.now)
    audit.record(conn, id=clock(), at=clock.now, actor="staff:x", action="reveal", object="number:1", reason="call")
    return zhang


def proved(conn: Connection, keys: Keys) -> list[str]:
    return [f"{row}: {says}" for row, says in verifying.verify(conn, keys).findings]


def test_a_day_is_closed_once_after_midnight(conn: Connection, house: Books, clock: Clock) -> None:
    busy(conn, house, clock)
    midnight = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)  # of Shanghai
    assert close(conn, house, midnight + timedelta(minutes=5)) == []
    assert close(conn, house, midnight + timedelta(minutes=15)) == [Name.LEDGER, Name.AUDIT]
    assert close(conn, house, midnight + timedelta(minutes=20)) == []
    (link,) = chain.links(conn, Name.LEDGER)
    assert (link.number, link.day, link.rows) == (1, "2026-11-24", 4)
    assert close(conn, house, midnight + timedelta(days=3, minutes=15)) == [Name.LEDGER, Name.AUDIT]
    assert [each.day for each in chain.links(conn, Name.LEDGER)] == ["2026-11-24", "2026-11-27"]
    assert proved(conn, house.keys) == []
    proof = verifying.verify(conn, house.keys)
    assert (proof.transactions, proof.receipts, proof.audited, proof.links) == (3, 2, 1, 4)
    assert proof.head == chain.links(conn, Name.LEDGER)[-1].hash


def test_a_clock_that_is_put_back_slips_nothing_into_a_closed_day(conn: Connection, house: Books, clock: Clock) -> None:
    zhang = busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    conn.commit()
    late = Books(house.organisation, house.keys, Ids((NOW - timedelta(hours=5)).timestamp))
    with pytest.raises(DBAPIError, match="day is closed"):
        payments.receive(conn, late, payment(zhang, 100, "p9"), NOW)
    conn.rollback()
    assert isinstance(late.new_id, Ids)
    late.new_id.start_after(chain.newest_id(conn))  # as every start does
    payments.receive(conn, late, payment(zhang, 100, "p9"), NOW)
    assert proved(conn, house.keys) == []


def test_ids_from_a_time_that_never_was_are_closed_in(conn: Connection, house: Books, clock: Clock) -> None:
    zhang = busy(conn, house, clock)
    clock.now += timedelta(days=400)
    payments.receive(conn, house, payment(zhang, 100, "p3"), clock.now)
    clock.now -= timedelta(days=400)
    close(conn, house, clock.now + timedelta(days=1))
    assert chain.links(conn, Name.LEDGER)[0].rows == 5
    payments.receive(conn, house, payment(zhang, 100, "p4"), clock.now)
    assert proved(conn, house.keys) == []


def test_a_row_that_comes_while_the_link_is_read_is_not_left_out(conn: Connection, house: Books, clock: Clock) -> None:
    zhang = busy(conn, house, clock)
    now = clock.now + timedelta(days=1)
    plan = chain.plan(conn, Name.LEDGER, house.zone, now)
    assert plan is not None
    rows, content = chain.read(conn, plan)
    payments.receive(conn, house, payment(zhang, 100, "p3"), clock.now)
    assert not chain.append(conn, house.keys, plan, rows, content, now)
    assert chain.append(conn, house.keys, plan, *chain.read(conn, plan), now)
    assert proved(conn, house.keys) == []


def unguarded(conn: Connection, statement: str) -> None:
    """What somebody could do who may change the database itself."""
    guards.remove(conn)
    conn.execute(text(statement))
    guards.install(conn)


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE txn SET actor = 'nobody' WHERE key = 'p1'", "txn .*not what was written"),
        ("UPDATE posting SET amount = amount + 1 WHERE number = 0 AND account LIKE 'cash%'", "txn .*not what"),
        ("UPDATE account SET balance = balance + 1 WHERE kind = 'cash'", "account cash:5301:CNY: its balance is"),
        ("UPDATE obligation SET paid = 300 WHERE month = 202611", r"obligation \d+ 202611: what is paid is not"),
        ("DELETE FROM receipt WHERE amount = 500", "txn .*without a receipt"),
        ("UPDATE receipt SET method = 'bank' WHERE amount = 500", "receipt .*not what was written"),
        ("UPDATE settlement SET actor = 'x'", "settlement .*not what was written"),
        ("UPDATE txn SET state = 'pending' WHERE kind = 'reversal'", "txn .*which nothing says"),
        ("UPDATE audit SET actor = 'staff:y'", "audit .*not what was written"),
        ("DELETE FROM audit", "audit of 2026-11-24: 1 rows were there"),
        ("UPDATE chain SET day = '2026-11-20' WHERE name = 'ledger'", "ledger of .*does not fit"),
        ("DROP TRIGGER guard_receipt_insert", "guard_receipt_insert: .*missing"),
        (
            "UPDATE account SET owner = '5399' WHERE kind = 'cash'",
            "account cash:5301:CNY: it says that it is cash:5399",
        ),
    ],
)
def test_the_proof_names_the_first_wrong_row(
    conn: Connection, house: Books, clock: Clock, statement: str, first: str
) -> None:
    busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    assert proved(conn, house.keys) == []
    if "DROP" in statement:
        conn.execute(text(statement + (" ON receipt" if conn.dialect.name == "postgresql" else "")))
    else:
        unguarded(conn, statement)
    found = proved(conn, house.keys)
    assert found
    assert re.match(first, found[0]), found


def test_what_was_never_pending_cannot_be_called_off(conn: Connection, house: Books, clock: Clock) -> None:
    """A forged settlement: the transaction is in a closed link, which does not cover what became of it."""
    busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    clock.now += timedelta(days=2)
    ((txn_id,),) = ask(conn, "SELECT id FROM txn WHERE key = 'p1'")
    row = (clock(), txn_id, "voided", clock.now, "system")
    guards.remove(conn)
    insert(conn, "settlement", ("id", "txn_id", "outcome", "at", "actor", "digest"), [(*row, digest(*row))])
    for statement in (
        "UPDATE txn SET state = 'voided' WHERE key = 'p1'",
        "UPDATE account SET balance = balance - 500 WHERE kind = 'cash'",
        "UPDATE account SET balance = balance + 500 WHERE kind = 'income'",
        "UPDATE obligation SET paid = 0",
    ):
        conn.execute(text(statement))
    guards.install(conn)
    assert proved(conn, house.keys)[0] == f"txn {txn_id}: it was never pending, and settlement {row[0]} says voided"


def test_a_receipt_of_today_for_money_that_did_not_come(conn: Connection, house: Books, clock: Clock) -> None:
    """No link covers it yet, and the fingerprint of a receipt anybody can make."""
    zhang = busy(conn, house, clock)
    first = payments.receive(conn, house, payment(zhang, 300, "p3"), clock.now)
    forged = replace(
        first, id=clock(), number=receipts.take_numbers(conn, house.keys)[0], kind=Kind.VOLUNTARY, credit=0, extra=300
    )
    row = receipts.rows([forged])
    conn.commit()
    with pytest.raises(DBAPIError, match="a receipt is given with it"):
        insert(conn, *row)
    conn.rollback()
    guards.remove(conn)
    insert(conn, *row)
    guards.install(conn)
    assert f"txn {first.txn_id}: its receipts are of 600 and 300 came in" in proved(conn, house.keys)


def test_a_receipt_of_today_that_is_gone(conn: Connection, house: Books, clock: Clock) -> None:
    zhang = busy(conn, house, clock)
    much = replace(payment(zhang, 2_000_000, "p3"), surplus=Surplus.VOLUNTARY)
    one, other = payments.receive_all(conn, house, much, clock.now)
    unguarded(conn, f"DELETE FROM receipt WHERE id = {other.id}")  # noqa: S608  # ours
    assert proved(conn, house.keys) == [f"txn {one.txn_id}: its receipts are of {one.amount} and 2000000 came in"]


def test_a_reversal_that_gives_back_something_else(conn: Connection, house: Books, clock: Clock) -> None:
    zhang = busy(conn, house, clock)
    paid = payments.receive(conn, house, payment(zhang, 300, "p3"), clock.now)
    to, back = Account(AccountKind.VOLUNTARY, "5301"), Account(AccountKind.CASH, "5301")
    entry = Entry(
        key="r3", kind="reversal", postings=(Posting(to, 200), Posting(back, -200)), effective=clock.now,
        actor="staff:x", currency="CNY", reverses=paid.txn_id,
    )  # fmt: skip
    made = ledger.post(conn, clock, entry, clock.now)
    assert proved(conn, house.keys) == [f"txn {made.id}: it is not the reverse of txn {paid.txn_id}"]


@pytest.mark.parametrize("table", ["posting", "covered", "receipt", "settlement"])
def test_rows_of_no_transaction(conn: Connection, house: Books, clock: Clock, table: str) -> None:
    busy(conn, house, clock)
    nobody = clock()
    conn.commit()
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET session_replication_role = replica")
    else:
        conn.connection.cursor().execute("PRAGMA foreign_keys = OFF")  # within a transaction it does nothing
    names = {"posting": "number, account, amount", "covered": "month, member_id, amount"}
    if table in names:
        statement = f"INSERT INTO {table} (txn_id, {names[table]}) SELECT {nobody}, {names[table]} FROM {table} LIMIT 1"  # noqa: S608  # ours
    else:
        statement = f"UPDATE {table} SET txn_id = {nobody} WHERE id = (SELECT min(id) FROM {table})"  # noqa: S608  # ours
    unguarded(conn, statement)
    found = proved(conn, house.keys)
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET session_replication_role = DEFAULT")
    assert any(re.fullmatch(rf"{table}: \d rows are of no transaction", each) for each in found), found


def test_a_whole_forgery_does_not_have_the_key(conn: Connection, house: Books, clock: Clock) -> None:
    busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    assert all("does not fit" in found for found in proved(conn, Keys(bytes(32))))


def test_a_link_that_was_written_down_shows_that_a_day_was_closed_anew(
    conn: Connection, house: Books, clock: Clock
) -> None:
    busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    (head,) = (link.hash for link in chain.links(conn, Name.LEDGER))
    assert verifying.verify(conn, house.keys, written_down=[head]).findings == ()
    unguarded(conn, "DELETE FROM chain WHERE name = 'ledger'")
    receipt = receipts.by_key(conn, "p1")[0]
    row = receipts.rows([replace(receipt, method="bank")]).rows[0]
    guards.remove(conn)
    ask(conn, "UPDATE receipt SET method = 'bank', digest = ? WHERE id = ?", row[-1], receipt.id)
    guards.install(conn)
    close(conn, house, clock.now + timedelta(days=1))
    assert proved(conn, house.keys) == []
    (finding,) = verifying.verify(conn, house.keys, written_down=[head]).findings
    assert finding == (f"link {head}", "it is in no chain: days were closed anew")


def test_an_old_audit_is_erased_by_whole_links_and_still_proves(conn: Connection, house: Books, clock: Clock) -> None:
    busy(conn, house, clock)
    close(conn, house, clock.now + timedelta(days=1))
    clock.now += timedelta(days=2)
    audit.record(conn, id=clock(), at=clock.now, actor="staff:x", action="later", object="number:1")
    close(conn, house, clock.now + timedelta(days=1))
    conn.commit()
    with pytest.raises(DBAPIError, match="erased"):
        conn.execute(text("DELETE FROM audit"))
    conn.rollback()

    def erase(now: datetime, before: datetime) -> int:
        return audit.erase(conn, clock, before, actor="system", now=now)

    with pytest.raises(DBAPIError, match="after a year"):
        erase(clock.now, clock.now)
    conn.rollback()
    before = clock.now - timedelta(hours=1)
    clock.now += timedelta(days=1100)
    assert erase(clock.now, before) == 1
    assert erase(clock.now, before) == 0
    assert [entry.action for entry in audit.listing(conn)] == ["later"]
    assert proved(conn, house.keys) == []
