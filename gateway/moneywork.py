"""What the money side does by itself: pay codes and cash nobody confirmed, refunds, receipts to tell, days compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from commands import collect
from commands.office import Office
from gateway import receipting, telling
from gateway.affairs import claims, paycodes, reconciliation, refunds, vouchers
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account
from gateway.bookkeeping import has_run, have_run
from gateway.core.database import Queue, Runs
from gateway.timetable import Job, background
from gateway.workplace import Workplace

_COMPARED_FROM = 4  # o'clock: by then the night's statements have come
_COMPARED_AT_LAST = 8  # o'clock, whatever is missing: the week's open rows are compared again with what comes late
_KEPT = timedelta(days=1)  # what is over, before it is erased


class Moneywork:
    """Short works in the background of the database. `askable` names the providers that can be asked for a refund,
    `statements` fetches those of a day and says whether all are there."""

    def __init__(
        self,
        database: Runs,
        place: Callable[[], Workplace],
        route: telling.Route,
        now: Callable[[], datetime],
        *,
        askable: Sequence[str],
        statements: Callable[[date], Awaitable[bool]],
    ) -> None:
        self._database, self._place, self._route, self._now = database, place, route, now
        self._askable, self._statements = tuple(askable), statements
        self._read_again = False

    def jobs(self) -> list[Job]:
        database, now = self._database, self._now
        return [
            background(database, "forget wrong vouchers", 3600.0, vouchers.forget, lambda: now() - _KEPT),
            background(database, "expire pay codes", 600.0, paycodes.expire, now),
            background(database, "send refunds", 10.0, refunds.send, self._books, lambda: self._askable, now),
            background(database, "follow refunds", 10.0, refunds.follow, self._books, now),
            Job("unconfirmed cash", 60.0, self.lapse),
            Job("receipts", 2.0, self.tell),
            Job("reconcile", 600.0, self.reconcile),
        ]

    def _books(self) -> Books:
        return self._place().office.books

    async def lapse(self) -> int:
        """Cash that no member has confirmed for a day goes into suspense, and its treasurer is told."""
        office, now = self._place().office, self._now()
        return await self._database.run(_lapse, office, self._route, now, queue=Queue.BACKGROUND)

    async def tell(self) -> int:
        """Tell members of what was booked beside the gateway; once, read what the rules of before could not."""
        if not self._read_again:
            await self._database.run(receipting.read_again, self._place(), self._now(), queue=Queue.BACKGROUND)
            self._read_again = True
        return await self._database.run(
            receipting.catch_up, self._place().office, self._route, self._now(), queue=Queue.BACKGROUND
        )

    async def reconcile(self) -> int:
        """Yesterday of every source, once, when the night's statements are there; and what is open of the week."""
        now = self._now()
        local = now.astimezone(self._place().office.zone)
        day = local.date() - timedelta(days=1)
        if local.hour < _COMPARED_FROM or await self._database.read(has_run, "reconcile", str(day)):
            return 0
        if not await self._statements(day) and local.hour < _COMPARED_AT_LAST:
            return 0  # a provider has not given its statement: it is asked again soon
        books = self._books()
        for account, of in await self._database.read(_to_be_compared, books, day):
            await self._database.run(reconciliation.run, books, account, of, self._now(), queue=Queue.BACKGROUND)
        await self._database.run(have_run, "reconcile", str(day), now, queue=Queue.BACKGROUND)
        return 0


def _lapse(conn: Connection, office: Office, route: telling.Route, now: datetime) -> int:
    found = claims.lapse(conn, office.books, now)
    for claim in found:
        telling.tell(conn, office, route, collect.lapsed(conn, office, claim, now), now, command=collect.CODE)
    return len(found)


def _to_be_compared(conn: Connection, books: Books, day: date) -> list[tuple[Account, date]]:
    sources = [(account, day) for account in reconciliation.sources(conn, books, day)]
    return list(dict.fromkeys([*sources, *reconciliation.due(conn, day + timedelta(days=1))]))
