"""What staff must hear about: by SMS, by e-mail and by webhook, and on a page where somebody says "I see to it".

A trouble is told of once when it has lasted, and once when it has stayed away for a while: what comes and goes within
minutes is one trouble. Those that stand are rows, so that a restart tells nobody anything twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import Connection
from twisted.logger import Logger

from commands.office import Office
from config.model import Alarms as Settings
from gateway.affairs import alarming, destinations, settings, suspense
from gateway.affairs.destinations import Refused
from gateway.core import deliveries, messages
from gateway.core.database import Runs
from gateway.core.model import Lane, Outbound
from gateway.core.text import signed
from gateway.links import Board
from gateway.routing import choose

AWAY = timedelta(minutes=2)  # until a link that is not ready is told of; operators restart theirs within one
CALM = timedelta(minutes=5)  # a trouble must stay away for so long to be over
AGAIN = timedelta(hours=1)  # between two alarms of messages set aside
STANDS = timedelta(days=7)  # what was counted once, when nobody says that they have seen it
OLD = 7  # days an item of the ledger may wait
LONGEST_NAME = 20  # of a link, in a text of one segment
_LANES = (Lane.CODE, Lane.ANSWER, Lane.NOTICE)  # nobody waits for bulk
_FIGURE = re.compile(r"-?\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """`begins` and `ends` are texts; without `ends` it is over once it is told."""

    kind: str
    subject: str
    begins: str
    ends: str | None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the database knows of troubles."""

    waiting: Mapping[str, datetime]
    late: int
    bursts: Mapping[str, int]
    refused: tuple[Refused, ...]
    old: int
    limits: Mapping[str, int]
    standing: tuple[alarming.Alarm, ...]


