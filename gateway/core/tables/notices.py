"""Bulk notices: what is to be said, who approved it, the frozen list of those it goes to; topics and groups."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, text

from gateway.core.tables.metadata import METADATA, Id, Time


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


notice = Table(
    "notice",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False, unique=True),  # people's name for it: D418, "notice 418"
    Column("state", Text, nullable=False),  # draft waiting scheduled running paused done killed expired
    Column("title", Text, nullable=False),
    Column("texts", Text, nullable=False),  # JSON: language -> text with {branch} {month} {due}
    Column("audience", Text, nullable=False),  # JSON of an Audience
    Column("paths", Text, nullable=False),  # JSON: the subtrees it may reach, whom it is shown to; [""] is everywhere
    Column("emergency", Boolean, nullable=False, server_default=text("false")),
    Column("topic_id", ForeignKey("topic.id")),
    Column("author", Text, nullable=False),  # staff:NAME, member:ID, api:KEY
    Column("author_phone", Text),  # the same person under another name may not approve
    Column("request_key", Text, unique=True),  # of the form or the API request: sent twice, it is one notice
    Column("text_hash", Text, nullable=False),
    Column("resend_of", BigInteger),
    Column("series_of", BigInteger),
    Column("recurrence", Text),  # "weekly 2,5 09:00"; of the first of a series
    Column("next_at", Time),  # when the series goes out again
    Column("created", Time, nullable=False),
    Column("submitted", Time),
    Column("approved", Time),
    Column("starts", Time),  # wanted, or once approved the real one
    Column("lasts", Integer),  # hours it is worth sending; NULL is the organisation's usual
    Column("expires", Time),
    Column("ended", Time),
    Column("needed", Integer, nullable=False, server_default=text("1")),  # approvals beside the author's
    Column("funnel", Text),  # JSON, as it was shown to whoever approved it
    Column("recipients", Integer, nullable=False, server_default=text("0")),  # frozen so far
    Column("expanded", Text, nullable=False, server_default=text("''")),  # how far the freezing has come
    Column("frozen", Boolean, nullable=False, server_default=text("false")),
    Column("announced", Boolean, nullable=False, server_default=text("false")),  # approvers have been told
    Column("reason", Text),  # of a denial or a cancellation
    Column("totals", Text),  # JSON of its report, once those it is counted from are no longer kept
    Column("filling", BigInteger),  # of its list, under way or broken off; NULL: the list is whole
    Index("ix_notice_state", "state"),
    Index("ix_notice_text_hash", "text_hash", "submitted"),
    Index("ix_notice_series", "next_at", **_where("next_at IS NOT NULL")),
)

notice_approval = Table(
    "notice_approval",
    METADATA,
    Column("notice_id", ForeignKey("notice.id"), primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("phone", Text),
    Column("at", Time, nullable=False),
    sqlite_with_rowid=False,
)

# Frozen at approval; the primary key is what keeps anybody from getting a notice twice.
notice_recipient = Table(
    "notice_recipient",
    METADATA,
    Column("notice_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Text, primary_key=True),
    Column("member_id", BigInteger),
    Column("branch_id", BigInteger),
    Column("language", Text, nullable=False),
    Column("link", Text),  # NULL: none takes the number
    Column("due", Time, nullable=False),  # not before; quiet hours move it
    Column("state", Text, nullable=False),  # waiting | handed (to a link, as a message) | left (out, with the reason)
    Column("reason", Text),
    Column("message_id", BigInteger),
    Column("acknowledged", Time),
    Index("ix_notice_recipient_due", "notice_id", "link", "due", "number", **_where("state = 'waiting'")),
    Index("ix_notice_recipient_left", "notice_id", "reason", **_where("state = 'left'")),
    Index("ix_notice_recipient_acknowledged", "notice_id", **_where("acknowledged IS NOT NULL")),
    sqlite_with_rowid=False,
)

# The lines of an uploaded list, as they were read.
notice_list = Table(
    "notice_list",
    METADATA,
    Column("notice_id", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("number", Text),  # NULL: a member without a phone, or nobody
    Column("member_id", BigInteger),
    Index("ix_notice_list_number", "notice_id", "number"),
    Index("ix_notice_list_member", "notice_id", "member_id"),
    sqlite_with_rowid=False,
)

# Lines of a list that nobody could be found for, until the notice is submitted: whoever wrote it mends them.
notice_strange = Table(
    "notice_strange",
    METADATA,
    Column("notice_id", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("said", Text, nullable=False),
    Column("why", Text, nullable=False),  # of phone.Reason, or one of lists'
    sqlite_with_rowid=False,
)

# Who waits for figures that are counted away from the thread that writes: answered, a row goes.
notice_question = Table(
    "notice_question",
    METADATA,
    Column("notice_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Text, primary_key=True),  # who asked; "" is a series, whose turn it is
    Column("what", Text, nullable=False),  # submit | standing
    Column("at", Time, nullable=False),
    sqlite_with_rowid=False,
)

topic = Table(
    "topic",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("number", Text, nullable=False, unique=True),  # "03", as members type it
    Column("names", Text, nullable=False),  # JSON: language -> name
    Column("windows", Text, nullable=False, server_default=text("''")),  # "2,5 8-11": days (Monday 1) and hours
    Column("most", Integer, nullable=False, server_default=text("2")),  # SMS in one message
    Column("everyone", Boolean, nullable=False, server_default=text("false")),  # all members until they leave it
    Column("closed", Boolean, nullable=False, server_default=text("false")),
)

subscription = Table(
    "subscription",
    METADATA,
    Column("number", Text, primary_key=True),
    Column("topic_id", ForeignKey("topic.id"), primary_key=True),
    Column("wanted", Boolean, nullable=False),
    Column("at", Time, nullable=False),
    Index("ix_subscription_topic", "topic_id", "wanted"),
    sqlite_with_rowid=False,
)

audience_group = Table(
    "audience_group",
    METADATA,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False, unique=True),  # as typed in an SMS, upper case
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),  # the subtree it belongs to; "" is the whole organisation
    Column("made_by", Text, nullable=False),
    Column("at", Time, nullable=False),
)

group_member = Table(
    "group_member",
    METADATA,
    Column("group_id", ForeignKey("audience_group.id"), primary_key=True),
    Column("member_id", ForeignKey("member.id"), primary_key=True),
    Index("ix_group_member_member_id", "member_id"),
    sqlite_with_rowid=False,
)
