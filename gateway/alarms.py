"""What staff must hear about at once, by SMS to the numbers of `[alarms]`: messages set aside, links that stay away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from twisted.logger import Logger

from commands.office import Office
from gateway.core.model import Lane, NotTaken, Outbound
from gateway.core.text import signed
from gateway.links import Board

AWAY = timedelta(minutes=2)  # until a link that is not ready is told of; operators restart theirs within one
AGAIN = timedelta(hours=1)  # between two alarms of the same kind
LONGEST_NAME = 20  # of a link, in a text of one segment


class Sends(Protocol):
    """The desk, as far as an alarm needs it."""

    def submit(self, outbounds: Sequence[Outbound], *, actor: str) -> Awaitable[list[int]]: ...


class Alarms:
    """Looks now and then, remembers what it has told. Nothing is told twice, and the end of a trouble is told too."""

    log = Logger()

    def __init__(
        self,
        office: Office,
        board: Board,
        desk: Sends,
        *,
        numbers: Sequence[str],
        quarantined: Callable[[], int],
        money: Callable[[], int] = lambda: 0,
        payments: Callable[[], int] = lambda: 0,
        now: Callable[[], datetime],
    ) -> None:
        self.office = office  # replaced when the organisation changes its texts
        self._board, self._desk = board, desk
        self._numbers, self._now = tuple(numbers), now
        self._away: dict[str, datetime] = {}
        self._told: set[str] = set()  # links
        self._counts = {"alarms.set_aside": quarantined, "alarms.money_held": money, "alarms.payments": payments}
        self._counted = dict.fromkeys(self._counts, 0)  # those that were told of
        self._last: dict[str, datetime] = {}

    async def look(self) -> int:
        """Tell what is new."""
        alarms = [*self._links(), *self._messages()]
        for key, values in alarms:
            await self._tell(key, values)
        return 0  # nothing is left to be done at once

    def _links(self) -> list[tuple[str, dict[str, str]]]:
        now = self._now()
        found = []
        for entry in self._board:
            name = entry.name
            if not entry.ready:
                since = self._away.setdefault(name, now)
                if now - since >= AWAY and name not in self._told:
                    self._told.add(name)
                    found.append(("alarms.link_away", {"link": name[:LONGEST_NAME]}))
                continue
            self._away.pop(name, None)
            if name in self._told:
                self._told.remove(name)
                found.append(("alarms.link_back", {"link": name[:LONGEST_NAME]}))
        return found

    def _messages(self) -> list[tuple[str, dict[str, str]]]:
        """What was set aside, texts about money that are held: the first at once, more of them once an hour."""
        now, found = self._now(), []
        for key, counts in self._counts.items():
            count, last = counts(), self._last.get(key)
            if count <= self._counted[key] or (last is not None and now - last < AGAIN):
                continue
            found.append((key, {"count": str(count - self._counted[key])}))
            self._counted[key], self._last[key] = count, now
        return found

    async def _tell(self, key: str, values: dict[str, str]) -> None:
        organisation = self.office.organisation
        language = organisation.language
        text = signed(self.office.say(key, language, None, **values), organisation.signature_for(language))
        self.log.warn("alarm: {text}", text=text)
        alarms = [Outbound(id=self.office.new_id(), to=number, text=text, lane=Lane.NOTICE) for number in self._numbers]
        if not alarms:
            return
        try:
            await self._desk.submit(alarms, actor="system:alarms")
        except NotTaken as error:
            self.log.error("an alarm could not be sent: {error}", error=error)
