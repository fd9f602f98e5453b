"""`muster reconcile`: a day of every source, ours against theirs, as a table or as JSON."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import click
from babel.numbers import get_currency_precision

from gateway.affairs import reconciliation
from gateway.affairs.books import Books
from gateway.affairs.comparing import Found
from gateway.affairs.ledger import Account
from gateway.affairs.reconciliation import Row, Summary
from gateway.cli.opening import opened
from gateway.cli.problems import Problem
from gateway.cli.statements import account_of

_WORDS = {
    Found.MATCH: "match",
    Found.DIFFERS: "amount differs",
    Found.OURS: "only ours",
    Found.THEIRS: "only theirs",
    Found.LATE: "late",
}


def run(config: Path, day: date, *, source: str | None, as_json: bool) -> None:
    """Compare, and print what is not an exact match."""
    with opened(config) as at:
        books = Books(at.gateway.organisation, at.keys, at.new_id)
        if day > at.today:
            raise Problem(f"{day} has not been yet")
        asked = (account_of(at.gateway, source),) if source is not None else None
        accounts = asked or reconciliation.sources(at.conn, books, day)
        found: list[tuple[Summary, tuple[Row, ...]]] = []
        for account in accounts:
            summary = reconciliation.run(at.conn, books, account, day, at.now)
            found.append((summary, reconciliation.rows(at.conn, account, day)))
    if as_json:
        click.echo(json.dumps([_object(*each) for each in found], ensure_ascii=False, indent=2))
        return
    if not found:
        click.echo(f"nothing moved on {day}, and no statement is of it")
    places = int(get_currency_precision(books.currency))
    for summary, rows in found:
        for line in _lines(summary, rows, places):
            click.echo(line)


def _lines(summary: Summary, rows: tuple[Row, ...], places: int) -> list[str]:
    counts = ", ".join(f"{many:,} {_WORDS[found]}" for found, many in summary.counts.items() if many) or "nothing"
    signed = f"; signed by {summary.signed_by}" if summary.signed_by else ""
    lines = [f"{_name(summary.account)} {summary.day}: {counts}; {summary.open:,} open{signed}"]
    shown = [row for row in rows if row.found is not Found.MATCH]
    if shown:
        lines.append(f"  {'id':>19}  {'class':<14}  {'ours':>14}  {'theirs':>14}  reference")
    lines += [
        f"  {row.id:>19}  {_WORDS[row.found]:<14}  {_amount(row.ours, places):>14}  {_amount(row.theirs, places):>14}  "
        f"{row.reference}" + ("" if row.open else f"  (closed by {row.closed_by}: {row.note})")
        for row in shown
    ]
    return lines


def _object(summary: Summary, rows: tuple[Row, ...]) -> dict[str, Any]:
    """Amounts are minor units; ids are texts, as in the HTTP API."""
    return {
        "source": _name(summary.account),
        "day": summary.day.isoformat(),
        "counts": {found.value: many for found, many in summary.counts.items()},
        "open": summary.open,
        "signed_by": summary.signed_by,
        "rows": [
            {
                "id": str(row.id),
                "class": row.found.value,
                "reference": row.reference,
                "ours": row.ours,
                "theirs": row.theirs,
                "open": row.open,
                "note": row.note,
                "closed_by": row.closed_by,
            }
            for row in rows
        ],
    }


def _name(account: Account) -> str:
    return f"{account.kind}:{account.owner}"


def _amount(minor: int | None, places: int) -> str:
    if minor is None:
        return "-"
    whole, rest = divmod(abs(minor), 10**places)
    return f"{'-' if minor < 0 else ''}{whole:,}" + (f".{rest:0{places}d}" if places else "")
