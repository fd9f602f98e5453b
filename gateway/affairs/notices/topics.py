"""Topics that people subscribe to, each a phone newspaper with its days, its hours and its length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, func, insert, or_, select, update

from gateway.affairs import branches
from gateway.affairs.notices import weekdays
from gateway.affairs.notices.drafts import Refused
from gateway.affairs.notices.weekdays import WINDOWS
from gateway.core.engines import upsert
from gateway.core.tables.notices import subscription, topic
from gateway.core.tables.organisation import branch, consent


class Topic(NamedTuple):
    id: int
    number: str
    names: Mapping[str, str]
    windows: str  # "2,5 8-11": Tuesday and Friday from 8 to 11; "" is any time
    most: int  # SMS in one message
    everyone: bool
    closed: bool

    def name(self, language: str) -> str:
        return self.names.get(language) or next(iter(self.names.values()))


_COLUMNS = (topic.c.id, topic.c.number, topic.c.names, topic.c.windows, topic.c.most, topic.c.everyone, topic.c.closed)


def listing(conn: Connection, *, closed: bool = False) -> tuple[Topic, ...]:
    query = select(*_COLUMNS).order_by(topic.c.number)
    return tuple(_read(row) for row in conn.execute(query if closed else query.where(~topic.c.closed)))


def get(conn: Connection, id_: int) -> Topic:
    row = conn.execute(select(*_COLUMNS).where(topic.c.id == id_)).first()
    if row is None:
        raise Refused("topic", "there is no such topic")
    return _read(row)


def by_number(conn: Connection, number: str) -> Topic | None:
    row = conn.execute(select(*_COLUMNS).where(topic.c.number == number, ~topic.c.closed)).first()
    return None if row is None else _read(row)


def save(
    conn: Connection,
    new_id: Callable[[], int],
    *,
    number: str,
    names: Mapping[str, str],
    windows: str = "",
    most: int = 2,
    everyone: bool = False,
    closed: bool = False,
) -> Topic:
    """Make a topic, or change the one with this number."""
    if not (len(number) == 2 and number.isascii() and number.isdecimal()):
        raise Refused("topic", "a topic has a number of two digits")
    if not names or not all(name.strip() and len(name) <= 12 for name in names.values()):
        raise Refused("topic", "a topic has a name of at most 12 characters in every language")
    if not 1 <= most <= 10:
        raise Refused("topic", "a message of a topic has 1 to 10 SMS")
    values = {
        "names": orjson.dumps(dict(names)).decode(),
        "windows": weekdays.windows(windows),
        "most": most,
        "everyone": everyone,
        "closed": closed,
    }
    if not conn.execute(update(topic).where(topic.c.number == number).values(**values)).rowcount:
        conn.execute(insert(topic).values(id=new_id(), number=number, **values))
    row = conn.execute(select(*_COLUMNS).where(topic.c.number == number)).one()
    return _read(row)


def check(found: Topic, parts: int) -> None:
    """A newspaper keeps to the length that its subscribers were promised."""
    if found.closed:
        raise Refused("topic", f"topic {found.number} is closed")
    if parts > found.most:
        raise Refused("long", f"topic {found.number} promises at most {found.most} SMS, this has {parts}")


# --- who wants it ------------------------------------------------------------------------------------------------


def wanted(conn: Connection, number: str) -> tuple[Topic, ...]:
    """What this phone gets: what it subscribed to, and what everybody gets who has not left it."""
    query = (
        select(*_COLUMNS)
        .outerjoin_from(
            topic, subscription, (subscription.c.topic_id == topic.c.id) & (subscription.c.number == number)
        )
        .where(~topic.c.closed, func.coalesce(subscription.c.wanted, topic.c.everyone))
        .order_by(topic.c.number)
    )
    return tuple(_read(row) for row in conn.execute(query))


def want(
    conn: Connection, new_id: Callable[[], int], number: str, found: Topic, *, wants: bool, how: str, now: datetime
) -> None:
    """Subscribe or leave; said again it is still written down."""
    row = upsert(conn, subscription).values(number=number, topic_id=found.id, wanted=wants, at=now)
    conn.execute(row.on_conflict_do_update(index_elements=["number", "topic_id"], set_={"wanted": wants, "at": now}))
    conn.execute(
        consent.insert().values(id=new_id(), number=number, topic=found.number, granted=wants, how=how, at=now)
    )


def subscribers(conn: Connection) -> dict[int, tuple[int, int]]:
    """By topic: how many have subscribed, and how many have left."""
    rows = conn.execute(
        select(subscription.c.topic_id, subscription.c.wanted, func.count()).group_by(
            subscription.c.topic_id, subscription.c.wanted
        )
    )
    found: dict[int, tuple[int, int]] = {}
    for id_, wants, count in rows:
        on, off = found.get(id_, (0, 0))
        found[id_] = (count, off) if wants else (on, count)
    return found


# --- when --------------------------------------------------------------------------------------------------------


def next_window(found: Topic, after: datetime, zone: ZoneInfo) -> datetime:
    """The first moment from `after` on at which the topic may be sent."""
    read = WINDOWS.fullmatch(found.windows)
    if read is None:
        return after
    days = {int(day) for day in read[1].split(",")}
    first, last = int(read[2]), int(read[3])
    local = after.astimezone(zone)
    for ahead in range(8):
        day = local.date() + timedelta(days=ahead)
        if day.isoweekday() not in days:
            continue
        opens = datetime(day.year, day.month, day.day, first, tzinfo=zone)
        closes = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(hours=last)
        if local < closes:
            return max(local, opens).astimezone(after.tzinfo)
    return after


def window_words(found: Topic) -> tuple[tuple[int, ...], tuple[int, int]] | None:
    """Days and hours of a topic's window, None when it has none."""
    read = WINDOWS.fullmatch(found.windows)
    if read is None:
        return None
    return tuple(int(day) for day in read[1].split(",")), (int(read[2]), int(read[3]))


def widest_branch(conn: Connection, paths: Sequence[str]) -> tuple[str, str]:
    """The longest branch name below these paths, and the longest code."""
    query = select(branch.c.name, branch.c.code)
    if "" not in paths:
        query = query.where(or_(*(branches.below(path) for path in paths)))
    name = conn.execute(query.order_by(func.length(branch.c.name).desc()).limit(1)).first()
    code = conn.execute(query.order_by(func.length(branch.c.code).desc()).limit(1)).first()
    return (name.name if name else "", code.code if code else "")


def _read(row: Any) -> Topic:
    values = row._mapping
    return Topic(
        values["id"],
        values["number"],
        orjson.loads(values["names"]),
        values["windows"],
        values["most"],
        bool(values["everyone"]),
        bool(values["closed"]),
    )
