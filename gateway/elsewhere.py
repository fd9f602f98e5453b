"""Links as rows: how those are that another process on this database holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Connection, delete, select
from twisted.internet.defer import Deferred

from gateway.core.engines import upsert
from gateway.core.model import LinkState, LinkStatus, Outbound, Part
from gateway.core.tables.processes import link_seen
from gateway.links import Entry, Told

SILENT = timedelta(seconds=20)  # without a word of the process that holds it, a link is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A link as the process that holds it told of it."""

    state: LinkState
    position: int  # in the configuration, which decides between equals
    kind: str
    prefixes: tuple[str, ...]
    window: int
    rate: float
    received: int  # in a minute, as the next two
    sent: int
    throttled: int
    inflight: int


class Elsewhere:
    """Messages are queued for it here, and the process that holds it sends them."""

    def __init__(self, seen: Seen) -> None:
        self.name, self.window, self.rate, self.state = seen.state.link, seen.window, seen.rate, seen.state

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        raise NotImplementedError(f"{self.name} is held by another process")

    def send(self, part: Part) -> Deferred[str]:
        raise NotImplementedError(f"{self.name} is held by another process")

    def startService(self) -> None:
        """It is started where it is held."""

    def stopService(self) -> None:
        """It is stopped there."""


def entry(seen: Seen, seconds: Callable[[], float]) -> Entry:
    """For the board of a process that holds no links."""
    came, went, throttled = (Told(seconds, count) for count in (seen.received, seen.sent, seen.throttled))
    return Entry(
        Elsewhere(seen), seen.kind, seen.prefixes, came, went, throttled, away=None, counted=lambda: seen.inflight
    )


def seen_now(entries: Iterable[Entry]) -> tuple[Seen, ...]:
    """The links that are here, as others shall see them."""
    return tuple(
        Seen(
            state=each.state, position=position, kind=each.kind, prefixes=each.prefixes, window=each.window,
            rate=each.link.rate, received=each.received_per_minute, sent=each.sent_per_minute,
            throttled=each.throttled_per_minute, inflight=each.inflight,
        )
        for position, each in enumerate(entries)
    )  # fmt: skip


def stopped(links: Sequence[Seen], now: datetime) -> list[Seen]:
    """As they are when the process that holds them ends."""
    return [
        replace(each, state=replace(each.state, status=LinkStatus.DOWN, since=now, detail="stopped"), inflight=0)
        for each in links
    ]


def tell(conn: Connection, links: Sequence[Seen], now: datetime) -> None:
    """Write down how these are; one that is in the configuration no more goes from the boards of the others too."""
    conn.execute(delete(link_seen).where(link_seen.c.name.not_in([each.state.link for each in links])))
    for each in links:
        said = orjson.dumps(each).decode()
        row = upsert(conn, link_seen).values(name=each.state.link, said=said, at=now)
        conn.execute(row.on_conflict_do_update(index_elements=["name"], set_={"said": said, "at": now}))


def links(conn: Connection, now: datetime) -> list[Seen]:
    """Those that were told of; down when the process that holds them is silent."""
    found = [_read(row.said, row.at, now) for row in conn.execute(select(link_seen))]
    return sorted(found, key=lambda each: each.position)


def _read(written: str, at: datetime, now: datetime) -> Seen:
    said = orjson.loads(written)
    state = said.pop("state")
    state |= {"status": LinkStatus(state["status"]), "since": datetime.fromisoformat(state["since"])}
    if now - at > SILENT:
        state |= {"status": LinkStatus.DOWN, "since": at, "detail": "", "signal": None}
        said |= {"received": 0, "sent": 0, "throttled": 0}
    return Seen(**said | {"state": LinkState(**state), "prefixes": tuple(said["prefixes"])})
