"""What the calendar asks of the books: the month's obligations, who is behind, and the closing of each day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, func, select
from twisted.logger import Logger

from commands.office import Office
from commands.texts import Named
from gateway import telling
from gateway.affairs import arrears, assessing, branches, chain, chain_state, settings
from gateway.affairs.arrears import Behind
from gateway.affairs.branches import Branch
from gateway.affairs.chain import Link, Name
from gateway.affairs.dues import following, months
from gateway.core.database import Queue, Runs
from gateway.core.engines import upsert
from gateway.core.model import Lane, Told
from gateway.core.tables.staff import timetable as slots
from gateway.timetable import Job

_CATCH_UP = 6  # months that are assessed belatedly when the gateway was stopped; a clock that jumps adds no more
_AT_NIGHT = 8  # o'clock: nobody is told of arrears earlier in the day, nor after `_EVENING`
_EVENING = 20


class Bookkeeping:
    """Short works in the background of the database; each slot of each job runs once."""

    log = Logger()

    def __init__(
        self,
        database: Runs,
        office: Callable[[], Office],
        route: telling.Route,
        now: Callable[[], datetime],
    ) -> None:
        self._database, self._office, self._route, self._now = database, office, route, now
        self._comparing: list[tuple[Link, int]] = []  # links that are still to be compared
        self._changed: dict[str, list[str]] = {}  # the days of those that were not as they had been
        self._began = now()

    def jobs(self) -> list[Job]:
        return [
            Job("assess", 60.0, self.assess),
            Job("close the day", 300.0, self.close),
            Job("compare the chains", 600.0, self.compare),
            Job("arrears", 600.0, self.warn),
        ]

    async def assess(self) -> int:
        """The obligations of every month that has begun, in short pieces; once a month."""
        books = self._office().books
        month = books.month(self._now())
        last = await self._database.read(_last_month)
        due = [month] if last is None else months(following(last), month)[-_CATCH_UP:]
        for each in due:
            after: int | None = 0
            while after is not None:
                after = await self._database.run(
                    assessing.assess_month, books, each, self._now(), after, queue=Queue.BACKGROUND
                )
            await self._database.run(have_run, "assess", str(each), self._now())
        return len(due)

    async def close(self) -> int:
        """Close the chains at the end of the organisation's day. What is hashed is read beside the writer."""
        books, closed = self._office().books, 0
        for name in Name:
            plan = await self._database.read(chain.plan, name, books.zone, self._now())
            if plan is None:
                continue
            rows, content = await self._database.read(chain.read, plan)
            closed += await self._database.run(
                chain.append, books.keys, plan, rows, content, self._now(), queue=Queue.BACKGROUND
            )
            for link in (await self._database.read(chain.links, name))[plan.number - 1 :]:
                self.log.info("the {name} of {day} is closed: {link}", name=name, day=link.day, link=link.hash)
        return closed

    async def compare(self) -> int:
        """After each new link: whether the rows of all are those they were closed over; a link a time, for three years
        of them take a reader minutes. `muster verify` proves more."""
        if not self._comparing:
            if not await self._database.read(chain_state.due):
                return 0
            self._changed, self._began = {}, self._now()  # a link that is closed meanwhile is for the next time
            for name in Name:
                self._comparing += await self._database.read(chain.covered, name)
        if self._comparing:
            link, first = self._comparing[-1]
            if await self._database.read(chain.differs, link, first):
                self._changed.setdefault(link.name, []).append(link.day)
                self.log.error("the {name} of {day} is not as it was closed", name=link.name, day=link.day)
            self._comparing.pop()
            if self._comparing:
                return 1
        await self._database.run(chain_state.keep, self._changed, self._began, queue=Queue.BACKGROUND)
        return 0

    async def warn(self) -> int:
        """Tell secretaries of members who are behind, once a day and by daylight."""
        now = self._now()
        here = now.astimezone(self._office().zone)
        slot = str(here.date())
        if not _AT_NIGHT <= here.hour < _EVENING or await self._database.read(has_run, "arrears", slot):
            return 0
        after, found = 0, await self._database.read(arrears.branch_ids, 0)
        while found:
            for branch_id in found:
                await self._database.run(
                    warn_branch, self._office(), self._route, branch_id, now, queue=Queue.BACKGROUND
                )
            after = found[-1]
            found = await self._database.read(arrears.branch_ids, after)
        await self._database.run(have_run, "arrears", slot, now)
        return 1


def warn_branch(conn: Connection, office: Office, route: telling.Route, branch_id: int, now: datetime) -> int:
    """Tell the secretary of one branch; how many texts. A member is told of once, whatever fails and is run again."""
    month = office.month(now)
    thresholds = sorted(settings.value(conn, f"dues.warn_{which}", now) for which in ("first", "second"))
    arrears.forget(conn, branch_id, month)
    found = arrears.behind(conn, branch_id, month, thresholds)
    if not found:
        return 0
    who = arrears.secretary(conn, branch_id, office.today(now))
    if who is None:
        return 0  # and told as soon as there is one
    place = branches.by_id(conn, branch_id)
    assert place is not None, "a branch with members is there"
    language = who.language
    texts = [
        Told(number=who.number, text=_text(office, place, each, language), language=language, lane=Lane.REMINDER)
        for each in found
    ]
    telling.tell(conn, office, route, texts, now, actor="system:arrears")
    for each in found:
        arrears.told(conn, each, now)
    return len(texts)


def _text(office: Office, place: Branch, found: Behind, language: str) -> str:
    """As many tails as one text holds; who wants all of them asks in the office."""
    between, more = ("、", "等") if language == "zh" else (" ", " ...")
    tails = list(found.tails)
    while True:
        shown = between.join(tails) + (more if len(tails) < len(found.tails) else "")
        text = office.say(
            "arrears.behind",
            language,
            None,
            branch=Named(place.name, place.code),
            months=found.months,
            count=len(found.tails),
            tails=shown,
        )
        if len(tails) == 1 or office.fits(text):
            return text
        tails.pop()


def _last_month(conn: Connection) -> int | None:
    found = conn.scalar(select(func.max(slots.c.slot)).where(slots.c.job == "assess"))
    return None if found is None else int(found)


def has_run(conn: Connection, job: str, slot: str) -> bool:
    found = select(slots.c.job).where(slots.c.job == job, slots.c.slot == slot)
    return conn.scalar(found) is not None


def have_run(conn: Connection, job: str, slot: str, now: datetime) -> None:
    conn.execute(upsert(conn, slots).values(job=job, slot=slot, at=now).on_conflict_do_nothing())
