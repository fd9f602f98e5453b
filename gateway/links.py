"""What a link is to the gateway, and the board of live links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.core.model import LinkState, LinkStatus, Outbound, Part


class Link(Protocol):
    """A way to phones. Free of SMPP notions: an HTTP aggregator is one more package.

    A link is given a `Receiver` for all that comes in. `split` is pure. `send` fires with the operator's id of the
    part, or fails with a `SendError` that says what may be done next; it never writes before it is called and
    never writes twice.
    """

    name: str
    window: int  # parts that may be unanswered at once; less while only some of its connections are up
    rate: float  # parts a second, 0 for no limit

    @property
    def state(self) -> LinkState: ...

    def split(self, outbound: Outbound) -> tuple[Part, ...]: ...

    def send(self, part: Part) -> Deferred[str]: ...

    def startService(self) -> object: ...

    def stopService(self) -> object: ...


class Rate:
    """Events of the last minute, by the second."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._ring = [0] * 60
        self._at = int(seconds())
        self.total = 0

    def add(self, count: int = 1) -> None:
        self._turn()
        self._ring[self._at % 60] += count
        self.total += count

    def per_minute(self) -> int:
        self._turn()
        return sum(self._ring)

    def _turn(self) -> None:
        now = int(self._seconds())
        if now == self._at:
            return
        for second in range(self._at + 1, min(now, self._at + 60) + 1):
            self._ring[second % 60] = 0
        self._at = max(self._at, now)


class Told(Rate):
    """Events that another process counts."""

    def __init__(self, seconds: Callable[[], float], per_minute: int) -> None:
        super().__init__(seconds)
        self._per_minute = per_minute

    def per_minute(self) -> int:
        return self._per_minute


@dataclass(slots=True)
class Entry:
    """One link on the board."""

    link: Link
    kind: str  # smpp | modem | http
    prefixes: tuple[str, ...]
    came: Rate
    went: Rate
    throttled: Rate
    away: float | None  # since when nothing can be sent, however often it tried to come back
    counted: Callable[[], int] = field(default=lambda: 0)  # parts inflight, by the outbox

    @property
    def name(self) -> str:
        return self.link.name

    @property
    def state(self) -> LinkState:
        return self.link.state

    @property
    def window(self) -> int:
        return self.link.window

    @property
    def inflight(self) -> int:
        return self.counted()

    @property
    def received_per_minute(self) -> int:
        return self.came.per_minute()

    @property
    def sent_per_minute(self) -> int:
        return self.went.per_minute()

    @property
    def throttled_per_minute(self) -> int:
        return self.throttled.per_minute()

    @property
    def ready(self) -> bool:
        return self.link.state.status in (LinkStatus.READY, LinkStatus.THROTTLED)


class Board:
    """The links of this gateway, by name."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._entries: dict[str, Entry] = {}
        self._watchers: list[Callable[[str], None]] = []

    def add(self, link: Link, *, kind: str, prefixes: tuple[str, ...] = ()) -> Entry:
        seconds = self._seconds
        entry = Entry(link, kind, prefixes, Rate(seconds), Rate(seconds), Rate(seconds), away=seconds())
        self._entries[link.name] = entry
        return entry

    def show(self, entries: Sequence[Entry]) -> None:
        """These, and no others: the links as another process holds them."""
        before = self._entries
        self._entries = {entry.name: entry for entry in entries}
        for name, entry in self._entries.items():
            known = before.get(name)
            if not entry.ready:
                entry.away = known.away if known is not None and known.away is not None else self._seconds()
            if known is None or known.state != entry.state:
                self._tell(name)
        for name in before.keys() - self._entries.keys():
            self._tell(name)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def get(self, name: str | None) -> Entry | None:
        return self._entries.get(name) if name is not None else None

    def links(self) -> list[Entry]:
        return list(self._entries.values())

    def watch(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call `callback` with the name of each link whose state changes; the result ends it."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def changed(self, name: str) -> None:
        if (entry := self._entries.get(name)) is not None:
            if entry.ready:
                entry.away = None
            elif entry.away is None:
                entry.away = self._seconds()
        self._tell(name)

    def _tell(self, name: str) -> None:
        for callback in list(self._watchers):
            callback(name)
