"""The hotline's desk beside its cases: saved searches, exports, who writes, alarms, and the figures of each hour."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time

saved_search = Table(
    "saved_search",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False),  # of the address, as in "q=...&state=failed"
    Column("created", Time, nullable=False),
)

export_job = Table(
    "export_job",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("staff_id", ForeignKey("staff.id"), nullable=False),
    Column("query", Text, nullable=False),
    Column("form", Text, nullable=False),  # csv | xlsx
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, index=True),  # counting | asked | approved | ready | refused | failed | over
    Column("rows", Integer),  # at most as many as were counted
    Column("decided_by", ForeignKey("staff.id")),
    Column("file", Text),  # its name in the exports folder
    Column("at", Time, nullable=False),
    Column("ready", Time),
)

writing = Table(
    "writing",
    METADATA,
    Column("case_id", ForeignKey("hotline_case.id"), primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), primary_key=True),
    Column("until", Time, nullable=False),
    sqlite_with_rowid=False,
)

alarm = Table(
    "alarm",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),  # link | queue | balance | late | burst | set_aside | ledger ...
    Column("subject", Text, nullable=False),  # which link, ...
    Column("said", Text, nullable=False),  # the sentence as it was sent
    Column("words", Text),  # JSON of its key and values: pages say it in their reader's language
    Column("began", Time, nullable=False),
    Column("ended", Time),
    Column("acknowledged", Time),
    Column("acknowledged_by", Text),
    Column("note", Text),
    # One at a time of each.
    Index(
        "ix_alarm_open",
        "kind",
        "subject",
        unique=True,
        sqlite_where=text("ended IS NULL"),
        postgresql_where=text("ended IS NULL"),
    ),
)

# Counted while the rows are there; what retention takes away later was counted before.
figure = Table(
    "figure",
    METADATA,
    Column("hour", Time, primary_key=True),
    Column("name", Text, primary_key=True),  # in | out | link | stop | asked | answered | minutes | late
    Column("key", Text, primary_key=True),  # the state of a message, the link's name, else ""
    Column("value", BigInteger, nullable=False),
)
