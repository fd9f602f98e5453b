"""How long things are kept (SERVICES 7.7), by the settings: in steps of some hundred rows, each in a transaction.

Each step is found with a reading connection and done with a writing one; a step that is done twice changes nothing. A
text and what the search knows of it go in one transaction.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, delete, exists, func, literal, select, update

from gateway.affairs import retained, settings
from gateway.affairs.notices import kept
from gateway.core import audit, facts, search
from gateway.core.engines import upsert
from gateway.core.ids import first_of
from gateway.core.tables.messages import message, message_day, part, quarantine, unindexed
from gateway.core.tables.money import chain
from gateway.core.tables.organisation import consent, number
from gateway.core.tables.staff import audit as audit_rows
from gateway.core.tables.staff import case_entry, hotline_case

CHUNK = 200  # rows in a transaction, some 15 ms
_SWEEP = 5_000  # rows looked through at once
_MOST_LATER = 1_000
_PENDING = ("queued", "leased", "inflight")
_TEXTS, _LATER, _CONSENTS = "retention texts", "retention texts later", "retention consents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What a step is done with; `zone` is the organisation's, whose days are counted."""

    new_id: Callable[[], int]
    now: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Step:
    """`find` says what is due, `erase` does away with it; both are plain works."""

    name: str
    find: Callable[[Connection, datetime], Sequence[int | str]]
    erase: Callable[[Connection, Sequence[int | str], Doing], int]  # how many rows that was


def before(conn: Connection, now: datetime, *names: str) -> datetime:
    """What is older than the days of these settings together."""
    days: int = sum(settings.value(conn, f"retention.{name}", now) for name in names)
    return now - timedelta(days=days)


# --- texts of messages: after `retention.texts` the row goes on without ----------------------------------------------


def _texts_due(conn: Connection, now: datetime) -> Sequence[int]:
    """The next rows in the order of their making, and those that had been on their way when their turn came."""
    end = first_of(before(conn, now, "texts"))
    after = int(facts.known(conn, _TEXTS) or 0)
    turn = select(message.c.id).where(message.c.id > after, message.c.id < end).order_by(message.c.id).limit(CHUNK)
    late = select(message.c.id).where(message.c.id.in_(_later(conn)), message.c.state.not_in(_PENDING)).limit(CHUNK)
    return [*conn.scalars(late), *conn.scalars(turn)]


