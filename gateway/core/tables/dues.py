"""What is owed and why: rates, assessments, waivers, and who was told of arrears. No income stands anywhere."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.core.tables.metadata import METADATA, Id, Time

# A table of rates is all rows with one `valid_from`; it is in force until the next one.
rate = Table(
    "rate",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("valid_from", Date, nullable=False),
    Column("position", Integer, nullable=False),
    Column("class", Text, nullable=False),
    Column("labels", Text, nullable=False),  # JSON, by language
    Column("upto", BigInteger),  # the largest base of this step; NULL has none
    Column("ppm", Integer),  # of the whole base; NULL when an amount is set
    Column("least", BigInteger, nullable=False, server_default=text("0")),  # a month
    Column("most", BigInteger),
    Column("approval", Boolean, nullable=False, server_default=text("false")),  # by the level above
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
    UniqueConstraint("valid_from", "position"),
)

# The last one of a month is in force, until one of a later month is.
assessment = Table(
    "assessment",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("member.id"), nullable=False),
    Column("from_month", Integer, nullable=False),
    Column("class", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),  # a month
    Column("state", Text, nullable=False),  # approved | proposed | refused
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("decided_by", Text),
    Column("decided", Time),
    Index("ix_assessment_member_id", "member_id", "from_month", "id"),
    Index(
        "ix_assessment_open", "id", sqlite_where=text("state = 'proposed'"), postgresql_where=text("state = 'proposed'")
    ),
)

waiver = Table(
    "waiver",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("member_id", ForeignKey("member.id"), nullable=False),
    Column("first", Integer, nullable=False),  # months
    Column("last", Integer, nullable=False),
    Column("amount", BigInteger),  # a month; NULL is all of it
    Column("state", Text, nullable=False),  # proposed | approved | refused
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("decided_by", Text),
    Column("decided", Time),
    Column("note", Text),
    Index("ix_waiver_member_id", "member_id"),
    Index("ix_waiver_open", "id", sqlite_where=text("state = 'proposed'"), postgresql_where=text("state = 'proposed'")),
)

# Whose arrears a branch was told of; gone once nothing is owed.
arrears_notice = Table(
    "arrears_notice",
    METADATA,
    Column("member_id", ForeignKey("member.id"), primary_key=True),
    Column("months", Integer, primary_key=True, autoincrement=False),  # the threshold
    Column("at", Time, nullable=False),
)
