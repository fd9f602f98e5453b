"""What a link gets next of the running notices: asked for by `core.release`, in the transaction that marks it inflight.

Here, and not only when the recipients were frozen, it is asked again whether somebody may get it: opt-out, lock,
topic, quiet hours, and whether the notice still runs. A message is made the moment it goes, so that a notice to a
million people that is paused has at most a window of them anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, select

from gateway.affairs import destinations, dues
from gateway.affairs.destinations import Limits
from gateway.affairs.notices import wording
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.hours import Quiet
from gateway.affairs.notices.rules import rules
from gateway.core import messages
from gateway.core.bulk import Row, Updates
from gateway.core.driver import ask
from gateway.core.lookup import Lookup
from gateway.core.model import Lane, Outbound, Resend, State
from gateway.core.tables.metadata import Time
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.notices import topic as topic_table
from gateway.core.tables.organisation import number

_TIME = Time()
_PARKED = timedelta(hours=1)  # what was tried before and belongs to a paused notice is looked at again then
_REMEMBERED = 5_000  # texts
_NOTICES = 100  # of which it is known who had their turn last, before it begins anew with each
_RULES_LAST = timedelta(seconds=5)


class _Running(NamedTuple):
    id: int
    number: int
    texts: str
    emergency: bool
    topic_id: int | None
    expires: datetime
    everyone: bool | None  # of its topic


_RUNNING = (
    select(
        notice.c.id,
        notice.c.number,
        notice.c.texts,
        notice.c.emergency,
        notice.c.topic_id,
        notice.c.expires,
        topic_table.c.everyone,
    )
    .outerjoin_from(notice, topic_table, topic_table.c.id == notice.c.topic_id)
    .where(notice.c.state == "running")
    .order_by(notice.c.emergency.desc(), notice.c.id)
)
# The recipients in the order of their index, a page of them behind the last one that was taken, and only then what
# there is to know about each: joined first, the whole notice would be sorted for every window.
DUE = """
SELECT page.number, page.member_id, page.language, number.opted_out, number.quiet_from, number.quiet_until,
    number.locked, branch.name, branch.code, branch.path, subscription.wanted, page.due
