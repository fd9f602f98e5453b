"""Ours against theirs: every transaction once, in one of five classes, and nothing closes itself but what is exact."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.affairs import paybill, reconciliation, reconciling, statements
from gateway.affairs.books import Books
from gateway.affairs.comparing import Found, Ours, Pair, Theirs, compare, normal
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.statement_lines import Line
from gateway.core import audit
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from tests.affairs import till
from tests.affairs.till import NOW, WALLET

DAY = date(2026, 11, 20)


def ours(txn_id: int, reference: str, amount: int = 100, day: date = DAY) -> Ours:
    return Ours(txn_id=txn_id, references=normal(reference), amount=amount, day=day)


def theirs(entry_id: int, reference: str, amount: int = 100, day: date = DAY, txn_id: int | None = None) -> Theirs:
    return Theirs(entry_id=entry_id, references=normal(reference), amount=amount, day=day, txn_id=txn_id)


def classes(pairs: list[Pair]) -> list[tuple[str, str]]:
    return sorted((pair.reference, pair.found.value) for pair in pairs)


def test_the_five_classes() -> None:
    later = DAY + timedelta(days=1)
    found = compare(
        [ours(1, "A"), ours(2, "B"), ours(3, "C"), ours(4, "D")],
        [theirs(1, " a "), theirs(2, "B", 101), theirs(4, "D", day=later), theirs(5, "E")],
    )
    assert classes(found) == [("A", "match"), ("B", "differs"), ("C", "ours"), ("D", "late"), ("E", "theirs")]


def test_what_is_linked_pairs_whatever_it_is_called() -> None:
    assert classes(compare([ours(1, "ours")], [theirs(1, "", txn_id=1)])) == [("OURS", "match")]


def test_of_several_with_one_reference_the_likest_pair() -> None:
    found = compare([ours(1, "A", 100), ours(2, "A", 200)], [theirs(1, "A", 200), theirs(2, "A", 100)])
    assert [pair.found for pair in found] == [Found.MATCH, Found.MATCH]


references = st.sampled_from(["", "a", "b", "c"])
amounts = st.sampled_from([100, 200, -100])
near = st.integers(0, 2).map(lambda days: DAY + timedelta(days=days))


@st.composite
def sides(draw: st.DrawFn) -> tuple[list[Ours], list[Theirs]]:
    own = [ours(number, draw(references), draw(amounts), draw(near)) for number in range(draw(st.integers(0, 6)))]
    other = [
        theirs(
            number,
            draw(references),
            draw(amounts),
            draw(near),
            draw(st.one_of(st.none(), st.integers(0, 7))),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return own, other


@given(sides())
def test_everything_is_listed_once_and_only_what_is_exact_is_a_match(both: tuple[list[Ours], list[Theirs]]) -> None:
    own, other = both
    found = compare(own, other)
    assert sorted(pair.ours.txn_id for pair in found if pair.ours) == [each.txn_id for each in own]
    assert sorted(pair.theirs.entry_id for pair in found if pair.theirs) == [each.entry_id for each in other]
    for pair in found:
        match pair.found:
            case Found.OURS:
                assert pair.theirs is None
            case Found.THEIRS:
                assert pair.ours is None
            case _:
                assert pair.ours is not None
                assert pair.theirs is not None
                linked = pair.theirs.txn_id == pair.ours.txn_id
                assert linked or pair.ours.references & pair.theirs.references
                same = pair.ours.amount == pair.theirs.amount
                assert (pair.found is Found.MATCH) == (same and pair.ours.day == pair.theirs.day)
                assert (pair.found is Found.DIFFERS) == (not same)


@given(sides())
def test_no_order_of_the_lines_changes_what_is_found(both: tuple[list[Ours], list[Theirs]]) -> None:
    own, other = both
    linked = [each.txn_id for each in other if each.txn_id is not None]
    if len(set(linked)) == len(linked):
        assert classes(compare(own, other)) == classes(compare(own[::-1], other[::-1]))


# --- with a database ------------------------------------------------------------------------------------------


@pytest.fixture
def books(keys: Keys, ids: Ids) -> Books:
    return till.books(keys, ids)


@pytest.fixture(autouse=True)
def _people(conn: Connection, ids: Ids) -> None:
    till.settle(conn, ids)


def came(conn: Connection, books: Books, reference: str, amount: int, at: datetime) -> None:
    movement = Movement(source=WALLET, amount=amount, reference=reference, payer="", at=at)
    paybill.receive(conn, books, movement, account="0042", actor="provider", now=NOW)


def said(conn: Connection, books: Books, *lines: tuple[str, int, date]) -> None:
    made = [
        Line(number=number, day=day, amount=amount, reference=reference)
        for number, (reference, amount, day) in enumerate(lines, start=1)
    ]
    statements.add(conn, books, WALLET, made, by="api", actor="provider", now=NOW)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def test_a_day_is_compared_worked_off_and_signed(conn: Connection, books: Books) -> None:
    came(conn, books, "T1", 100, noon(DAY))
    came(conn, books, "T2", 200, noon(DAY))
    came(conn, books, "T3", 300, noon(DAY))
    said(conn, books, ("T1", 100, DAY), ("T2", 201, DAY), ("T4", 400, DAY))
    found = reconciliation.run(conn, books, WALLET, DAY, NOW)
    assert {kind.value: many for kind, many in found.counts.items() if many} == {
        "match": 1, "differs": 1, "ours": 1, "theirs": 1,
    }  # fmt: skip
    assert found.open == 3
    assert reconciliation.run(conn, books, WALLET, DAY, NOW + timedelta(hours=1)).counts == found.counts
    with pytest.raises(Refused, match="3 rows"):
        reconciliation.sign(conn, books, WALLET, DAY, actor="staff:njeri", note="", now=NOW)
    with pytest.raises(Refused, match="say what it is"):
        reconciliation.close(conn, books, 1, actor="staff:njeri", note="  ", now=NOW)
    for row in reconciliation.open_rows(conn):
        reconciliation.close(conn, books, row.id, actor="staff:njeri", note="asked the provider", now=NOW)
    reconciliation.sign(conn, books, WALLET, DAY, actor="staff:njeri", note="fine", now=NOW)
    (day,) = reconciliation.days(conn)
    assert (day.open, day.signed_by) == (0, "staff:njeri")
    with pytest.raises(Refused, match="has signed"):
        reconciliation.sign(conn, books, WALLET, DAY, actor="staff:other", note="", now=NOW)
    kinds = {entry.action for entry in audit.listing(conn)}
    assert {"close reconciliation row", "sign reconciliation"} <= kinds


def test_a_late_line_finds_its_transaction_and_opens_the_day_again(conn: Connection, books: Books) -> None:
    came(conn, books, "T1", 100, noon(DAY))
    reconciliation.run(conn, books, WALLET, DAY, NOW)
    (row,) = reconciliation.rows(conn, WALLET, DAY)
    assert row.found is Found.OURS
    reconciliation.close(conn, books, row.id, actor="staff:njeri", note="will come", now=NOW)
    reconciliation.sign(conn, books, WALLET, DAY, actor="staff:njeri", note="", now=NOW)
    said(conn, books, ("T1", 100, DAY + timedelta(days=1)))
    again = reconciliation.run(conn, books, WALLET, DAY, NOW)
    assert (again.open, again.signed_by) == (1, None)
    (row,) = reconciliation.rows(conn, WALLET, DAY)
    assert (row.found, row.open, row.note) == (Found.LATE, True, "will come")
    assert reconciliation.run(conn, books, WALLET, DAY + timedelta(days=1), NOW).open == 0  # listed once, on our day


def test_two_rows_become_one_when_they_turn_out_to_be_the_same(conn: Connection, books: Books) -> None:
    said(conn, books, ("T1", 100, DAY))
    reconciliation.run(conn, books, WALLET, DAY, NOW)
    assert [row.found for row in reconciliation.rows(conn, WALLET, DAY)] == [Found.THEIRS]
    came(conn, books, "T1", 100, noon(DAY))
    reconciliation.run(conn, books, WALLET, DAY, NOW)
    (row,) = reconciliation.rows(conn, WALLET, DAY)
    assert (row.found, row.open, row.closed_by) == (Found.MATCH, False, reconciliation.EXACT)


def test_the_day_and_the_month_are_the_organisation_s(conn: Connection, books: Books) -> None:
    """23:30 in Nairobi on the last of the month is the same day there, and 00:30 on the first the day before in UTC."""
    last, first = date(2026, 10, 31), date(2026, 11, 1)
    came(conn, books, "T1", 100, datetime(2026, 10, 31, 20, 30, tzinfo=UTC))
    came(conn, books, "T2", 200, datetime(2026, 10, 31, 21, 30, tzinfo=UTC))
    said(conn, books, ("T1", 100, last), ("T2", 200, first))
    for day in (last, first):
        found = reconciliation.run(conn, books, WALLET, day, NOW)
        assert (found.counts[Found.MATCH], found.open) == (1, 0), day
    assert reconciliation.sources(conn, books, last) == (WALLET,)
    assert reconciliation.sources(conn, books, date(2026, 11, 2)) == ()


def test_what_is_open_of_the_week_is_compared_again(conn: Connection, books: Books) -> None:
    came(conn, books, "T1", 100, noon(DAY))
    reconciliation.run(conn, books, WALLET, DAY, NOW)
    assert reconciliation.due(conn, date(2026, 11, 24)) == [(WALLET, DAY)]
    assert reconciliation.due(conn, date(2026, 11, 29)) == []


def test_what_was_counted_against_the_book(conn: Connection, books: Books) -> None:
    from gateway.affairs import ledger
    from gateway.affairs.ledger import Entry, Posting

    box, shop = Account(AccountKind.VOUCHERS, "none"), Account(AccountKind.CASH, "5301")
    entry = Entry(
        key="x", kind="test", postings=(Posting(shop, 700), Posting(box, -700)), effective=noon(DAY), actor="x",
        currency="KES",
    )  # fmt: skip
    ledger.post(conn, books.new_id, entry, NOW)
    assert [pair.found for pair in reconciling.pairs(conn, books, shop, DAY, NOW)] == [Found.OURS]
    reconciling.count(conn, books, shop, DAY, 650, by="close", actor="member:1", now=NOW)
    assert [pair.found for pair in reconciling.pairs(conn, books, shop, DAY, NOW)] == [Found.DIFFERS]
    reconciling.count(conn, books, shop, DAY, 700, by="close", actor="member:1", now=NOW)
    assert [pair.found for pair in reconciling.pairs(conn, books, shop, DAY, NOW)] == [Found.MATCH]
