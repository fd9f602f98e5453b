"""Tables of rates as files: TOML or CSV, read with errors that say where, written so that they can be read again."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from babel.numbers import get_currency_precision
from sqlalchemy import Connection

from gateway.affairs.rates import DuesClass, Rates, Refused, Step, check, in_force

_SHIPPED = Path(__file__).resolve().parents[2] / "config" / "rates.toml"
_COLUMNS = ("valid_from", "class", "zh", "en", "upto", "ppm", "least", "most", "approval")
_YES = {
    "true": True,
    "yes": True,
    "1": True,
    "是": True,
    "false": False,
    "no": False,
    "0": False,
    "否": False,
    "": False,
}


@cache
def shipped(currency: str) -> Rates:
    """The table that counts while the organisation has none; it has no class in another currency than its own."""
    rates = _from_toml(_SHIPPED.read_text("utf-8"), "CNY")
    return rates if currency == "CNY" else Rates(valid_from=rates.valid_from, classes=())


def current(conn: Connection, currency: str, day: date) -> Rates:
    """The rates in force on `day`."""
    return in_force(conn, day) or shipped(currency)


def read(path: Path, currency: str) -> Rates:
    """The table in a file; `Refused` names the file and what is wrong."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Refused(f"{path}: not in UTF-8; save it as CSV (UTF-8)") from None
    try:
        return check(_from_csv(text, currency)) if path.suffix.lower() == ".csv" else parsed(text, currency)
    except Refused as error:
        raise Refused(f"{path}: {error}") from None


def parsed(text: str, currency: str) -> Rates:
    """The table in the text of a TOML file."""
    return check(_from_toml(text, currency))


def write(rates: Rates, path_suffix: str, currency: str) -> str:
    """The table as a file's text, CSV for ".csv" and TOML else."""
    return _to_csv(rates, currency) if path_suffix.lower() == ".csv" else _to_toml(rates, currency)


# --- TOML -----------------------------------------------------------------------------------------------------------


def _from_toml(text: str, currency: str) -> Rates:
    try:
        found = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise Refused("not TOML: %(error)s", error=error) from None
    _only(found, ("valid_from", "currency", "class"), "the table")
    if found.get("currency", currency) != currency:
        raise Refused(
            "the rates are in %(found)s, the organisation's currency is %(currency)s",
            found=found["currency"],
            currency=currency,
        )
    classes = found.get("class", [])
    if not isinstance(classes, list) or not all(isinstance(each, dict) for each in classes):
        raise Refused("classes are written [[class]]")
    return Rates(
        valid_from=_day(found.get("valid_from")),
        classes=tuple(_class(each, currency) for each in classes),
    )


def _class(found: Mapping[str, Any], currency: str) -> DuesClass:
    name = found.get("name")
    if not isinstance(name, str) or not name:
        raise Refused("a class has no name")
    _only(found, ("name", "labels", "steps", "least", "most", "approval"), name)
    labels, steps, approval = found.get("labels", {}), found.get("steps", []), found.get("approval", False)
    if not isinstance(labels, dict) or not all(isinstance(label, str) for label in labels.values()):
        raise Refused('%(name)s: labels are written { zh = "...", en = "..." }', name=name)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise Refused("%(name)s: steps are written [{ upto = 3000.00, ppm = 5000 }, ...]", name=name)
    if not isinstance(approval, bool):
        raise Refused("%(name)s: approval is true or false", name=name)
    return DuesClass(
        name=name,
        labels=labels,
        steps=tuple(_step(step, name, currency) for step in steps),
        least=_money(found.get("least", 0), f"{name}: least", currency) or 0,
        most=_money(found.get("most"), f"{name}: most", currency),
        approval=approval,
    )


def _step(found: Mapping[str, Any], name: str, currency: str) -> Step:
    _only(found, ("upto", "ppm"), name)
    return Step(upto=_money(found.get("upto"), f"{name}: upto", currency), ppm=_ppm(found.get("ppm"), name))


def _to_toml(rates: Rates, currency: str) -> str:
    lines = [f"valid_from = {rates.valid_from}", f'currency = "{currency}"']
    for each in rates.classes:
        labels = ", ".join(f"{language} = {_quoted(label)}" for language, label in each.labels.items())
        lines += ["", "[[class]]", f"name = {_quoted(each.name)}", *([f"labels = {{ {labels} }}"] if labels else [])]
        if each.least:
            lines.append(f"least = {_shown(each.least, currency)}")
        if each.most is not None:
            lines.append(f"most = {_shown(each.most, currency)}")
        if each.approval:
            lines.append("approval = true")
        if each.steps:
            lines.append("steps = [")
            for step in each.steps:
                upto = "" if step.upto is None else f"upto = {_shown(step.upto, currency)}, "
                lines.append(f"    {{ {upto}ppm = {step.ppm} }},")
            lines.append("]")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(character):04X}" if character < " " or character in '"\\\x7f' else character for character in text
    )
    return f'"{escaped}"'


