"""What each owes a month: the yearly assessment, the month's obligations, waivers, and what was put by."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import assessing, dues, ledger, payments, prepaid, verifying, waivers
from gateway.affairs.assessing import Assessed
from gateway.affairs.books import Books
from gateway.affairs.importing_rows import Outcome
from gateway.affairs.ledger import Account, AccountKind, Balance
from gateway.core.ids import Ids
from gateway.core.tables.organisation import member, obligation
from tests.affairs.people import NOW, branch, owes, person
from tests.affairs.test_payments import paid, payment

JANUARY = datetime(2027, 1, 3, tzinfo=UTC)


def owed(conn: Connection, member_id: int) -> dict[int, int]:
    rows = conn.execute(select(obligation.c.month, obligation.c.amount).where(obligation.c.member_id == member_id))
    return {row.month: row.amount for row in rows}


def assess_all(conn: Connection, books: Books, month: int, now: datetime = NOW, limit: int = 4) -> int:
    steps, after = 0, 0
    while (last := assessing.assess_month(conn, books, month, now, after, limit=limit)) is not None:
        steps, after = steps + 1, last
    return steps


def test_the_month_is_assessed_in_steps_and_adds_nothing_twice(conn: Connection, ids: Ids, books: Books) -> None:
    place = branch(conn, ids)
    people = [person(conn, ids, str(index), place, monthly=100 + index) for index in range(7)]
    person(conn, ids, "free", place, monthly=0)
    later = person(conn, ids, "later", place, dues_from=202701)
    owes(conn, people[2], 202612, amount=77)
    for _ in range(2):
        assert assess_all(conn, books, 202612) == 2
    rows = conn.execute(select(obligation.c.member_id, obligation.c.amount).order_by(obligation.c.member_id)).all()
    assert [tuple(row) for row in rows] == [
        (who, 77 if index == 2 else 100 + index) for index, who in enumerate(people)
    ]
    assert assessing.assess_month(conn, books, 202701, JANUARY) is None
    assert dues.owed(conn, [later], 202701)[later].months == 1


def test_an_assessment_counts_from_its_month(conn: Connection, ids: Ids, books: Books) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), monthly=300, dues_from=202611)
    rows = [Assessed(zhang, "wage", 900, 202701)]
    assert assessing.write(conn, books, rows, actor="x", now=NOW, dry_run=True) == [Outcome.CREATED]
    assert assessing.write(conn, books, rows, actor="x", now=NOW) == [Outcome.CREATED]
    assert assessing.write(conn, books, rows, actor="x", now=NOW) == [Outcome.UNCHANGED]
    assess_all(conn, books, 202611)
    assess_all(conn, books, 202612)
    assert conn.scalar(select(member.c.monthly_amount)) == 300
    assess_all(conn, books, 202701, JANUARY)
    assess_all(conn, books, 202702, JANUARY)
    assert owed(conn, zhang) == {202611: 300, 202612: 300, 202701: 900, 202702: 900}
    assert conn.execute(select(member.c.monthly_amount, member.c.dues_class)).one() == (900, "wage")


def test_months_that_have_begun_follow_a_late_assessment(conn: Connection, ids: Ids, books: Books) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), monthly=300, dues_from=202609)
    for month in (202609, 202610, 202611):
        owes(conn, zhang, month)
    payments.receive(conn, books, payment(zhang, 500), NOW)  # all of September, 200 of October
    assert assessing.write(conn, books, [Assessed(zhang, "wage", 900, 202609)], actor="x", now=NOW) == [Outcome.CREATED]
    assert owed(conn, zhang) == {202609: 300, 202610: 900, 202611: 900}
    assert assessing.write(conn, books, [Assessed(zhang, "wage", 100, 202609)], actor="x", now=NOW) == [Outcome.UPDATED]
    assert owed(conn, zhang) == {202609: 300, 202610: 200, 202611: 100}


def test_a_later_month_s_assessment_stays_in_force(conn: Connection, ids: Ids, books: Books) -> None:
    """One that counts from earlier on is entered, or agreed to, when there is a newer one already."""
    branch(conn, ids, "53")
    zhang = person(conn, ids, "1", branch(conn, ids, "5301", "53"), monthly=300, dues_from=202609)
    for month in (202609, 202610, 202611):
        owes(conn, zhang, month)
    for row in (Assessed(zhang, "wage", 700, 202611), Assessed(zhang, "wage", 500, 202609)):
        assessing.write(conn, books, [row], actor="x", now=NOW)
        assert owed(conn, zhang)[202611] == 700
    assert owed(conn, zhang) == {202609: 500, 202610: 500, 202611: 700}
    assert conn.scalar(select(member.c.monthly_amount)) == 700
    assessing.write(conn, books, [Assessed(zhang, "hardship", 0, 202611, True)], actor="staff:a", now=NOW)
    assessing.write(conn, books, [Assessed(zhang, "wage", 600, 202611)], actor="x", now=NOW)
    (waiting,) = assessing.proposed(conn, "/53/")
    assessing.approve(conn, books, waiting.id, actor="staff:b", reach="/53/", now=NOW)
    assert owed(conn, zhang) == {202609: 500, 202610: 500, 202611: 600}
    assert verifying.verify(conn, books.keys).findings == ()


def test_who_is_admitted_pays_from_that_month_on(conn: Connection, ids: Ids, books: Books) -> None:
    place = branch(conn, ids)
    candidate, other = (person(conn, ids, number, place, monthly=0) for number in ("1", "2"))
    rows = [Assessed(candidate, "wage", 900, 202609, begins=True), Assessed(other, "wage", 900, 202601)]
    assessing.write(conn, books, rows, actor="x", now=NOW)
    assert owed(conn, candidate) == {202609: 900, 202610: 900, 202611: 900}
    assert owed(conn, other) == {202611: 900}


def test_hardship_counts_when_the_level_above_agrees(conn: Connection, ids: Ids, books: Books) -> None:
    branch(conn, ids, "53")
    zhang = person(conn, ids, "1", branch(conn, ids, "5301", "53"), monthly=300, dues_from=202611)
    owes(conn, zhang, 202611)
    assessing.write(conn, books, [Assessed(zhang, "hardship", 0, 202611, True)], actor="staff:a", now=NOW)
    assert owed(conn, zhang) == {202611: 300}
    (waiting,) = assessing.proposed(conn, "/53/")
    for actor, reach, says in (("staff:a", "", "proposed"), ("staff:b", "/53/5301/", "level above")):
        with pytest.raises(assessing.Refused, match=says):
            assessing.approve(conn, books, waiting.id, actor=actor, reach=reach, now=NOW)
    assessing.approve(conn, books, waiting.id, actor="staff:b", reach="/53/", now=NOW)
    assert owed(conn, zhang) == {202611: 0}
    with pytest.raises(assessing.Refused, match="decided"):
        assessing.refuse(conn, waiting.id, actor="staff:b", reach="", now=NOW)


def test_what_was_put_by_pays_the_next_months(conn: Connection, ids: Ids, books: Books) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202611)
    assess_all(conn, books, 202611)
    payments.receive(conn, books, payment(zhang, 1000), NOW)
    assert prepaid.credit(conn, books, zhang) == 700
    for month in (202612, 202612, 202701, 202702):
        assess_all(conn, books, month, JANUARY)
    assert paid(conn, zhang) == {202611: 300, 202612: 300, 202701: 300, 202702: 100}
    assert prepaid.credit(conn, books, zhang) == 0
    assert ledger.balance(conn, Account(AccountKind.INCOME, "530102"), "CNY") == Balance(-1000)


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_reversal_takes_out_again_what_was_put_by(
    conn: Connection, ids: Ids, books: Books, *, confirmed: bool
) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202611)
    assess_all(conn, books, 202611)
    receipt = payments.receive(conn, books, payment(zhang, 1000), NOW)
    assess_all(conn, books, 202612, JANUARY)
    done = payments.reverse(conn, books, receipt.id, key="r", actor="staff:x", now=JANUARY, pending=True)
    assert prepaid.credit(conn, books, zhang) == 0
    assess_all(conn, books, 202612, JANUARY)
    assert paid(conn, zhang) == {202611: 300, 202612: 300}
    if not confirmed:
        assert payments.cancel_reversal(conn, books, done.id, actor="system", now=JANUARY)
        assert (paid(conn, zhang), prepaid.credit(conn, books, zhang)) == ({202611: 300, 202612: 300}, 400)
        return
    assert payments.settle_reversal(conn, books, done.id, actor="system", now=JANUARY)
    assert not payments.settle_reversal(conn, books, done.id, actor="system", now=JANUARY)
    assert paid(conn, zhang) == {202611: 0, 202612: 0}
    for account in (AccountKind.CASH, AccountKind.INCOME):
        assert ledger.balance(conn, Account(account, "530102"), "CNY") == Balance()


def test_a_waiver_is_approved_by_another_person_and_stays_out_of_the_money(
    conn: Connection, ids: Ids, books: Books
) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202610)
    for month in (202610, 202611):
        owes(conn, zhang, month)
    payments.receive(conn, books, payment(zhang, 100), NOW)
    made = waivers.propose(conn, ids, zhang, first=202610, last=202612, actor="staff:a", now=NOW)
    assert waivers.proposed(conn) == (made,)
    with pytest.raises(waivers.Refused, match="another person"):
        waivers.approve(conn, ids, made.id, actor="staff:a", now=NOW)
    with pytest.raises(waivers.Refused, match="no such"):
        waivers.approve(conn, ids, made.id, actor="staff:b", now=NOW, reach="/elsewhere/")
    waivers.approve(conn, ids, made.id, actor="staff:b", now=NOW)
    assert owed(conn, zhang) == {202610: 100, 202611: 0}
    assess_all(conn, books, 202612)
    assess_all(conn, books, 202612)
    assert owed(conn, zhang) == {202610: 100, 202611: 0, 202612: 0}
    assert waivers.waived(conn, zhang) == 800
    assert dues.owed(conn, [zhang], 202612)[zhang] == dues.Owed(paid_to=202612)
    with pytest.raises(waivers.Refused, match="already"):
        waivers.refuse(conn, ids, made.id, actor="staff:b", now=NOW)


def waive(
    conn: Connection, ids: Ids, who: int, amount: int | None = None, *, first: int = 202610, last: int = 202612
) -> None:
    made = waivers.propose(conn, ids, who, first=first, last=last, amount=amount, actor="staff:a", now=NOW)
    waivers.approve(conn, ids, made.id, actor="staff:b", now=NOW)


def test_all_of_a_month_is_waived_after_a_part_of_it(conn: Connection, ids: Ids, books: Books) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202611)
    owes(conn, zhang, 202611)
    waive(conn, ids, zhang, 100)
    waive(conn, ids, zhang, 50)
    assert owed(conn, zhang) == {202611: 200}
    waive(conn, ids, zhang)
    assert owed(conn, zhang) == {202611: 0}
    assess_all(conn, books, 202612)
    assert owed(conn, zhang) == {202611: 0, 202612: 0}
    assert waivers.waived(conn, zhang) == 600


@pytest.mark.parametrize("pending", [True, False])
@pytest.mark.parametrize(("amount", "left"), [(None, 0), (100, 200)])
def test_what_was_paid_and_then_waived_is_not_owed_again_when_it_goes_back(
    conn: Connection, ids: Ids, books: Books, amount: int | None, left: int, *, pending: bool
) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202610)
    for month in (202609, 202610, 202611):
        owes(conn, zhang, month)
    receipt = payments.receive(conn, books, payment(zhang, 900), NOW)
    waive(conn, ids, zhang, amount)
    assert owed(conn, zhang) == {202609: 300, 202610: 300, 202611: 300}
    done = payments.reverse(conn, books, receipt.id, key="r", actor="staff:x", now=NOW, pending=pending)
    if pending:
        assert owed(conn, zhang) == {202609: 300, 202610: 300, 202611: 300}
        payments.settle_reversal(conn, books, done.id, actor="staff:x", now=NOW)
    assert owed(conn, zhang) == {202609: 300, 202610: left, 202611: left}
    assert set(paid(conn, zhang).values()) == {0}


def test_back_payment_reaches_so_many_months(conn: Connection, ids: Ids, books: Books) -> None:
    zhang = person(conn, ids, "1", branch(conn, ids), dues_from=202603)
    for month in dues.months(202603, 202611):
        owes(conn, zhang, month)
    assert payments.price(conn, books, zhang, 7, NOW) == 2100
    with pytest.raises(payments.TooFarBack, match="2 months before 2026-05"):
        payments.price(conn, books, zhang, 8, NOW)
    receipt = payments.receive(conn, books, payment(zhang, 2700), NOW)
    assert receipt.months == tuple(dues.months(202605, 202611))
    assert (receipt.credit, receipt.paid_to) == (600, None)
