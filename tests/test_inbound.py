"""The desk: from a message to its reply, its log row and its acknowledgement, without a network."""

from __future__ import annotations

import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from commands import standard
from commands.office import Office
from commands.registry import Command, Registry
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs import payments, phones
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.payments import Method, Payment
from gateway.core.database import Inline
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import (
    Address,
    AddressKind,
    Channel,
    Coding,
    Event,
    Fragment,
    Inbound,
    LinkState,
    LinkStatus,
    NotTaken,
    Outbound,
    Part,
    Reply,
    Request,
)
from gateway.core.tables.messages import dialog, message, part, quarantine, unindexed, waiting_part
from gateway.core.tables.organisation import branch, member, number, obligation
from gateway.inbound import BATCH, Desk
from gateway.limits import Limits
from gateway.links import Board
from gateway.outbox import Outbox
from gateway.workplace import Workplace
from menus.engine import Engine
from menus.sessions import Sessions
from menus.step import Screen
from menus.tree import load as load_menus
from smpp.submit import split
from tests.test_outbox import Line

NOW = datetime(2026, 8, 20, 8, 0, tzinfo=UTC)
MEMBER, STRANGER = "+8613800000007", "+8613800000008"


class SmppLine(Line):
    """Cuts texts as an SMPP link does."""

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        return split(outbound, "udh16")


class House:
    """A whole gateway but for the network: one link "a", one member who owes three months."""

    def __init__(
        self,
        conn: Connection,
        *,
        window: int = 50,
        registry: Registry | None = None,
        signature: dict[str, str] | None = None,
    ) -> None:
        self.conn = conn
        self.clock = Clock()
        self.ids = Ids()
        self.keys = Keys(bytes(range(32)))
        signature = signature or {"zh": "安河组织"}
        organisation = Organisation(name="Anhe", signature=signature, hotline="12345", ussd_code="*123#")
        self.office = Office(
            registry=registry or standard.registry(organisation),
            texts=Texts.load(),
            organisation=organisation,
            keys=self.keys,
            new_id=self.ids,
        )
        self.place = Workplace(
            office=self.office,
            engine=Engine(load_menus(), self.office.registry, self.office, language="zh"),
            sessions=Sessions(),
            limits=Limits(),
            random=random.Random(7),
        )
        self.database = Inline(conn)
        board = Board(self.clock.seconds)
        self.desk = Desk(self.place, self.database, board, self.clock, self.now)
        self.line = SmppLine(window=window)
        board.add(self.line, kind="smpp")
        self.desk.add_link("a", stored=False, fingerprints={})
        self.desk.outboxes["a"] = Outbox(self.line, self.database, self.keys, self.clock, self.now)
        self.desk.outboxes["a"].start()
        with conn.begin():
            _people(conn)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.clock.seconds())

    def inbound(self, text: str | None, sender: str = MEMBER, **more: Any) -> Inbound:
        kind = AddressKind.E164 if sender.startswith("+") else AddressKind.ALPHANUMERIC
        values: dict[str, Any] = {
            "id": self.ids(),
            "link": "a",
            "sender": Address(kind=kind, text=sender),
            "recipient": Address(kind=AddressKind.SHORT, text="10690"),
            "received": self.now(),
            "text": text,
            "octets": (text or "").encode(),
        }
        return Inbound(**values | more)

    def tell(self, *messages: Inbound) -> list[Any]:
        """What each `accept` fired with, or its failure, or None while it waits."""
        found: list[Any] = [None] * len(messages)
        for i, one in enumerate(messages):

            def fired(result: Any, i: int = i) -> None:
                found[i] = result if isinstance(result, Failure) else "taken"

            Deferred.fromCoroutine(_await(self.desk.accept(one))).addBoth(fired)
        self.turn()
        return found

    def say(self, text: str, sender: str = MEMBER) -> str | None:
        """The reply to `text` as the phone shows it."""
        before = len(self.line.unanswered)
        assert self.tell(self.inbound(text, sender)) == ["taken"]
        new = self.line.unanswered[before:]
        shown = "".join(_shown(part) for part, _ in new)
        self.answer()
        return shown or None

    def answer(self) -> None:
        while self.line.unanswered:
            self.line.answer()
            self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    def rows(self, *columns: Any, **where: Any) -> list[Any]:
        with self.conn.begin():
            query = select(*columns).order_by(message.c.id)
            for name, value in where.items():
                query = query.where(message.c[name] == value)
            return [tuple(row) if len(columns) > 1 else row[0] for row in self.conn.execute(query)]


