"""日结 CLOSE, 上交 REMIT, 到账 ARRIVED and 未到 MISSING: the treasurer's box, its day and what is handed on."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection

from gateway.affairs import cash, cashdays, claims, reconciliation, remittances, statements
from gateway.affairs.comparing import Found
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.statement_lines import Line
from gateway.affairs.statements import Outcome
from tests.commands.village import AUDITOR, CHEN, FINANCE, LI, TREASURER, Village, code

CASH, SUSPENSE, OVER_SHORT = AccountKind.CASH, AccountKind.SUSPENSE, AccountKind.OVER_SHORT
TRANSIT, BANK = AccountKind.TRANSIT, AccountKind.BANK
ANHE_CODE = "530102017"


@pytest.fixture
def village(conn: Connection) -> Village:
    made = Village(conn)
    made.owe(CHEN, 202606, 202607, 202608)
    return made


def _take(village: Village, tail: str = "4107", amount: str = "9", person: int = CHEN) -> None:
    village.says(TREASURER, f"收 {tail} {amount}")
    village.says(person, f"Y {code(village.heard(person))}")
    village.heard(TREASURER)


def test_a_day_is_closed_with_its_difference(village: Village) -> None:
    _take(village)
    asked = village.says(TREASURER, "日结 8")
    assert re.fullmatch(r"账面9.00元，实点8.00元，差-1.00元。回Y \d{4}记差额，N重点", asked)
    assert village.says(TREASURER, f"Y {code(asked)}") == "已日结，实点8.00元，差-1.00元。上交回“上交”加金额"
    assert (village.balance(CASH, TREASURER), village.balance(OVER_SHORT, ANHE_CODE)) == (800, 100)
    (day,) = cashdays.of_day(village.conn, "2026-08-18", "/5301/530102017/")
    assert (day.book, day.counted, day.difference) == (900, 800, -100)
    assert village.says(TREASURER, "日结 8") == "您已办过今天的日结，不能重复"
    assert village.error == "E06"


def test_counted_as_booked(village: Village) -> None:
    _take(village)
    asked = village.says(TREASURER, "CLOSE 9")
    assert asked.startswith("账面和实点都是9.00元，账实相符。日结回Y ")
    village.says(TREASURER, f"Y {code(asked)}")
    assert village.balance(OVER_SHORT, ANHE_CODE) == 0
    assert len(cashdays.of_treasurer(village.conn, TREASURER)) == 1


def test_no_means_count_again(village: Village) -> None:
    _take(village)
    asked = village.says(TREASURER, "日结 8")
    assert village.says(TREASURER, f"N {code(asked)}") == "没有日结。请重点后再发日结和实点金额，如日结165"
    assert cashdays.of_treasurer(village.conn, TREASURER) == ()


def test_an_empty_box_can_be_closed(village: Village) -> None:
    asked = village.says(TREASURER, "日结 0")
    assert village.says(TREASURER, f"Y {code(asked)}").startswith("已日结，实点0.00元")


def test_who_writes_no_amount_is_told_the_least_of_that_command(village: Village) -> None:
    assert village.says(TREASURER, "上交 0") == "金额不对，请写数字，如9或9.50。最少0.01元"
    assert village.says(TREASURER, "日结 9.999") == "金额不对，请写数字，如9或9.50。最少0.00元"


def test_a_day_is_not_closed_twice_by_two_codes(village: Village) -> None:
    """The second question voids the first code; and were both right, one row stands for the day."""
    _take(village)
    first = village.says(TREASURER, "日结 8")
    second = village.says(TREASURER, "日结 9")
    village.says(TREASURER, f"Y {code(second)}")
    village.says(TREASURER, f"Y {code(first)}")
    (day,) = cashdays.of_treasurer(village.conn, TREASURER)
    assert day.counted == 900
    assert village.balance(OVER_SHORT, ANHE_CODE) == 0


def test_what_changed_between_count_and_yes_is_counted_again(village: Village) -> None:
    _take(village)
    asked = village.says(TREASURER, "日结 9")
    village.says(TREASURER, "收 4108 3")
    assert village.says(TREASURER, f"Y {code(asked)}") == "账面刚才变为12.00元，没有日结。请重点后再发一次"
    assert cashdays.of_treasurer(village.conn, TREASURER) == ()


def test_what_waits_at_the_close_is_carried_in_suspense_and_can_still_be_confirmed(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    answer = f"Y {code(village.heard(CHEN))}"
    asked = village.says(TREASURER, "日结 9")
    assert "其中未确认9.00元" in asked
    village.says(TREASURER, f"Y {code(asked)}")
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (900, -900)
    village.waits(hours=3)
    assert village.says(CHEN, answer).startswith("收据")
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (900, 0)
    assert village.balance(AccountKind.INCOME, ANHE_CODE) == -900


def test_nothing_is_collected_after_the_close_until_the_next_day(village: Village) -> None:
    asked = village.says(TREASURER, "日结 0")
    village.says(TREASURER, f"Y {code(asked)}")
    assert village.says(TREASURER, "收 4107 9") == "今天的收款已于8/18 10:00结束"
    assert village.error == "E05"
    assert village.heard(CHEN) == []
    village.waits(days=1)
    assert village.says(TREASURER, "收 4107 9").startswith("已向成员尾4107")


def test_days_and_months_end_where_the_organisation_is(village: Village) -> None:
    """16:30 UTC on the last of August is half past midnight on the first of September in Shanghai."""
    village.now = datetime(2026, 8, 31, 15, 30, tzinfo=UTC)
    asked = village.says(TREASURER, "日结 0")
    village.says(TREASURER, f"Y {code(asked)}")
    village.now = datetime(2026, 8, 31, 16, 30, tzinfo=UTC)
    _take(village)
    asked = village.says(TREASURER, "日结 9")
    village.says(TREASURER, f"Y {code(asked)}")
    assert [day.day for day in cashdays.of_treasurer(village.conn, TREASURER)] == ["2026-09-01", "2026-08-31"]
    (claim,) = claims.listing(village.conn)
    assert claim.day == "2026-09-01"


def test_a_count_of_yesterday_does_not_close_today(village: Village) -> None:
    village.now = datetime(2026, 8, 31, 15, 55, tzinfo=UTC)
    asked = village.says(TREASURER, "日结 0")
    village.now += timedelta(minutes=8)
    assert village.says(TREASURER, f"Y {code(asked)}").startswith("账面刚才变为0.00元，没有日结")


@pytest.mark.parametrize("said", ["日结 9", "上交 9", "到账 190004410", "未到 190004410"])
def test_members_do_none_of_this(village: Village, said: str) -> None:
    village.says(LI, said)
    assert village.error == "E04"


# --- handing on -------------------------------------------------------------------------------------------------------


def _remit(village: Village, said: str = "上交 6 8812") -> str:
    _take(village)
    asked = village.says(TREASURER, said)
    assert re.fullmatch(r"上交6.00元，手中余3.00元。属实回Y \d{4}，不是回N \d{4}", asked)
    text = village.says(TREASURER, f"Y {code(asked)}")
    found = re.fullmatch(r"上交6.00元已记在途，单(1\d{8})。县财务确认到账后短信告知", text)
    assert found, text
    return found.group(1)


def test_money_is_in_transit_until_finance_has_found_it(village: Village) -> None:
    number = _remit(village)
    assert (village.balance(CASH, TREASURER), village.balance(TRANSIT, ANHE_CODE)) == (300, 600)
    assert village.heard(FINANCE) == [f"会计尾0021上交6.00元，单{number}。到账回：到账{number}，没到回：未到{number}"]
    asked = village.says(FINANCE, f"到账{number}")
    assert asked.startswith(f"上交单{number}的6.00元已到账？")
    assert village.says(FINANCE, f"Y {code(asked)}") == f"上交单{number}的6.00元已记到账"
    assert village.heard(TREASURER) == [f"您上交的6.00元已到账，单{number}"]
    assert (village.balance(TRANSIT, ANHE_CODE), village.balance(BANK, "5301")) == (0, 600)
    village.says(FINANCE, f"到账 {number}")
    assert village.error == "E04"
    found = remittances.find(village.conn, number)
    assert found is not None
    assert (found.reference, found.state, found.settled_by) == ("8812", "arrived", f"member:{FINANCE}")


def _statement_says(village: Village, number: str, day: date) -> Outcome:
    """The county's bank shows the remittance on this day."""
    line = Line(number=1, day=day, amount=600, reference="B1", text=f"cash paid in {number}")
    bank = Account(BANK, "county")
    (result,) = statements.add(
        village.conn, village.office.books, bank, [line], by="file", actor="staff:a", now=village.now
    )
    return result.outcome


