"""Time-ordered 63-bit ids, made by the application so that no insert has to ask the database for one.

Layout, high bits first: 42 bits of milliseconds since 2025-01-01 UTC, 9 bits of writer slot, 12 bits of sequence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_EPOCH_MS = int(EPOCH.timestamp() * 1000)
_SLOT_BITS, _SEQUENCE_BITS = 9, 12
_SEQUENCES = 1 << _SEQUENCE_BITS


class Ids:
    """Call it for the next id. Counts on when the clock steps back or a millisecond is used up."""

    def __init__(self, seconds: Callable[[], float] = time.time, *, slot: int = 0) -> None:
        if not 0 <= slot < 1 << _SLOT_BITS:
            raise ValueError(f"a writer slot is 0 to {(1 << _SLOT_BITS) - 1}, not {slot}")
        self._seconds = seconds
        self._slot = slot << _SEQUENCE_BITS
        self._millisecond = 0
        self._sequence = 0
        self._lock = threading.Lock()  # ids are made in the reactor and in the database thread

    def __call__(self) -> int:
        with self._lock:
            now = int(self._seconds() * 1000) - _EPOCH_MS
            if now > self._millisecond:
                self._millisecond, self._sequence = now, 0
            else:
                self._sequence += 1
                if self._sequence == _SEQUENCES:
                    self._millisecond, self._sequence = self._millisecond + 1, 0
            return self._millisecond << _SLOT_BITS + _SEQUENCE_BITS | self._slot | self._sequence

    def start_after(self, last: int) -> None:
        """Make no id below `last`, the newest in the database: the clock may have been wrong when it was made."""
        with self._lock:
            self._millisecond = max(self._millisecond, (last >> _SLOT_BITS + _SEQUENCE_BITS) + 1)


def first_of(moment: datetime) -> int:
    """The smallest id that can have been made at `moment`: what a range of time is in ids."""
    return max(0, (moment - EPOCH) // timedelta(milliseconds=1)) << _SLOT_BITS + _SEQUENCE_BITS