async def _await(work: Any) -> Any:
    return await work


def _shown(part: Part) -> str:
    if part.coding is Coding.UCS2:
        return part.octets.decode("utf-16-be")
    return part.octets.decode("ascii")


def _people(conn: Connection) -> None:
    conn.execute(insert(branch), {"id": 1, "code": "530102", "name": "安河村支部", "path": "/530102/"})
    conn.execute(
        insert(member),
        {
            "id": 1,
            "member_no": "00004107",
            "branch_id": 1,
            "name": "陈一",
            "language": "zh",
            "dues_class": "farmer",
            "monthly_amount": 300,
            "joined": date(2020, 1, 1),
            "created": NOW,
        },
    )
    conn.execute(insert(number), {"number": MEMBER, "member_id": 1, "main": True, "bound": NOW})
    conn.execute(
        insert(obligation), [{"member_id": 1, "month": month, "amount": 300} for month in (202606, 202607, 202608)]
    )


@pytest.fixture
def house(conn: Connection) -> House:
    return House(conn)


def test_a_question_is_answered_logged_and_acknowledged(house: House) -> None:
    assert house.say("会费") == "【安河组织】8月会费3.00元，另欠2个月，共9.00元。交费回12，收据回13，减免回17"
    assert house.rows(message.c.direction, message.c.state, message.c.command, message.c.text) == [
        ("in", "received", "11", "会费"),
        ("out", "sent", "11", "8月会费*.**元，另欠2个月，共*.**元。交费回12，收据回13，减免回17"),
    ]


def test_the_reply_is_committed_inflight_before_it_is_written(house: House) -> None:
    house.tell(house.inbound("DUES"))
    assert len(house.line.unanswered) == 1
    with house.conn.begin():
        assert list(house.conn.scalars(select(part.c.state))) == ["inflight"]
    assert house.rows(message.c.state, direction="out") == ["leased"]


def test_a_stranger_learns_what_is_open_to_all(house: House) -> None:
    reply = house.say("DUES", STRANGER)
    assert reply is not None
    assert "71" in reply
    assert house.rows(message.c.command, direction="in") == ["11"] or house.rows(message.c.command, direction="in") == [
        "E02"
    ]


def test_one_message_of_a_number_at_a_time_and_in_order(house: House) -> None:
    found = house.tell(*(house.inbound(text) for text in ("HELP", "DUES", "ME")))
    assert found == ["taken"] * 3
    assert house.desk.counters.batches == 3
    assert house.rows(message.c.command, direction="in") == ["0", "11", "82"]


def test_many_numbers_share_a_batch(house: House) -> None:
    house.tell(*(house.inbound("HELP", f"+86138000{i:05}") for i in range(BATCH + 50)))
    assert house.desk.counters.batches == 2
    assert len(house.rows(message.c.id, direction="in")) == BATCH + 50


def test_more_replies_than_the_window_are_held_and_sent_as_slots_come_free(conn: Connection) -> None:
    house = House(conn, window=3)
    house.tell(*(house.inbound("HELP", f"+86138000{i:05}") for i in range(60)))
    assert len(house.line.unanswered) == 3
    house.answer()
    for _ in range(5):
        house.turn(1)
        house.answer()
    assert sorted(set(house.rows(message.c.state, direction="out"))) == ["sent"]
    assert len(house.line.written) == 60


def test_names_and_short_codes_are_logged_and_never_answered(house: House) -> None:
    assert house.say("STOP", "BANK") is None
    assert house.say("DUES", "10086") is None
    assert house.rows(message.c.text) == ["<unknown> 4", "<unknown> 4"]


