"""Who is writing at which case just now: known to this process only, and forgotten some seconds after the last key."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LASTS = 12.0  # seconds after the last letter; the page asks while it is written


class Writing:
    def __init__(self, clock: IReactorTime, changed: Callable[[], None]) -> None:
        self._clock, self._changed = clock, changed
        self._at: dict[tuple[str, str], IDelayedCall] = {}  # case number and name

    def note(self, case_no: str, name: str) -> None:
        """`name` has written a letter."""
        known = self._at.get((case_no, name))
        if known is not None:
            known.reset(LASTS)
            return
        self._at[case_no, name] = self._clock.callLater(LASTS, self._forget, case_no, name)
        self._changed()

    def done(self, case_no: str, name: str) -> None:
        """The answer is sent, or given up."""
        known = self._at.pop((case_no, name), None)
        if known is not None:
            known.cancel()
            self._changed()

    def others(self, case_no: str, name: str) -> list[str]:
        """Who else writes at this case."""
        return sorted(other for case, other in self._at if case == case_no and other != name)

    def stop(self) -> None:
        for call in self._at.values():
            call.cancel()
        self._at.clear()

    def _forget(self, case_no: str, name: str) -> None:
        del self._at[case_no, name]
        self._changed()
