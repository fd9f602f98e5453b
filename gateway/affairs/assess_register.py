"""The year's assessment of a whole register: from a file, or from the classes that members have already.

A file holds member number and class, and a base or an amount. The base is somebody's income: it makes an amount and is
forgotten with its row; neither the report nor the audit nor the database has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple, TextIO

from babel.numbers import get_currency_precision
from sqlalchemy import Connection, func, select

from gateway.affairs import assessing, fields, rate_files, rates
from gateway.affairs.assessing import Assessed
from gateway.affairs.books import Books
from gateway.affairs.dues import month_of
from gateway.affairs.importing_rows import CHUNK, Counts, Outcome, Result, Tally, chunks
from gateway.affairs.rates import Rates, Unfit
from gateway.affairs.refusal import Refusal
from gateway.affairs.sheets import Column, Report, Row, Sheet
from gateway.core import audit
from gateway.core.lookup import Lookup
from gateway.core.tables.organisation import member

COLUMNS = (
    Column(name="member_no", aliases=("member_number", "no", "编号", "成员号", "成员编号", "会员号", "会员编号")),
    Column(name="class", aliases=("dues_class", "会费类别", "会费类型", "类别", "人员类别"), required=False),
    Column(name="base", aliases=("income", "wage", "基数", "月收入", "工资", "养老金"), required=False),
    Column(
        name="amount", aliases=("monthly_amount", "月会费", "每月会费", "月缴金额", "月交金额", "月额"), required=False
    ),
    Column(name="from", aliases=("admitted", "joined", "起交日期", "起交月份", "接收日期"), required=False),
)
REPORT_TITLES = ("line", "member_no", "outcome", "reason")
_PAUSE = 0.03  # seconds

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`file` None takes what members have: the fixed amount of their class, else what they paid until now."""

    year: int
    books: Books
    file: Path | None = None
    actor: str = "system"
    dry_run: bool = False
    report: TextIO | None = None


class _Known(NamedTuple):
    id: int
    dues_class: str
    amount: int


class Refused(Refusal):
    """This year cannot be assessed; the sentence says why."""


def run(conn: Connection, job: Job, *, now: datetime, progress: Progress = lambda done, total: None) -> Counts:
    """Assess in steps that each commit, on a connection in no transaction. What was killed is run again: who is
    assessed already is `unchanged`."""
    check_year(job, now)
    with conn.begin():
        table = rates_of(conn, job)
    reader = Reader(job, table)
    report = Report(job.report, REPORT_TITLES) if job.report is not None else None
    tally = Tally()
    for chunk, total in reader.steps(conn):
        with _turn(conn):
            results = reader.step(conn, chunk, now)
        if report is not None:
            report.add(sorted(results))
        tally.add(results)
        progress(tally.rows, max(total, tally.rows))
    counts = tally.counts(reader.ignored)
    if not job.dry_run:
        action = f"assess {job.year}"
        said = f"{counts.created} created, {counts.updated} updated, {counts.unchanged} unchanged, {counts.errors} not"
        what = f"file:{job.file.name}" if job.file is not None else "register"
        with conn.begin():
            audit.record(
                conn,
                id=job.books.new_id(),
                at=now,
                actor=job.actor,
                action=action,
                object=what,
                reason=said,
            )
    return counts


def check_year(job: Job, now: datetime) -> None:
    """Only this year and the next one are assessed."""
    this_year = now.astimezone(job.books.zone).year
    if not this_year <= job.year <= this_year + 1:
        raise Refused(
            "%(year)s cannot be assessed now; %(this)s and %(next)s can",
            year=job.year,
            this=this_year,
            next=this_year + 1,
        )


def rates_of(conn: Connection, job: Job) -> Rates:
    """The table by which the year is assessed."""
    table = rate_files.current(conn, job.books.currency, date(job.year, 1, 1))
    if not table.classes:
        raise Refused(
            "there are no rates in %(currency)s; bring some with `muster dues rates CONFIG import FILE`",
            currency=job.books.currency,
        )
    return table


def some_of_register(
    conn: Connection, job: Job, after: int, now: datetime, limit: int = 100
) -> tuple[int | None, list[Result]]:
    """Assess the next members behind the id `after`, from the classes they have: for a gateway that is at work, which
    asks again and again. The id to go on from, or None at the end."""
    reader = Reader(job, rate_files.current(conn, job.books.currency, date(job.year, 1, 1)))
    query = select(member.c.id, member.c.member_no).where(member.c.id > after).order_by(member.c.id).limit(limit)
    found = conn.execute(query).all()
    if not found:
        return None, []
    return found[-1][0], reader.step(conn, [reader.of_register(row[1]) for row in found], now)


_by_no = Lookup(
    lambda among: select(member.c.member_no, member.c.id, member.c.dues_class, member.c.monthly_amount).where(
        among(member.c.member_no)
    )
)


