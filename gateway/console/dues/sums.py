"""What was assessed and what was paid, by branch and month of the dues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sqlalchemy import Connection, func, select

from gateway.core.tables.organisation import branch, member, obligation


class OfBranch(Protocol):
    """What says which branch it is of."""

    @property
    def path(self) -> str: ...


P = TypeVar("P", bound=OfBranch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """One branch, one month."""

    path: str
    month: int
    assessed: int
    paid: int
    members: int  # who owed something


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A branch as a line of a table: with everything below it."""

    code: str
    name: str
    path: str
    below: bool  # whether there are branches below
    assessed: int = 0
    paid: int = 0

    @property
    def open(self) -> int:
        return self.assessed - self.paid

    @property
    def percent(self) -> int:
        return 100 * self.paid // self.assessed if self.assessed else 0


def read(conn: Connection, year: int) -> tuple[Sum, ...]:
    query = (
        select(
            branch.c.path,
            obligation.c.month,
            func.sum(obligation.c.amount),
            func.sum(obligation.c.paid),
            func.count(),
        )
        .join_from(obligation, member, member.c.id == obligation.c.member_id)
        .join(branch, branch.c.id == member.c.branch_id)
        .where(obligation.c.month.between(year * 100 + 1, year * 100 + 12))
        .group_by(branch.c.path, obligation.c.month)
        .order_by(branch.c.path, obligation.c.month)
    )
    return tuple(
        Sum(path=path, month=month, assessed=int(assessed), paid=int(paid), members=members)
        for path, month, assessed, paid, members in conn.execute(query)
    )


def within(counted_: Iterable[P], paths: Sequence[str] | None) -> tuple[P, ...]:
    """What is of some subtrees; None is all."""
    if paths is None:
        return tuple(counted_)
    return tuple(each for each in counted_ if any(each.path.startswith(path) for path in paths))


def by_month(sums: Iterable[Sum]) -> dict[int, tuple[int, int]]:
    """Assessed and paid of each month."""
    found: dict[int, tuple[int, int]] = {}
    for each in sums:
        assessed, paid = found.get(each.month, (0, 0))
        found[each.month] = (assessed + each.assessed, paid + each.paid)
    return dict(sorted(found.items()))


def places(conn: Connection, scope: Sequence[str] | None, path: str) -> tuple[Place, ...]:
    """The branches right below `path`, or where somebody's reach begins."""
    query = select(branch.c.id, branch.c.code, branch.c.name, branch.c.path)
    if path:
        parent = select(branch.c.id).where(branch.c.path == path).scalar_subquery()
        query = query.where(branch.c.parent_id == parent)
    elif scope is None:
        query = query.where(branch.c.parent_id.is_(None))
    else:
        query = query.where(branch.c.path.in_(list(scope)))
    rows = conn.execute(query.order_by(branch.c.code)).all()
    ids = [row.id for row in rows]
    parents = set(conn.scalars(select(branch.c.parent_id).where(branch.c.parent_id.in_(ids)).distinct()))
    return tuple(Place(code=row.code, name=row.name, path=row.path, below=row.id in parents) for row in rows)


def counted(places_: Iterable[Place], sums: Sequence[Sum]) -> tuple[Place, ...]:
    """The same with their sums, each with all that is below it."""
    counted_ = []
    for place in places_:
        inside = [each for each in sums if each.path.startswith(place.path)]
        counted_.append(
            Place(
                code=place.code,
                name=place.name,
                path=place.path,
                below=place.below,
                assessed=sum(each.assessed for each in inside),
                paid=sum(each.paid for each in inside),
            )
        )
    return tuple(counted_)
