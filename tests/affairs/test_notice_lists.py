"""The list that comes with a notice: in pieces, and whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.affairs.notices import approval, drafts, filling, lists, series
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Wording
from tests.affairs.noticing import AUTHOR, OTHER, House, refused

LISTED = Audience(listed=True)


def begun(house: House, text: str = "一", token: int = 1) -> Notice:
    """A draft whose list is to come."""
    said = Wording(title=text, texts={"zh": text}, audience=LISTED)
    return drafts.create(house.conn, house.ids, said, AUTHOR, house.now, filling=token)


def test_the_lines_of_a_list_are_copied_and_taken_away_piece_by_piece(house: House) -> None:
    numbers = house.join(5)
    first, second = (house.write(text, audience=LISTED) for text in ("一", "二"))
    lists.append(house.conn, first.id, numbers, "CN")
    assert [lists.copy_on(house.conn, first.id, second.id, 2) for _ in range(3)] == [True, True, False]
    assert lists.count(house.conn, second.id) == 5
    assert not lists.copy_on(house.conn, first.id, second.id, 2)
    assert lists.count(house.conn, second.id) == 5
    assert [lists.forget_some(house.conn, first.id, 2) for _ in range(3)] == [True, True, False]
    assert (lists.count(house.conn, first.id), lists.count(house.conn, second.id)) == (0, 5)


def test_half_a_list_is_submitted_by_nobody(house: House) -> None:
    numbers = house.join(4)
    draft = begun(house)
    filling.add(house.conn, draft.id, 1, numbers[:2], "CN")
    half = drafts.get(house.conn, draft.id)
    refused("list", lambda: approval.submit(house.conn, house.place, half, AUTHOR, house.now))
    whole = approval.estimate(house.conn, house.place, replace(half, filling=None), house.now)
    # Counted beforehand it is not: what was counted was another list.
    refused("list", lambda: approval.submit(house.conn, house.place, half, AUTHOR, house.now, counted=whole))
    filling.add(house.conn, draft.id, 1, numbers[2:], "CN")
    filling.end(house.conn, draft.id, 1)
    found = approval.submit(house.conn, house.place, drafts.get(house.conn, draft.id), AUTHOR, house.now)
    assert (found.state, found.funnel.left) == (drafts.WAITING, 4)
    refused("state", lambda: filling.add(house.conn, draft.id, 1, numbers, "CN"))


def test_a_list_is_brought_by_one_form_at_a_time(house: House) -> None:
    """The later one counts; of the earlier one nothing is left."""
    numbers = house.join(4)
    draft = begun(house)
    filling.add(house.conn, draft.id, 1, [*numbers[:2], "nobody"], "CN")
    said = Wording(title="二", texts={"zh": "二"}, audience=LISTED)
    assert drafts.change(house.conn, draft.id, said, filling=2).filling == 2
    refused("state", lambda: filling.add(house.conn, draft.id, 1, numbers[:2], "CN"))
    refused("state", lambda: filling.end(house.conn, draft.id, 1))
    assert not filling.clear(house.conn, draft.id, 2)
    filling.add(house.conn, draft.id, 2, numbers[3:], "CN")
    filling.end(house.conn, draft.id, 2)
    assert drafts.get(house.conn, draft.id).filling is None
    assert lists.count(house.conn, draft.id) == 1


def test_a_list_that_is_not_whole_is_not_taken_over(house: House) -> None:
    numbers = house.join(2)
    first, second = begun(house), begun(house, "二", token=2)
    filling.add(house.conn, first.id, 1, numbers, "CN")
    refused("list", lambda: filling.take_over(house.conn, second.id, 2, first.id))
    filling.end(house.conn, first.id, 1)
    assert not filling.take_over(house.conn, second.id, 2, first.id)
    assert lists.count(house.conn, second.id) == 2


def test_what_was_submitted_keeps_its_list_whoever_throws_the_draft_away(house: House) -> None:
    numbers = house.join(3)
    draft = begun(house)
    filling.add(house.conn, draft.id, 1, numbers, "CN")
    filling.end(house.conn, draft.id, 1)
    approval.submit(house.conn, house.place, drafts.get(house.conn, draft.id), AUTHOR, house.now)
    drafts.forget(house.conn, draft)
    assert not filling.discard(house.conn, draft)
    assert lists.count(house.conn, draft.id) == 3
    other = begun(house, "二")
    filling.add(house.conn, other.id, 1, [*numbers, "nobody"], "CN")
    assert not filling.discard(house.conn, other)
    assert drafts.find(house.conn, other.number) is None
    assert lists.count(house.conn, other.id) + lists.count_strange(house.conn, other.id) == 0


def test_half_the_list_of_a_series_is_submitted_by_nobody(house: House) -> None:
    numbers = house.join(3)
    first = house.write(recurrence="daily 10:30", audience=LISTED)
    lists.append(house.conn, first.id, numbers, "CN")
    first = approval.submit(house.conn, house.place, first, AUTHOR, house.now)
    approval.approve(house.conn, house.place, first, OTHER, house.now)
    house.now += timedelta(hours=1)
    assert series.due(house.conn, house.place, house.now) == 1
    second = drafts.listing(house.conn)[0]
    refused("list", lambda: approval.submit(house.conn, house.place, second, AUTHOR, house.now))
    while series.copy_list(house.conn, second.id):
        pass
    found = drafts.get(house.conn, second.id)
    assert approval.submit(house.conn, house.place, found, AUTHOR, house.now).funnel.left == 3
