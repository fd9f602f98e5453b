"""The list that comes with a notice."""

from __future__ import annotations

from gateway.affairs.notices import (
    lists,
)
from gateway.affairs.notices.audience import Audience
from tests.affairs.noticing import House


def test_the_lines_of_a_list_are_copied_piece_by_piece(house: House) -> None:
    numbers = house.join(5)
    first, second = (house.write(text, audience=Audience(listed=True)) for text in ("一", "二"))
    lists.append(house.conn, first.id, numbers, "CN")
    assert [lists.copy_on(house.conn, first.id, second.id, 2) for _ in range(3)] == [True, True, False]
    assert lists.count(house.conn, second.id) == 5
    assert not lists.copy_on(house.conn, first.id, second.id, 2)
    assert lists.count(house.conn, second.id) == 5
