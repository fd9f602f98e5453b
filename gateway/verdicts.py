"""What a link's refusal means for a part: again, later, by another link, or never."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.core import outcomes
from gateway.core.model import Expired, LinkDown, Part, Rejected, SendError, State, Throttled, Unknown
from gateway.core.outcomes import Answer

_RETRY_BASE = 5.0  # seconds, doubled with each attempt that counts
_REMEMBERED = 100_000  # parts


class Verdicts:
    """`elsewhere` names another link that would take a part."""

    def __init__(self, elsewhere: Callable[[Part], str | None]) -> None:
        self._elsewhere = elsewhere
        self._attempts: dict[tuple[int, int], int] = {}  # that counted

    def judge(self, part: Part, error: SendError, now: datetime) -> Answer:
        code = str(error.code) if error.code is not None else error.reason
        match error:
            case Throttled():
                return Answer(part, State.LEASED, now)
            case LinkDown():
                return Answer(part, State.QUEUED, now)
            case Unknown():
                return Answer(part, State.UNKNOWN, now, error=code)
            case Rejected(retry_after=float(wait)) if (tries := self._tried(part)) < outcomes.ATTEMPTS:
                again = now + timedelta(seconds=max(wait, _RETRY_BASE * 2 ** (tries - 1)))
                link = self._elsewhere(part) if error.other_link else None
                return Answer(part, State.QUEUED, now, error=code, again=again, link=link)
            case _:
                state = State.EXPIRED if isinstance(error, Expired) else State.FAILED
                return Answer(part, state, now, error=code)

    def _tried(self, part: Part) -> int:
        """How often now."""
        if len(self._attempts) > _REMEMBERED:
            self._attempts.clear()
        key = part.outbound, part.number
        tries = self._attempts[key] = self._attempts.get(key, 0) + 1
        return tries