def _compared(village: Village, day: date) -> dict[Found, int]:
    bank = Account(BANK, "county")
    found = reconciliation.run(village.conn, village.office.books, bank, day, village.now)
    return {name: many for name, many in found.counts.items() if many}


@pytest.mark.parametrize("first", ["finance", "statement"])
def test_finance_and_the_bank_s_statement_mean_the_same_money(village: Village, first: str) -> None:
    """Whoever comes first books it, for the day on which it was there; the other finds it."""
    village.office = replace(village.office, bank="county")
    number = _remit(village)
    today = date(2026, 8, 18)
    if first == "finance":
        village.says(FINANCE, f"Y {code(village.says(FINANCE, f'到账 {number}'))}")
        assert _statement_says(village, number, today) is Outcome.BOOKED
    else:
        village.waits(days=1)
        assert _statement_says(village, number, today) is Outcome.BOOKED
        village.says(FINANCE, f"到账 {number}")
        assert village.error == "E04"
    held = (
        village.balance(TRANSIT, ANHE_CODE),
        village.balance(BANK, "county"),
        village.balance(SUSPENSE, "bank:county"),
    )
    assert held == (0, 600, 0)
    assert _compared(village, today) == {Found.MATCH: 1}


def test_the_statement_knows_better_at_which_bank_it_is(village: Village) -> None:
    """Finance believed it at the first bank, or before any was named: it is not money that came twice."""
    number = _remit(village)
    village.says(FINANCE, f"Y {code(village.says(FINANCE, f'到账 {number}'))}")
    assert village.balance(BANK, "5301") == 600
    today = date(2026, 8, 18)
    assert _statement_says(village, number, today) is Outcome.BOOKED
    assert [village.balance(BANK, bank) for bank in ("5301", "county")] == [0, 600]
    assert village.balance(SUSPENSE, "bank:county") == 0
    assert _compared(village, today) == {Found.MATCH: 1}
    line = Line(number=1, day=today, amount=600, reference="B2", text=f"again {number}")
    bank = Account(BANK, "union")
    (again,) = statements.add(
        village.conn, village.office.books, bank, [line], by="file", actor="staff:a", now=village.now
    )
    assert again.outcome is Outcome.SUSPENSE


