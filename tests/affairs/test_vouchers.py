from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, update

from config.model import Organisation
from gateway.affairs import dues, ledger, refund_rows, refunds, verifying, vouchers
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.receipts import Receipt
from gateway.affairs.voucher_codes import damm
from gateway.affairs.vouchers import Locked, Printed, Refused, Used, Wrong
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.organisation import obligation
from gateway.core.tables.staff import audit
from gateway.core.tables.vouchers import voucher
from tests.affairs.people import LI, NOW, ZHANG, branch, owes, person

DRAWER = Account(AccountKind.CASH, "530102")
HOUR = timedelta(hours=1)
PRINTER, TREASURER = "staff:zhao", "staff:li"
WRONG = "0000000000000017"  # a slip: its check digit is wrong


@pytest.fixture
def books(ids: Ids, keys: Keys) -> Books:
    return Books(Organisation(name="Anhe"), keys, ids)


def printed(conn: Connection, books: Books, place: int, count: int = 3, value: int = 500, seed: int = 1) -> Printed:
    return vouchers.print_batch(
        conn,
        books.keys,
        books.new_id,
        random.Random(seed),
        branch_id=place,
        count=count,
        value=value,
        currency="CNY",
        actor=PRINTER,
        now=NOW,
    )


def active(conn: Connection, books: Books, place: int, count: int = 3, value: int = 500) -> Printed:
    batch = printed(conn, books, place, count, value)
    assert vouchers.activate(conn, books.new_id, batch.number, actor=TREASURER, now=NOW) == count
    return batch


def balance(conn: Connection, kind: AccountKind, owner: str = "530102") -> int:
    return ledger.balance(conn, Account(kind, owner), "CNY").posted


def test_a_voucher_pays_dues_once(conn: Connection, books: Books) -> None:
    place = branch(conn, books.new_id)
    zhang, li = person(conn, books.new_id, "1001", place), person(conn, books.new_id, "1002", place)
    owes(conn, zhang, 202610)
    owes(conn, zhang, 202611)
    code = active(conn, books, place).codes[0]
    receipt = vouchers.redeem(conn, books, ZHANG, zhang, code, NOW)
    assert isinstance(receipt, Receipt)
    assert (receipt.amount, receipt.method, receipt.months) == (500, "voucher", (202610, 202611))
    assert receipt.note == "260001-0001"
    assert balance(conn, AccountKind.VOUCHERS) == 500
    assert balance(conn, AccountKind.INCOME) == -500
    assert vouchers.redeem(conn, books, ZHANG, zhang, code, NOW) == Used()
    assert vouchers.redeem(conn, books, LI, li, code, NOW) == Used()
    assert balance(conn, AccountKind.INCOME) == -500


def test_codes_are_drawn_checked_and_known_by_their_hash_only(conn: Connection, books: Books) -> None:
    batch = printed(conn, books, branch(conn, books.new_id), count=30)
    assert len(set(batch.codes)) == 30
    assert all(len(code) == 16 and damm(code) == 0 for code in batch.codes)
    stored = " ".join(map(str, conn.execute(select(voucher)).all()))
    said = " ".join(map(str, conn.execute(select(audit)).all()))
    assert not any(code in stored or code in said for code in batch.codes)


def test_stolen_paper_is_worth_nothing(conn: Connection, books: Books) -> None:
    place = branch(conn, books.new_id)
    zhang = person(conn, books.new_id, "1001", place)
    batch = printed(conn, books, place)
    assert vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[0], NOW) == Wrong(4)
    with pytest.raises(Refused, match="colleague"):
        vouchers.activate(conn, books.new_id, batch.number, actor=PRINTER, now=NOW)
    assert vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[0], NOW) == Wrong(3)
    vouchers.activate(conn, books.new_id, batch.number, actor=TREASURER, now=NOW)
    with pytest.raises(Refused, match="active already"):
        vouchers.activate(conn, books.new_id, batch.number, actor=TREASURER, now=NOW)
    assert isinstance(vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[0], NOW), Receipt)


def test_void_vouchers_buy_nothing(conn: Connection, books: Books) -> None:
    place = branch(conn, books.new_id)
    zhang = person(conn, books.new_id, "1001", place)
    batch = active(conn, books, place)
    ids = books.new_id
    assert isinstance(vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[0], NOW), Receipt)
    assert vouchers.void(conn, ids, batch.number, serials=[1, 2], actor=TREASURER, reason="lost", now=NOW) == 1
    assert vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[1], NOW) == Wrong(4)
    assert vouchers.void(conn, ids, batch.number, actor=TREASURER, reason="lost", now=NOW) == 1
    assert vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[2], NOW) == Wrong(3)
    (shown,) = vouchers.batches(conn)
    assert shown.states == {"printed": 0, "activated": 0, "redeemed": 1, "void": 2}
    unused = printed(conn, books, place, seed=2)
    assert unused.number == "260002"
    vouchers.void(conn, ids, unused.number, actor=PRINTER, reason="torn", now=NOW)
    with pytest.raises(Refused, match="void"):
        vouchers.activate(conn, ids, unused.number, actor=TREASURER, now=NOW)


def test_five_wrong_codes_end_the_day_of_a_phone(conn: Connection, books: Books) -> None:
    place = branch(conn, books.new_id)
    zhang, li = person(conn, books.new_id, "1001", place), person(conn, books.new_id, "1002", place)
    code = active(conn, books, place).codes[0]
    for hour in range(5):
        found = vouchers.redeem(conn, books, ZHANG, zhang, WRONG, NOW + hour * HOUR)
        assert found == Wrong(4 - hour, alarm=hour == 4)
    assert vouchers.redeem(conn, books, ZHANG, zhang, code, NOW + 5 * HOUR) == Locked(NOW + 24 * HOUR)
    assert vouchers.redeem(conn, books, LI, li, WRONG, NOW + 5 * HOUR) == Wrong(4)
    assert isinstance(vouchers.redeem(conn, books, ZHANG, zhang, code, NOW + 24 * HOUR), Receipt)
    assert vouchers.forget(conn, NOW + 48 * HOUR) == 6


