"""收 COLLECT: nothing is booked but by the member's own Y, whatever is repeated, guessed, late or doubled."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from queue import Queue
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from gateway.affairs import cases, claims, paycodes, receipts, settings
from gateway.affairs.ledger import AccountKind
from gateway.console import case_query
from gateway.console.permissions import Grant, Staff
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.money import posting, txn
from gateway.core.tables.organisation import number, role_grant
from tests.commands.people import IDS
from tests.commands.village import (
    AUDITOR,
    CHEN,
    FINANCE,
    HE,
    LI,
    SECOND_TREASURER,
    SECRETARY,
    TREASURER,
    WANG,
    Village,
    code,
    phone_of,
)

CASH, INCOME, SUSPENSE = AccountKind.CASH, AccountKind.INCOME, AccountKind.SUSPENSE
ANHE_CODE = "530102017"


@pytest.fixture
def village(conn: Connection) -> Village:
    made = Village(conn)
    made.owe(CHEN, 202606, 202607, 202608)
    return made


def _entries(village: Village) -> int:
    return int(village.conn.execute(select(func.count()).select_from(txn)).scalar_one())


def test_the_member_s_yes_books_it_and_both_get_a_receipt(village: Village) -> None:
    assert (
        village.says(TREASURER, "收 4107 9") == "已向成员尾4107发确认码，收现金9.00元。对方回Y后出收据。手中现金9.00元"
    )
    assert village.last is not None
    assert village.last.last.command == "COLLECT"
    asked = village.heard(CHEN)
    assert len(asked) == 1
    assert asked[0].startswith("会计登记收到您的会费现金9.00元。属实回Y ")
    assert village.told[0].secret
    assert _entries(village) == 0
    text = village.says(CHEN, f"Y {code(asked)}")
    found = re.fullmatch(r"收据(\d{9})：会费9.00元，现金，交至8月，安河村支部。疑问回16 \1", text)
    assert found, text
    number = found.group(1)
    assert village.heard(TREASURER) == [f"成员尾4107现金9.00元已确认入账，收据{number}。手中现金9.00元"]
    assert village.balance(CASH, TREASURER) == 900
    assert village.balance(INCOME, ANHE_CODE) == -900
    rows = village.conn.execute(select(posting.c.account, posting.c.amount).order_by(posting.c.amount)).all()
    assert [tuple(row) for row in rows] == [(f"income:{ANHE_CODE}:CNY", -900), (f"cash:{TREASURER}:CNY", 900)]
    assert village.says(CHEN, "11").startswith("会费已交清，交至8月")


@pytest.mark.parametrize(
    "said", ["收4107 9", "收 4107 9元", "COLLECT 4107 9.00", "shou 530102014107 九元", "收 014107 9块"]
)
def test_ways_to_say_it(village: Village, said: str) -> None:
    village.says(TREASURER, said)
    assert len(village.heard(CHEN)) == 1


def test_a_member_of_another_branch_and_no_member_are_the_same(village: Village) -> None:
    other = village.says(TREASURER, "收 4555 9")
    nobody = village.says(TREASURER, "收 9999 9")
    assert other == nobody
    assert village.error == "E04"
    assert village.heard(HE) == []


def test_a_tail_of_two_members_is_nobody_s(village: Village) -> None:
    """4107 ends two numbers, but only one of them in the treasurer's branch; 0102 would be all."""
    village.says(TREASURER, "收 410 9")
    assert village.error == "E04"


def test_only_treasurers_collect(village: Village) -> None:
    village.says(LI, "收 4107 9")
    assert village.error == "E04"
    village.says("+8613900000000", "收 4107 9")
    assert village.error == "E02"
    assert village.heard(CHEN) == []


def test_the_amount_is_asked_for(village: Village) -> None:
    assert village.says(TREASURER, "收") == "请回复成员号、成员号后4位或6位交费号"
    assert village.says(TREASURER, "4107") == "请回复收到的金额，如9或9.50"
    assert village.says(TREASURER, "nine").startswith("金额不对")
    assert village.error == "E11"
    assert village.says(TREASURER, "9").startswith("已向成员尾4107发确认码")
    assert len(village.heard(CHEN)) == 1