def test_what_did_not_arrive_is_on_the_treasurer_s_book_again(village: Village) -> None:
    number = _remit(village)
    village.says(FINANCE, f"Y {code(village.says(FINANCE, f'MISSING {number}'))}")
    assert village.heard(TREASURER)[0].startswith("您上交的6.00元财务没有收到")
    assert (village.balance(CASH, TREASURER), village.balance(TRANSIT, ANHE_CODE)) == (900, 0)


def test_finance_sends_no_yes_twice(village: Village) -> None:
    number = _remit(village)
    asked = village.says(FINANCE, f"到账 {number}")
    village.says(FINANCE, f"Y {code(asked)}")
    village.says(FINANCE, f"Y {code(asked)}")
    assert village.balance(BANK, "5301") == 600


def test_nobody_hands_on_more_than_they_hold(village: Village) -> None:
    _take(village)
    assert village.says(TREASURER, "上交 9.01") == "账上只有9.00元，不能上交更多。未确认的请先日结"
    assert remittances.listing(village.conn) == ()


def test_the_yes_of_a_remittance_twice_hands_on_once(village: Village) -> None:
    _take(village)
    asked = village.says(TREASURER, "上交 6")
    village.says(TREASURER, f"Y {code(asked)}")
    village.says(TREASURER, f"Y {code(asked)}")
    assert len(remittances.listing(village.conn, path="/5301/")) == 1
    assert village.balance(CASH, TREASURER) == 300


def test_the_auditor_writes_nothing(village: Village) -> None:
    number = _remit(village)
    village.says(AUDITOR, f"到账 {number}")
    assert village.error == "E04"


def test_the_box_and_the_book_agree_after_any_day(village: Village) -> None:
    """Cash is what came in, less what went on, whatever was counted: over and short takes the rest."""
    _take(village)
    _take(village, "4108", "5", LI)
    asked = village.says(TREASURER, "日结 13.50")
    village.says(TREASURER, f"Y {code(asked)}")
    asked = village.says(TREASURER, "上交 13.50")
    village.says(TREASURER, f"Y {code(asked)}")
    assert village.balance(CASH, TREASURER) == 0
    assert village.balance(OVER_SHORT, ANHE_CODE) == 50
    assert cash.in_hand(village.conn, village.office.books, TREASURER) == 0
