"""Dues in the organisation of the console's tests: what is owed, what was paid, and who looks after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from config.model import Organisation
from gateway.affairs import branches, ledger, payments, refund_rows, refunds, remittances, statements, suspense
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting
from gateway.affairs.movements import Movement
from gateway.affairs.receipts import Receipt
from gateway.affairs.statement_lines import Line
from gateway.core.ids import Ids
from gateway.core.model import Member
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.cash import cash_day as cash_day_table
from gateway.core.tables.organisation import member, obligation, role_grant
from tests.console.serve import KEYS
from tests.console.served import PHONE, staff_member

THIS_YEAR = datetime.now(UTC).year
MONTHS = tuple(THIS_YEAR * 100 + number for number in range(1, 13))


def officers(conn: Connection, ids: Ids) -> None:
    """Two of finance, and the treasurer of one township; `people` has made the others."""
    for name, role, branch in (("wu", "finance", None), ("zheng", "finance", None), ("tan", "treasurer", "5301")):
        staff_member(conn, ids, name, role, branch=branch)


def books(ids: Callable[[], int]) -> Books:
    return Books(Organisation(name="Anhe"), KEYS, ids)


def neighbour(conn: Connection, ids: Callable[[], int], member_no: str = "B2001", branch: str = "5302") -> int:
    """A member of the other township."""
    found = branches.by_code(conn, branch)
    assert found is not None
    id_ = ids()
    conn.execute(
        member.insert().values(
            id=id_, member_no=member_no, branch_id=found.id, name="Akello Grace", language="en", dues_class="a",
            monthly_amount=500, created=datetime.now(UTC),
        )
    )  # fmt: skip
    return id_


def owed(conn: Connection, member_id: int, amount: int = 900) -> None:
    """Every month of this year."""
    conn.execute(obligation.insert(), [{"member_id": member_id, "month": month, "amount": amount} for month in MONTHS])


def paid(conn: Connection, ids: Callable[[], int], member_id: int, amount: int, *, key: str = "1") -> Receipt:
    now = datetime.now(UTC)
    payment = payments.Payment(
        key=f"test:{member_id}:{key}",
        member_id=member_id,
        amount=amount,
        method=payments.Method.CASH,
        source=Account(AccountKind.CASH, "5301"),
        actor="member:7",
        at=now,
    )
    return payments.receive(conn, books(ids), payment, now)


def lost(conn: Connection, ids: Callable[[], int], amount: int = 500, said: str = "dues", key: str = "1") -> int:
    """Money of somebody in suspense; its id."""
    now = datetime.now(UTC) - timedelta(hours=3)
    movement = Movement(
        source=Account(AccountKind.WALLET, "wallet"),
        amount=amount,
        reference=f"QX{key}",
        payer="+8613900000009",
        said=said,
        at=now,
    )
    return suspense.hold(conn, books(ids), movement, actor="system:test", now=now).id


def collects(conn: Connection, ids: Callable[[], int], who: Member) -> None:
    """Make a member treasurer of their branch."""
    conn.execute(
        role_grant.insert().values(
            id=ids(), role="treasurer", member_id=who.id, staff_id=None, branch_id=who.branch_id, until=None,
            granted_by="test", at=datetime.now(UTC),
        )
    )  # fmt: skip


def balance_of(conn: Connection, member_id: int) -> int:
    return sum(conn.scalars(select(obligation.c.paid).where(obligation.c.member_id == member_id)))


class CashDay(NamedTuple):
    unconfirmed: int  # claim
    remittance: str


def cash_day(conn: Connection, ids: Callable[[], int], who: Member) -> CashDay:
    """A treasurer of the township who has taken cash, closed the day and handed some on."""
    now = datetime.now(UTC)
    today = now.astimezone(ZoneInfo("Asia/Shanghai")).date().isoformat()
    treasurer = neighbour(conn, ids, "A1005", "5301")
    found = {}
    for state, amount in (("open", 500), ("unconfirmed", 700), ("denied", 800)):
        found[state] = ids()
        conn.execute(
            cash_claim.insert().values(
                id=found[state], treasurer_id=treasurer, member_id=who.id, branch_path=who.branch_path, amount=amount,
                surplus="prepaid", state=state, suspended=False, day=today, opened=now,
                expires=now + timedelta(hours=24), settled=now if state == "denied" else None,
            )
        )  # fmt: skip
    conn.execute(
        cash_day_table.insert().values(
            treasurer_id=treasurer, day=today, book=1200, counted=1100, unconfirmed=700, closed=now
        )
    )
    filled = Entry(
        key="test:box",
        kind="dues",
        postings=(
            Posting(Account(AccountKind.CASH, str(treasurer)), 5000),
            Posting(Account(AccountKind.INCOME, "5301"), -5000),
        ),
        effective=now,
        actor="system:test",
        currency="CNY",
    )
    ledger.post(conn, ids, filled, now)
    by = who._replace(id=treasurer)
    sent = remittances.send(conn, books(ids), by, 300, None, now)
    assert isinstance(sent, remittances.Remittance), sent
    return CashDay(found["unconfirmed"], sent.number)


def doubted(conn: Connection, ids: Callable[[], int], who: Member, receipt: Receipt) -> int:
    """A member asks for a receipt to be looked at; the refund's id."""
    now = datetime.now(UTC)
    case = refunds.ask(
        conn, books(ids), member=who, receipt=receipt, number=PHONE, language="zh", text="16", message_id=None, now=now
    )
    found = refund_rows.of_receipt(conn, receipt.id)
    assert found is not None
    assert found.case_id == case.id
    return found.id


def statement(conn: Connection, ids: Callable[[], int]) -> str:
    """Money in a wallet that the provider's statement has too, has not, and has alone; the day."""
    lost(conn, ids, 500, key="1")
    lost(conn, ids, 900, key="2")
    at = datetime.now(UTC) - timedelta(hours=3)
    day = at.astimezone(ZoneInfo("Asia/Shanghai")).date()
    lines = [
        Line(number=1, day=day, amount=500, reference="QX1", at=at),
        Line(number=2, day=day, amount=700, reference="QXtheirs", at=at),
    ]
    account = Account(AccountKind.WALLET, "wallet")
    statements.add(conn, books(ids), account, lines, by="test", actor="system:test", now=datetime.now(UTC))
    return day.isoformat()
