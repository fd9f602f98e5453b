"""From a draft to a notice that may go: counted, guarded against sending twice, approved by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, or_, select, update

from gateway.affairs.dues import month_of
from gateway.affairs.notices import audience, drafts, hours, lists, topics, weekdays, wording
from gateway.affairs.notices.audience import Funnel, Moment
from gateway.affairs.notices.drafts import DRAFT, SCHEDULED, WAITING, Notice, Person, Refused
from gateway.affairs.notices.rules import Rules, rules
from gateway.affairs.notices.wording import Voice
from gateway.core.database import wake
from gateway.core.tables.notices import notice, notice_approval
from gateway.core.text import TooLong

EMERGENCY_APPROVERS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """The organisation a notice is sent by: its ids, its clock's zone, how it says things."""

    new_id: Callable[[], int]
    zone: ZoneInfo
    voice: Voice

    def today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    def moment(self, now: datetime, starts: datetime | None = None) -> Moment:
        today = self.today(now)
        hour = (starts or now).astimezone(self.zone).hour
        return Moment(now=now, today=today, month=month_of(today), hour=hour, language=self.voice.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a notice comes to before it is sent."""

    funnel: Funnel
    parts: int  # of all recipients together, at most
    each: dict[str, int]  # SMS in one message, by language, at most
    span: hours.Span
    needed: int  # approvals beside the author's
    of: tuple[object, ...]  # what was counted: another text or audience has other figures


def estimate(conn: Connection, place: Place, found: Notice, now: datetime) -> Estimate:
    """Count whom it reaches and what it takes."""
    if found.filling is not None:
        raise Refused("list", "its list has not come in whole")
    known = rules(conn, now)
    span = when(conn, place, found, known, now)
    at = place.moment(now, span.starts)
    counted = audience.funnel(conn, found.audience, found.id, at, emergency=found.emergency, topic=found.topic_id)
    widest = widest_reader(conn, place, found, now)
    each: dict[str, int] = {}
    for language, text in found.texts.items():
        try:
            each[language] = len(wording.measure(text, widest, language, place.voice).parts)
        except TooLong as problem:
            raise Refused("long", f"{language}: {problem}") from None
    parts = sum(
        count * each[wording.choose(found.texts, language, place.voice.language)]
        for language, count in counted.languages.items()
    )
    return Estimate(
        funnel=counted, parts=parts, each=each, span=span, needed=needed(found, counted, known), of=_counted(found)
    )


def is_of(counted: Estimate, found: Notice) -> bool:
    """Whether it is still this notice that was counted."""
    return counted.of == _counted(found)


def _counted(found: Notice) -> tuple[object, ...]:
    whom = found.audience, found.topic_id, found.filling
    return *whom, dict(found.texts), found.emergency, found.starts, found.lasts


def needed(found: Notice, counted: Funnel, known: Rules) -> int:
    if found.emergency:
        return EMERGENCY_APPROVERS
    return 0 if counted.left <= known.solo else 1


def when(conn: Connection, place: Place, found: Notice, known: Rules, now: datetime) -> hours.Span:
    """When it would start and when it is no longer worth sending."""
    quiet = None if found.emergency else known.quiet
    lasts = timedelta(hours=found.lasts) if found.lasts else known.lasts
    if found.topic_id is None or found.emergency:
        return hours.span(now, found.starts, lasts, quiet, place.zone)
    paper = topics.get(conn, found.topic_id)
    opens = topics.next_window(paper, max(now, found.starts or now), place.zone)
    first = hours.span(now, opens, lasts, quiet, place.zone)
    later = topics.next_window(paper, first.starts, place.zone)
    if later == first.starts:
        return first
    # The quiet hours had begun within this window; one that lies in them as a whole gives way to them.
    second = hours.span(now, later, lasts, quiet, place.zone)
    return second if second.starts == later else first


def widest_reader(conn: Connection, place: Place, found: Notice, now: datetime) -> wording.Reader:
    """Whoever's values take most room."""
    name, code = topics.widest_branch(conn, found.audience.paths)
    return wording.Reader(branch=name, branch_code=code, due=99_999_00, month=place.moment(now).month)


# --- the steps ---------------------------------------------------------------------------------------------------


def submit(
    conn: Connection,
    place: Place,
    found: Notice,
    by: Person,
    now: datetime,
    *,
    repeat: bool = False,
    counted: Estimate | None = None,
) -> Notice:
    """Ask for approval; a small notice needs none and goes. Submitted twice is submitted once.

    Whoever has counted a moment ago, away from the thread that writes, brings the figures: of a million people that
    takes a second.
    """
    if found.state != DRAFT:
        return found
    if counted is None or not is_of(counted, found):
        counted = estimate(conn, place, found, now)
    if counted.funnel.left == 0:
        raise Refused("nobody", "nobody would get it")
    if found.starts is not None and found.starts < now - timedelta(minutes=5):
        raise Refused("past", "the start is over")
    if counted.span.expires <= counted.span.starts:
        raise Refused("quiet", "it would never be sent: the quiet hours begin before it starts")
    if found.topic_id is not None:
        topics.check(topics.get(conn, found.topic_id), max(counted.each.values()))
    if not repeat and found.resend_of is None and found.series_of is None:
        guard(conn, found, now)
    conn.execute(
        update(notice)
        .where(notice.c.id == found.id)
        .values(state=WAITING, submitted=now, needed=counted.needed, funnel=counted.funnel.written())
    )
    found = drafts.get(conn, found.id)
    lists.forget_strange(conn, found.id)
    drafts.note(conn, place.new_id, found, by, "submitted", now)
    wake(conn, drafts.TOPIC)
    return schedule(conn, place, found, now) if counted.needed == 0 else found


def guard(conn: Connection, found: Notice, now: datetime) -> None:
    """The same text a second time within hours is nearly always a slip, though the first was written days ago."""
    since = now - rules(conn, now).repeated
    again = conn.execute(
        select(notice.c.number).where(
            notice.c.text_hash == found.text_hash,
            notice.c.id != found.id,
            or_(notice.c.submitted > since, notice.c.starts > since),
            notice.c.state != DRAFT,
            notice.c.approved.is_not(None) | (notice.c.state == WAITING),
        )
    ).first()
    if again is not None:
        raise Refused("same", f"notice D{again.number} has the same text and is only hours old")


def approve(conn: Connection, place: Place, found: Notice, by: Person, now: datetime) -> Notice:
    """Somebody else agrees; with the last agreement needed it goes. Said twice by one person it counts once."""
    if by.is_same(found.author, found.author_phone):
        raise Refused("author", "whoever wrote a notice cannot approve it")
    agreed = approvals(conn, found.id)
    if any(by.is_same(actor, phone) for actor, phone, _ in agreed):
        return found
    if found.state != WAITING:
        raise Refused("state", "it does not wait for approval")
    conn.execute(insert(notice_approval).values(notice_id=found.id, actor=by.actor, phone=by.phone, at=now))
    drafts.note(conn, place.new_id, found, by, "approved", now)
    wake(conn, drafts.TOPIC)
    if len(agreed) + 1 < found.needed:
        return found
    return schedule(conn, place, found, now)


def deny(conn: Connection, place: Place, found: Notice, by: Person, reason: str, now: datetime) -> Notice:
    """Send it back to whoever wrote it: a draft again, without the approvals it had."""
    if found.state != WAITING:
        raise Refused("state", "it does not wait for approval")
    conn.execute(notice_approval.delete().where(notice_approval.c.notice_id == found.id))
    conn.execute(
        update(notice).where(notice.c.id == found.id).values(state=DRAFT, reason=reason or None, announced=False)
    )
    drafts.note(conn, place.new_id, found, by, "denied", now, reason or None)
    wake(conn, drafts.TOPIC)
    return drafts.get(conn, found.id)


def approvals(conn: Connection, notice_id: int) -> list[tuple[str, str | None, datetime]]:
    found = conn.execute(
        select(notice_approval.c.actor, notice_approval.c.phone, notice_approval.c.at)
        .where(notice_approval.c.notice_id == notice_id)
        .order_by(notice_approval.c.at)
    )
    return [(row.actor, row.phone, row.at) for row in found]


def schedule(conn: Connection, place: Place, found: Notice, now: datetime) -> Notice:
    """It may go: from here on its recipients are frozen."""
    span = when(conn, place, found, rules(conn, now), now)
    changed = conn.execute(
        update(notice)
        .where(notice.c.id == found.id, notice.c.state == WAITING)
        .values(
            state=SCHEDULED,
            approved=now,
            starts=span.starts,
            expires=span.expires,
            next_at=weekdays.following(found.recurrence, span.starts, place.zone) if found.recurrence else None,
        )
    )
    if not changed.rowcount:
        raise Refused("state", "it does not wait for approval")
    wake(conn, drafts.TOPIC)
    return drafts.get(conn, found.id)


def waiting(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(notice).where(notice.c.state == WAITING)) or 0
