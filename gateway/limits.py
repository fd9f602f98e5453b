"""How often one number may be answered automatically: the guard against two machines that answer each other.

To one number in ten minutes at most 20 replies, the same text at most 5 times, error texts at most 3 (DESIGN 4). Kept
in memory: what is lost at a restart is at most ten minutes of counting.
"""

from __future__ import annotations

from enum import Enum

PERIOD = 600.0  # seconds
REPLIES, SAME, ERRORS = 20, 5, 3  # what we ship; the organisation may set others
_REMEMBERED = 100  # replies to one number
_MOST = 200_000  # numbers remembered in one period
_Kept = int | tuple[int, ...]  # most are answered once, and 100,000 tuples of one are 5 MB


class Verdict(Enum):
    SEND = "send"
    LAST = "last"  # send, and say that it is the last
    SILENT = "silent"


class Limits:
    """Replies of this and the last period, by number. `judge` only looks; `count` after the commit."""

    def __init__(self) -> None:
        self._now: dict[str, _Kept] = {}
        self._before: dict[str, _Kept] = {}
        self._turned = 0.0
        self.most = (REPLIES, SAME, ERRORS)

    def judge(self, number: str, text: str, *, error: bool, now: float) -> Verdict:
        """What may be answered. An entry packs the second, the kind and the text."""
        seen = [entry for entry in self._seen(number) if _at(entry) > now - PERIOD]
        if not seen:
            return Verdict.SEND
        replies = len(seen)
        same = sum(_print(entry) == _hash(text) for entry in seen)
        errors = sum(_is_error(entry) for entry in seen) if error else -1
        most, most_same, most_errors = self.most
        if replies >= most or same >= most_same or errors >= most_errors:
            return Verdict.SILENT
        if replies == most - 1 or same == most_same - 1 or errors == most_errors - 1:
            return Verdict.LAST
        return Verdict.SEND

    def unknowns(self, number: str, now: float) -> int:
        """How many texts of this number were not understood lately."""
        return sum(_is_unknown(entry) and _at(entry) > now - PERIOD for entry in self._seen(number))

    def count(self, number: str, text: str, *, error: bool, unknown: bool = False, now: float) -> None:
        if now - self._turned > PERIOD or len(self._now) > _MOST:
            self._before, self._now, self._turned = self._now, {}, now
        entry = int(now) << 34 | int(unknown) << 33 | int(error) << 32 | _hash(text)
        known = self._now.get(number)
        self._now[number] = entry if known is None else (*_entries(known), entry)[-_REMEMBERED:]

    def _seen(self, number: str) -> tuple[int, ...]:
        return (*_entries(self._before.get(number)), *_entries(self._now.get(number)))


def _entries(kept: _Kept | None) -> tuple[int, ...]:
    if kept is None:
        return ()
    return kept if isinstance(kept, tuple) else (kept,)


def _hash(text: str) -> int:
    return hash(text) & 0xFFFFFFFF


def _at(entry: int) -> int:
    return entry >> 34


def _is_error(entry: int) -> bool:
    return bool(entry >> 32 & 1)


def _is_unknown(entry: int) -> bool:
    return bool(entry >> 33 & 1)


def _print(entry: int) -> int:
    return entry & 0xFFFFFFFF
