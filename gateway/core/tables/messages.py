"""What came in and went out: the log, the parts, reports that came too early, and what waits."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time


def _where(condition: str) -> dict[str, Any]:
    """A partial index, on either engine."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


message = Table(
    "message",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),  # time-ordered
    Column("direction", Text, nullable=False),  # "in" | "out"
    Column("state", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("link", Text),
    Column("number", Text, nullable=False),  # the phone's, E.164 or as received
    Column("own", Text),  # our address, or the USSD code
    Column("at", Time, nullable=False),  # received, or queued
    Column("sent_at", Time),  # the operator's time
    Column("member_id", BigInteger),
    Column("branch_path", Text().with_variant(Text(collation="C"), "postgresql")),  # so that a subtree is a range
    Column("command", Text),  # code, or E01 ...
    Column("log_class", Text, nullable=False),
    Column("text", Text),  # NULL when it may not be kept
    Column("sealed", LargeBinary),  # a secret while queued, encrypted
    Column("damaged", Boolean, nullable=False, server_default=text("false")),
    Column("fingerprint", BigInteger),  # inbound: what a repeat is recognised by
    Column("answers", BigInteger),  # the message this one replies to
    Column("attempt", Integer, nullable=False, server_default=text("0")),  # failed attempts that count
    Column("case_id", BigInteger),
    Column("session", Text),
    Column("lane", Integer),
    Column("resend", Text),
    Column("not_before", Time),
    Column("expires", Time),
    Column("error", Text),  # operator's code, or the reason of a cancellation
    Column("actor", Text),  # who caused it: staff:NAME, api:KEY, command
    Column("sender", Text),  # source address when it is not the link's own
    Column("notice_id", BigInteger),  # the bulk notice it is one of
    Index("ix_message_notice", "notice_id", "state", **_where("notice_id IS NOT NULL")),
    Index("ix_message_number", "number", "id"),
    Index("ix_message_in", "link", "id", **_where("direction = 'in'")),  # the last of a link's session
    Index("ix_message_queue", "link", "lane", "id", **_where("state = 'queued' AND not_before IS NULL")),
    Index("ix_message_due", "not_before", **_where("state = 'queued' AND not_before IS NOT NULL")),
    # What went wrong is rare and looked for often: the log finds it without reading ten million rows.
    Index(
        "ix_message_trouble",
        "state",
        "id",
        **_where("state IN ('failed', 'expired', 'unknown', 'cancelled', 'quarantined')"),
    ),
    Index("ix_message_error", "error", "id", **_where("error IS NOT NULL")),
    Index("ix_message_branch", "branch_path", "id", **_where("branch_path IS NOT NULL")),
    Index(
        "ix_message_case",
        "case_id",
        **_where("case_id IS NOT NULL"),
    ),
)

part = Table(
    "part",
    METADATA,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("total", Integer, nullable=False),
    Column("link", Text, nullable=False),
    Column("reference", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("remote_id", Text),
    Column("error", Text),
    Column("at", Time, nullable=False),  # of the last change
    Index(
        "ix_part_remote_id",
        "remote_id",
        **_where("remote_id IS NOT NULL"),
    ),
    Index(
        "ix_part_open",
        "link",
        "state",
        "at",
        **_where("state IN ('leased', 'inflight', 'unknown')"),
    ),
    sqlite_with_rowid=False,
)

# What is left of messages whose rows were erased: how many there were.
message_day = Table(
    "message_day",
    METADATA,
    Column("day", Text, primary_key=True),  # 2026-11-23, of the organisation
    Column("direction", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("link", Text, primary_key=True),
    Column("command", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# How many messages that nobody asked for went to a prefix, or to a thousand numbers in a row, and how many did not.
destination_day = Table(
    "destination_day",
    METADATA,
    Column("day", Text, primary_key=True),  # of the organisation
    Column("prefix", Text, primary_key=True),  # "+882", or "+8613800001xxx"
    Column("sent", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Reports that overtook their response, for 72 hours.
early_report = Table(
    "early_report",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("link", Text, nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("error", Text),
    Column("at", Time, nullable=False),
    Index("ix_early_report_remote_id", "remote_id"),
)

# Parts of a long inbound message that wait for the others, encrypted.
waiting_part = Table(
    "waiting_part",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("link", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("own", Text, nullable=False),
    Column("reference", Integer, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("part", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),  # empty once joined
    Column("fingerprint", BigInteger, nullable=False),
    Column("joined", BigInteger),  # the message; kept a day, so that a repeated part is known
    Column("at", Time, nullable=False),
    Index("ix_waiting_part_number", "number", "reference", "total"),
    Index("ix_waiting_part_at", "at"),
)

quarantine = Table(
    "quarantine",
    METADATA,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("link", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("exception", Text, nullable=False),
    Column("octets", LargeBinary, nullable=False),  # encrypted
)

dialog = Table(
    "dialog",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("expires", Time, nullable=False),
    Column("content", Text, nullable=False),  # JSON of an Ask
)

# The words of a text, two characters at a time, for the log's search.
bigram = Table(
    "bigram",
    METADATA,
    Column("gram", Text, primary_key=True),
    Column("message_id", Id, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

unindexed = Table(
    "unindexed",
    METADATA,
    Column("message_id", Id, primary_key=True, autoincrement=False),
)
