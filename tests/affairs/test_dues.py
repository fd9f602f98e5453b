from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.affairs import dues
from gateway.affairs.dues import Owed
from gateway.core.ids import Ids
from tests.affairs.people import branch, owes, person

months = st.builds(lambda year, month: year * 100 + month, st.integers(1950, 2100), st.integers(1, 12))


@given(months, st.integers(-1200, 1200))
def test_months_add_up(month: int, count: int) -> None:
    there = dues.following(month, count)
    assert 1 <= there % 100 <= 12
    assert dues.following(there, -count) == month
    assert dues.parse_month(dues.show_month(month)) == month


@given(months, st.integers(0, 60))
def test_a_run_of_months_has_no_gap(first: int, count: int) -> None:
    run = dues.months(first, dues.following(first, count))
    assert len(run) == count + 1
    assert all(dues.following(month) == behind for month, behind in pairwise(run))
    assert dues.months(first, dues.previous(first)) == []


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-9", "2026-13", "2026-00", "26-09", "2026/09", "２０２６-09", "2026-09-01"]
)
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match="month"):
        dues.parse_month(text)


def test_what_is_owed(conn: Connection, ids: Ids) -> None:
    place = branch(conn, ids)
    behind, paid, partly, new, nothing = (person(conn, ids, str(index), place) for index in range(5))
    for month in (202608, 202609, 202610, 202611, 202612):
        owes(conn, behind, month, paid=300 if month == 202608 else 0)
        owes(conn, paid, month, paid=300)
    owes(conn, partly, 202611, amount=500, paid=200)
    owes(conn, new, 202612)

    found = dues.owed(conn, [behind, paid, partly, new, nothing], 202611)

    assert found == {
        behind: Owed(months=3, amount=900, current=300, paid_to=202608),
        paid: Owed(months=0, amount=0, current=0, paid_to=202612),
        partly: Owed(months=1, amount=300, current=300, paid_to=None),
        new: Owed(),
        nothing: Owed(),
    }
    assert all(type(value) is int for owed in found.values() for value in owed[:3])


def test_what_was_paid_before_the_register_began_counts(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202610, paid_to=202609)
    assert dues.owed(conn, [zhang], 202611)[zhang].paid_to == 202609
    owes(conn, zhang, 202610)
    owes(conn, zhang, 202611)
    assert dues.owed(conn, [zhang], 202611)[zhang] == Owed(2, 600, 300, 202609)


def test_what_is_too_long_ago_is_counted_apart(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202601)
    for month in (202601, 202602, 202610, 202611):
        owes(conn, zhang, month)
    assert dues.owed(conn, [zhang], 202611, 202605)[zhang] == Owed(2, 600, 300, None, 2)


def test_a_hole_in_what_was_paid_ends_it(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202608)
    for month, paid in ((202608, 300), (202609, 0), (202610, 300)):
        owes(conn, zhang, month, paid=paid)
    assert dues.owed(conn, [zhang], 202611)[zhang] == Owed(1, 300, 0, 202608)


def test_the_month_of_a_day() -> None:
    assert dues.month_of(date(2026, 1, 31)) == 202601
    assert dues.previous(202601) == 202512