def test_binary_messages_are_answered_with_e10(house: House) -> None:
    assert house.tell(house.inbound(None, data=b"\x01\x02", octets=b"\x01\x02", coding=Coding.BINARY)) == ["taken"]
    assert house.rows(message.c.command, direction="in") == ["E10"]
    assert "300" in _shown(house.line.unanswered[0][0])


def test_a_long_question_is_joined_from_its_parts(house: House) -> None:
    texts = ["问 水费怎么", "交？我家在", "安河村"]
    parts = [
        house.inbound(text, part=Fragment(reference=9, total=3, number=i, bits=16), octets=text.encode())
        for i, text in enumerate(texts, 1)
    ]
    assert house.tell(parts[2], parts[0]) == ["taken", "taken"]
    with house.conn.begin():
        stored = list(house.conn.scalars(select(waiting_part.c.content)))
    assert len(stored) == 2
    assert not any("水费".encode() in content for content in stored)
    assert house.rows(message.c.id) == []
    house.tell(parts[1])
    assert house.rows(message.c.command, direction="in") == ["71"]
    assert house.tell(parts[1]) == ["taken"]
    assert len(house.rows(message.c.id, direction="in")) == 1
    with house.conn.begin():
        assert {bytes(content) for content in house.conn.scalars(select(waiting_part.c.content))} == {b""}


def test_a_poison_message_is_kept_aside_and_harms_nobody(conn: Connection) -> None:
    def burst(conn: Connection, request: Request) -> Reply:
        raise ZeroDivisionError(request.text)

    poison = Command(code="66", name="help", words={"en": ("POISON",)}, function=burst, public=True)
    registry = standard.registry(Organisation(name="Anhe"))
    house = House(conn, registry=Registry([*registry, poison]))
    first, bad, last = (house.inbound(text, f"+861380000000{i}") for i, text in enumerate(("HELP", "POISON", "HELP")))
    assert house.tell(first, bad, last) == ["taken"] * 3
    assert house.rows(message.c.state, message.c.command, direction="in") == [
        ("received", "0"),
        ("quarantined", "E09"),
        ("received", "0"),
    ]
    with conn.begin():
        kept = conn.execute(select(quarantine.c.exception, quarantine.c.octets)).one()
    assert kept.exception.startswith("ZeroDivisionError: ")
    assert kept.exception.endswith(" burst")
    assert "POISON" not in kept.exception
    assert b"POISON" not in kept.octets
    assert house.keys.open("quarantine", kept.octets) == b"POISON"
    house.turn(2)
    assert sum("系统忙" in _shown(part) for part, _ in house.line.unanswered) == 1


def test_a_poisoned_session_ends_with_a_word(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*given: object) -> Screen:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "answer", burst)
        assert dialled(house, "*123#") == ["系统忙，请稍后再拨"]
    assert house.rows(message.c.state, message.c.log_class, message.c.text) == [("quarantined", "C", None)]
    assert len(dialled(house, "*123#")) == 1


