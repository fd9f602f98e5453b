"""What stands ready: parts that are marked inflight already and written the moment the operator answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gateway.core.model import Lane, Part
from gateway.wire import Wire

LIFE = 1.0  # seconds: what stands ready longer passes the gate again, for a STOP may have come since


class Ready:
    """The next window of a link, in the order in which it goes. Only what `wire` remembers may stand here for longer
    than a moment: after kill -9 nothing else would say that it was not written."""

    def __init__(self, wire: Wire | None) -> None:
        self._wire = wire
        self._parts: deque[Part] = deque()
        self._since = 0.0
        self._noted: Sequence[Part] = ()  # by the turn in progress

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def first(self) -> int:
        """The most urgent lane that has something here; behind the last one when none has."""
        return min((part.lane for part in self._parts), default=len(Lane))

    @property
    def notices(self) -> frozenset[int]:
        return frozenset(part.notice for part in self._parts if part.notice is not None)

    def old(self, now: float) -> bool:
        return now - self._since >= LIFE

    # --- a turn that marks them -------------------------------------------------------------------------------

    def marking(self, parts: Sequence[Part]) -> None:
        """They are inflight with the commit that follows. Called in the database's thread, again when that commit did
        not take place and the work is repeated."""
        self.not_marked()
        self._noted = parts
        if self._wire is not None:
            self._wire.ready(parts)

    def not_marked(self) -> None:
        """That commit did not take place."""
        noted, self._noted = self._noted, ()
        if self._wire is not None:
            for part in noted:
                self._wire.forget(part)

    def marked(self, parts: Sequence[Part], now: float) -> None:
        self._noted = ()
        self._parts.extend(parts)
        self._since = now

    # --- what becomes of them ---------------------------------------------------------------------------------

    def take(self, most: int, most_bulk: int, before: int) -> list[Part]:
        """The next to be written: at most so many, so many of the bulk lane, and none of a lane behind `before`."""
        taken: list[Part] = []
        while self._parts and len(taken) < most:
            lane = self._parts[0].lane
            if before < lane or (lane is Lane.BULK and most_bulk <= 0):
                break
            most_bulk -= lane is Lane.BULK
            taken.append(self._parts.popleft())
        return taken

    def stand_down(self) -> list[Part]:
        """All of them, in their order."""
        taken = list(self._parts)
        self._parts.clear()
        return taken
