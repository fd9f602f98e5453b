"""Money that is not yet where it belongs, and what the other side says of it: suspense, wallets' texts, statements,
refunds and the days that were compared."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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


def _where(condition: str) -> dict[str, Any]:
    """A partial index, on either engine."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# Money that came in and nobody knew for whom. The ledger has it under `key`.
suspense = Table(
    "suspense",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # of the account it came to: wallet | bank | cash
    Column("owner", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reference", Text, nullable=False),  # the other side's own id
    Column("payer", Text, nullable=False),  # a number in E.164, or a name
    Column("said", Text, nullable=False),  # what the payer wrote: an account number, a purpose
    Column("txn_id", ForeignKey("txn.id"), nullable=False),
    Column("at", Time, nullable=False),  # when it came
    Column("state", Text, nullable=False),  # open | matched | returning | returned
    Column("member_id", ForeignKey("member.id")),
    Column("receipt_id", ForeignKey("receipt.id")),
    Column("closed", Time),
    Column("closed_by", Text),
    Column("reason", Text),
    CheckConstraint("state IN ('open', 'matched', 'returning', 'returned')", name="state"),
    CheckConstraint("amount > 0", name="amount"),
    Index("ix_suspense_open", "at", **_where("state IN ('open', 'returning')")),
)

# What we know of the wallets that are on SIMs of ours.
wallet = Table(
    "wallet",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("balance", BigInteger, nullable=False),  # as its last accepted text says
    Column("text_id", BigInteger),  # that text; NULL is the opening balance
    Column("at", Time, nullable=False),
)

# Every text that a wallet's provider wrote, or that looked like one.
wallet_text = Table(
    "wallet_text",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),  # the inbound message's
    Column("provider", Text, nullable=False),
    Column("link", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("sealed", LargeBinary),  # the text, encrypted
    Column("rule", Text),  # NULL: no rule reads it
    Column("kind", Text),  # received | paybill | sent | reversal
    Column("code", Text),
    Column("amount", BigInteger),
    Column("balance", BigInteger),
    Column("fee", BigInteger),
    Column("payer", Text),
    Column("name", Text),
    Column("account", Text),
    Column("reversed", Text),  # code of the transaction that was taken back
    Column("at", Time, nullable=False),  # the provider's time, else when it came
    Column("timed", Boolean, nullable=False, server_default=text("false")),  # it is the provider's
    # unread: no rule | held: something is wrong | open: waits for finance | booked | suspense | done | rejected
    Column("state", Text, nullable=False),
    Column("reason", Text),  # why it is held: link, sender, code, first, balance, original, amount
    Column("receipt_id", ForeignKey("receipt.id")),
    Column("suspense_id", ForeignKey("suspense.id")),
    Column("txn_id", ForeignKey("txn.id")),
    Column("decided", Time),
    Column("decided_by", Text),
    Column("note", Text),
    CheckConstraint(
        "state IN ('unread', 'held', 'open', 'booked', 'suspense', 'done', 'rejected')",
        name="state",
    ),
    Index(
        "uq_wallet_text_code",
        "provider",
        "code",
        unique=True,
        **_where("state IN ('open', 'booked', 'suspense', 'done')"),
    ),
    Index("ix_wallet_text_provider_code", "provider", "code"),
    Index("ix_wallet_text_provider_amount", "provider", "amount", "at"),
    Index("ix_wallet_text_waiting", "state", "id", **_where("state IN ('unread', 'held', 'open')")),
    Index("ix_wallet_text_rule", "rule", "id", **_where("rule IS NOT NULL")),
)

statement_import = Table(
    "statement_import",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("file", Text, nullable=False),  # its name, or the interface it came by
    Column("digest", Text),
    Column("lines", Integer, nullable=False),
    Column("fresh", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
)

# What the other side says moved.
statement_entry = Table(
    "statement_entry",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # of the account: wallet | bank | cash | vouchers
    Column("owner", Text, nullable=False),
    Column("mark", Text, nullable=False),  # what makes it itself in every copy of the statement
    Column("import_id", ForeignKey("statement_import.id"), nullable=False),
    Column("number", Integer, nullable=False),  # of its line there
    Column("day", Date, nullable=False),
    Column("at", Time),
    Column("amount", BigInteger, nullable=False),  # positive: to us
    Column("currency", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("end_to_end", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("payer", Text, nullable=False),
    Column("txn_id", ForeignKey("txn.id")),  # which of our transactions it is
    UniqueConstraint("kind", "owner", "mark"),
    Index("ix_statement_entry_day", "kind", "owner", "day"),
    Index("ix_statement_entry_txn_id", "txn_id", **_where("txn_id IS NOT NULL")),
)

# One transaction as both sides have it. A row is written by the comparison and closed by a person, unless it is exact.
reconciled = Table(
    "reconciled",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("reference", Text, nullable=False),
    Column("txn_id", ForeignKey("txn.id")),
    Column("entry_id", ForeignKey("statement_entry.id"), unique=True),
    Column("found", Text, nullable=False),  # match | differs | ours | theirs | late
    Column("ours", BigInteger),
    Column("theirs", BigInteger),
    Column("state", Text, nullable=False),  # open | closed
    Column("note", Text),
    Column("closed_by", Text),
    Column("closed", Time),
    Column("at", Time, nullable=False),  # of the comparison that wrote it
    CheckConstraint("found IN ('match', 'differs', 'ours', 'theirs', 'late')", name="found"),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    CheckConstraint("txn_id IS NOT NULL OR entry_id IS NOT NULL", name="something"),
    Index("uq_reconciled_source_txn", "txn_id", "kind", "owner", unique=True, **_where("txn_id IS NOT NULL")),
    Index("ix_reconciled_day", "kind", "owner", "day"),
    Index("ix_reconciled_open", "day", **_where("state = 'open'")),
)

# That a day of a source was compared, and who stands for it.
reconciled_day = Table(
    "reconciled_day",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("at", Time, nullable=False),
    Column("signed_by", Text),
    Column("signed", Time),
    Column("note", Text),
)

# Money that goes back the way it came.
refund = Table(
    "refund",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False, unique=True),
    Column("receipt_id", ForeignKey("receipt.id")),
    Column("suspense_id", ForeignKey("suspense.id")),
    Column("member_id", ForeignKey("member.id")),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False),  # of the account it goes back from: wallet | bank | cash
    Column("owner", Text, nullable=False),
    Column("instrument", Text, nullable=False),  # the number, name or branch that it came from
    # asked | requested | approved | pending | done | failed | refused
    Column("state", Text, nullable=False),
    Column("case_id", ForeignKey("hotline_case.id")),  # in which the member asked for it
    Column("requested_by", Text, nullable=False),
    Column("requested", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("approved_by", Text),
    Column("approved", Time),
    Column("txn_id", ForeignKey("txn.id")),  # pending in the ledger until it is confirmed
    Column("intent_id", Text),  # what a provider is to carry out
    Column("reference", Text),  # the provider's or the bank's, when it is done
    Column("closed", Time),
    Column("closed_by", Text),
    Column("problem", Text),  # why it was refused or failed
    CheckConstraint(
        "state IN ('asked', 'requested', 'approved', 'pending', 'done', 'failed', 'refused')", name="state"
    ),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("(receipt_id IS NULL) <> (suspense_id IS NULL)", name="one"),
    Index(
        "uq_refund_receipt_id",
        "receipt_id",
        unique=True,
        **_where("receipt_id IS NOT NULL AND state NOT IN ('failed', 'refused')"),
    ),
    Index(
        "uq_refund_suspense_id",
        "suspense_id",
        unique=True,
        **_where("suspense_id IS NOT NULL AND state NOT IN ('failed', 'refused')"),
    ),
    Index("ix_refund_open", "state", "id", **_where("state IN ('asked', 'requested', 'approved', 'pending')")),
    Index("ix_refund_intent_id", "intent_id", **_where("intent_id IS NOT NULL")),
)

# Who is still to hear of what was booked, given back or decided: neither a command line nor a page sends anything.
untold = Table(
    "untold",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),  # its key in config/texts
    Column("receipt_id", ForeignKey("receipt.id")),
    Column("refund_id", ForeignKey("refund.id")),
    Column("member_id", ForeignKey("member.id")),  # of what no receipt is about
    Column("waiver_id", ForeignKey("waiver.id")),
    Column("number", Text),  # to hear of it beside the member
    Column("at", Time, nullable=False),
)
