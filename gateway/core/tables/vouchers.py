"""Vouchers: batches that were printed, and of each voucher a keyed hash. The codes themselves are only on paper."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time

voucher_batch = Table(
    "voucher_batch",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False, unique=True),  # "260001": on every voucher of it
    Column("branch_id", ForeignKey("branch.id"), nullable=False, index=True),
    Column("value", BigInteger, nullable=False),  # of each voucher, minor units
    Column("currency", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("sold", Integer, nullable=False, server_default=text("0")),  # paid for at the branch
    Column("printed", Time, nullable=False),
    Column("printed_by", Text, nullable=False),
    Column("activated", Time),
    Column("activated_by", Text),
    Column("voided", Time),
    Column("voided_by", Text),
    CheckConstraint("value > 0 AND count > 0", name="something"),
    CheckConstraint("sold BETWEEN 0 AND count", name="sold"),
    CheckConstraint("activated_by <> printed_by", name="two_persons"),
)

voucher = Table(
    "voucher",
    METADATA,
    Column("code_hash", Text, primary_key=True),  # keyed
    Column("batch_id", ForeignKey("voucher_batch.id"), nullable=False),
    Column("serial", Integer, nullable=False),  # within its batch, printed beside the code
    Column("state", Text, nullable=False),  # printed | activated | redeemed | void
    Column("at", Time, nullable=False),  # since when
    CheckConstraint("state IN ('printed', 'activated', 'redeemed', 'void')", name="state"),
    Index("uq_voucher_batch_id_serial", "batch_id", "serial", unique=True),
    sqlite_with_rowid=False,
)

wrong_voucher = Table(
    "wrong_voucher",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False),  # the phone's
    Column("at", Time, nullable=False),
    Index("ix_wrong_voucher_number_at", "number", "at"),
)