class Alarms:
    """Looks now and then."""

    log = Logger()

    def __init__(
        self,
        office: Office,
        board: Board,
        database: Runs,
        *,
        to: Settings,
        quarantined: Callable[[], int],
        money: Callable[[], int] = lambda: 0,
        payments: Callable[[], int] = lambda: 0,
        now: Callable[[], datetime],
    ) -> None:
        self.office = office  # replaced when the organisation changes its texts
        self._board, self._database = board, database
        self._to, self._now = to, now
        self._counts = {"set_aside": quarantined, "money_held": money, "payments": payments}
        self._counted = dict.fromkeys(self._counts, 0)  # those that were told of
        self._last: dict[str, datetime] = {}
        self._away: dict[str, datetime] = {}
        self._seen: dict[tuple[str, str], datetime] = {}  # when each standing trouble was last there
        self.standing = 0

    async def look(self) -> int:
        """Tell what is new, and what is over."""
        now = self._now()
        links = [entry.name for entry in self._board]
        found = await self._database.read(look, links, self.office.today(now), now)
        troubles = {(each.kind, each.subject): each for each in self._troubles(found, now)}
        for key, trouble in troubles.items():
            self._seen[key] = now
            if not any((alarm.kind, alarm.subject) == key for alarm in found.standing):
                await self._begin(trouble, now)
        for alarm in found.standing:
            key = (alarm.kind, alarm.subject)
            if key not in troubles and now - self._seen.setdefault(key, now) >= self._calm(alarm.kind):
                await self._end(alarm, now)
        self.standing = len(found.standing)
        return 0  # nothing is left to be done at once

    def _calm(self, kind: str) -> timedelta:
        """A link that is ready is, and what was counted once is over when somebody has looked at it."""
        return timedelta() if kind == "link" else CALM

    def _troubles(self, found: Looked, now: datetime) -> list[Trouble]:
        standing = {(alarm.kind, alarm.subject) for alarm in found.standing}
        troubles = [*self._links(now, standing), *self._counters(now)]
        for link, since in found.waiting.items():
            # Once it stands, it goes on until half as much waits: the edge itself is no reason for two alarms.
            least = found.limits["queue"] / (2 if ("queue", link) in standing else 1)
            minutes = int((now - since) / timedelta(minutes=1))
            if minutes >= least:
                values = {"link": link[:LONGEST_NAME], "minutes": str(minutes)}
                troubles.append(_trouble("queue", link, values))
        for entry in self._board:
            least = found.limits["balance"] * (1.2 if ("balance", entry.name) in standing else 1)
            balance = minor(entry.state.balance)
            if balance is not None and balance < least:
                troubles.append(_trouble("balance", entry.name, {"link": entry.name[:LONGEST_NAME]}))
        if found.late >= found.limits["late"]:
            troubles.append(_trouble("late", "", {"count": str(found.late)}))
        for number, count in found.bursts.items():
            values = {"tail": number[-4:], "count": str(min(count, 999))}
            troubles.append(_trouble("burst", number, values))
        for each in found.refused:  # until the day is over
            values = {"prefix": each.prefix, "refused": str(min(each.refused, 999_999))}
            troubles.append(_trouble(each.why, each.prefix, values))
        if found.old:
            troubles.append(_trouble("ledger", "", {"count": str(min(found.old, 999))}))
        return troubles

    def _links(self, now: datetime, standing: Collection[tuple[str, str]]) -> list[Trouble]:
        found = []
        for entry in self._board:
            name = entry.name
            if entry.ready:
                self._away.pop(name, None)
            elif now - self._away.setdefault(name, now) >= AWAY or ("link", name) in standing:
                values = {"link": name[:LONGEST_NAME]}
                found.append(Trouble(kind="link", subject=name, begins="link_away", ends="link_back", values=values))
        return found

    def _counters(self, now: datetime) -> list[Trouble]:
        """What was set aside, texts about money that are held: the first at once, more of them once an hour."""
        found = []
        for key, counts in self._counts.items():
            count, last = counts(), self._last.get(key)
            if count <= self._counted[key] or (last is not None and now - last < AGAIN):
                continue
            values = {"count": str(count - self._counted[key])}
            found.append(Trouble(kind=key, subject=f"{now:%Y-%m-%d %H:%M}", begins=key, ends=None, values=values))
        return found

    async def _begin(self, trouble: Trouble, now: datetime) -> None:
        said = self._say(trouble.begins, trouble.values)
        words = (f"alarms.{trouble.begins}", trouble.values)
        if await self._database.run(self._record, trouble.kind, trouble.subject, said, words, now):
            if trouble.kind in self._counts:
                self._counted[trouble.kind] += int(trouble.values["count"])
                self._last[trouble.kind] = now
            self.told(self._to.numbers, said)

    async def _end(self, alarm: alarming.Alarm, now: datetime) -> None:
        if alarm.kind in self._counts:
            if alarm.acknowledged is not None or now - alarm.began > STANDS:
                await self._database.run(alarming.end, alarm.kind, alarm.subject, now)
            return
        subject = alarm.subject
        values = {"link": subject[:LONGEST_NAME], "tail": subject[-4:], "prefix": subject}
        said = self._say("link_back" if alarm.kind == "link" else f"{alarm.kind}_over", values)
        if await self._database.run(self._record, alarm.kind, subject, said, None, now):
            self.told(self._to.numbers, said)

    def _record(
        self,
        conn: Connection,
        kind: str,
        subject: str,
        said: str,
        begun: tuple[str, Mapping[str, str]] | None,
        now: datetime,
    ) -> bool:
        """The alarm, or without words its end, and what people and other systems are to be told of it, in one
        transaction."""
        new_id = self.office.new_id
        if begun is not None:
            changed = alarming.begin(conn, new_id, kind, subject, said, now, words=begun)
        else:
            changed = alarming.end(conn, kind, subject, now)
        if not changed:
            return False
        state = "over" if begun is None else "begun"
        organisation = self.office.organisation.name
        shown = "" if kind == "burst" else subject  # a phone's number does not leave the house
        told: dict[str, str | None] = {
            "organisation": organisation, "alarm": kind, "subject": shown, "state": state, "text": said,
            "at": now.isoformat(),
        }  # fmt: skip
        self.tell(conn, self._to.numbers, said, now)
        if self._to.webhook:
            alarming.tell(conn, new_id, deliveries.WEBHOOK, self._to.webhook, told, now)
        if self._to.email:
            alarming.tell(conn, new_id, deliveries.MAIL, f"mailto:{self._to.email}", told, now)
        return True

    def _say(self, key: str, values: Mapping[str, str]) -> str:
        return self.office.say(f"alarms.{key}", self.office.organisation.language, None, **values)

    def tell(self, conn: Connection, numbers: Sequence[str], said: str, now: datetime) -> None:
        """By SMS, queued with what it is about; the database's thread only reads the board."""
        organisation = self.office.organisation
        text = signed(said, organisation.signature_for(organisation.language))
        routed = [(number, choose(tuple(self._board), number)) for number in numbers]
        messages.queue(
            conn,
            [
                Outbound(id=self.office.new_id(), to=number, text=text, lane=Lane.NOTICE, link=link)
                for number, link in routed
                if link is not None
            ],
            now,
            actor="system:alarms",
        )

    def told(self, numbers: Sequence[str], said: str) -> None:
        """What cannot be sent is in the log at least."""
        self.log.warn("alarm: {text}", text=said)
        if any(choose(self._board, number) is None for number in numbers):
            self.log.error("an alarm could not be sent: no link takes its number")


def _trouble(kind: str, subject: str, values: Mapping[str, str]) -> Trouble:
    return Trouble(kind=kind, subject=subject, begins=kind, ends=f"{kind}_over", values=values)


def look(conn: Connection, links: Sequence[str], today: date, now: datetime) -> Looked:
    limits: dict[str, int] = {
        name: settings.value(conn, f"alarms.{name}", now) for name in ("queue", "balance", "late", "burst")
    }
    return Looked(
        waiting=alarming.waiting_since(conn, links, _LANES),
        late=alarming.late(conn, now),
        bursts=alarming.bursts(conn, limits["burst"], now),
        refused=destinations.refused(conn, today),
        old=sum(count for days, count, _ in suspense.ageing(conn, now) if days is None or days > OLD),
        limits=limits,
        standing=alarming.standing(conn),
    )


def minor(balance: str | None) -> int | None:
    """The first figure of what an operator says of a SIM's credit, "Balance: 12.34 CNY", in minor units."""
    found = _FIGURE.search(balance or "")
    return round(float(found[0].replace(",", ".")) * 100) if found else None
