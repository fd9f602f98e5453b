"""How fast a link may send: parts a second, and less while its operator throttles."""

from __future__ import annotations


class Pace:
    """How many parts a second: the configured rate, lowered while the operator throttles.

    On 0x58 the rate halves and sending rests a second; from then on it grows by 5 % a second up to the configured
    rate, or, without one, until it is no limit any more (RELIABILITY 3.2 case 22).
    """

    def __init__(self, rate: float, now: float) -> None:
        self._configured = rate
        self._rate = rate  # 0 = no limit
        self._tokens = 0.0
        self._then = now
        self._rests_until = 0.0
        self._sent = 0  # in the present second, to know what to halve when there is no limit
        self._second = now
        self._lately = 0.0

    @property
    def limited(self) -> bool:
        return self._rate > 0 and self._rate != self._configured

    @property
    def slow(self) -> bool:
        """Whether there is a limit at all, or a rest to keep."""
        return self._rate > 0

    def allowed(self, now: float) -> int:
        """Parts that may go now; a large number when there is no limit."""
        self._advance(now)
        if now < self._rests_until:
            return 0
        return int(self._tokens) if self._rate > 0 else 1 << 30

    def spend(self, parts: int) -> None:
        self._sent += parts
        if self._rate > 0:
            self._tokens -= parts

    def wait(self, now: float) -> float:
        """Seconds until one part may go; 0 when one may."""
        if now < self._rests_until:
            return self._rests_until - now
        if self._rate <= 0 or self._tokens >= 1:
            return 0.0
        return (1 - self._tokens) / self._rate

    def throttled(self, now: float, rest: float) -> None:
        """The operator asked us to slow down. Many answers of one burst count once."""
        if now < self._rests_until:
            return
        self._rate = max(1.0, (self._rate or max(self._lately, self._sent, 2.0)) / 2)
        self._tokens = min(self._tokens, 0.0)
        self._rests_until = now + rest

    def _advance(self, now: float) -> None:
        passed = now - self._then
        if passed <= 0:
            return
        self._then = now
        if now - self._second >= 1:
            self._lately, self._sent, self._second = self._sent / (now - self._second), 0, now
        if self._rate <= 0:
            return
        if self.limited:
            self._rate *= 1.05 ** min(passed, 60)
            if self._configured and self._rate >= self._configured:
                self._rate = self._configured
            elif not self._configured and self._rate > 20_000:
                self._rate = 0.0
                return
        burst = max(1.0, self._rate / 4)  # what a quarter of a second brings
        self._tokens = min(burst, self._tokens + passed * self._rate)