@pytest.mark.parametrize("amount", ["0", "0.1", "9.555", "5001"])
def test_bad_amounts(village: Village, amount: str) -> None:
    assert village.says(TREASURER, f"收 4107 {amount}") == "金额不对，请写数字，如9或9.50。最少0.20元"
    assert village.error == "E11"


# --- repeats ----------------------------------------------------------------------------------------------------------


def test_a_treasurer_s_repeated_sms_asks_once_and_books_once(village: Village) -> None:
    first = village.says(TREASURER, "收 4107 9")
    assert village.says(TREASURER, "收 4107 9") == first
    asked = village.heard(CHEN)
    assert len(asked) == 1
    village.says(CHEN, f"Y {code(asked)}")
    village.heard(TREASURER)
    village.waits(minutes=5)
    assert village.says(TREASURER, "收 4107 9") == "您已办过成员尾4107今天的9.00元，不能重复"
    assert village.error == "E06"
    assert village.heard(CHEN) == []
    assert _entries(village) == 1


def test_asked_again_later_the_code_is_another(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    first = code(village.heard(CHEN))
    village.waits(minutes=30)
    village.says(TREASURER, "收 4107 9")
    second = code(village.heard(CHEN))
    if first != second:
        village.says(CHEN, f"Y {first}")
        assert village.error == "E07"
    assert village.says(CHEN, f"Y {second}").startswith("收据")
    assert _entries(village) == 1


def test_the_member_s_yes_twice(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    answer = f"Y {code(village.heard(CHEN))}"
    first = village.says(CHEN, answer)
    village.heard(TREASURER)
    assert village.says(CHEN, answer) == first
    assert village.heard(TREASURER) == []
    assert _entries(village) == 1


def test_two_treasurers_at_once(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    refused = village.says(SECOND_TREASURER, "收 4107 9")
    assert refused == "成员尾4107的9.00元正由另一位会计登记，等对方答复后再办"
    asked = village.heard(CHEN)
    assert len(asked) == 1
    village.says(CHEN, f"Y {code(asked)}")
    assert (village.balance(CASH, TREASURER), village.balance(CASH, SECOND_TREASURER)) == (900, 0)


# --- codes ------------------------------------------------------------------------------------------------------------


def test_a_yes_from_another_number_is_nothing(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    answer = f"Y {code(village.heard(CHEN))}"
    assert village.says(LI, answer) == "没有等您确认的事，或码已过期。看菜单回0"
    assert village.says(TREASURER, answer) == "没有等您确认的事，或码已过期。看菜单回0"
    assert _entries(village) == 0
    assert village.says(CHEN, answer).startswith("收据")


def test_guessing_locks_and_the_code_is_dead(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    right = code(village.heard(CHEN))
    wrong = f"{(int(right) + 1) % 10_000:04}"
    assert village.says(CHEN, f"Y {wrong}") == "码不对或已过期，还可试2次。请核对后重发"
    village.says(CHEN, f"Y {wrong}")
    assert village.says(CHEN, f"Y {wrong}").startswith("试错过多")
    assert village.error == "E08"
    village.waits(minutes=16)
    village.says(CHEN, f"Y {right}")
    assert _entries(village) == 0
    village.says(TREASURER, "收 4107 9")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")


def test_yes_without_its_code_is_asked_for(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    right = code(village.heard(CHEN))
    assert village.says(CHEN, "是").startswith("请回Y加短信里的4位码")
    assert village.says(CHEN, f"属实{right}").startswith("收据")


def test_a_cash_code_lives_beside_other_codes(village: Village) -> None:
    """A member may ask for something else with a code of its own before answering the treasurer."""
    village.says(TREASURER, "收 4107 9")
    cash_code = code(village.heard(CHEN))
    village.says(LI, "12")
    assert "确认回Y" in village.says(CHEN, "15 530102014108 9")
    village.waits(hours=2)
    assert village.says(CHEN, f"Y {cash_code}").startswith("收据")


# --- no answer, and no ------------------------------------------------------------------------------------------------


def test_no_opens_a_dispute_for_the_auditor_and_not_for_the_treasurer(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    answer = f"N {code(village.heard(CHEN))}"
    text = village.says(CHEN, answer)
    found = re.fullmatch(r"已登记您回的N，这笔未入账，号(1\d{8})，由审计\(不经会计\)核实", text)
    assert found, text
    assert village.heard(AUDITOR) == [f"现金收费有争议，号{found.group(1)}，请在系统中核实"]
    assert village.heard(TREASURER) == ["成员尾4107对现金9.00元回了N，未入账，已转审计核实"]
    case = cases.find(village.conn, found.group(1))
    assert case is not None
    assert case.kind == "dispute"
    assert _entries(village) == 0
    (claim,) = claims.listing(village.conn)
    assert (claim.state, claim.case_no) == ("denied", case.case_no)
    assert village.says(CHEN, answer) == text
    assert len(cases.of_number(village.conn, phone_of(CHEN))) == 1
    assert village.says(CHEN, answer.replace("N", "Y")) == text  # too late to say yes


def test_what_was_denied_may_be_asked_about_again(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    village.says(CHEN, f"N {code(village.heard(CHEN))}")
    village.waits(minutes=2)
    assert village.says(TREASURER, "收 4107 9").startswith("已向成员尾4107发确认码")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")


def test_a_dispute_is_not_the_desk_s_nor_the_branch_s(village: Village) -> None:
    """Whoever could be the treasurer's friend does not read it, and no free text of the member lands in it."""
    village.says(TREASURER, "收 4107 9")
    village.says(CHEN, f"N {code(village.heard(CHEN))}")
    (case,) = cases.of_number(village.conn, phone_of(CHEN))
    lead = Staff(id=1, name="lead", language=None, grants=(Grant(role="lead"), Grant(role="secretary")))
    assert case_query.find(village.conn, lead, case.case_no) is None
    assert case_query.page(village.conn, lead, "open", None, village.now) == ()
    assert case_query.open_for(village.conn, lead) == 0
    assert cases.thread(village.conn, phone_of(CHEN), village.now) is None
    village.says(SECRETARY, f"R {case.case_no} nothing to see")
    assert village.error == "E04"


def test_nobody_answers_for_a_day(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    answer = f"Y {code(village.heard(CHEN))}"
    village.waits(hours=25)
    (lapsed,) = claims.lapse(village.conn, village.office.books, village.now)
    assert claims.lapse(village.conn, village.office.books, village.now) == ()
    assert lapsed.member_id == CHEN
    (claim,) = claims.listing(village.conn, states=["unconfirmed"])
    assert claim.suspended
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (900, -900)
    assert village.says(CHEN, answer) == "没有等您确认的事，或码已过期。看菜单回0"
    village.says(TREASURER, "收 4107 9")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (900, 0)
    assert village.balance(INCOME, ANHE_CODE) == -900


def test_finance_ends_what_nobody_confirms(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    village.waits(hours=25)
    (lapsed,) = claims.lapse(village.conn, village.office.books, village.now)
    books = village.office.books
    assert claims.decide(village.conn, books, lapsed.id, paid=False, by="staff:钱", now=village.now) is None
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (0, 0)
    for by in ("staff:钱", "staff:孙"):  # what is decided stays so
        assert claims.decide(village.conn, books, lapsed.id, paid=True, by=by, now=village.now) is None
    assert (village.balance(CASH, TREASURER), village.balance(INCOME, ANHE_CODE)) == (0, 0)
    decided = claims.find(village.conn, lapsed.id)
    assert decided is not None
    assert (decided.state, decided.decided_by, decided.receipt_no) == ("denied", "staff:钱", None)
    village.says(TREASURER, "收 4107 6")
    village.says(CHEN, f"N {code(village.heard(CHEN))}")
    (denied,) = claims.listing(village.conn, states=["denied"])[:1]
    receipt = claims.decide(village.conn, books, denied.id, paid=True, by="staff:钱", now=village.now)
    assert receipt is not None
    assert receipt.amount == 600
    assert claims.decide(village.conn, books, denied.id, paid=True, by="staff:钱", now=village.now) is None
    case = cases.find(village.conn, denied.case_no or "")
    assert case is not None
    assert case.state == cases.CLOSED


# --- pay codes --------------------------------------------------------------------------------------------------------


def _pay_code(village: Village, person: int = CHEN) -> str:
    village.says(person, "12")
    found = re.search(r"交费号(\d{6})", village.says(person, "1"))
    assert found
    return found.group(1)


def test_a_pay_code_says_it_all_and_is_used_once(village: Village) -> None:
    pay_code = _pay_code(village)
    assert village.says(TREASURER, f"收 {pay_code}").startswith("已向成员尾4107发确认码，收现金9.00元")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    assert paycodes.find(village.conn, pay_code, village.now) is None
    village.waits(minutes=2)
    assert village.says(TREASURER, f"收 {pay_code}") == "您不能使用此项。如有疑问请联系支部或回71"


def test_a_pay_code_of_another_branch_is_none(village: Village) -> None:
    village.owe(HE, 202608)
    village.conn.commit()
    village.says(HE, "12 3")
    code_row = paycodes.give(
        village.conn, IDS, village.random, member_id=HE, amount=300, surplus="prepaid", now=village.now
    )
    village.says(TREASURER, f"收 {code_row.code}")
    assert village.error == "E04"


def test_a_pay_code_is_over_after_seven_days(village: Village) -> None:
    pay_code = _pay_code(village)
    village.waits(days=7, minutes=1)
    village.says(TREASURER, f"收 {pay_code}")
    assert village.error == "E04"
    assert paycodes.expire(village.conn, village.now) == 1


def test_asked_again_a_pay_code_is_the_same_and_for_another_amount_another(village: Village) -> None:
    first = _pay_code(village)
    assert _pay_code(village) == first
    village.says(CHEN, "12 6")
    found = re.search(r"交费号(\d{6})", village.says(CHEN, "1"))
    assert found
    assert found.group(1) != first
    assert paycodes.find(village.conn, first, village.now) is None


# --- without a phone, above a limit -----------------------------------------------------------------------------------


def test_a_member_without_a_phone_needs_a_slip_and_a_second_officer(village: Village) -> None:
    village.owe(WANG, 202608)
    assert village.says(TREASURER, "收 4109 3") == "这位成员没有手机。请给本人纸条，并回复纸条上的号码"
    assert village.says(TREASURER, "0815").startswith("尾4109现金3.00元已请支部另一人确认")
    asked = village.heard(SECRETARY)
    assert "纸条号0815" in asked[0]
    assert village.says(SECRETARY, f"Y {code(asked)}").startswith("谢谢，已确认。收据")
    (booked,) = receipts.of_member(village.conn, WANG)
    assert booked.note == "slip 0815"
    assert village.balance(CASH, TREASURER) == 300
    village.owe(WANG, 202609)
    assert village.says(TREASURER, "收 4109 6 0815") == "这个纸条号已用过，请核对后重发"


def test_without_a_second_officer_nothing_is_recorded(conn: Connection) -> None:
    village = Village(conn)
    village.conn.execute(cash_claim.delete())
    conn.execute(role_grant.delete().where(role_grant.c.member_id.in_((SECRETARY, SECOND_TREASURER))))
    assert village.says(TREASURER, "收 4109 3 0815").startswith("需要支部另一人用短信确认")
    assert claims.listing(conn) == ()


def test_four_eyes_above_a_limit(village: Village) -> None:
    assert village.says(TREASURER, "收 4107 201").startswith("尾4107现金201.00元已请支部另一人确认")
    assert village.heard(CHEN) == []
    asked = village.heard(SECRETARY)
    assert "超出单人限额" in asked[0]
    (waiting,) = claims.listing(village.conn)
    early = claims.confirm(village.conn, village.office.books, waiting.id, actor=f"member:{CHEN}", now=village.now)
    assert early is None
    assert village.says(SECRETARY, f"Y {code(asked)}") == "谢谢，已确认。接下来由本人确认"
    assert _entries(village) == 0
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    assert village.balance(CASH, TREASURER) == 20100


def test_two_halves_are_as_much_as_the_whole(village: Village) -> None:
    """Of one treasurer and member on one day; the next day, and another member, begin anew."""
    village.says(TREASURER, "收 4107 120")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    assert village.says(TREASURER, "收 4107 81").startswith("尾4107现金81.00元已请支部另一人确认")
    assert village.heard(CHEN) == []
    assert village.says(SECRETARY, f"Y {code(village.heard(SECRETARY))}") == "谢谢，已确认。接下来由本人确认"
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    village.waits(hours=24)
    village.says(TREASURER, "收 4107 80")
    assert village.heard(SECRETARY) == []
    assert village.heard(CHEN)


def test_time_does_not_stand_in_for_the_second_officer(village: Village) -> None:
    """Asked for again once it was never confirmed, it needs both of them as before."""
    village.says(TREASURER, "收 4107 201")
    village.heard(SECRETARY)
    village.waits(hours=25)
    assert len(claims.lapse(village.conn, village.office.books, village.now)) == 1
    assert village.says(TREASURER, "收 4107 201").startswith("尾4107现金201.00元已请支部另一人确认")
    assert village.heard(CHEN) == []
    assert village.says(SECRETARY, f"Y {code(village.heard(SECRETARY))}") == "谢谢，已确认。接下来由本人确认"
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (20100, 0)


def test_a_member_who_gave_up_the_phone_is_not_asked_in_vain(village: Village) -> None:
    village.says(TREASURER, "收 4107 201")
    village.conn.execute(number.delete().where(number.c.member_id == CHEN))
    assert village.says(SECRETARY, f"Y {code(village.heard(SECRETARY))}") == "这笔已办结或已过期"
    (claim,) = claims.listing(village.conn)
    assert claim.state == claims.SECOND


def test_what_waits_with_a_colleague_is_not_asked_for_twice(village: Village) -> None:
    """The first treasurer's was never confirmed, the second's waits: both at once would be one payment twice."""
    village.says(TREASURER, "收 4107 9")
    village.waits(hours=25)
    claims.lapse(village.conn, village.office.books, village.now)
    village.says(SECOND_TREASURER, "收 4107 9")
    answer = f"Y {code(village.heard(CHEN))}"
    refused = village.says(TREASURER, "收 4107 9")
    assert refused == village.says(TREASURER, "收 4107 9")
    assert village.heard(CHEN) == []
    assert village.says(CHEN, answer).startswith("收据")
    assert (village.balance(CASH, SECOND_TREASURER), village.balance(INCOME, ANHE_CODE)) == (900, -900)


@pytest.mark.parametrize("late", ["lapse", "carry", "not"])
def test_a_yes_at_the_moment_when_time_runs_out(village: Village, late: str) -> None:
    """Another process, which has seen the claim wait, comes second: it finds that it is booked."""
    conn, books = village.conn, village.office.books
    if conn.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    village.says(TREASURER, "收 4107 9")
    (claim,) = claims.listing(conn)
    if late == "not":
        claims.lapse(conn, books, village.now + timedelta(hours=25))
    conn.commit()
    works: dict[str, Any] = {
        "lapse": lambda other: claims.lapse(other, books, village.now + timedelta(hours=25)),
        "carry": lambda other: claims.carry(other, books, TREASURER, village.now),
        "not": lambda other: claims.decide(other, books, claim.id, paid=False, by="staff:钱", now=village.now),
    }

    def second() -> Any:
        with conn.engine.begin() as other:
            pid.put(other.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
            return works[late](other)

    pid: Queue[int] = Queue()
    claims.confirm(conn, books, claim.id, actor="member:11", now=village.now)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        blocked, query = pid.get(), "SELECT cardinality(pg_blocking_pids(%s))"
        while not conn.exec_driver_sql(query, (blocked,)).scalar_one() and not waiting.done():
            pass
        conn.commit()
        waiting.result()
    (claim,) = claims.listing(conn)
    assert claim.state == claims.CONFIRMED
    assert (village.balance(CASH, TREASURER), village.balance(SUSPENSE, TREASURER)) == (900, 0)
    assert village.balance(INCOME, ANHE_CODE) == -900


def test_the_second_officer_says_no(village: Village) -> None:
    village.says(TREASURER, "收 4107 201")
    assert village.says(SECRETARY, f"N {code(village.heard(SECRETARY))}").startswith("已登记您回的N")
    assert village.heard(CHEN) == []
    assert len(village.heard(AUDITOR)) == 1


def test_a_treasurer_s_day_has_a_limit(village: Village) -> None:
    settings.change(village.conn, IDS, "cash.day_limit", 1000, actor="test", now=village.now)
    village.says(TREASURER, "收 4107 9")
    assert (
        village.says(TREASURER, "收 4108 2") == "今天的收款已到限额，2.00元未登记。请先上交，明天再收或由另一位会计收"
    )
    assert village.says(TREASURER, "收 4108 1").startswith("已向成员尾4108发确认码")
    village.waits(days=1)
    assert village.says(TREASURER, "收 4108 2").startswith("已向成员尾4108发确认码")


def test_nobody_collects_from_themselves(village: Village) -> None:
    assert village.says(TREASURER, "收 0021 9") == "自己的会费要由另一位会计来收"
    assert village.says(SECOND_TREASURER, "收 0021 9").startswith("已向成员尾0021发确认码")


def test_what_is_said_stays_masked_in_the_log(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    assert village.last is not None
    assert village.last.last.log_text == "收 **** *"
    assert "4107" not in (village.last.last.reply_text or "")
    assert "9.00" not in (village.last.last.reply_text or "")


# --- falling over -----------------------------------------------------------------------------------------------------


def test_a_work_that_is_rolled_back_can_be_done_again(village: Village) -> None:
    """As after kill -9: what was not committed has not happened, and the same texts lead to one entry."""
    conn = village.conn
    conn.commit()
    village.says(TREASURER, "收 4107 9")
    conn.rollback()
    assert claims.listing(conn) == ()
    village.inbox.clear()
    village.says(TREASURER, "收 4107 9")
    conn.commit()
    answer = f"Y {code(village.heard(CHEN))}"
    village.says(CHEN, answer)
    conn.rollback()
    assert (village.balance(CASH, TREASURER), _entries(village)) == (0, 0)
    first = village.says(CHEN, answer)
    conn.commit()
    assert first.startswith("收据")
    assert village.says(CHEN, answer) == first
    assert (village.balance(CASH, TREASURER), _entries(village)) == (900, 1)


def test_a_payer_of_finance_is_no_treasurer(village: Village) -> None:
    village.says(FINANCE, "收 4107 9")
    assert village.error == "E04"


def test_any_order_of_yes_no_repeat_and_time_books_at_most_once(village: Village) -> None:
    """One ledger entry, or none and a visible open item."""
    conn = village.conn
    conn.commit()
    steps: dict[str, Any] = {
        "again": lambda right: village.says(TREASURER, "收 4107 9"),
        "yes": lambda right: village.says(CHEN, f"Y {right()}"),
        "no": lambda right: village.says(CHEN, f"N {right()}"),
        "lapse": lambda right: claims.lapse(conn, village.office.books, village.now + timedelta(hours=25)),
    }
    for order in itertools.permutations(steps):
        begun = village.now
        village.inbox.clear()
        village.says(TREASURER, "收 4107 9")
        codes = [code(village.heard(CHEN))]

        def right(codes: list[str] = codes) -> str:
            if fresh := village.heard(CHEN):
                codes.append(code(fresh) if "回Y" in fresh[-1] else codes[-1])
            return codes[-1]

        for step in order:
            steps[step](right)
        states = sorted(claim.state for claim in claims.listing(conn))
        income = village.balance(INCOME, ANHE_CODE)
        assert income in (0, -900), order
        assert (income == -900) == ("confirmed" in states), (order, states)
        held = village.balance(CASH, TREASURER)
        assert held == -income - village.balance(SUSPENSE, TREASURER), order
        conn.rollback()
        village.now = begun