def _erase_texts(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    """What is still to be sent keeps its text until it has gone."""
    known = [int(each) for each in ids]
    pending = set(conn.scalars(select(message.c.id).where(message.c.id.in_(known), message.c.state.in_(_PENDING))))
    gone = [each for each in known if each not in pending]
    blanked = search.erase(conn, gone)
    later = sorted((set(_later(conn)) | pending) - set(gone))[:_MOST_LATER]
    facts.put(conn, _LATER, json.dumps(later))
    facts.put(conn, _TEXTS, str(max(int(facts.known(conn, _TEXTS) or 0), *known)))
    return blanked


def _later(conn: Connection) -> list[int]:
    found: list[int] = json.loads(facts.known(conn, _LATER) or "[]")
    return found


# --- rows of messages: then only how many there were -----------------------------------------------------------------


def _rows_due(conn: Connection, now: datetime) -> Sequence[int]:
    end = first_of(before(conn, now, "texts", "rows"))
    return list(conn.scalars(select(message.c.id).where(message.c.id < end).order_by(message.c.id).limit(CHUNK)))


def _erase_rows(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    rows = conn.execute(
        select(
            message.c.at,
            message.c.direction,
            message.c.channel,
            message.c.link,
            message.c.command,
            message.c.state,
        ).where(message.c.id.in_(ids))
    )
    counts = Counter(
        (f"{row[0].astimezone(doing.zone).date()}", row[1], row[2], row[3] or "", row[4] or "", row[5]) for row in rows
    )
    for key, count in sorted(counts.items()):
        names = ("day", "direction", "channel", "link", "command", "state")
        row = upsert(conn, message_day).values(**dict(zip(names, key, strict=True)), count=count)
        conn.execute(
            row.on_conflict_do_update(
                index_elements=list(names), set_={"count": message_day.c.count + row.excluded["count"]}
            )
        )
    search.erase(conn, [int(each) for each in ids])
    conn.execute(delete(part).where(part.c.message_id.in_(ids)))
    conn.execute(delete(unindexed).where(unindexed.c.message_id.in_(ids)))
    return conn.execute(delete(message).where(message.c.id.in_(ids))).rowcount


# --- cases: after they were closed, what was said and who asked ------------------------------------------------------


def _cases_due(conn: Connection, now: datetime) -> Sequence[int]:
    query = select(hotline_case.c.id).where(
        hotline_case.c.state == "closed",
        hotline_case.c.closed < before(conn, now, "cases"),
        hotline_case.c.number != "",
    )
    return list(conn.scalars(query.limit(CHUNK // 4)))


def _erase_cases(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    """Number, kind and times of the case stay. Its messages lose their texts with it, if they still have one."""
    conn.execute(update(case_entry).where(case_entry.c.case_id.in_(ids)).values(text=""))
    conn.execute(update(hotline_case).where(hotline_case.c.id.in_(ids)).values(number="", member_id=None))
    said = select(message.c.id).where(message.c.case_id.in_(ids), message.c.state.not_in(_PENDING))
    search.erase(conn, list(conn.scalars(said)))
    return len(ids)


# --- phones: after they were taken from a member ---------------------------------------------------------------------


def _numbers_due(conn: Connection, now: datetime) -> Sequence[str]:
    """An opt-out is kept for as long as it has to be honoured; a lock as well."""
    query = select(number.c.number).where(
        number.c.unbound < before(conn, now, "numbers"),
        number.c.member_id.is_(None),
        ~number.c.opted_out,
        number.c.locked.is_(None),
    )
    return list(conn.scalars(query.limit(CHUNK)))


def _erase_numbers(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    gone = conn.execute(delete(number).where(number.c.number.in_(ids), number.c.member_id.is_(None))).rowcount
    conn.execute(delete(consent).where(consent.c.number.in_(ids)))
    return gone


# --- consents that a later one has replaced --------------------------------------------------------------------------


def _consents_due(conn: Connection, now: datetime) -> Sequence[int]:
    """Once a day through all of them, some thousand at a time; the last row that was looked at comes along."""
    after, _, day = (facts.known(conn, _CONSENTS) or "0 ").partition(" ")
    if not int(after) and day == f"{now.date()}":
        return []
    end = first_of(before(conn, now, "consents"))
    newer = consent.alias()
    replaced = exists(
        select(literal(1)).where(
            newer.c.number == consent.c.number, newer.c.topic == consent.c.topic, newer.c.id > consent.c.id
        )
    )
    turn = select(consent.c.id).where(consent.c.id > int(after), consent.c.id < end).order_by(consent.c.id)
    seen = list(conn.scalars(turn.limit(_SWEEP)))
    if not seen:
        return [0]
    old = select(consent.c.id).where(and_(consent.c.id >= seen[0], consent.c.id <= seen[-1]), replaced)
    return [*conn.scalars(old), seen[-1]]


def _erase_consents(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    *old, last = ids
    for at in range(0, len(old), CHUNK):
        conn.execute(delete(consent).where(consent.c.id.in_(old[at : at + CHUNK])))
    facts.put(conn, _CONSENTS, f"{last} {doing.now.date()}")
    return len(old)


# --- what could not be handled ---------------------------------------------------------------------------------------


def _quarantine_due(conn: Connection, now: datetime) -> Sequence[int]:
    query = select(quarantine.c.message_id).where(quarantine.c.at < before(conn, now, "quarantine"))
    return list(conn.scalars(query.limit(CHUNK)))


def _erase_quarantine(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    return conn.execute(delete(quarantine).where(quarantine.c.message_id.in_(ids))).rowcount


# --- the audit: whole links of its chain, so that the rest can still be proved ---------------------------------------


def _audit_due(conn: Connection, now: datetime) -> Sequence[int]:
    end = first_of(before(conn, now, "audit"))
    upto = conn.scalar(select(func.max(chain.c.upto)).where(chain.c.name == "audit", chain.c.upto <= end))
    oldest = conn.scalar(select(func.min(audit_rows.c.id)))
    return [0] if upto is not None and oldest is not None and oldest < upto else []


def _erase_audit(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    end = before(conn, doing.now, "audit")
    return audit.erase(conn, doing.new_id, end, actor="system:retention", now=doing.now, limit=CHUNK)


STEPS = (
    Step("totals", kept.totals_due, kept.keep_totals),  # before anything goes that they are counted from
    Step("texts", _texts_due, _erase_texts),
    Step("rows", _rows_due, _erase_rows),
    Step("cases", _cases_due, _erase_cases),
    Step("numbers", _numbers_due, _erase_numbers),
    Step("consents", _consents_due, _erase_consents),
    Step("quarantine", _quarantine_due, _erase_quarantine),
    Step("recipients", kept.recipients_due, kept.erase_recipients),
    Step("lists", kept.lists_due, kept.erase_lists),
    Step("audit", _audit_due, _erase_audit),
)


def due(conn: Connection, now: datetime) -> tuple[str, tuple[int | str, ...]] | None:
    """The first step that has something to do, and what."""
    for step in STEPS:
        if found := step.find(conn, now):
            return step.name, tuple(found)
    return None


def erase(conn: Connection, name: str, ids: Sequence[int | str], doing: Doing) -> int:
    """Do one step; how many rows it was about."""
    step = next(step for step in STEPS if step.name == name)
    retained.took(conn, name, step.erase(conn, ids, doing), doing.now, doing.zone)
    return len(ids)
