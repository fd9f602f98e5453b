"""What a month of dues is, from the organisation's table of rates: data with the day from which it is in force.

A rate is of the whole base, not of what exceeds a limit. The base is somebody's income: it is used here and forgotten,
and stands in no table, no log and no report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, insert, select

from gateway.affairs.dues import month_of
from gateway.affairs.refusal import Refusal
from gateway.core.tables.dues import assessment, rate

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`ppm`, parts of a million, of a base up to and including `upto`; None has no limit."""

    upto: int | None
    ppm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuesClass:
    """With `steps` the amount follows from a base, within `least` and `most` a month; without, the branch sets one
    between them, and there is nothing to set when they are equal. `approval`: by the level above the branch."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    least: int = 0
    most: int | None = None
    approval: bool = False

    @property
    def fixed(self) -> int | None:
        """The amount, when there is but one."""
        return self.least if not self.steps and self.least == self.most else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    valid_from: date
    classes: tuple[DuesClass, ...]

    def of(self, name: str) -> DuesClass | None:
        """The class of this name, or called so in any language."""
        wanted = name.strip().casefold()
        for each in self.classes:
            if wanted in {each.name.casefold(), *(label.casefold() for label in each.labels.values())}:
                return each
        return None


class Refused(Refusal):
    """This table, or this amount, cannot be; the sentence says why."""


class Unfit(Exception):
    """A base or an amount that the class does not take; the argument is the reason code of the row report."""


def assess(dues_class: DuesClass, *, base: int | None = None, amount: int | None = None) -> int:
    """A month of dues, in minor units."""
    if dues_class.steps:
        if base is None:
            raise Unfit("base:missing")
        return _of_base(dues_class, base)
    if base is not None:
        raise Unfit("base:not_wanted")
    if amount is None:
        amount = dues_class.fixed
    if amount is None:
        raise Unfit("amount:missing")
    if amount < dues_class.least:
        raise Unfit("amount:too_small")
    if dues_class.most is not None and amount > dues_class.most:
        raise Unfit("amount:too_large")
    return amount


def _of_base(dues_class: DuesClass, base: int) -> int:
    step = next((each for each in dues_class.steps if each.upto is None or base <= each.upto), None)
    if step is None:
        raise Unfit("base:too_large")
    amount = max(half_up(base * step.ppm, MILLION), dues_class.least)
    return amount if dues_class.most is None else min(amount, dues_class.most)


def half_up(dividend: int, divisor: int) -> int:
    """The whole number next to dividend / divisor, 0.5 going up; for what is not negative."""
    return (2 * dividend + divisor) // (2 * divisor)


def check(rates: Rates) -> Rates:
    """`rates`, when they can be a table."""
    if not rates.classes:
        raise Refused("the table has no class")
    names: set[str] = set()
    for each in rates.classes:
        called = {name.strip().casefold() for name in (each.name, *each.labels.values())}
        if "" in called:
            raise Refused("a class has no name")
        if called & names:
            raise Refused("two classes are called %(name)s", name=min(called & names))
        names |= called
        _check_class(each)
    return rates


def _check_class(each: DuesClass) -> None:
    if each.least < 0 or (each.most is not None and each.most < each.least):
        raise Refused("%(name)s: the most is less than the least", name=each.name)
    limits = [step.upto for step in each.steps]
    if any(not 0 <= step.ppm <= MILLION for step in each.steps):
        raise Refused("%(name)s: a rate is 0 to %(most)s parts of a million", name=each.name, most=MILLION)
    if any(upto is not None and upto <= 0 for upto in limits):
        raise Refused("%(name)s: a step ends above nothing", name=each.name)
    if None in limits[:-1] or (limits and limits[-1] is not None):
        raise Refused("%(name)s: the last step, and no other, has no upper end", name=each.name)
    known = [upto for upto in limits if upto is not None]
    if known != sorted(set(known)):
        raise Refused("%(name)s: the steps must rise", name=each.name)


# --- in the database ------------------------------------------------------------------------------------------------


def in_force(conn: Connection, day: date) -> Rates | None:
    """The organisation's own table on `day`; None while it has none, and the one we ship counts."""
    since = conn.scalar(select(func.max(rate.c.valid_from)).where(rate.c.valid_from <= day))
    return None if since is None else _stored(conn, since)


def all_since(conn: Connection) -> tuple[date, ...]:
    """The days from which there is another table."""
    return tuple(conn.scalars(select(rate.c.valid_from).distinct().order_by(rate.c.valid_from)))


def store(conn: Connection, new_id: Callable[[], int], rates: Rates, *, actor: str, now: datetime) -> bool:
    """Bring a table into force from its day on; False when it is there already. One that members were assessed by is
    not replaced: it is why they owe what they owe."""
    check(rates)
    old = _stored(conn, rates.valid_from)
    if old == rates:
        return False
    if old.classes:
        used = select(assessment.c.id).where(assessment.c.from_month >= month_of(rates.valid_from)).limit(1)
        if conn.scalar(used) is not None:
            raise Refused(
                "members have been assessed by the rates from %(day)s; give the new ones a later day",
                day=rates.valid_from,
            )
        conn.execute(delete(rate).where(rate.c.valid_from == rates.valid_from))
    rows = [
        {
            "id": new_id(),
            "valid_from": rates.valid_from,
            "class": each.name,
            "labels": json.dumps(dict(each.labels), ensure_ascii=False, sort_keys=True),
            "upto": step.upto if step else None,
            "ppm": step.ppm if step else None,
            "least": each.least,
            "most": each.most,
            "approval": each.approval,
            "actor": actor,
            "at": now,
        }
        for each in rates.classes
        for step in each.steps or (None,)
    ]
    conn.execute(insert(rate), [row | {"position": position} for position, row in enumerate(rows)])
    return True


def _stored(conn: Connection, valid_from: date) -> Rates:
    found: dict[str, DuesClass] = {}
    for row in conn.execute(select(rate).where(rate.c.valid_from == valid_from).order_by(rate.c.position)):
        values = row._mapping
        name = values["class"]
        steps = found[name].steps if name in found else ()
        if row.ppm is not None:
            steps += (Step(upto=row.upto, ppm=row.ppm),)
        found[name] = DuesClass(
            name=name,
            labels=json.loads(row.labels),
            steps=steps,
            least=row.least,
            most=row.most,
            approval=row.approval,
        )
    return Rates(valid_from=valid_from, classes=tuple(found.values()))
