"""What the organisation has decided about its notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.affairs import settings
from gateway.affairs.notices.hours import Quiet

_NIGHT = Quiet(21, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    solo: int = 50  # recipients up to which nobody else has to approve
    quiet: Quiet = _NIGHT
    lasts: timedelta = timedelta(hours=12)  # how long a notice is worth sending
    repeated: timedelta = timedelta(hours=12)  # within which the same text is refused
    price: int = 0  # minor units for one part; 0 when the organisation has not said


def rules(conn: Connection, now: datetime) -> Rules:
    """What is in force at `now`."""
    return Rules(
        solo=settings.value(conn, "approval.solo_limit", now),
        quiet=quiet(settings.value(conn, "quiet.hours", now)),
        lasts=timedelta(hours=settings.value(conn, "notices.lasts", now)),
        repeated=timedelta(hours=settings.value(conn, "notices.same_text", now)),
        price=settings.value(conn, "notices.price", now),
    )


def quiet(written: str) -> Quiet:
    """ "21-8" as hours; "" is never."""
    start, _, until = written.partition("-")
    return Quiet(int(start), int(until)) if until else Quiet(0, 0)
