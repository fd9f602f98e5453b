"""Ours against theirs, transaction by transaction: what pairs, and which of five things is to be said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Found(StrEnum):
    MATCH = "match"
    DIFFERS = "differs"  # the amounts
    OURS = "ours"  # only in our book
    THEIRS = "theirs"  # only in theirs
    LATE = "late"  # the same, on another day


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A transaction of our book on one account; `references` are the ids that the other side may know it by."""

    txn_id: int
    references: frozenset[str]
    amount: int
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    """A line of their statement; `txn_id` when we know which transaction it is."""

    entry_id: int
    references: frozenset[str]
    amount: int
    day: date
    txn_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    found: Found
    ours: Ours | None = None
    theirs: Theirs | None = None

    @property
    def day(self) -> date:
        """Where it is listed: on our day, and on theirs when we have none."""
        return self.ours.day if self.ours is not None else self.theirs.day if self.theirs is not None else date.min

    @property
    def reference(self) -> str:
        """As the other side calls it, if it calls it anything."""
        for side in (self.theirs, self.ours):
            if side is not None and side.references:
                return min(side.references)
        return ""


def compare(ours: Sequence[Ours], theirs: Sequence[Theirs]) -> list[Pair]:
    """Every transaction and every line once. What is linked comes first, then the same reference, the likest first."""
    left = {each.txn_id: each for each in ours}
    open_lines = []
    pairs = []
    for line in theirs:
        if line.txn_id is not None and line.txn_id in left:
            pairs.append(_pair(left.pop(line.txn_id), line))
        else:
            open_lines.append(line)
    candidates = [
        (each.amount != line.amount, abs((each.day - line.day).days), each.txn_id, line.entry_id)
        for line in open_lines
        for each in _same(left.values(), line)
    ]
    lines = {line.entry_id: line for line in open_lines}
    for _, _, txn_id, entry_id in sorted(candidates):
        if txn_id in left and entry_id in lines:
            pairs.append(_pair(left.pop(txn_id), lines.pop(entry_id)))
    pairs += [Pair(found=Found.OURS, ours=each) for each in left.values()]
    pairs += [Pair(found=Found.THEIRS, theirs=line) for line in lines.values()]
    return pairs


def _same(ours: Iterable[Ours], line: Theirs) -> list[Ours]:
    return [each for each in ours if each.references & line.references] if line.references else []


def _pair(ours: Ours, theirs: Theirs) -> Pair:
    if ours.amount != theirs.amount:
        found = Found.DIFFERS
    elif ours.day != theirs.day:
        found = Found.LATE
    else:
        found = Found.MATCH
    return Pair(found=found, ours=ours, theirs=theirs)


def normal(*references: str | None) -> frozenset[str]:
    """Ids as they compare: without regard to capitals and blanks."""
    return frozenset(plain for each in references if each and (plain := "".join(each.split()).upper()))
