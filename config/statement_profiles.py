"""How a bank's CSV is read: a small file that says which column holds what."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from config.table import Problem, Reader, Table

PLAIN = Path(__file__).with_name("statements") / "plain.toml"
COLUMNS = ("date", "amount", "credit", "debit", "reference", "text", "payer", "currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """`titles` are what each column may be called; a column that a bank does not have is not there."""

    titles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    date_format: str = "%Y-%m-%d"
    decimal: str = "."
    skip: int = 0


def load(path: Path = PLAIN) -> tuple[Profile, tuple[Problem, ...]]:
    """The profile in `path`, and what is wrong with it."""
    reader = Reader(path, {})
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Profile(), (Problem(path, "", "", f"cannot be read: {error}"),)
    table = Table(reader, "", values)
    titles = {name: _titles(table, name) for name in COLUMNS}
    profile = Profile(
        titles={name: found for name, found in titles.items() if found},
        date_format=table.text("date_format", "%Y-%m-%d"),
        decimal=table.choice("decimal", ".", (".", ",")),
        skip=table.whole("skip", 0, least=0, most=100),
    )
    if not titles["date"]:
        table.problem("date", "is missing; it is the title of the column with the day")
    if not (titles["amount"] or titles["credit"] or titles["debit"]):
        table.problem("amount", "is missing; it is the title of the column with the amount, or credit and debit are")
    table.done()
    return profile, tuple(reader.problems)


def _titles(table: Table, name: str) -> tuple[str, ...]:
    value = table.any(name)
    if isinstance(value, list):
        return table.texts(name, pattern=".{1,80}", wants="a title")
    return tuple(filter(None, (table.text(name, ""),)))
