"""The log and the queue: every message in and out, and its parts.

A message waits `queued`; `core.release` leases it to a link, splits it into parts and marks at most a window of them
`inflight`, in one commit before anything is written; `core.outcomes` records in batches what became of them, and
`core.recovery` deals with what nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, null, select, text, update

from gateway.core.bulk import Inserts, Row
from gateway.core.database import wake
from gateway.core.ids import first_of
from gateway.core.keys import Keys
from gateway.core.lookup import Lookup
from gateway.core.model import Outbound, Part, State
from gateway.core.tables.messages import message, part, unindexed

# Written out, not bound: only so a prepared statement finds the partial indexes.
_IN = text("message.direction = 'in'")
QUEUED = text("message.state = 'queued'")
OPEN = text("part.state IN ('leased', 'inflight', 'unknown')")
Key = tuple[int, int]  # message id, part number


# --- in -------------------------------------------------------------------------------------------------------

# Rows of inbound messages, as `gateway.handling` makes them.
log_in = Inserts(
    message,
    (
        "id", "state", "channel", "link", "number", "own", "at", "sent_at", "member_id", "branch_path", "command",
        "log_class", "text", "damaged", "fingerprint", "case_id", "session", "error",
    ),
    direction="in",
)  # fmt: skip
# Rows of outbound messages, as `row` makes them.
log_out = Inserts(
    message,
    (
        "id", "state", "channel", "link", "number", "own", "at", "member_id", "branch_path", "command", "log_class",
        "text", "sealed", "answers", "case_id", "session", "lane", "resend", "not_before", "expires", "actor",
        "sender", "notice_id",
    ),
    direction="out",
)  # fmt: skip
# Rows of parts, as `part_row` makes them.
insert_parts = Inserts(part, ("message_id", "number", "total", "link", "reference", "state", "attempt", "at"))
_index_later = Inserts(unindexed, ("message_id",))


def index_later(conn: Connection, ids: Sequence[int]) -> None:
    """Let the background indexer take these texts into the search."""
    _index_later(conn, [(id_,) for id_ in ids])


def known(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these messages are in the log already: a rerun after a lost COMMIT finds them."""
    return {row[0] for row in _known(conn, list(ids))}


_known = Lookup(lambda among: select(message.c.id).where(among(message.c.id)))


def fingerprints(conn: Connection, link: str, since: datetime | None) -> dict[int, int]:
    """How often each inbound was recorded on `link` in the last 30 seconds of its session, or since `since`."""
    if since is None:
        last = conn.scalar(
            select(message.c.id).where(_IN, message.c.link == link).order_by(message.c.id.desc()).limit(1)
        )
        if last is None:
            return {}
        first = last - first_of_span(timedelta(seconds=30))
    else:
        first = first_of(since)
    found: dict[int, int] = {}
    for print_ in conn.scalars(
        select(message.c.fingerprint)
        .where(_IN, message.c.link == link, message.c.id >= first, message.c.fingerprint.is_not(None))
        .order_by(message.c.id.desc())
        .limit(20_000)
    ):
        found[print_] = found.get(print_, 0) + 1
    return found


def first_of_span(span: timedelta) -> int:
    """A length of time in ids."""
    return int(span / timedelta(milliseconds=1)) << 21


close_messages = Lookup(
    lambda among: (
        update(message)
        .where(among(message.c.id))
        .values(state=bindparam("new_state"), error=bindparam("why"), sealed=null())
    )
)
parts_of = Lookup(
    lambda among: select(part.c.message_id, part.c.number, part.c.state, part.c.attempt).where(among(part.c.message_id))
)


# --- out: into the queue --------------------------------------------------------------------------------------


def row(
    outbound: Outbound,
    now: datetime,
    *,
    link: str,
    state: State,
    log_class: str,
    text: str | None,
    sealed: bytes | None = None,
    command: str | None = None,
    member_id: int | None = None,
    branch_path: str | None = None,
    answers: int | None = None,
    actor: str | None = None,
) -> Row:
    """The log row of an outbound message."""
    return (
        outbound.id,
        state.value,
        outbound.channel.value,
        link,
        outbound.to,
        outbound.sender,
        now,
        member_id,
        branch_path,
        command,
        log_class,
        text,
        sealed,
        answers,
        outbound.case,
        outbound.session,
        int(outbound.lane),
        outbound.resend.value,
        outbound.not_before,
        outbound.expires,
        actor,
        outbound.sender,
        outbound.notice,
    )


def part_row(part_: Part, link: str, state: State, now: datetime, *, attempt: int = 1) -> Row:
    return (
        part_.outbound, part_.number, part_.total, link, part_.reference, state.value, attempt, now
    )  # fmt: skip


def queue(
    conn: Connection, outbounds: Iterable[Outbound], now: datetime, *, actor: str, keys: Keys | None = None
) -> list[int]:
    """Queue messages that answer no text: of staff, of other systems. `link` must be set.

    With `keys` the text is sealed while it waits, and nothing of it is kept.
    """
    rows = [
        row(
            outbound,
            now,
            link=outbound.link or "",
            state=State.QUEUED,
            log_class="A" if keys is None else "C",
            text=outbound.text if keys is None else None,
            sealed=None if keys is None else keys.seal("secret", outbound.text.encode()),
            actor=actor,
        )
        for outbound in outbounds
    ]
    log_out(conn, rows)
    ids = [found[0] for found in rows]
    if keys is None:
        index_later(conn, ids)
    wake(conn, "queue")
    wake(conn, "messages")
    return ids


# --- to be read -----------------------------------------------------------------------------------------------


def waiting(conn: Connection) -> dict[tuple[str, int], tuple[int, int]]:
    """By link and lane: how many are queued, and the oldest id."""
    rows = conn.execute(
        select(message.c.link, message.c.lane, func.count(), func.min(message.c.id))
        .where(QUEUED, message.c.not_before.is_(None))
        .group_by(message.c.link, message.c.lane)
    )
    return {(link or "", lane): (count, oldest) for link, lane, count, oldest in rows}
