"""Money in people's hands: pay codes, what a treasurer says was paid, days that were closed, what was handed on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text

from gateway.core.tables.metadata import METADATA, Id, Time

# Six digits that say for whom and how much. `member` and `branch` wait for the consent of either.
pay_code = Table(
    "pay_code",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("member_id", ForeignKey("member.id"), nullable=False, index=True),
    Column("payer_id", ForeignKey("member.id")),  # another member who will pay it
    Column("relative", Boolean, nullable=False),  # somebody else than the member brings the money
    Column("amount", BigInteger, nullable=False),
    Column("surplus", Text, nullable=False),  # prepaid | voluntary
    Column("state", Text, nullable=False),  # member | branch | open | used | refused | ended
    Column("consented_by", ForeignKey("member.id")),  # for the branch
    Column("created", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Index(
        "ix_pay_code_live",
        "code",
        unique=True,
        sqlite_where=text("state IN ('member', 'branch', 'open')"),
        postgresql_where=text("state IN ('member', 'branch', 'open')"),
    ),
)

# What a treasurer says a member has paid, until the member has said so too.
cash_claim = Table(
    "cash_claim",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("treasurer_id", ForeignKey("member.id"), nullable=False),
    Column("member_id", ForeignKey("member.id"), nullable=False),
    Column("branch_path", Text, nullable=False),  # the member's
    Column("amount", BigInteger, nullable=False),
    Column("surplus", Text, nullable=False),
    Column("pay_code_id", ForeignKey("pay_code.id")),
    Column("slip", Text),  # the number of the paper that a member without a phone was given
    Column("second_id", ForeignKey("member.id")),  # who is asked beside the treasurer
    Column("number", Text),  # who is asked last: the member's phone, or the second officer's
    Column("state", Text, nullable=False),  # second | open | confirmed | denied | unconfirmed
    Column("suspended", Boolean, nullable=False, server_default=text("false")),  # its money stands in suspense
    Column("day", Text, nullable=False),  # 2026-08-18, the organisation's own
    Column("opened", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("settled", Time),
    Column("receipt_no", Text),
    Column("case_no", Text),  # of the dispute
    Column("decided_by", Text),  # who of finance ended it, for good
    Index("ix_cash_claim_day", "treasurer_id", "day"),
    Index("ix_cash_claim_branch", "branch_path", "day"),
    Index(
        "uq_cash_claim_open",  # two treasurers cannot both be paid the same
        "member_id",
        "amount",
        unique=True,
        sqlite_where=text("state IN ('second', 'open')"),
        postgresql_where=text("state IN ('second', 'open')"),
    ),
    Index(
        "ix_cash_claim_due",
        "expires",
        sqlite_where=text("state IN ('second', 'open')"),
        postgresql_where=text("state IN ('second', 'open')"),
    ),
)

cash_day = Table(
    "cash_day",
    METADATA,
    Column("treasurer_id", ForeignKey("member.id"), primary_key=True),
    Column("day", Text, primary_key=True),
    Column("book", BigInteger, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("unconfirmed", BigInteger, nullable=False),  # of `book`, what no member has confirmed yet
    Column("closed", Time, nullable=False),
    Index("ix_cash_day_day", "day"),
)

remittance = Table(
    "remittance",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False),
    Column("treasurer_id", ForeignKey("member.id"), nullable=False, index=True),
    Column("branch_path", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("reference", Text),  # of the bank
    Column("state", Text, nullable=False),  # transit | arrived | returned
    Column("sent", Time, nullable=False),
    Column("settled", Time),
    Column("settled_by", Text),  # staff:NAME, member:ID
    UniqueConstraint("number"),
    Index(
        "ix_remittance_transit",
        "sent",
        sqlite_where=text("state = 'transit'"),
        postgresql_where=text("state = 'transit'"),
    ),
)
