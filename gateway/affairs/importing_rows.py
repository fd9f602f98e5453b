"""What becomes of the rows of an import, for the report and for the count at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import NamedTuple, TypeVar

T = TypeVar("T")

CHUNK = 500  # rows in a transaction: some 20 ms, so that a gateway at work beside it is not kept waiting
EXAMPLES = 50  # rows that a page shows; the report has all


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    ERROR = "error"  # not imported


class Result(NamedTuple):
    """A line of the row report; `reason` is a code such as "phone:landline", also for rows that were imported."""

    line: int
    key: str  # member number, or branch code
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What an import did. `without_phone` were imported although the phone they had could not be bound."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: int = 0
    bound: int = 0
    without_phone: int = 0
    invited: int = 0
    ignored: tuple[str, ...] = ()  # columns that mean nothing to us
    reasons: Mapping[str, int] = field(default_factory=dict)  # rows by reason code, the most frequent first
    examples: tuple[Result, ...] = ()  # the first rows that have a reason


class Tally:
    """Counts while they grow."""

    def __init__(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._reasons: Counter[str] = Counter()
        self._examples: list[Result] = []
        self.bound = self.invited = self._without_phone = 0

    @property
    def rows(self) -> int:
        return self._outcomes.total()

    def add(self, results: Iterable[Result]) -> None:
        for result in results:
            self._outcomes[result.outcome] += 1
            if result.reason:
                self._reasons[result.reason] += 1
                if len(self._examples) < EXAMPLES:
                    self._examples.append(result)
            self._without_phone += result.outcome is not Outcome.ERROR and result.reason.startswith("phone:")

    def counts(self, ignored: tuple[str, ...]) -> Counts:
        return Counts(
            rows=self.rows,
            created=self._outcomes[Outcome.CREATED],
            updated=self._outcomes[Outcome.UPDATED],
            unchanged=self._outcomes[Outcome.UNCHANGED],
            errors=self._outcomes[Outcome.ERROR],
            bound=self.bound,
            without_phone=self._without_phone,
            invited=self.invited,
            ignored=ignored,
            reasons=dict(self._reasons.most_common()),
            examples=tuple(self._examples),
        )


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk
