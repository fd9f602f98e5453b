"""What must agree though it stands outside the ledger: what is owed, waived and paid of each month, and vouchers.

Each check is one query for the first wrong rows, which the database answers with sums of its own.
"""

# ruff: noqa: S608  # no word of these queries comes from elsewhere

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.core.driver import ask

_FIRST = 10  # wrong rows of a kind that are named
_HASH = 64  # hexadecimal digits, behind "voucher:" in the key of a transaction


class Check(NamedTuple):
    """A query for two columns, which put into `row` name what is wrong, and what it is."""

    row: str
    says: str
    query: str


# --- months ---------------------------------------------------------------------------------------------------------

_PAID = (
    "(SELECT c.member_id, c.month, sum(c.amount) AS paid FROM covered c JOIN txn t ON t.id = c.txn_id"
    " WHERE t.state = 'posted' GROUP BY c.member_id, c.month) p"
)
_OF_MONTH = "a.member_id = o.member_id AND a.from_month <= o.month AND a.state = 'approved'"
_IN_FORCE = f"(SELECT {{}} FROM assessment a WHERE {_OF_MONTH} ORDER BY a.from_month DESC, a.id DESC LIMIT 1)"
_ASSESSED, _SINCE = _IN_FORCE.format("a.amount"), _IN_FORCE.format("coalesce(a.decided, a.at)")
_COVERING = (
    "SELECT 1 FROM covered c JOIN txn t ON t.id = c.txn_id WHERE c.member_id = o.member_id AND c.month = o.month"
)
# A month of which a payment was taken back is owed as it was when it was paid, whatever was assessed since.
_NEVER_TAKEN_BACK = f"NOT EXISTS ({_COVERING} AND c.amount < 0)"
_WAIVED = (
    "EXISTS (SELECT 1 FROM waiver w WHERE w.member_id = o.member_id AND w.state = 'approved'"
    " AND o.month BETWEEN w.first AND w.last{})"
)
_MONTHS = "SELECT o.member_id, o.month FROM obligation o WHERE"

_OBLIGATIONS = (
    ("more is paid than owed", f"{_MONTHS} (o.paid > o.amount OR o.paid < 0)"),
    (
        "what is paid is not what its transactions paid",
        f"SELECT o.member_id, o.month FROM obligation o LEFT JOIN {_PAID}"
        " ON p.member_id = o.member_id AND p.month = o.month WHERE o.paid <> coalesce(p.paid, 0)",
    ),
    (
        "a transaction paid a month that nobody owes",
        f"SELECT p.member_id, p.month FROM {_PAID} LEFT JOIN obligation o"
        " ON p.member_id = o.member_id AND p.month = o.month WHERE o.member_id IS NULL",
    ),
    (
        "what is open and waived of it is not what was assessed",
        f"{_MONTHS} o.paid < o.amount AND o.amount + o.waived <> {_ASSESSED} AND {_NEVER_TAKEN_BACK}",
    ),
    # A month that was paid stays as it is when less or more is assessed later; one that was never to be paid, too.
    (
        "what was paid and waived of it is not what was assessed then",
        f"{_MONTHS} o.paid >= o.amount AND o.paid > 0 AND o.amount + o.waived <> {_ASSESSED}"
        f" AND EXISTS ({_COVERING} AND t.recorded > {_SINCE}) AND {_NEVER_TAKEN_BACK}",
    ),
    (
        "nothing is owed of it, which nobody assessed",
        f"{_MONTHS} o.amount = 0 AND o.paid = 0 AND o.waived = 0"
        f" AND EXISTS (SELECT 1 FROM assessment a WHERE {_OF_MONTH})"
        f" AND NOT EXISTS (SELECT 1 FROM assessment a WHERE {_OF_MONTH} AND a.amount = 0)",
    ),
    (
        "so much was waived of it by nobody",
        f"{_MONTHS} o.waived <> 0 AND NOT (o.waived > 0 AND"
        f" {_WAIVED.format(' AND (w.amount IS NULL OR o.waived <= w.amount)')})",
    ),
    (
        "its waiver was approved and not taken off",
        f"{_MONTHS} o.waived = 0 AND o.paid < o.amount AND {_WAIVED.format('')} AND {_NEVER_TAKEN_BACK}",
    ),
)

