"""Money on its way between a member's wallet and us: one row for each payment or refund that a provider is to make."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time

OPEN_PUSH = text("state IN ('created', 'submitted', 'pending', 'unknown') AND kind = 'push'")
_HAS_TRANSACTION = "provider_txn IS NOT NULL"
_IS_DUE = "due IS NOT NULL"

payment_intent = Table(
    "payment_intent",
    METADATA,
    Column("id", Text, primary_key=True),  # a UUID: the correlation id by which the provider knows a repeat
    Column("serial", Id, nullable=False, unique=True),  # time-ordered, for lists
    Column("kind", Text, nullable=False),  # push | paybill | refund
    Column("request_key", Text, nullable=False, unique=True),  # what asked for it: asked again, it is the same one
    Column("reference", Text, nullable=False, unique=True),  # as the provider shows it, 12 characters at most
    Column("member_id", ForeignKey("member.id"), index=True),  # NULL: paid in, nobody knows for whom
    Column("amount", BigInteger, nullable=False),  # minor units
    Column("currency", Text, nullable=False),
    Column("surplus", Text, nullable=False, server_default=text("'prepaid'")),  # what is done with more than is owed
    Column("provider", Text, nullable=False),
    Column("number", Text, nullable=False),  # of the wallet
    Column("language", Text, nullable=False),
    Column("account", Text),  # what the payer typed as account number, of a pay bill
    Column("state", Text, nullable=False),
    Column("created", Time, nullable=False),
    Column("changed", Time, nullable=False),
    Column("due", Time),  # when it is looked at next; NULL: not by itself
    Column("attempts", Integer, nullable=False, server_default=text("0")),  # times it was about to be written
    Column("unwritten", Boolean, nullable=False, server_default=text("false")),  # the last of them never was, for sure
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("nudged", Boolean, nullable=False, server_default=text("false")),  # a callback came since it was taken
    Column("told", Boolean, nullable=False, server_default=text("false")),  # the member knows that it takes longer
    Column("remote", Text),  # the provider's name for the request
    Column("provider_txn", Text),
    Column("claimed", Text),  # JSON of what a callback said: a hint, never believed
    Column("reason", Text),  # why it failed
    Column("problem", Text),  # what a person has to look at
    Column("receipt", Text),  # number of the receipt that it became
    Column("reverses", Text),  # of a refund: the provider's transaction that goes back
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint(
        "state IN ('created', 'submitted', 'pending', 'unknown', 'succeeded', 'failed', 'expired', 'reconciled')",
        name="state",
    ),
    CheckConstraint("kind IN ('push', 'paybill', 'refund')", name="kind"),
    Index(
        "uq_payment_intent_open",
        "member_id",
        unique=True,
        sqlite_where=OPEN_PUSH,
        postgresql_where=OPEN_PUSH,
    ),
    Index(
        "uq_payment_intent_provider_txn",
        "provider",
        "provider_txn",
        unique=True,
        sqlite_where=text(_HAS_TRANSACTION),
        postgresql_where=text(_HAS_TRANSACTION),
    ),
    Index(  # booked before the number of its transaction was known
        "ix_payment_intent_nameless",
        "provider",
        "amount",
        sqlite_where=text("provider_txn = remote"),
        postgresql_where=text("provider_txn = remote"),
    ),
    Index("ix_payment_intent_due", "due", sqlite_where=text(_IS_DUE), postgresql_where=text(_IS_DUE)),
)
