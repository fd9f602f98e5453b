"""What some of the recipients will read, and what the drafter alone is sent to try it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.affairs import dues
from gateway.affairs.notices import audience, wording
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import Notice
from gateway.core.tables.organisation import branch

MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    number: str
    language: str
    text: str  # signed
    parts: int


def samples(conn: Connection, place: Place, found: Notice, now: datetime, most: int = MOST) -> tuple[Sample, ...]:
    """The first few of those who would get it, in each of the languages that they read."""
    at = place.moment(now)
    whom = audience.eligible(
        found.audience, found.id, at, emergency=found.emergency, topic=found.topic_id, after="", upto=None
    )
    rows = conn.execute(whom.limit(most)).all()
    names = {
        row.id: (row.name, row.code)
        for row in conn.execute(
            select(branch.c.id, branch.c.name, branch.c.code).where(branch.c.id.in_([row[2] for row in rows]))
        )
    }
    owed = dues.owed(conn, [row[1] for row in rows if row[1] is not None], at.month)
    made = []
    for to, member_id, branch_id, language in rows:
        name, code = names.get(branch_id, ("", ""))
        due = owed[member_id].amount if member_id in owed else 0
        made.append(
            one(place, found, to, language, wording.Reader(branch=name, branch_code=code, due=due, month=at.month))
        )
    return tuple(made)


def one(place: Place, found: Notice, to: str, language: str, reader: wording.Reader) -> Sample:
    spoken = wording.choose(found.texts, language, place.voice.language)
    said = place.voice.signed(wording.render(found.texts[spoken], reader, spoken, place.voice), spoken)
    parts = len(wording.measure(found.texts[spoken], reader, spoken, place.voice).parts)
    return Sample(number=to, language=spoken, text=said, parts=parts)
