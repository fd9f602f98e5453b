"""The shipped tree over the commands an organisation really starts with, on a database."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from commands.answer import answer, prepare
from commands.office import Office
from commands.standard import registry
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs import invitations, members
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Address, AddressKind, Channel, Event, Inbound, Request
from gateway.core.tables.organisation import branch, member, number
from gateway.core.tables.staff import case_entry
from menus.engine import Engine
from menus.sessions import Sessions
from menus.step import Screen
from menus.tree import load
from menus.vendors import Profile

NOW = datetime(2026, 8, 17, 9, 0, tzinfo=UTC)
NUMBER = "+8613800000007"
ORGANISATION = Organisation(name="Anhe", ussd_code="*123#", hotline="12345", signature={"zh": "安河组织"})


class Handset:
    def __init__(self, conn: Connection, keys: Keys, ids: Ids, *, trusted: bool = False) -> None:
        self.conn = conn
        self.office = Office(
            registry=registry(ORGANISATION), texts=Texts.load(), organisation=ORGANISATION, keys=keys, new_id=ids
        )
        self.engine = Engine(load(), self.office.registry, self.office, language="zh", profiles={"ussd": Profile()})
        self.sessions = Sessions()
        self.trusted = trusted

    def send(self, text: str, event: Event = Event.CONTINUE) -> Screen:
        inbound = Inbound(
            id=1,
            link="ussd",
            sender=Address(kind=AddressKind.E164, text=NUMBER),
            recipient=Address(kind=AddressKind.SHORT, text="123"),
            received=NOW,
            channel=Channel.USSD,
            event=event,
            text=text,
            session="s1",
        )
        screen = self.engine.answer(self.conn, inbound, self.request({}), self.sessions)
        self.sessions.keep(screen.session)
        return screen

    def request(self, arguments: Mapping[str, Any]) -> Request:
        sender = members.by_number(self.conn, NUMBER, date(2026, 8, 17))
        return Request(
            number=NUMBER,
            member=sender.member,
            language=sender.language or "zh",
            channel=Channel.USSD,
            arguments=arguments,
            now=NOW,
            organisation=ORGANISATION,
            random=random.Random(5),
            trusted=self.trusted,
            desk=self.office,
        )

    def dial(self, path: str = "*123#") -> Screen:
        return self.send(path, Event.BEGIN)


@pytest.fixture
def enrolled(conn: Connection, ids: Ids) -> int:
    """A member whose phone is not bound yet."""
    branch_id, member_id = ids(), ids()
    conn.execute(insert(branch), {"id": branch_id, "code": "530102017", "name": "安河村支部", "path": "/530102017/"})
    conn.execute(
        insert(member),
        {
            "id": member_id,
            "member_no": "530102014107",
            "branch_id": branch_id,
            "name": "Chen Yi",
            "language": "zh",
            "dues_class": "worker",
            "monthly_amount": 300,
            "created": NOW,
        },
    )
    return member_id


def invitation(conn: Connection, handset: Handset, member_id: int) -> str:
    return invitations.create(conn, handset.office.keys, random.Random(3), [member_id], NOW)[member_id]


def test_a_member_dials_and_reads(conn: Connection, keys: Keys, ids: Ids, enrolled: int) -> None:
    members.bind(conn, NUMBER, enrolled, NOW)
    handset = Handset(conn, keys, ids)
    assert handset.dial().text == "1会费 2通知\n7咨询 8我的\n9设置\n99English 0退出"
    dues = handset.send("1")
    assert dues.more
    assert dues.text.endswith("\n0返回")
    me = handset.dial("*123*82#")
    assert "4107" in me.text
    assert me.text.endswith("0返回 00主页")


def test_a_phone_is_bound_where_the_operator_vouches(conn: Connection, keys: Keys, ids: Ids, enrolled: int) -> None:
    handset = Handset(conn, keys, ids, trusted=True)
    code = invitation(conn, handset, enrolled)
    assert handset.dial("*123*8*1#").text == "输入支部给的8位码\n0返回 00主页"
    assert handset.send(code).text == "绑定：确认吗？\n1确认\n0返回 00主页"
    screen = handset.send("1")
    assert not screen.more
    assert "4107" in screen.text
    assert conn.scalar(select(number.c.member_id).where(number.c.number == NUMBER)) == enrolled
    assert code not in repr(screen)


def test_elsewhere_the_code_comes_by_sms(conn: Connection, keys: Keys, ids: Ids, enrolled: int) -> None:
    handset = Handset(conn, keys, ids)
    code = invitation(conn, handset, enrolled)
    handset.dial("*123*8*1#")
    screen = handset.send(code)
    assert (screen.text, screen.more) == ("确认码已发短信，请按短信回复", False)
    assert screen.follow_up is not None
    assert screen.follow_up.secret
    assert screen.dialog is not None
    assert conn.scalar(select(number.c.member_id).where(number.c.number == NUMBER)) is None


def test_a_wrong_invitation_is_said_on_the_screen(conn: Connection, keys: Keys, ids: Ids, enrolled: int) -> None:
    handset = Handset(conn, keys, ids)
    handset.dial("*123*8*1#")
    screen = handset.send("00000000")
    assert (screen.more, screen.error) == (True, "E07")
    assert handset.send("0").text.startswith("输入支部给的8位码")


def test_stop_and_start(conn: Connection, keys: Keys, ids: Ids) -> None:
    handset = Handset(conn, keys, ids)
    opted_out = select(number.c.opted_out).where(number.c.number == NUMBER)
    handset.dial("*123*9*2#")
    assert not conn.scalar(opted_out)
    assert not handset.send("1").more
    assert conn.scalar(opted_out)
    handset.dial("*123*9#")
    assert not handset.send("3").more
    assert not conn.scalar(opted_out)


def test_the_language_is_the_numbers(conn: Connection, keys: Keys, ids: Ids) -> None:
    handset = Handset(conn, keys, ids)
    handset.dial("*123*9*1#")
    assert not handset.send("2").more
    assert handset.dial().text.startswith("2 Notices 7 Ask")


def test_a_question_opens_an_sms_dialogue(conn: Connection, keys: Keys, ids: Ids) -> None:
    handset = Handset(conn, keys, ids)
    screen = handset.dial("*123*71#")
    assert not screen.more
    assert screen.dialog is not None
    assert (screen.dialog.command, screen.dialog.parameter) == ("71", "question")
    assert screen.follow_up is not None
    assert screen.follow_up.key == "ask.question"
    sender = members.Sender(NUMBER)
    prepared = prepare(handset.office, "水费怎么交？", sender, screen.dialog)
    request = handset.request(prepared.arguments)
    answered = answer(conn, handset.office, prepared, request)
    assert answered.command == "71"
    (kept,) = conn.execute(select(case_entry.c.text)).scalars()
    assert kept == "水费怎么交？"


def test_lost_people_get_help_by_sms(conn: Connection, keys: Keys, ids: Ids) -> None:
    handset = Handset(conn, keys, ids)
    handset.dial()
    handset.send("5")
    handset.send("5")
    screen = handset.send("5")
    assert screen.follow_up is not None
    assert screen.follow_up.key == "help.unbound"


def test_every_command_for_members_is_in_the_tree_but_help(keys: Keys, ids: Ids) -> None:
    tree = load()
    standard = registry(ORGANISATION)
    staff = {command.code for command in standard if command.roles}
    assert {command.code for command in standard if tree.ways(command.code) is None} - staff == {"0", "25"}  # 98 here
    for node in tree.nodes.values():
        for item in node.items:
            assert item.command is None or item.command in standard
