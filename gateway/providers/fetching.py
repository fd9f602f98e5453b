"""The night's statement of every provider that gives one by its interface, page by page, before the day is compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from sqlalchemy import Connection
from twisted.logger import Logger

from gateway.affairs import reconciling, statements
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.statement_lines import Line
from gateway.bookkeeping import has_run, have_run
from gateway.core.database import Queue, Runs
from gateway.http import Trouble
from gateway.providers.protocol import GivesStatements, Provider, StatementEntry

MOST_PAGES = 10_000  # a provider that never ends is not followed for ever


class Statements:
    """Each page is kept in a transaction of its own: what is asked for again after a failure changes nothing."""

    log = Logger()

    def __init__(
        self, database: Runs, providers: Mapping[str, Provider], books: Callable[[], Books], now: Callable[[], datetime]
    ) -> None:
        self._database, self._providers, self._books, self._now = database, providers, books, now

    async def fetch(self, day: date) -> bool:
        """Ask for a day; False when a provider has not given all of it."""
        complete = True
        for name, provider in self._providers.items():
            if not isinstance(provider, GivesStatements):
                continue
            job = f"statement {name}"
            if await self._database.read(has_run, job, str(day)):
                continue
            try:
                await self._all(name, provider, day)
            except Trouble as trouble:
                self.log.warn(
                    "{provider}: no statement of {day} yet: {trouble}", provider=name, day=day, trouble=trouble
                )
                complete = False
            else:
                await self._database.run(have_run, job, str(day), self._now(), queue=Queue.BACKGROUND)
        return complete

    async def _all(self, name: str, provider: GivesStatements, day: date) -> None:
        first, last = reconciling.span(self._books(), day)
        offset = 0
        for _ in range(MOST_PAGES):
            page = await provider.statement(first, last, offset)
            if not page:
                return
            await self._database.run(_keep, self._books(), name, page, offset, self._now(), queue=Queue.BACKGROUND)
            offset += len(page)


def _keep(conn: Connection, books: Books, name: str, page: list[StatementEntry], offset: int, now: datetime) -> None:
    lines = [_line(books, entry, offset + number) for number, entry in enumerate(page, start=1)]
    account = Account(AccountKind.WALLET, name)
    statements.add(conn, books, account, lines, by=f"interface of {name}", actor=f"system:{name}", now=now)


def _line(books: Books, entry: StatementEntry, number: int) -> Line:
    at = entry.at.astimezone(UTC) if entry.at is not None else None
    problem = "day" if at is None else "amount" if entry.amount is None else None
    if problem is None and entry.currency != books.currency:
        problem = "currency"
    return Line(
        number=number, day=at.astimezone(books.zone).date() if at is not None else date.min, amount=entry.amount or 0,
        reference=entry.transaction, end_to_end="", text=entry.text, payer=entry.payer, at=at, problem=problem,
    )  # fmt: skip
