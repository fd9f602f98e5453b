"""Who works here: accounts, sessions, cases, what was done."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time

staff = Table(
    "staff",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text),  # argon2id; NULL signs in by link only
    Column("phone", Text),
    Column("language", Text),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("locked_until", Time),
    Column("created", Time, nullable=False),
    Column("totp", LargeBinary),  # the secret of the second factor, sealed; NULL has none
    Column("totp_last", BigInteger),  # the last step whose code was used: each is good once
)

recovery_code = Table(
    "recovery_code",
    METADATA,
    Column("code_hash", Text, primary_key=True),  # keyed; the code itself is printed and forgotten
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("used", Time),
)

staff_session = Table(
    "staff_session",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("csrf", Text, nullable=False),
    Column("created", Time, nullable=False),
    Column("seen", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("address", Text),
    Column("agent", Text),  # what the browser calls itself
)

sign_in_link = Table(
    "sign_in_link",
    METADATA,
    Column("token_hash", Text, primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False),
    Column("expires", Time, nullable=False),
    Column("used", Time),
)

# "case" is a word of SQL.
hotline_case = Table(
    "hotline_case",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("case_no", Text, nullable=False, unique=True),  # nine digits, keyed and checked
    Column("kind", Text, nullable=False),  # "ask"
    Column("number", Text, nullable=False, index=True),
    Column("member_id", BigInteger),
    Column("branch_path", Text),
    Column("language", Text, nullable=False),
    Column("state", Text, nullable=False),  # open | answered | closed
    Column("opened", Time, nullable=False),
    Column("changed", Time, nullable=False),
    Column("answered", Time),  # first answer
    Column("closed", Time),
    Column("claimed_by", ForeignKey("staff.id")),
    Column("claimed_until", Time),
    Column("unit_path", Text),  # the branch it was forwarded to
    Column("topic", Text),
    Column("warns", Time),  # four fifths of the time to answer are over then; NULL until the clock has looked
    Column("due", Time),
    Column("escalated", Integer, nullable=False, server_default=text("0")),  # 1 to the lead, 2 to the county
    Column("merged_into", BigInteger),  # another case
    Index("ix_hotline_case_queue", "state", "opened"),
    Index("ix_hotline_case_due", "state", "due"),
)

case_entry = Table(
    "case_entry",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("case_id", ForeignKey("hotline_case.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),  # question | answer | note
    Column("message_id", BigInteger),  # the row of the log it came or went with
    Column("staff_id", ForeignKey("staff.id")),
    Column("author", Text),  # who has no account, as the audit names them: staff who work by SMS
    Column("text", Text, nullable=False),
    Column("at", Time, nullable=False),
)

audit = Table(
    "audit",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("at", Time, nullable=False),
    Column("actor", Text, nullable=False),  # staff:NAME, member:ID, api:KEY, system
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("reason", Text),
    Column("digest", LargeBinary),
    Index("ix_audit_object", "object", "id"),
    Index("ix_audit_action", "action", "id"),
)

# An auditor has looked through a month and says so.
audit_signoff = Table(
    "audit_signoff",
    METADATA,
    Column("month", Integer, primary_key=True, autoincrement=False),  # 202611
    Column("actor", Text, nullable=False),
    Column("note", Text),
    Column("at", Time, nullable=False),
)

# A register that came in through the console.
import_job = Table(
    "import_job",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("what", Text, nullable=False),  # branches | members
    Column("file", Text, nullable=False),  # as it was called
    Column("state", Text, nullable=False),  # uploaded | waiting | running | done | failed | undoing | undone
    Column("options", Text, nullable=False),  # JSON: encoding, columns, invite
    Column("counts", Text),  # JSON of the last run, dry or not
    Column("problem", Text),
    Column("actor", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("done", Integer, nullable=False, server_default=text("0")),  # rows
    Column("total", Integer, nullable=False, server_default=text("0")),
    Column("finished", Time),
    Column("welcomed", BigInteger),  # the notice that greets those it brought
    Index("ix_import_job_state", "state"),
)

# What an import has made or changed, so that it can be undone.
import_row = Table(
    "import_row",
    METADATA,
    Column("import_id", ForeignKey("import_job.id"), primary_key=True),
    Column("kind", Text, primary_key=True),  # member | changed | number | branch | moved
    Column("ref", Text, primary_key=True),  # id, number or code
    Column("before", Text),  # JSON of what was changed
    sqlite_with_rowid=False,
)

# One slot of a job runs once.
timetable = Table(
    "timetable",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("at", Time, nullable=False),
)

idempotency = Table(
    "idempotency",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("answer", Text, nullable=False),  # JSON
    Column("at", Time, nullable=False),
)

callback = Table(
    "callback",
    METADATA,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("account", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("state", Text),  # what is to be told of it; NULL when there is nothing new
    Index(
        "ix_callback_news",
        "message_id",
        sqlite_where=text("state IS NOT NULL"),
        postgresql_where=text("state IS NOT NULL"),
    ),
)

# What other systems are still to be told, retried for 24 hours.
delivery = Table(
    "delivery",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("account", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("due", Time, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created", Time, nullable=False),
)

# Facts about this database: the key's fingerprint, the hold after a restore.
fact = Table(
    "fact",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
