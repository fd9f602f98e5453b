"""Who there is: branches, members, numbers, roles, what they owe and what they agreed to."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    literal_column,
    text,
)

from gateway.core.tables.metadata import METADATA, Id, Time

branch = Table(
    "branch",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("parent_id", ForeignKey("branch.id"), index=True),
    Column("path", Text, nullable=False, unique=True),  # "/530102/530102017/": codes from the root, for subtrees
)

# The last four characters of a member number, by which members call themselves; as the index has it, in so many words.
member_end: ColumnElement[str] = literal_column("substr(member_no, length(member_no) - 3)")

member = Table(
    "member",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("member_no", Text, nullable=False, unique=True),
    Column("branch_id", ForeignKey("branch.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("dues_class", Text, nullable=False),
    Column("monthly_amount", BigInteger, nullable=False),  # minor units; 0 owes nothing
    Column("joined", Date),
    Column("created", Time, nullable=False),
    Column("dues_from", Integer),  # the first month that is owed, 202609; NULL is the next one assessed
    Column("paid_to", Integer),  # what was paid before this register began
    Index("ix_member_end", member_end),
)

number = Table(
    "number",
    METADATA,
    Column("number", Text, primary_key=True),  # E.164
    Column("member_id", ForeignKey("member.id"), index=True),
    Column("main", Boolean, nullable=False, server_default=text("false")),  # the member's primary number
    Column("language", Text),  # chosen on this phone; the member's or the organisation's else
    Column("bound", Time),
    Column("opted_out", Boolean, nullable=False, server_default=text("false")),
    Column("locked_until", Time),  # too many wrong codes
    Column("locked", Time),  # by its member or by staff: only HELP and STOP work
    Column("unbound", Time),  # when it was last taken from a member
    Column("quiet_from", Integer),  # hours of the owner's own without bulk messages; NULL is the organisation's
    Column("quiet_until", Integer),
    Index("ix_number_opted_out", "member_id", sqlite_where=text("opted_out = 1"), postgresql_where=text("opted_out")),
    sqlite_with_rowid=False,
)

role_grant = Table(
    "role_grant",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("member_id", ForeignKey("member.id"), index=True),
    Column("staff_id", ForeignKey("staff.id"), index=True),
    Column("branch_id", ForeignKey("branch.id")),  # the subtree; NULL is the whole organisation
    Column("until", Date),  # the last day; NULL has no end
    Column("granted_by", Text, nullable=False),
    Column("at", Time, nullable=False),
)

obligation = Table(
    "obligation",
    METADATA,
    Column("member_id", ForeignKey("member.id"), primary_key=True),
    Column("month", Integer, primary_key=True),  # 202608
    Column("amount", BigInteger, nullable=False),  # minor units of the organisation's currency
    Column("paid", BigInteger, nullable=False, server_default=text("0")),
    Column("waived", BigInteger, nullable=False, server_default=text("0")),  # taken off `amount`
    Index(
        "ix_obligation_open",
        "member_id",
        "month",
        sqlite_where=text("paid < amount"),
        postgresql_where=text("paid < amount"),
    ),
    sqlite_with_rowid=False,
)

consent = Table(
    "consent",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False, index=True),
    Column("topic", Text, nullable=False, server_default=text("''")),  # "" is all bulk
    Column("granted", Boolean, nullable=False),
    Column("how", Text, nullable=False),  # STOP, START, import, staff
    Column("at", Time, nullable=False),
)

invitation = Table(
    "invitation",
    METADATA,
    Column("code_hash", Text, primary_key=True),  # keyed; the code itself is printed and forgotten
    Column("member_id", ForeignKey("member.id"), nullable=False, index=True),
    Column("expires", Time, nullable=False),
    Column("used", Time),
)

challenge = Table(
    "challenge",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False),
    Column("action", Text, nullable=False),  # command code
    Column("arguments", Text, nullable=False),  # JSON: what the code confirms
    Column("object", Text),  # "claim:17": lives beside those about something else; NULL is the one of the moment
    Column("code_hash", Text, nullable=False),
    Column("expires", Time, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("done", Boolean, nullable=False, server_default=text("false")),
    Column("answered", Boolean, nullable=False, server_default=text("false")),  # the code came back, with Y or N
    Index("ix_challenge_open", "number", sqlite_where=text("NOT done"), postgresql_where=text("NOT done")),
    Index("ix_challenge_answered", "number", sqlite_where=text("answered"), postgresql_where=text("answered")),
)

wrong_code = Table(
    "wrong_code",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False),
    Column("branch_id", ForeignKey("branch.id")),  # whose invitation it once was, or whose member the number is
    Column("at", Time, nullable=False),
    Index("ix_wrong_code_number_at", "number", "at"),
    Index("ix_wrong_code_branch_id_at", "branch_id", "at"),
)
