"""Parts that a link has in hand and has not written yet: by lane, and within it in the order of their messages."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

from gateway.core.model import Lane, Part


class Lanes:
    """What is in hand. A lower lane goes first."""

    def __init__(self) -> None:
        self._lanes: tuple[deque[Part], ...] = tuple(deque() for _ in Lane)

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    @property
    def first(self) -> int:
        """The most urgent lane that has something; behind the last one when none has."""
        return next((lane for lane in Lane if self._lanes[lane]), len(Lane))

    @property
    def messages(self) -> frozenset[int]:
        return frozenset(part.outbound for lane in self._lanes for part in lane)

    def add(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._lanes[part.lane].append(part)

    def take(self, most: int, most_bulk: int) -> list[Part]:
        """The next ones, at most so many, and so many of the bulk lane."""
        taken: list[Part] = []
        for lane, held in zip(Lane, self._lanes, strict=True):
            while held and len(taken) < most:
                if lane is Lane.BULK:
                    if most_bulk <= 0:
                        break
                    most_bulk -= 1
                taken.append(held.popleft())
        return taken

    def give_back(self, taken: Sequence[Part]) -> None:
        """What `take` gave, as if it had not."""
        for part in reversed(taken):
            self._lanes[part.lane].appendleft(part)

    def put_back(self, part: Part) -> None:
        """One that was under way: in its place among the messages of its lane, which is nearly always the first."""
        lane = self._lanes[part.lane]
        if not lane or (part.outbound, part.number) < (lane[0].outbound, lane[0].number):
            lane.appendleft(part)
            return
        kept = sorted((*lane, part), key=lambda p: (p.outbound, p.number))
        lane.clear()
        lane.extend(kept)

    def forget(self, messages: Collection[int]) -> None:
        """Nothing of these bulk messages is in hand any more: they are in the queue."""
        lane = self._lanes[Lane.BULK]
        kept = [part for part in lane if part.outbound not in messages]
        lane.clear()
        lane.extend(kept)

    def clear(self) -> None:
        for lane in self._lanes:
            lane.clear()
