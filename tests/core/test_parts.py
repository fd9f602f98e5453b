"""Parts of long messages that come twice, in any order, over again, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select

from gateway.core import parts
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Address, AddressKind, Fragment, Inbound
from gateway.core.tables.messages import waiting_part

NOW = datetime(2026, 8, 17, 9, 0, tzinfo=UTC)
TEXTS = ("when is ", "the meeting ", "in Wuliqiao?")


def piece(ids: Ids, number: int, text: str | None = None, *, reference: int = 7, total: int = 3) -> Inbound:
    return Inbound(
        id=ids(),
        link="mobile",
        sender=Address(kind=AddressKind.E164, text="+8613800000007"),
        recipient=Address(kind=AddressKind.SHORT, text="10690"),
        received=NOW,
        text=text or TEXTS[number - 1],
        part=Fragment(reference=reference, total=total, number=number, bits=16),
    )


def take(conn: Connection, keys: Keys, ids: Ids, part: Inbound, now: datetime = NOW) -> str | None:
    assert part.part is not None
    joined = parts.join(conn, keys, ids, part, hash((part.part.number, part.text)) >> 8, now)
    return None if joined is None else joined.text


def waiting(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(waiting_part)) or 0


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (1, 1, 2, 2, 3), (3, 1, 3, 1, 2)])
def test_in_any_order_and_twice(conn: Connection, keys: Keys, ids: Ids, order: tuple[int, ...]) -> None:
    *first, last = order
    assert [take(conn, keys, ids, piece(ids, number)) for number in first] == [None] * len(first)
    assert take(conn, keys, ids, piece(ids, last)) == "".join(TEXTS)
    assert [take(conn, keys, ids, piece(ids, number)) for number in (1, 2, 3)] == [None] * 3, "it was joined once"


def _fragment(message: Inbound, **changes: int) -> Inbound:
    assert message.part is not None
    return replace(message, part=replace(message.part, **changes))


@pytest.mark.parametrize(
    "change",
    [
        lambda message: _fragment(message, bits=8),
        lambda message: _fragment(message, total=2),
        lambda message: replace(message, link="village"),
        lambda message: replace(message, sender=replace(message.sender, text="+8613800000008")),
        lambda message: replace(message, recipient=replace(message.recipient, text="10691")),
    ],
)
def test_what_came_otherwise_belongs_to_another_message(
    conn: Connection, keys: Keys, ids: Ids, change: Callable[[Inbound], Inbound]
) -> None:
    assert take(conn, keys, ids, piece(ids, 1)) is None
    assert take(conn, keys, ids, change(piece(ids, 2))) is None
    assert take(conn, keys, ids, piece(ids, 3)) is None
    assert take(conn, keys, ids, piece(ids, 2)) == "".join(TEXTS)


def test_one_of_one_is_whole(conn: Connection, keys: Keys, ids: Ids) -> None:
    for _ in range(2):
        assert take(conn, keys, ids, piece(ids, 1, "whole", total=1)) == "whole"
    assert waiting(conn) == 0


def test_nothing_is_left_of_what_was_joined(conn: Connection, keys: Keys, ids: Ids) -> None:
    for number in (1, 2, 3):
        take(conn, keys, ids, piece(ids, number))
    assert set(conn.scalars(select(waiting_part.c.content))) == {b""}


def test_a_reference_that_is_used_anew_begins_a_message(conn: Connection, keys: Keys, ids: Ids) -> None:
    """A phone counts to 255 and begins again; or its owner sends another message before the first one is whole."""
    assert take(conn, keys, ids, piece(ids, 1)) is None
    assert take(conn, keys, ids, piece(ids, 2)) is None
    assert [take(conn, keys, ids, piece(ids, number, f"new {number} ")) for number in (1, 2)] == [None, None]
    assert take(conn, keys, ids, piece(ids, 3, "new 3")) == "new 1 new 2 new 3"
    assert [take(conn, keys, ids, piece(ids, number, f"newest {number} ")) for number in (2, 1)] == [None, None]
    assert take(conn, keys, ids, piece(ids, 3, "newest 3")) == "newest 1 newest 2 newest 3"


def test_what_is_not_whole_after_a_day_is_handed_over_as_it_is(conn: Connection, keys: Keys, ids: Ids) -> None:
    take(conn, keys, ids, piece(ids, 1))
    take(conn, keys, ids, piece(ids, 3))
    assert parts.overdue(conn, keys, NOW + timedelta(hours=23)) == []
    ((found, stored),) = parts.overdue(conn, keys, NOW + timedelta(hours=25))
    assert found.text == "when is […]in Wuliqiao?"
    assert found.damaged
    assert found.part is None
    # Until it is safe it is there, and is the same message when it is handed over again.
    assert waiting(conn) == 2
    ((again, _),) = parts.overdue(conn, keys, NOW + timedelta(hours=26))
    assert again.id == found.id
    parts.forget(conn, stored)
    assert parts.overdue(conn, keys, NOW + timedelta(hours=27)) == []
    assert waiting(conn) == 0


def test_what_was_joined_is_forgotten_after_a_day(conn: Connection, keys: Keys, ids: Ids) -> None:
    for number in (1, 2, 3):
        take(conn, keys, ids, piece(ids, number))
    assert waiting(conn) == 3
    assert parts.overdue(conn, keys, NOW + timedelta(hours=25)) == []
    assert waiting(conn) == 0
