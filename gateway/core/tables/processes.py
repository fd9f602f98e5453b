"""What processes that share a database tell each other: which topics have changed, and how the links are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from gateway.core.tables.metadata import METADATA, Time

change = Table(
    "change",
    METADATA,
    Column("process", Text, primary_key=True),  # as it calls itself until it ends
    Column("topic", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),  # seconds in which something was new
    Column("at", Time, nullable=False),
    sqlite_with_rowid=False,
)

link_seen = Table(
    "link_seen",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("said", Text, nullable=False),  # JSON: its state and figures
    Column("at", Time, nullable=False),  # when the process that holds it said so last
    sqlite_with_rowid=False,
)
