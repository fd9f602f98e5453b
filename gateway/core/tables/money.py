"""The money: accounts, transactions with their postings, which months they paid, receipts, and the chain over all.

`gateway.core.guards` keeps these rows as they were written; amounts are minor units.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.core.tables.metadata import METADATA, Id, Time

account = Table(
    "account",
    METADATA,
    Column("name", Text, primary_key=True),  # "cash:530102017:CNY", so that a posting can be read as it stands
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),  # branch code, provider, member id
    Column("currency", Text, nullable=False),
    Column("balance", BigInteger, nullable=False, server_default=text("0")),  # posted; debit is positive
    Column("pending", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("kind", "owner", "currency"),
    sqlite_with_rowid=False,
)

txn = Table(
    "txn",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),  # what a repeat is recognised by
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),  # open | pending | posted | voided
    Column("pending", Boolean, nullable=False),  # it was entered as pending
    Column("effective", Time, nullable=False),  # when the money moved
    Column("recorded", Time, nullable=False),  # when we heard of it
    Column("actor", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reverses", ForeignKey("txn.id")),
    Column("digest", LargeBinary),  # SHA-256 of the transaction and its postings
    CheckConstraint("state IN ('open', 'pending', 'posted', 'voided')", name="state"),
    Index(
        "uq_txn_reverses",  # reversed once, unless that was voided
        "reverses",
        unique=True,
        sqlite_where=text("state IN ('pending', 'posted')"),
        postgresql_where=text("state IN ('pending', 'posted')"),
    ),
    Index("ix_txn_unsettled", "id", sqlite_where=text("state = 'pending'"), postgresql_where=text("state = 'pending'")),
)

posting = Table(
    "posting",
    METADATA,
    Column("txn_id", ForeignKey("txn.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("account", ForeignKey("account.name"), nullable=False),
    Column("amount", BigInteger, nullable=False),  # debit is positive
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_posting_account_txn_id", "account", "txn_id"),
    sqlite_with_rowid=False,
)

# Which months of a member a transaction paid; a reversal takes them back by negative amounts.
covered = Table(
    "covered",
    METADATA,
    Column("txn_id", ForeignKey("txn.id"), primary_key=True),
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("member.id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("amount <> 0", name="amount"),
    Index("ix_covered_member_id_month", "member_id", "month"),
    sqlite_with_rowid=False,
)

# What became of a transaction that was pending.
settlement = Table(
    "settlement",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("txn_id", ForeignKey("txn.id"), nullable=False, unique=True),
    Column("outcome", Text, nullable=False),  # posted | voided
    Column("at", Time, nullable=False),
    Column("actor", Text, nullable=False),
    Column("digest", LargeBinary),
    CheckConstraint("outcome IN ('posted', 'voided')", name="outcome"),
)

receipt = Table(
    "receipt",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False, unique=True),  # nine digits, keyed and checked
    Column("txn_id", ForeignKey("txn.id"), nullable=False),
    Column("kind", Text, nullable=False),  # dues | voluntary
    Column("member_id", ForeignKey("member.id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("credit", BigInteger, nullable=False),  # of it, what was put by for months to come
    Column("extra", BigInteger, nullable=False),  # of it, what was given beyond the dues
    Column("currency", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("paid_to", Integer),  # the last month paid, then
    Column("branch_code", Text, nullable=False),  # the member's, then
    Column("at", Time, nullable=False),
    Column("actor", Text, nullable=False),
    Column("note", Text),
    Column("digest", LargeBinary),
    UniqueConstraint("txn_id", "kind"),
    Index("ix_receipt_member_id", "member_id", "id"),
)

# A link covers the rows whose ids are below `upto` and not below that of the link before.
chain = Table(
    "chain",
    METADATA,
    Column("name", Text, primary_key=True),  # ledger | audit
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("day", Text, nullable=False),  # the last one it covers, 2026-11-25
    Column("upto", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("content", LargeBinary),  # SHA-256 of the rows
    Column("hash", Text, nullable=False),  # keyed, of the link before and this one
    Column("at", Time, nullable=False),
    UniqueConstraint("name", "day"),
)

# Rows of a chain below `upto` may be erased: what is kept long enough is so much of the law, too.
erasure = Table(
    "erasure",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
    Column("actor", Text, nullable=False),
)