# --- CSV ------------------------------------------------------------------------------------------------------------


def _from_csv(text: str, currency: str) -> Rates:
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows:
        raise Refused("there is no row")
    missing = [name for name in ("valid_from", "class") if name not in rows[0]]
    if missing:
        raise Refused(f"there is no column {missing[0]}; the columns are {', '.join(_COLUMNS)}")
    _only({name: None for name in rows[0] if name}, _COLUMNS, "the table")
    days = {row["valid_from"] for row in rows}
    if len(days) > 1:
        raise Refused("all rows of a table begin on the same day")
    found: dict[str, DuesClass] = {}
    for line, row in enumerate(rows, 2):
        made = _row(row, f"line {line}", currency)
        earlier = found.get(made.name)
        if earlier is not None:
            if not earlier.steps or not made.steps:
                raise Refused(f"line {line}: {made.name} stands twice and has no steps")
            if (made.least, made.most, made.approval) != (earlier.least, earlier.most, earlier.approval):
                raise Refused(f"line {line}: {made.name} has another least, most or approval further up")
            made = DuesClass(
                name=made.name,
                labels=earlier.labels,
                steps=earlier.steps + made.steps,
                least=earlier.least,
                most=earlier.most,
                approval=earlier.approval,
            )
        found[made.name] = made
    return Rates(valid_from=_day(days.pop()), classes=tuple(found.values()))


def _row(row: Mapping[str, str | None], where: str, currency: str) -> DuesClass:
    cells = {name: (row.get(name) or "").strip() for name in _COLUMNS}
    if not cells["class"]:
        raise Refused(f"{where}: class is missing")
    if cells["approval"].lower() not in _YES:
        raise Refused(f"{where}: approval is yes or no, not {cells['approval']}")
    steps: tuple[Step, ...] = ()
    if cells["ppm"]:
        steps = (Step(upto=_money(cells["upto"], f"{where}: upto", currency), ppm=_ppm(cells["ppm"], where)),)
    elif cells["upto"]:
        raise Refused(f"{where}: there is an upto and no ppm")
    return DuesClass(
        name=cells["class"],
        labels={language: cells[language] for language in ("zh", "en") if cells[language]},
        steps=steps,
        least=_money(cells["least"], f"{where}: least", currency) or 0,
        most=_money(cells["most"], f"{where}: most", currency),
        approval=_YES[cells["approval"].lower()],
    )


def _to_csv(rates: Rates, currency: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for each in rates.classes:
        for step in each.steps or (None,):
            writer.writerow((
                rates.valid_from, each.name, each.labels.get("zh", ""), each.labels.get("en", ""),
                "" if step is None or step.upto is None else _shown(step.upto, currency),
                "" if step is None else step.ppm,
                _shown(each.least, currency), "" if each.most is None else _shown(each.most, currency),
                "yes" if each.approval else "no",
            ))  # fmt: skip
    return out.getvalue()


# --- values ---------------------------------------------------------------------------------------------------------


def _only(found: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise Refused(
            "%(where)s: there is no %(name)s; it may have %(known)s",
            where=where,
            name=unknown[0],
            known=", ".join(known),
        )


def _day(found: Any) -> date:
    if isinstance(found, date):
        return found
    try:
        return date.fromisoformat(str(found))
    except ValueError:
        raise Refused("valid_from is a day, as in 2027-01-01") from None


def _ppm(found: Any, where: str) -> int:
    try:
        return int(str(found))
    except ValueError:
        raise Refused("%(where)s: ppm is a whole number, parts of a million; 5000 is 0.5 %%", where=where) from None


def _money(found: Any, where: str, currency: str) -> int | None:
    if found is None or found == "":
        return None
    decimals = get_currency_precision(currency)
    try:
        minor = Decimal(str(found)).scaleb(decimals)
    except InvalidOperation:
        raise Refused("%(where)s is an amount, as in 3000.00, not %(found)s", where=where, found=found) from None
    if isinstance(found, bool) or not minor.is_finite() or minor != minor.to_integral_value() or abs(minor) > 10**15:
        raise Refused(
            "%(where)s is an amount with at most %(decimals)s decimals, not %(found)s",
            where=where,
            decimals=decimals,
            found=found,
        )
    return int(minor)


def _shown(minor: int, currency: str) -> str:
    decimals = get_currency_precision(currency)
    return f"{Decimal(minor).scaleb(-decimals):.{decimals}f}"
