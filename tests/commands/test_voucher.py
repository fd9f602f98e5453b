from __future__ import annotations

import random

import pytest
from sqlalchemy import Connection, select

from commands.lint import problems
from commands.office import Office
from gateway.affairs import vouchers
from gateway.core.model import LogClass
from gateway.core.tables.organisation import branch
from gateway.core.tables.staff import audit
from tests.commands.people import NOW, NUMBER, Phone, an_office, join, owe


@pytest.fixture
def phone(conn: Connection) -> Phone:
    join(conn)
    return Phone(conn)


def code(conn: Connection, office: Office, *, value: int = 500, count: int = 1) -> str:
    printed = vouchers.print_batch(
        conn,
        office.keys,
        office.new_id,
        random.Random(4),
        branch_id=1,
        count=count,
        value=value,
        currency="CNY",
        actor="staff:zhao",
        now=NOW,
    )
    vouchers.activate(conn, office.new_id, printed.number, actor="staff:li", now=NOW)
    return printed.codes[0]


@pytest.mark.parametrize("said", ["14 {}", "充值码{}", "充值 {}", "CZ{}", "voucher {}", "TOPUP {}", "１４ {}"])
def test_it_is_redeemed_however_it_is_written(phone: Phone, conn: Connection, said: str) -> None:
    owe(conn, 202607, 202608)
    found = code(conn, phone.office)
    answer = phone.says(said.format(found))
    assert answer is not None
    assert answer.startswith(("充值码已收：5.00元。会费交至", "Voucher accepted: 5.00 CNY. Paid to"))


@pytest.mark.parametrize("between", [" ", "-"])
def test_it_may_be_written_in_fours(phone: Phone, conn: Connection, between: str) -> None:
    found = code(conn, phone.office)
    answer = phone.says("14 " + between.join(found[start : start + 4] for start in range(0, 16, 4)))
    assert answer is not None
    assert "充值码已收" in answer


def test_the_answer_says_to_when_it_is_paid_and_what_is_left(phone: Phone, conn: Connection) -> None:
    owe(conn, 202607)
    answer = phone.says(f"14 {code(conn, phone.office)}")
    assert answer is not None
    assert answer.startswith("充值码已收：5.00元。会费交至7月，余额2.00元。收据1")


def test_part_of_a_month_is_said_plainly(phone: Phone, conn: Connection) -> None:
    owe(conn, 202607, amount=800)
    answer = phone.says(f"14 {code(conn, phone.office)}")
    assert answer is not None
    assert answer.startswith("充值码已收：5.00元，抵最早的欠费。收据1")


def test_the_second_time_it_was_used(phone: Phone, conn: Connection) -> None:
    found = code(conn, phone.office)
    phone.says(f"14 {found}")
    assert phone.says(f"14 {found}") == "此充值码已使用过。若不是您用的请拨12345"
    assert phone.last.command == "E12"


def test_wrong_codes_count_and_lock_till_tomorrow(phone: Phone, conn: Connection) -> None:
    found = code(conn, phone.office)
    answers = [phone.says("14 0000000000000000") for _ in range(5)]
    assert [phone.office.say("errors.E07", "zh", None, left=left) for left in (4, 3, 2, 1)] == answers[:4]
    assert answers[4] == "试错过多，请明天再试，或拨12345"
    assert phone.says(f"14 {found}") == "试错过多，请明天再试，或拨12345"
    assert phone.last.command == "E08"
    assert conn.scalars(select(audit.c.object).where(audit.c.action == "guessed vouchers")).all() == [
        f"number:{NUMBER}"
    ]
    phone.waits(hours=24)
    answer = phone.says(f"14 {found}")
    assert answer is not None
    assert "充值码已收" in answer


@pytest.mark.parametrize(
    "said", ["14 {}", "14 0000000000000000", "14 123", "充值 12345678901234567", "{}", "14{} 谢谢"]
)
def test_nothing_that_was_typed_is_kept(phone: Phone, conn: Connection, said: str) -> None:
    found = code(conn, phone.office)
    text = said.format(found)
    phone.says(text)
    kept = phone.last.log_text or ""
    digits = [run for run in ("".join(c if c.isdecimal() else " " for c in text)).split() if len(run) > 2]
    assert not any(run in kept for run in digits)
    assert phone.last.reply_text is None or found not in phone.last.reply_text


def test_an_accepted_code_leaves_only_that_there_was_one(phone: Phone, conn: Connection) -> None:
    phone.says(f"14 {code(conn, phone.office)}")
    assert (phone.last.command, phone.last.log_class) == ("14", LogClass.C)
    assert (phone.last.log_text, phone.last.reply_text) == (None, None)


def test_an_sms_dialogue_never_asks_for_it(phone: Phone, conn: Connection) -> None:
    assert phone.says("14") == "格式不对，请这样写：14 1234123412341234。看菜单回0"
    assert phone.last.dialog is None


def test_who_is_not_linked_cannot_use_one(conn: Connection) -> None:
    conn.execute(branch.insert().values(id=1, code="530102017", name="安河村支部", parent_id=None, path="/530102017/"))
    office = an_office()
    found = code(conn, office)
    answer = Phone(conn, office).says(f"14 {found}")
    assert answer is not None
    assert "未绑定" in answer
    assert vouchers.batches(conn)[0].states["activated"] == 1


def test_every_text_fits_one_segment() -> None:
    office = an_office()
    assert [found for found in problems(office.texts, office.registry) if "voucher" in found or "E12" in found] == []
