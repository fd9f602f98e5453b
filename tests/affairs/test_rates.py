"""Rates as data: the vectors of the rules, tables of other organisations, and files with errors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.affairs import assessing, rate_files, rates
from gateway.affairs.assessing import Assessed
from gateway.affairs.books import Books
from gateway.affairs.rates import DuesClass, Rates, Step, Unfit
from gateway.core.ids import Ids
from tests.affairs.people import NOW, branch, person

SHIPPED = rate_files.shipped("CNY")


@pytest.mark.parametrize(
    ("name", "base", "amount"),
    [
        ("wage", 1_800_00, 9_00),
        ("wage", 3_000_00, 15_00),
        ("wage", 3_000_01, 30_00),
        ("wage", 3_001_00, 30_01),
        ("wage", 5_000_00, 50_00),
        ("wage", 5_000_01, 75_00),
        ("wage", 10_000_00, 150_00),
        ("wage", 10_000_01, 200_00),
        ("wage", 50_000_01, 1_000_00),  # the cap of a month
        ("wage", 1_01_00, 51),  # 0.505
        ("pension", 5_000_00, 25_00),
        ("pension", 7_000_00, 70_00),
        ("工资", 1_800_00, 9_00),
    ],
)
def test_a_rate_is_of_the_whole_base(name: str, base: int, amount: int) -> None:
    found = SHIPPED.of(name)
    assert found is not None
    assert rates.assess(found, base=base) == amount


@pytest.mark.parametrize(
    ("name", "given_amount", "amount"),
    [
        ("farmer", 20, 20),
        ("farmer", 1_00, 1_00),
        ("student", None, 20),
        ("laid-off", None, 20),
        ("relief", None, 20),
        ("minimum-living", 20, 20),
        ("hardship", 0, 0),
        ("voluntary", 5_000_00, 5_000_00),
    ],
)
def test_an_amount_is_set_within_its_class(name: str, given_amount: int | None, amount: int) -> None:
    found = SHIPPED.of(name)
    assert found is not None
    assert rates.assess(found, amount=given_amount) == amount


@pytest.mark.parametrize(
    ("name", "base", "amount", "reason"),
    [
        ("farmer", None, 19, "amount:too_small"),
        ("farmer", None, 1_01, "amount:too_large"),
        ("farmer", None, None, "amount:missing"),
        ("farmer", 5_000_00, None, "base:not_wanted"),
        ("wage", None, None, "base:missing"),
        ("student", None, 21, "amount:too_large"),
    ],
)
def test_what_a_class_does_not_take(name: str, base: int | None, amount: int | None, reason: str) -> None:
    found = SHIPPED.of(name)
    assert found is not None
    with pytest.raises(Unfit, match=reason):
        rates.assess(found, base=base, amount=amount)


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_half_goes_up(dividend: int, divisor: int) -> None:
    found = rates.half_up(dividend, divisor)
    assert -divisor < 2 * (dividend - found * divisor) <= divisor or 2 * (found * divisor - dividend) == divisor
    assert rates.half_up(divisor, 2 * divisor) == 1


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(str.strip).filter(bool)


@st.composite
def tables(draw: st.DrawFn) -> Rates:
    found = draw(st.lists(names, min_size=1, max_size=4, unique_by=str.casefold))
    classes = []
    for name in found:
        uptos = sorted(draw(st.sets(st.integers(1, 10**8), max_size=3)))
        steps: tuple[Step, ...] = tuple(Step(upto=upto, ppm=draw(st.integers(0, 10**6))) for upto in uptos)
        another = draw(st.booleans())
        if steps or another:
            steps += (Step(upto=None, ppm=draw(st.integers(0, 10**6))),)
        least = draw(st.integers(0, 1000))
        most = draw(st.none() | st.integers(least, 10**6))
        classes.append(DuesClass(name=name, steps=steps, least=least, most=most, approval=draw(st.booleans())))
    return Rates(valid_from=draw(st.dates(date(2000, 1, 1), date(2100, 1, 1))), classes=tuple(classes))


@given(tables(), st.sampled_from([".toml", ".csv"]), st.sampled_from(["CNY", "UGX"]))
def test_a_table_that_is_written_is_read_again(table: Rates, suffix: str, currency: str) -> None:
    path = Path(f"/tmp/muster-rates-{id(table)}{suffix}")
    path.write_text(rate_files.write(table, suffix, currency), "utf-8")
    try:
        assert rate_files.read(path, currency) == table
    finally:
        path.unlink()


_HEAD = "valid_from = 2027-01-01\n[[class]]\nname = 'wage'\n"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", "valid_from = 2027-01-01", "no class"),
        ("a.toml", "valid_from = soon", "not TOML"),
        ("a.toml", "valid_from = 'soon'\n[[class]]\nname = 'a'", "valid_from is a day"),
        ("a.toml", _HEAD + "steps = [{upto = 30.001, ppm = 5}]", "at most 2 decimals"),
        ("a.toml", _HEAD + "steps = [{upto = 30.00, ppm = 5}]", "the last step"),
        ("a.toml", _HEAD + "steps = [{upto = 30, ppm = 5}, {upto = 20, ppm = 5}, {ppm = 5}]", "must rise"),
        ("a.toml", _HEAD + "steps = [{ppm = 0.5}]", "parts of a million"),
        ("a.toml", _HEAD + "step = []", "there is no step"),
        ("a.toml", _HEAD + "least = 5\nmost = 1", "the most is less"),
        ("a.toml", _HEAD + "[[class]]\nname = 'Wage'", "two classes"),
        ("a.toml", "currency = 'KES'\n" + _HEAD, "in KES"),
        ("a.csv", "class\nwage\n", "no column valid_from"),
        ("a.csv", "valid_from,class,rate\n2027-01-01,wage,5\n", "there is no rate"),
        ("a.csv", "valid_from,class,ppm\n2027-01-01,wage,half\n", "line 2: ppm"),
        ("a.csv", "valid_from,class,upto\n2027-01-01,wage,5\n", "line 2: there is an upto and no ppm"),
        ("a.csv", "valid_from,class\n2027-01-01,a\n2028-01-01,b\n", "same day"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(rates.Refused, match=says) as refused:
        rate_files.read(path, "CNY")
    assert str(path) in str(refused.value)


def test_another_organisation_loads_another_table(conn: Connection, ids: Ids, books: Books) -> None:
    assert rate_files.current(conn, "CNY", NOW.date()) == SHIPPED
    assert rate_files.current(conn, "KES", NOW.date()).classes == ()

    def table(year: int, most: int) -> Rates:
        steps = (Step(upto=1000, ppm=10_000), Step(upto=None, ppm=20_000))
        farmer = DuesClass(name="farmer", least=most, most=most, approval=True, labels={"zh": "农民"})
        return Rates(valid_from=date(year, 1, 1), classes=(DuesClass(name="wage", steps=steps), farmer))

    assert rates.store(conn, ids, table(2027, 50), actor="x", now=NOW)
    assert not rates.store(conn, ids, table(2027, 50), actor="x", now=NOW)
    assert rates.store(conn, ids, table(2027, 60), actor="x", now=NOW)
    assert rates.store(conn, ids, table(2028, 70), actor="x", now=NOW)
    assert rates.all_since(conn) == (date(2027, 1, 1), date(2028, 1, 1))
    assert rate_files.current(conn, "KES", date(2026, 12, 31)).classes == ()
    assert rate_files.current(conn, "KES", date(2027, 12, 31)) == table(2027, 60)
    assert rate_files.current(conn, "KES", date(2030, 1, 1)) == table(2028, 70)
    zhang = person(conn, ids, "1", branch(conn, ids))
    assessing.write(conn, books, [Assessed(zhang, "farmer", 60, 202701)], actor="x", now=NOW)
    with pytest.raises(rates.Refused, match="later day"):
        rates.store(conn, ids, table(2027, 80), actor="x", now=NOW)