def test_when_the_engine_fails_nobody_is_acknowledged(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(work: Any, *args: Any, **kwargs: Any) -> Deferred[Any]:
        return fail(OperationalError("INSERT", {}, Exception("database or disk is full")))

    with monkeypatch.context() as patch:
        patch.setattr(house.database, "run", full)
        results = house.tell(house.inbound("HELP"), house.inbound("HELP", STRANGER))
    assert [result.check(NotTaken) is not None for result in results] == [True, True]
    assert house.rows(message.c.id) == []
    assert house.say("HELP") is not None


def test_a_redelivery_after_a_lost_session_has_no_second_effect(house: House) -> None:
    first = house.inbound("问 水费怎么交")
    house.tell(first)
    house.answer()
    house.desk.changed(LinkState(link="a", status=LinkStatus.DOWN, since=NOW))
    assert house.tell(house.inbound("问 水费怎么交")) == ["taken"]
    assert len(house.rows(message.c.id, direction="in")) == 1
    house.say("问 水费怎么交")
    assert len(house.rows(message.c.id, direction="in")) == 2


def test_a_rerun_finds_what_the_first_run_committed(house: House) -> None:
    one = house.inbound("HELP")
    house.tell(one)
    house.answer()
    house.tell(one)
    assert len(house.rows(message.c.id)) == 2


def test_stop_always_takes_effect_even_when_answers_have_run_out(house: House) -> None:
    for i in range(25):
        house.place.limits.count(MEMBER, f"reply {i}", error=False, now=house.clock.seconds())
    assert house.say("HELP") is None
    assert house.say("td") is not None
    with house.conn.begin():
        assert house.conn.scalar(select(number.c.opted_out).where(number.c.number == MEMBER)) in (True, 1)


def test_two_machines_that_answer_each_other_stop_after_five(house: House) -> None:
    text: str | None = "无法识别的自动回复内容"
    exchanged = 0
    while text is not None and exchanged < 20:
        text = house.say(text, STRANGER)
        exchanged += 1
    assert exchanged <= 6


def test_a_dialogue_asks_for_what_is_missing(house: House) -> None:
    asked = house.say("ASK")
    assert asked is not None
    with house.conn.begin():
        assert house.conn.scalar(select(dialog.c.number)) == MEMBER
    answered = house.say("水费怎么交？")
    assert answered is not None
    assert house.rows(message.c.command, direction="in") == ["71", "71"]
    with house.conn.begin():
        assert house.conn.execute(select(dialog.c.number)).all() == []


def test_a_ussd_session_is_answered_at_once_and_not_queued(house: House) -> None:
    screens: list[Part] = []
    begin = house.inbound("", channel=Channel.USSD, event=Event.BEGIN, session="s1", code="*123#")
    house.desk.accept(begin).addCallback(lambda screen: screens.append(screen) if screen else None)
    house.turn()
    assert screens[0].more
    assert "1" in _shown(screens[0])
    step = house.inbound("1", channel=Channel.USSD, event=Event.CONTINUE, session="s1", code="*123#")
    house.desk.accept(step).addCallback(lambda screen: screens.append(screen) if screen else None)
    house.turn()
    assert "9.00" in _shown(screens[1])
    assert house.line.unanswered == []
    assert set(house.rows(message.c.channel)) == {"ussd"}


def dialled(house: House, *typed: str) -> list[str]:
    """The screens of one session."""
    screens: list[str] = []
    for place, text in enumerate(typed):
        event = Event.CONTINUE if place else Event.BEGIN
        step = house.inbound(text, channel=Channel.USSD, event=event, session="s1", code="*123#")
        house.desk.accept(step).addCallback(lambda screen: screens.append(_shown(screen)) if screen else None)
        house.turn()
    return screens


def test_screens_are_written_like_texts(house: House) -> None:
    screens = dialled(house, "*123#", "1", "1", "0", "8", "2", "2", "99", "1")
    amounts = [screen for screen in screens if "9.00" in screen]
    assert len(amounts) == 2  # the vendor asked twice for the first
    assert sum("4107" in screen for screen in screens) == 3
    written = house.rows(message.c.log_class, message.c.text, direction="out")
    assert not [text for _, text in written if text and ("9.00" in text or "4107" in text)]
    assert [log_class for log_class, _ in written] == ["A", "B", "B", "A", "A", "B", "B", "A", "B"]
    assert "*.**元" in written[1][1]


def test_who_changes_the_language_is_answered_and_signed_in_it(conn: Connection) -> None:
    house = House(conn, signature={"zh": "安河组织", "en": "Anhe"})
    assert house.say("LANG EN") == "Anhe: Answers will be in English from now on. Menu: 0"
    assert house.say("语言 1") == "【安河组织】以后用中文答复。看菜单回0"
    assert dialled(house, "*123#", "99", "2", "7", "1")[-1].startswith("An SMS follows")
    assert _shown(house.line.unanswered[0][0]).startswith("Anhe: ")


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE message; --",
        "<script>alert(1)</script>",
        "=1+1",
        "a\u202eb",
        "\ufffd\x1b[31m",
        "é" * 300,
        "\U0001f600",
    ],
)
def test_hostile_texts_are_texts(house: House, text: str) -> None:
    house.say(text)
    assert len(house.rows(message.c.id, direction="in")) == 1
    assert house.rows(message.c.text, direction="in") == [text]
    assert house.say("会费") is not None


