"""A bank's statement as CSV, in UTF-8 or GB18030, read row by row with the columns that a profile names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path

from config.statement_profiles import Profile
from gateway.affairs.sheets import Column, Sheet, SheetProblem
from gateway.affairs.statement_lines import Line, Unreadable, amount

_LONGEST = 300  # characters kept of a text


def read(path: Path, profile: Profile, currency: str, places: int) -> Iterator[Line]:
    """Every row; one that cannot be read has a `problem` and is not to be booked."""
    needed = {"date"}
    columns = [Column(name=name, aliases=titles, required=name in needed) for name, titles in profile.titles.items()]
    sheet = Sheet(path, columns, skip=profile.skip)
    if not sheet.names & {"amount", "credit", "debit"}:
        raise SheetProblem(path, "there is no column with an amount; name it in the profile")
    for row in sheet:
        values = {name: _bare(value) for name, value in row.values.items()}
        try:
            if row.problem is not None:
                raise Unreadable(row.problem)
            if values.get("currency", "") not in ("", currency):
                raise Unreadable("currency")
            yield Line(
                number=row.line,
                day=_day(values["date"], profile),
                amount=_amount(values, profile, places),
                reference=values.get("reference", "")[:_LONGEST],
                text=values.get("text", "")[:_LONGEST],
                payer=values.get("payer", "")[:_LONGEST],
            )
        except Unreadable as error:
            yield Line(number=row.line, day=date.min, amount=0, problem=str(error))


def _bare(value: str) -> str:
    """Without the apostrophe and the tab with which exports keep a spreadsheet from counting with a number."""
    return value.strip().removeprefix("'").removeprefix('="').removesuffix('"').strip("\t ")


def _day(text: str, profile: Profile) -> date:
    try:
        return datetime.strptime(text, profile.date_format).date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise Unreadable("date") from None


def _amount(values: Mapping[str, str], profile: Profile, places: int) -> int:
    if text := values.get("amount", ""):
        return amount(text, profile.decimal, places)
    credit, debit = values.get("credit", ""), values.get("debit", "")
    inwards = amount(credit, profile.decimal, places) if credit else 0
    outwards = amount(debit, profile.decimal, places) if debit else 0
    if not (inwards or outwards) or (inwards and outwards):
        raise Unreadable("amount")
    return inwards - abs(outwards)
