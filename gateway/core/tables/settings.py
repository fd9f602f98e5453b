"""What the organisation has decided while the gateway runs: effective-dated rows, and changes that wait."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time

setting = Table(
    "setting",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("value", Text),  # JSON; NULL is what Muster ships, again
    Column("valid_from", Time, nullable=False),
    Column("actor", Text, nullable=False),  # staff:NAME, system:command line
    Column("second", Text),  # who agreed, where a change wants two
    Column("reason", Text),
    Column("at", Time, nullable=False),
    Index("ix_setting_name", "name", "valid_from", "id"),
)

setting_proposal = Table(
    "setting_proposal",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("value", Text),
    Column("valid_from", Time),  # NULL is at once, when it is accepted
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("at", Time, nullable=False),
    Column("decided_by", Text),
    Column("decided", Time),
    Column("accepted", Boolean),
    Index(
        "ix_setting_proposal_open", "id", sqlite_where=text("decided IS NULL"), postgresql_where=text("decided IS NULL")
    ),
)
