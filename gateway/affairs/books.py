"""What booking needs beside a connection: the organisation's currency, its calendar, its keys and ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from config.model import Organisation
from gateway.affairs.dues import month_of
from gateway.core.keys import Keys


@dataclass(frozen=True, slots=True)
class Books:
    """`keys` make receipt numbers that tell nobody how many there are. `bank` is the account at which arrives what
    treasurers hand on; None when no bank was named."""

    organisation: Organisation
    keys: Keys
    new_id: Callable[[], int]
    bank: str | None = None
    zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone", ZoneInfo(self.organisation.time_zone))

    @property
    def currency(self) -> str:
        return self.organisation.currency

    def month(self, now: datetime) -> int:
        """The organisation's own month, 202609."""
        return month_of(now.astimezone(self.zone).date())