def test_what_is_sold_is_owed_to_who_bought_it(conn: Connection, books: Books) -> None:
    place, ids = branch(conn, books.new_id), books.new_id
    zhang = person(conn, ids, "1001", place)
    batch = printed(conn, books, place)
    with pytest.raises(Refused, match="active"):
        vouchers.sell(conn, ids, batch.number, 1, source=DRAWER, key="1", actor=TREASURER, now=NOW)
    vouchers.activate(conn, ids, batch.number, actor=TREASURER, now=NOW)
    for _ in range(2):  # a form sent twice
        vouchers.sell(conn, ids, batch.number, 2, source=DRAWER, key="1", actor=TREASURER, now=NOW)
    assert balance(conn, AccountKind.CASH) == 1000
    assert balance(conn, AccountKind.VOUCHERS) == -1000
    vouchers.redeem(conn, books, ZHANG, zhang, batch.codes[2], NOW)
    assert balance(conn, AccountKind.VOUCHERS) == -500
    assert balance(conn, AccountKind.PREPAID, str(zhang)) == -500
    with pytest.raises(Refused, match="1 left"):
        vouchers.sell(conn, ids, batch.number, 2, source=DRAWER, key="2", actor=TREASURER, now=NOW)
    assert vouchers.batches(conn)[0].sold == 2


def test_batches_are_seen_within_ones_branches(conn: Connection, books: Books) -> None:
    first, second = branch(conn, books.new_id, "53"), branch(conn, books.new_id, "54")
    one, two = printed(conn, books, first), printed(conn, books, second, seed=2)
    assert [batch.number for batch in vouchers.batches(conn)] == [two.number, one.number]
    assert [batch.number for batch in vouchers.batches(conn, paths=["/53/"])] == [one.number]
    assert vouchers.batches(conn, paths=[]) == ()
    assert [batch.number for batch in vouchers.batches(conn, before=two.number)] == [one.number]


@pytest.mark.parametrize(("count", "value"), [(0, 500), (vouchers.MOST + 1, 500), (3, 0), (3, -1)])
def test_a_batch_is_of_something(conn: Connection, books: Books, count: int, value: int) -> None:
    with pytest.raises(Refused):
        printed(conn, books, branch(conn, books.new_id), count, value)


def test_the_database_itself_wants_two_persons(conn: Connection, books: Books) -> None:
    from sqlalchemy.exc import IntegrityError

    from gateway.core.tables.vouchers import voucher_batch

    printed(conn, books, branch(conn, books.new_id))
    with pytest.raises(IntegrityError):
        conn.execute(update(voucher_batch).values(activated=NOW, activated_by=PRINTER))


def test_of_many_at_the_same_time_one_wins(database_url: str, keys: Keys) -> None:
    made = engine(database_url)
    with made.begin() as conn:
        first = Books(Organisation(name="Anhe"), keys, Ids(slot=1))
        place = branch(conn, first.new_id)
        people = [person(conn, first.new_id, f"100{index}", place) for index in range(6)]
        code = active(conn, first, place).codes[0]
    together = threading.Barrier(len(people))
    found: list[object] = []

    def redeem(index: int, member_id: int) -> None:
        books = Books(Organisation(name="Anhe"), keys, Ids(slot=index + 2))
        together.wait()
        with made.begin() as conn:
            found.append(vouchers.redeem(conn, books, f"+861390000000{index}", member_id, code, NOW))

    threads = [threading.Thread(target=redeem, args=each) for each in enumerate(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in found) == ["Receipt"] + ["Used"] * 5
    with made.begin() as conn:
        assert balance(conn, AccountKind.VOUCHERS) == 500
        left = [ledger.balance(conn, Account(AccountKind.PREPAID, str(each)), "CNY").posted for each in people]
        assert sum(left) == -500, "nobody owed anything: the winner has credit"
        assert conn.execute(select(obligation)).all() == []
    made.dispose()


def test_money_back_is_the_voucher_again(conn: Connection, books: Books) -> None:
    place = branch(conn, books.new_id)
    zhang = person(conn, books.new_id, "1001", place)
    owes(conn, zhang, 202610)
    code = active(conn, books, place).codes[0]
    numbers = []
    for _ in range(3):
        receipt = vouchers.redeem(conn, books, ZHANG, zhang, code, NOW)
        assert isinstance(receipt, Receipt)
        numbers.append(receipt.number)
        assert (balance(conn, AccountKind.VOUCHERS), dues.owed(conn, [zhang], 202610)[zhang].amount) == (500, 0)
        asked = refunds.request(conn, books, receipt.id, actor="staff:a", reason="not mine", now=NOW)
        assert refunds.approve(conn, books, asked.id, actor="staff:b", now=NOW).state is refund_rows.State.DONE
        assert (balance(conn, AccountKind.VOUCHERS), balance(conn, AccountKind.INCOME)) == (0, 0)
        assert dues.owed(conn, [zhang], 202610)[zhang].amount > 0
        with pytest.raises(ledger.Refused, match="is done"):
            refunds.approve(conn, books, asked.id, actor="staff:b", now=NOW)
    assert len(set(numbers)) == 3
    assert verifying.verify(conn, books.keys).findings == ()