FROM (
    SELECT number, member_id, branch_id, language, due FROM notice_recipient
    WHERE notice_id = ? AND link = ? AND state = 'waiting' AND due <= ? AND (due, number) > (?, ?)
    ORDER BY due, number LIMIT ?
) AS page
LEFT JOIN number ON number.number = page.number
LEFT JOIN branch ON branch.id = page.branch_id
LEFT JOIN subscription ON subscription.number = page.number AND subscription.topic_id = ?
ORDER BY page.due, page.number
"""
_FIRST: tuple[Any, str] = (datetime(1970, 1, 1, tzinfo=UTC), "")
_turn = Updates(notice_recipient, ("notice_id", "number"), ("state", "reason"), kept=("message_id", "due"))
_standing = Lookup(lambda among: select(notice.c.id, notice.c.state, notice.c.emergency).where(among(notice.c.id)))
_people = Lookup(
    lambda among: select(
        number.c.number,
        number.c.opted_out,
        number.c.quiet_from,
        number.c.quiet_until,
        number.c.locked,
    ).where(among(number.c.number))
)


@dataclass(slots=True)
class Handover:
    """One for the gateway; what it remembers are texts that are the same for many."""

    place: Place
    _texts: dict[Any, str] = field(default_factory=dict)
    _read: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _known: tuple[datetime, Quiet, Limits] | None = None
    _behind: dict[tuple[int, str], tuple[Any, str]] = field(default_factory=dict)  # the last taken, by notice and link

    # --- what goes next ------------------------------------------------------------------------------------------

    def pick(self, conn: Connection, link: str, room: int, now: datetime) -> tuple[list[Outbound], bool]:
        """At most `room` messages for `link`, recorded as leased to it, fairly shared among the running notices;
        whether there may be more."""
        running = [_Running(*row) for row in conn.execute(_RUNNING)]
        running = [each for each in running if each.expires is None or each.expires > now]
        found: list[Outbound] = []
        more = False
        while running and len(found) < room:
            share = max(1, (room - len(found)) // (1 if running[0].emergency else len(running)))
            those = running.pop(0)
            made, looked = self._of(conn, those, link, min(share, room - len(found)), now)
            found += made
            more = more or looked
        return found, more

    def _of(
        self, conn: Connection, those: _Running, link: str, room: int, now: datetime
    ) -> tuple[list[Outbound], bool]:
        rows, more = self._page(conn, those, link, room, now)
        if not rows:
            return [], more
        quiet = None if those.emergency else self._rules(conn, now)[0]
        turned: list[Row] = []
        chosen = []
        for row in rows:
            reason, later = self._judged(those, row, quiet, now)
            if reason is not None:
                turned.append((those.id, row[0], "left", reason, None, None))
            elif later is not None:
                turned.append((those.id, row[0], "waiting", None, None, later))
            else:
                chosen.append(row)
        if chosen:
            held = self._rules(conn, now)[1]
            whom = [(row[0], row[1] is not None) for row in chosen]
            refused = destinations.admit(conn, whom, held.urgent if those.emergency else held, self.place.today(now))
            turned += [(those.id, chosen[at][0], "left", reason, None, None) for at, reason in refused.items()]
            chosen = [row for at, row in enumerate(chosen) if at not in refused]
        found = self._made(conn, those, link, chosen, now) if chosen else []
        turned += [(those.id, each.to, "handed", None, each.id, None) for each in found]
        _turn(conn, turned)
        return found, True

    def _page(
        self, conn: Connection, those: _Running, link: str, room: int, now: datetime
    ) -> tuple[Sequence[Sequence[Any]], bool]:
        """The next recipients that are due, behind those who had their turn; whether there may be more.

        PostgreSQL keeps the index entries of those until it vacuums, and would step over all of them again and
        again. What waits further ahead, because its turn was rolled back or it came from another link, is found
        when the end is reached and it begins anew.
        """
        key = those.id, link
        behind = self._behind.get(key, _FIRST)
        rows = ask(conn, DUE, those.id, link, now, *behind, room, those.topic_id or 0)
        if len(rows) == room:
            if len(self._behind) > _NOTICES:
                self._behind.clear()
            self._behind[key] = rows[-1][-1], rows[-1][0]
        else:
            self._behind.pop(key, None)
        return rows, bool(rows) or behind is not _FIRST

    def _judged(
        self, those: _Running, row: Sequence[Any], quiet: Quiet | None, now: datetime
    ) -> tuple[str | None, datetime | None]:
        """Why somebody is left out, or until when they wait; neither when they get it."""
        opted_out, quiet_from, quiet_until, locked, *_, wants, _due = row[3:]
        if opted_out:
            return "opted out", None
        if locked is not None:
            return "locked", None
        if those.topic_id is not None and not those.emergency and not (those.everyone if wants is None else wants):
            return "left the topic", None
        if quiet is None:
            return None, None
        own = quiet if quiet_from is None else Quiet(quiet_from, quiet_until)
        local = now.astimezone(self.place.zone)
        if not own.holds(local):
            return None, None
        later = own.ends(local).astimezone(now.tzinfo)
        return ("quiet hours", None) if later >= those.expires else (None, later)

    def _made(
        self, conn: Connection, those: _Running, link: str, rows: Sequence[Sequence[Any]], now: datetime
    ) -> list[Outbound]:
        texts = self._read.get(those.texts)
        if texts is None:
            if len(self._read) >= 100:
                self._read.clear()
            texts = self._read[those.texts] = orjson.loads(those.texts)
        month = self.place.moment(now).month
        owed: dict[int, dues.Owed] = {}
        if any("{due}" in said for said in texts.values()):
            owed = dues.owed(conn, list({row[1] for row in rows if row[1] is not None}), month)
        found, log = [], []
        for to, member_id, language, *_, name, code, path, _wants, _due in rows:
            due = owed[member_id].amount if member_id in owed else 0
            said = self._said(those, texts, language, name or "", code or "", due, month)
            outbound = Outbound(
                id=self.place.new_id(),
                to=to,
                text=said,
                link=link,
                lane=Lane.BULK,
                expires=those.expires,
                resend=Resend.ONCE,
                notice=those.id,
            )
            found.append(outbound)
            log.append(
                messages.row(
                    outbound,
                    now,
                    link=link,
                    state=State.LEASED,
                    log_class="A",
                    text=said,
                    command=None,
                    member_id=member_id,
                    branch_path=path,
                    actor=f"notice:{those.number}",
                )
            )
        messages.log_out(conn, log)
        return found

    def _said(
        self, those: _Running, texts: Mapping[str, str], language: str, name: str, code: str, due: int, month: int
    ) -> str:
        """The text for somebody, signed."""
        key = (those.id, language, name, code, due, month)
        known = self._texts.get(key)
        if known is None:
            voice = self.place.voice
            spoken = wording.choose(texts, language, voice.language)
            if not wording.is_personal(texts[spoken]):
                plain = (those.id, spoken)
                known = self._texts.get(plain)
                if known is None:
                    known = self._texts[plain] = voice.signed(texts[spoken], spoken)
                return known
            reader = wording.Reader(branch=name, branch_code=code, due=due, month=month)
            known = voice.signed(wording.render(texts[spoken], reader, spoken, voice), spoken)
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            self._texts[key] = known
        return known

    def _rules(self, conn: Connection, now: datetime) -> tuple[Quiet, Limits]:
        if self._known is None or not timedelta() <= now - self._known[0] < _RULES_LAST:
            self._known = (now, rules(conn, now).quiet, destinations.limits(conn, now))
        return self._known[1:]

    # --- what was made before ------------------------------------------------------------------------------------

    def judge(
        self, conn: Connection, made: Sequence[tuple[int, int, str]], now: datetime
    ) -> tuple[dict[int, tuple[State, str]], dict[int, datetime]]:
        """Of messages (id, notice, number) that were made earlier: which may go no more, and which not yet."""
        gone: dict[int, tuple[State, str]] = {}
        parked: dict[int, datetime] = {}
        standing = {id_: (state, bool(emergency)) for id_, state, emergency in _standing(conn, [m[1] for m in made])}
        people = {row[0]: row[1:] for row in _people(conn, list({m[2] for m in made}))}
        local = now.astimezone(self.place.zone)
        for id_, notice_id, to in made:
            state, emergency = standing.get(notice_id, ("killed", False))
            opted_out, quiet_from, quiet_until, locked = people.get(to, (False, None, None, None))
            if state == "killed":
                gone[id_] = (State.CANCELLED, "notice cancelled")
            elif state == "expired":
                gone[id_] = (State.EXPIRED, "expired")
            elif opted_out:
                gone[id_] = (State.CANCELLED, "opted out")
            elif locked is not None:
                gone[id_] = (State.CANCELLED, "locked")
            elif state == "paused":
                parked[id_] = now + _PARKED
            elif not emergency:
                own = self._rules(conn, now)[0] if quiet_from is None else Quiet(quiet_from, quiet_until)
                if own.holds(local):
                    parked[id_] = own.ends(local).astimezone(now.tzinfo)
        return gone, parked
