"""The dues tree 1.x with the real commands on a database: what a member and a treasurer see and type."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import cashdays, claims, intents, members
from gateway.affairs.wallets import Wallet
from gateway.core import dialogs
from gateway.core.model import Address, AddressKind, Channel, Event, Inbound, Request
from gateway.core.tables.intents import payment_intent
from menus.engine import Engine
from menus.sessions import Sessions
from menus.step import Screen
from menus.tree import load
from menus.vendors import Profile
from tests.commands.people import IDS
from tests.commands.village import CHEN, LI, SECRETARY, TREASURER, WANG, Village, code, phone_of

WALLET = Wallet(name="momo", label="MoMo", prefixes=("+86",), currency="CNY", least=100, most=100_000)


class Dialled:
    """A USSD session of one of the village."""

    def __init__(self, village: Village, person: int, *, trusted: bool = False) -> None:
        self.village, self.person, self.trusted = village, person, trusted
        self.engine = Engine(
            load(), village.office.registry, village.office, language="zh", profiles={"ussd": Profile()}
        )
        self.sessions = Sessions()

    def dial(self, path: str) -> Screen:
        return self.types(path, Event.BEGIN)

    def types(self, text: str, event: Event = Event.CONTINUE) -> Screen:
        village, number = self.village, phone_of(self.person)
        village.waits(seconds=20)
        sender = members.by_number(village.conn, number, village.office.today(village.now))
        inbound = Inbound(
            id=IDS(),
            link="ussd",
            sender=Address(kind=AddressKind.E164, text=number),
            recipient=Address(kind=AddressKind.SHORT, text="123"),
            received=village.now,
            channel=Channel.USSD,
            event=event,
            text=text,
            session="s1",
        )
        request = Request(
            number=number,
            member=sender.member,
            language=sender.language or "zh",
            channel=Channel.USSD,
            arguments={},
            now=village.now,
            organisation=village.office.organisation,
            random=village.random,
            message=inbound.id,
            trusted=self.trusted,
            desk=village.office,
        )
        screen = self.engine.answer(village.conn, inbound, request, self.sessions)
        self.sessions.keep(screen.session)
        village.deliver(screen.told)
        if screen.dialog is not None:
            dialogs.save(village.conn, {number: screen.dialog})
        return screen


@pytest.fixture
def village(conn: Connection) -> Village:
    made = Village(conn)
    made.owe(CHEN, 202606, 202607, 202608)
    return made


def test_the_first_line_is_what_is_owed(village: Village) -> None:
    screen = Dialled(village, CHEN).dial("*123*1#")
    assert screen.text == "应交3个月9.00元\n2交费 3收据\n4充值码 5代交\n6退款 7减免\n0返回"


def test_a_member_pays_in_cash_by_digits(village: Village) -> None:
    phone = Dialled(village, CHEN)
    phone.dial("*123*1#")
    assert phone.types("2").text == "交多少？\n1全部9.00元\n2一个月3.00元\n3其他金额\n0返回 00主页"
    assert phone.types("1").text == "9.00元用什么付？\n1现金 2充值码\n4亲友\n0返回 00主页"
    last = phone.types("1")
    assert not last.more
    assert re.match(r"请把9.00元交给支部会计并报交费号\d{6}", last.text)


def test_another_amount_is_typed(village: Village) -> None:
    phone = Dialled(village, CHEN)
    phone.dial("*123*1#")
    phone.types("2")
    assert phone.types("3").text.startswith("输入金额，如9或9.50")
    assert phone.types("nine").text.startswith("格式不对。\n输入金额")
    assert phone.types("6.5").text.startswith("6.50元用什么付？")


def test_more_than_owed_is_asked_about_on_a_screen(village: Village) -> None:
    phone = Dialled(village, CHEN)
    phone.dial("*123*12#")
    phone.types("3")
    assert phone.types("10").text.startswith("比应交多1.00元\n1预存以后月份\n2自愿多交")
    assert phone.types("1").text.startswith("10.00元用什么付？")


def test_the_session_ends_before_the_wallet_s_window(village: Village) -> None:
    """An open session would block the push (Daraja 1001)."""
    village.office = replace(village.office, wallets=(WALLET,))
    phone = Dialled(village, CHEN)
    phone.dial("*123*12#")
    assert "3钱包 4亲友" in phone.types("1").text
    last = phone.types("3")
    assert (last.text, last.more) == ("即将结束本菜单，随后弹出钱包窗口，请输钱包密码", False)
    amount, state = village.conn.execute(select(payment_intent.c.amount, payment_intent.c.state)).one()
    assert (amount, state) == (900, intents.Step.CREATED)


def test_the_voucher_is_asked_for_sealed(village: Village) -> None:
    phone = Dialled(village, CHEN)
    phone.dial("*123*12#")
    phone.types("1")
    assert phone.types("2").text.startswith("输入16位充值码")


def test_receipts_are_read_on_screens(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    phone = Dialled(village, CHEN)
    assert phone.dial("*123*13#").text.startswith("1)8/18 9.00\n0返回")
    full = phone.types("1")
    assert full.more
    assert re.match(r"收据\d{9}：会费9.00元，现金，交至8月", full.text)


def test_where_the_operator_vouches_a_screen_confirms(village: Village) -> None:
    village.says(TREASURER, "收 4107 9")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    phone = Dialled(village, TREASURER, trusted=True)
    assert phone.dial("*123*1*9#").text == "1收现金 2日结\n3上交\n0返回 00主页"
    phone.types("2")
    assert phone.types("8").text == "账面9.00元\n实点8.00元\n差-1.00元，记差额？\n1确认\n0返回 00主页"
    done = phone.types("1")
    assert not done.more
    assert done.text.startswith("已日结，实点8.00元，差-1.00元")
    assert len(cashdays.of_treasurer(village.conn, TREASURER)) == 1


def test_an_empty_box_is_counted_as_nothing(village: Village) -> None:
    phone = Dialled(village, TREASURER, trusted=True)
    phone.dial("*123*1*9#")
    assert phone.types("2").text == "输入实点的现金，没有输0\n00主页"
    assert phone.types("0").text == "账面和实点都是0.00元，日结？\n1确认\n0返回 00主页"
    assert phone.types("0").text == "输入实点的现金，没有输0\n00主页"
    phone.types("0")
    assert phone.types("1").text.startswith("已日结，实点0.00元，差0.00元")
    assert [day.counted for day in cashdays.of_treasurer(village.conn, TREASURER)] == [0]


def test_elsewhere_the_session_ends_and_a_code_comes_by_sms(village: Village) -> None:
    phone = Dialled(village, TREASURER)
    phone.dial("*123*1*9#")
    phone.types("2")
    assert phone.types("00").more
    phone.dial("*123*1*9*2#")
    last = phone.types("1")
    assert (last.text, last.more) == ("确认码已发短信，请按短信回复", False)
    assert last.follow_up is not None
    assert last.follow_up.secret


def test_a_treasurer_collects_by_digits_and_the_member_is_asked_by_sms(village: Village) -> None:
    phone = Dialled(village, TREASURER)
    phone.dial("*123*1*9#")
    assert phone.types("1").text.startswith("输入成员号、后4位或6位交费号")
    assert phone.types("4107").text.startswith("输入收到的金额")
    last = phone.types("9")
    assert not last.more
    assert last.text.startswith("已向成员尾4107发确认码")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")


def test_the_slip_of_a_member_without_a_phone_is_asked_for(village: Village) -> None:
    phone = Dialled(village, TREASURER)
    phone.dial("*123*1*9*1#")
    phone.types("4109")
    assert phone.types("3").text.startswith("成员没有手机。输入给本人的纸条号")
    assert phone.types("0815").text.startswith("尾4109现金3.00元已请支部另一人确认")
    assert len(village.heard(SECRETARY)) == 1
    (claim,) = claims.listing(village.conn)
    assert (claim.member_id, claim.slip) == (WANG, "0815")


def test_cash_is_not_on_the_screen_of_a_member(village: Village) -> None:
    assert "9现金" not in Dialled(village, LI).dial("*123*1#").text
    assert "9现金" in Dialled(village, TREASURER).dial("*123*1#").text


def test_a_waiver_is_asked_about_first(village: Village) -> None:
    phone = Dialled(village, CHEN)
    assert phone.dial("*123*17#").text.startswith("请支部减免会费？")
    assert phone.types("1").text.startswith("减免申请已送支部")
    assert len(village.heard(SECRETARY)) == 1


def test_paying_for_another_on_a_trusted_link(village: Village) -> None:
    phone = Dialled(village, LI, trusted=True)
    phone.dial("*123*15#")
    phone.types("530102014107")
    assert phone.types("9").text.startswith("为成员尾号4107代交9.00元？\n1确认")
    assert phone.types("1").text.startswith("已为成员尾号4107建代交单9.00元")
    assert village.heard(CHEN)[0].startswith("有成员愿为您代交会费9.00元")


def test_what_a_treasurer_may_not_do_is_said_before_it_is_confirmed(village: Village) -> None:
    phone = Dialled(village, TREASURER, trusted=True)
    phone.dial("*123*1*9*3#")
    assert phone.types("9").text.startswith("账上只有0.00元，不能上交更多")
    village.now += timedelta(minutes=1)