class Reader:
    """Rows become assessments."""

    def __init__(self, job: Job, table: Rates) -> None:
        self._job, self._table = job, table
        self._decimals = get_currency_precision(job.books.currency)
        self._sheet = Sheet(job.file, COLUMNS) if job.file is not None else None
        self._line = 0
        self.ignored = self._sheet.ignored if self._sheet is not None else ()
        self.lines = self._sheet.lines - 1 if self._sheet is not None else 0  # of a file, its rows at most

    def rows(self, size: int = CHUNK) -> Iterator[list[Row]]:
        """Some rows of the file at a time."""
        return chunks(self._sheet or (), size)

    def steps(self, conn: Connection) -> Iterator[tuple[list[Row], int]]:
        """Some rows at a time, and how many there may be."""
        if self._sheet is not None:
            for chunk in self.rows():
                yield chunk, self.lines
            return
        with conn.begin():
            total = conn.scalar(select(func.count()).select_from(member)) or 0
        after = 0
        while True:
            with conn.begin():
                rows = conn.execute(
                    select(member.c.id, member.c.member_no)
                    .where(member.c.id > after)
                    .order_by(member.c.id)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return
            after = rows[-1][0]
            yield [self.of_register(row[1]) for row in rows], total

    def of_register(self, member_no: str) -> Row:
        self._line += 1
        return Row(self._line, {"member_no": member_no, "class": "", "base": "", "amount": "", "from": ""})

    def step(self, conn: Connection, rows: list[Row], now: datetime) -> list[Result]:
        known = {row[0]: _Known(*row[1:]) for row in _by_no(conn, [row.values["member_no"] for row in rows])}
        found: list[tuple[Row, Assessed]] = []
        results: list[Result] = []
        for row in rows:
            try:
                found.append((row, self._assessed(row, known)))
            except (Unfit, fields.Unreadable) as error:
                results.append(Result(row.line, row.values["member_no"], Outcome.ERROR, str(error)))
        outcomes = assessing.write(
            conn,
            self._job.books,
            [assessed for _, assessed in found],
            actor=self._job.actor,
            now=now,
            dry_run=self._job.dry_run,
        )
        for (row, assessed), outcome in zip(found, outcomes, strict=True):
            reason = "approval:needed" if assessed.approval and outcome is not Outcome.UNCHANGED else ""
            results.append(Result(row.line, row.values["member_no"], outcome, reason))
        return results

    def _assessed(self, row: Row, known: dict[str, _Known]) -> Assessed:
        if row.problem is not None:
            raise fields.Unreadable(row.problem)
        values = row.values
        if not values["member_no"]:
            raise Unfit("member_no:missing")
        who = known.get(values["member_no"])
        if who is None:
            raise Unfit("member_no:unknown")
        dues_class = self._table.of(values["class"] or who.dues_class)
        if dues_class is None:
            raise Unfit("class:unknown" if values["class"] or who.dues_class else "class:missing")
        base = _amount(values["base"], "base", self._decimals)
        amount = _amount(values["amount"], "amount", self._decimals)
        if base is not None and amount is not None:
            raise Unfit("amount:and_base")
        if base is None and amount is None and self._table.of(who.dues_class) is dues_class:
            amount = dues_class.fixed if dues_class.fixed is not None else who.amount
        if amount is not None and base is None and dues_class.steps:
            monthly = _within(dues_class, amount)  # reckoned elsewhere, or paid until now
        else:
            monthly = rates.assess(dues_class, base=base, amount=amount)
        from_month, begins = self._from(values["from"])
        return Assessed(who.id, dues_class.name, monthly, from_month, dues_class.approval, begins)

    def _from(self, text: str) -> tuple[int, bool]:
        """The month from which it counts; the year's first, and for who is admitted in the year that of the day."""
        if not text:
            return self._job.year * 100 + 1, False
        try:
            day = fields.day(text)
        except fields.Unreadable:
            raise Unfit("from:unreadable") from None
        assert day is not None
        if day.year != self._job.year:
            raise Unfit("from:other_year")
        return month_of(day), True


def _within(dues_class: rates.DuesClass, amount: int) -> int:
    if amount < dues_class.least:
        raise Unfit("amount:too_small")
    if dues_class.most is not None and amount > dues_class.most:
        raise Unfit("amount:too_large")
    return amount


def _amount(text: str, column: str, decimals: int) -> int | None:
    if not text:
        return None
    try:
        return fields.amount(text, decimals)
    except fields.Unreadable as error:
        raise Unfit(f"{column}:{str(error).partition(':')[2]}") from None


@contextmanager
def _turn(conn: Connection) -> Iterator[None]:
    """A transaction, and on SQLite a pause as long as it, so that a gateway at work beside it is not kept waiting."""
    start = time.perf_counter()
    with conn.begin():
        yield
    if conn.dialect.name == "sqlite":
        time.sleep(max(time.perf_counter() - start, _PAUSE))