def test_what_looks_like_a_code_is_not_written(house: House) -> None:
    house.say("48291374")
    house.say("6222021234567890128")
    assert house.rows(message.c.text, direction="in") == ["<unknown> 8", "<unknown> 19"]


def test_what_is_submitted_sealed_is_sent_and_not_kept(house: House) -> None:
    shown, hidden = (Outbound(id=house.ids(), to=MEMBER, text=text) for text in ("shown", "9.00 CNY"))
    house.desk.submit([shown], actor="test")
    house.desk.submit([hidden], actor="test", sealed=True)
    house.desk.poke()
    house.turn()
    assert sorted(house.line.written) == ["9.00 CNY", "shown"]
    house.answer()
    assert house.rows(message.c.text, message.c.sealed, message.c.log_class) == [
        ("shown", None, "A"),
        (None, None, "C"),
    ]


def test_an_answer_that_is_not_kept_waits_sealed(conn: Connection) -> None:
    house = House(conn, window=1)
    house.tell(house.inbound("0"), house.inbound("BIND"))
    (waiting,) = house.rows(message.c.text, message.c.sealed, command="81", direction="out")
    assert waiting[0] is None
    assert house.keys.open("secret", waiting[1]).decode() == "【安河组织】请回复支部给您的8位码"
    house.answer()
    assert house.rows(message.c.text, message.c.sealed, command="81", direction="out") == [(None, None)]


def test_a_code_that_a_screen_announces_is_in_no_log(house: House) -> None:
    """16 is of a class whose texts are kept whole."""
    paid = Payment(
        key="p1", member_id=1, amount=300, method=Method.CASH, source=Account(AccountKind.CASH, "1"), actor="member:2",
        at=NOW,
    )  # fmt: skip
    with house.conn.begin():
        receipt = payments.receive(house.conn, house.office.books, paid, NOW)
    assert "短信" in dialled(house, "*123*1*6#", receipt.number)[-1]
    assert re.search(r"Y \d{4}", _shown(house.line.unanswered[-1][0]))
    (kept,) = house.rows(message.c.text, channel="sms", direction="out")
    assert kept is None


def test_what_is_for_the_moment_never_comes_twice(house: House) -> None:
    house.say("0")
    house.say("会费")
    assert house.rows(message.c.command, message.c.resend, direction="out") == [("0", "never"), ("11", "once")]


def test_what_is_masked_or_sealed_is_not_searched(house: House) -> None:
    for text in ("0", "会费", "BIND", "12 300"):
        house.say(text)
    with house.conn.begin():
        searched = set(house.conn.scalars(select(unindexed.c.message_id)))
    assert searched == {id_ for id_, log_class in house.rows(message.c.id, message.c.log_class) if log_class == "A"}


def test_a_locked_phone_has_help_and_stop_and_nothing_else(house: House) -> None:
    with house.conn.begin():
        phones.lock(house.conn, house.ids, MEMBER, actor="staff:li", now=NOW)
    for text in ("11", "71 怎么交会费", "Y 1234", "随便说说这些话", "93", "81 12345678"):
        assert "本号已锁定" in (house.say(text) or ""), text
        house.clock.advance(601)
    assert house.rows(message.c.text, direction="in") == [None] * 6
    assert "9.00元" not in (dialled(house, "*123*1#")[0])
    assert "已锁定" not in (house.say("0") or "")
    assert "已退订" in (house.say("TD") or "")
    with house.conn.begin():
        phones.unlock(house.conn, house.ids, MEMBER, actor="staff:li", reason="came in person", now=NOW)
    assert "9.00元" in (house.say("11") or "")
    assert "9.00元" in (dialled(house, "*123*1#")[0])