# --- vouchers -------------------------------------------------------------------------------------------------------

_OF_VOUCHERS = "substr(t.key, 1, 8) = 'voucher:' AND t.kind = 'dues'"
_STANDS = "t.state = 'posted' AND NOT EXISTS (SELECT 1 FROM txn r WHERE r.reverses = t.id AND r.state = 'posted')"
_REDEEMED = (
    f"(SELECT substr(t.key, 9, {_HASH}) AS code_hash, count(*) AS times, max(t.id) AS txn_id FROM txn t"
    f" WHERE {_OF_VOUCHERS} AND {_STANDS} GROUP BY substr(t.key, 9, {_HASH})) p"
)
_ALL = (
    f"SELECT b.number, v.serial FROM voucher v JOIN voucher_batch b ON b.id = v.batch_id LEFT JOIN {_REDEEMED}"
    " ON p.code_hash = v.code_hash WHERE"
)
_TRANSACTIONS = "SELECT t.id, t.id FROM txn t"

_VOUCHERS = (
    ("it is redeemed, and no transaction says so", f"{_ALL} v.state = 'redeemed' AND p.times IS NULL"),
    ("it is not redeemed, and a transaction says so", f"{_ALL} v.state <> 'redeemed' AND p.times IS NOT NULL"),
    ("it was redeemed more than once", f"{_ALL} p.times > 1"),
    (
        "it is redeemed, and there is not one receipt of its value",
        f"{_ALL} v.state = 'redeemed' AND p.times = 1 AND (SELECT count(*) FROM receipt r WHERE r.txn_id = p.txn_id"
        " AND r.method = 'voucher' AND r.amount = b.value) <> 1",
    ),
)
_WITHOUT = (
    (
        "it redeems a voucher that is not there",
        f"{_TRANSACTIONS} LEFT JOIN voucher v ON v.code_hash = substr(t.key, 9, {_HASH})"
        f" WHERE {_OF_VOUCHERS} AND v.code_hash IS NULL",
    ),
    (
        "its receipt says that a voucher paid, and it redeems none",
        f"{_TRANSACTIONS} JOIN receipt r ON r.txn_id = t.id WHERE r.method = 'voucher' AND NOT ({_OF_VOUCHERS})",
    ),
)
_HELD = (
    "SELECT a.currency, a.held - coalesce(b.worth, 0) FROM"
    " (SELECT currency, -sum(balance) AS held FROM account WHERE kind = 'vouchers' GROUP BY currency) a LEFT JOIN"
    " (SELECT b.currency, sum(b.value * (b.sold - coalesce(r.redeemed, 0))) AS worth FROM voucher_batch b LEFT JOIN"
    " (SELECT batch_id, count(*) AS redeemed FROM voucher WHERE state = 'redeemed' GROUP BY batch_id) r"
    " ON r.batch_id = b.id GROUP BY b.currency) b ON b.currency = a.currency WHERE a.held <> coalesce(b.worth, 0)"
)

CHECKS = (
    *(Check("obligation {} {}", says, query) for says, query in _OBLIGATIONS),
    *(Check("voucher {}-{:04d}", says, query) for says, query in _VOUCHERS),
    *(Check("txn {}", says, query) for says, query in _WITHOUT),
    Check("vouchers in {}", "the accounts hold {} more than what is sold and not redeemed", _HELD),
)


def wrong(conn: Connection) -> Iterator[tuple[str, str]]:
    """The first wrong rows of each kind, and what is wrong."""
    for check in CHECKS:
        for first, second in ask(conn, f"{check.query} ORDER BY 1, 2 LIMIT {_FIRST}"):
            yield check.row.format(first, second), check.says.format(second)
