"""How long things take, counted in buckets."""

from __future__ import annotations

BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)  # seconds


class Latency:
    """How long something took, in buckets."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.sum += seconds
        for index, bound in enumerate(BUCKETS):
            if seconds <= bound:
                self._counts[index] += 1
                return
        self._counts[-1] += 1

    def buckets(self) -> list[tuple[str, float]]:
        """The upper bound of each bucket, and how many took at most so long."""
        found, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found
