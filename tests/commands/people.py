"""An office, a member and a phone, as the tests of the commands want them."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from commands.answer import KEEP, Answered, answer, prepare
from commands.office import Office
from commands.standard import registry
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs import members
from gateway.core import dialogs
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Channel, Member, Request
from gateway.core.tables.organisation import branch, member, number, obligation

NOW = datetime(2026, 8, 18, 2, 0, tzinfo=UTC)
NUMBER = "+8613800000007"
STRANGER = "+8613800000099"
TEXTS = Texts.load()
IDS = Ids()  # of all offices: two that count for themselves may make the same id in one millisecond


def an_office(*, off: Collection[str] = (), **organisation: Any) -> Office:
    settings: dict[str, Any] = {"name": "Anhe County", "ussd_code": "*123#", "hotline": "12345"} | organisation
    made = Organisation(**settings)
    return Office(registry(made, off=off), TEXTS, made, Keys(bytes(range(32))), IDS)


def a_member(**values: Any) -> Member:
    made = Member(
        id=1,
        member_no="530102014107",
        branch_id=1,
        branch_code="530102017",
        branch_name="安河村支部",
        branch_path="/530102017/",
        language="zh",
        dues_class="A",
    )
    return made._replace(**values)


def join(conn: Connection, *, phone: str | None = NUMBER, **values: Any) -> None:
    """Write the member of `a_member` down, with a phone."""
    row = {
        "id": 1,
        "member_no": "530102014107",
        "branch_id": 1,
        "name": "陈安",
        "language": "zh",
        "dues_class": "A",
        "monthly_amount": 300,
        "joined": date(2020, 1, 1),
        "created": NOW,
    } | values
    branches_row = {"id": 1, "code": "530102017", "name": "安河村支部", "parent_id": None, "path": "/530102017/"}
    conn.execute(insert(branch), branches_row)
    conn.execute(insert(member), row)
    if phone is not None:
        conn.execute(insert(number), {"number": phone, "member_id": row["id"], "main": True, "bound": NOW})


def owe(conn: Connection, *months: int, amount: int = 300, paid: int = 0) -> None:
    conn.execute(
        insert(obligation), [{"member_id": 1, "month": each, "amount": amount, "paid": paid} for each in months]
    )


@dataclass
class Phone:
    """A phone in somebody's hand: what it says goes the way of the desk, dialogue and all."""

    conn: Connection
    office: Office = field(default_factory=an_office)
    number: str = NUMBER
    now: datetime = NOW
    unknown: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(7))
    answered: Answered | None = None

    def says(self, text: str) -> str | None:
        """What comes back, None for silence."""
        sender = members.by_numbers(self.conn, [self.number], self.office.today(self.now))[self.number]
        open_now = dialogs.by_numbers(self.conn, [self.number], self.now).get(self.number)
        prepared = prepare(self.office, text, sender, open_now)
        request = Request(
            number=self.number,
            member=sender.member,
            language=prepared.language,
            channel=Channel.SMS,
            arguments=prepared.arguments,
            now=self.now,
            organisation=self.office.organisation,
            random=self.random,
            message=self.office.new_id(),
            text=text,
            desk=self.office,
        )
        read = None
        if prepared.command is not None and prepared.command.reads is not None:
            read = prepared.command.reads(self.conn, [request]).get(self.number)
        self.answered = answer(self.conn, self.office, prepared, request, read=read, unknown=self.unknown)
        if self.answered.command == "E01":
            self.unknown += 1
        if self.answered.dialog is not KEEP:
            dialogs.save(self.conn, {self.number: self.answered.dialog})
        return None if self.answered.reply is None else self.answered.reply.text

    @property
    def last(self) -> Answered:
        assert self.answered is not None
        return self.answered

    def waits(self, **time: float) -> None:
        self.now += timedelta(**time)


def confirming(text: str | None) -> str:
    """The code that a text wants back."""
    found = re.search(r"回Y (\d{4})", text or "")
    assert found, text
    return found.group(1)
