"""A village where money is paid in cash: members, a treasurer, a secretary, and finance and the auditor of the county.

Whatever one of them sends goes the way of the desk; what others are told lands on their phones.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert

from commands.office import Office
from gateway import telling
from gateway.affairs import ledger
from gateway.affairs.ledger import Account, AccountKind
from gateway.core import dialogs
from gateway.core.model import Told
from gateway.core.tables.organisation import branch, member, number, obligation, role_grant
from tests.commands.people import IDS, NOW, Phone, an_office

ANHE, BINJIANG = 2, 3  # branches of the county, 1
CHEN, LI, WANG, SUN, HE = 11, 12, 13, 14, 15  # WANG has no phone, HE is of another branch
TREASURER, SECRETARY, AUDITOR, FINANCE, SECOND_TREASURER = 21, 22, 23, 24, 25

_PEOPLE = {  # number of the member, branch, role, phone
    CHEN: ("530102014107", ANHE, None, True),
    LI: ("530102014108", ANHE, None, True),
    WANG: ("530102014109", ANHE, None, False),
    SUN: ("530102024107", BINJIANG, None, True),
    HE: ("530102024555", BINJIANG, None, True),
    TREASURER: ("530102010021", ANHE, "treasurer", True),
    SECRETARY: ("530102010022", ANHE, "secretary", True),
    AUDITOR: ("530100000023", 1, "auditor", True),
    FINANCE: ("530100000024", 1, "finance", True),
    SECOND_TREASURER: ("530102010025", ANHE, "treasurer", True),
}


def phone_of(person: int) -> str:
    return f"+86138000000{person}"


@dataclass
class Village:
    conn: Connection
    office: Office = field(default_factory=an_office)
    now: datetime = NOW
    random: random.Random = field(default_factory=lambda: random.Random(7))
    inbox: dict[str, list[str]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    last: Phone | None = None

    def __post_init__(self) -> None:
        _settle(self.conn)

    def owe(self, person: int, *months: int, amount: int = 300) -> None:
        rows = [{"member_id": person, "month": month, "amount": amount, "paid": 0} for month in months]
        self.conn.execute(insert(obligation), rows)

    def says(self, person: int | str, text: str) -> str:
        """What comes back to who sends this; others find what they are told in their inbox."""
        sender = phone_of(person) if isinstance(person, int) else person
        phone = Phone(self.conn, self.office, sender, self.now, random=self.random)
        self.last = phone
        answer = phone.says(text) or ""
        reply = phone.last.reply
        if reply is not None:
            self.deliver(reply.told)
        return answer

    def deliver(self, told: tuple[Told, ...]) -> None:
        for each in told:
            self.inbox.setdefault(each.number, []).append(each.text)
        self.told += told
        dialogs.save(self.conn, telling.opened(self.conn, told, self.now))

    def heard(self, person: int) -> list[str]:
        """What this person has been told since they last looked."""
        return self.inbox.pop(phone_of(person), [])

    def waits(self, **time: float) -> None:
        self.now += timedelta(**time)

    def balance(self, kind: AccountKind, owner: int | str) -> int:
        name = f"cash:{owner}" if kind is AccountKind.SUSPENSE and isinstance(owner, int) else str(owner)
        return ledger.balance(self.conn, Account(kind, name), "CNY").posted

    @property
    def error(self) -> str | None:
        assert self.last is not None
        reply = self.last.last.reply
        return None if reply is None else reply.error


def code(texts: list[str] | str) -> str:
    """The code in the last of these texts."""
    text = texts if isinstance(texts, str) else texts[-1]
    found = re.search(r"Y (\d{4})", text)
    assert found, text
    return found.group(1)


def _settle(conn: Connection) -> None:
    places = {1: ("5301", "安河县", None, "/5301/"), ANHE: ("530102017", "安河村支部", 1, "/5301/530102017/")}
    places[BINJIANG] = ("530102018", "滨江社区", 1, "/5301/530102018/")
    for id_, (branch_code, name, parent, path) in places.items():
        conn.execute(insert(branch), {"id": id_, "code": branch_code, "name": name, "parent_id": parent, "path": path})
    for id_, (member_no, where, role, has_phone) in _PEOPLE.items():
        row: dict[str, Any] = {
            "id": id_,
            "member_no": member_no,
            "branch_id": where,
            "name": f"成员{id_}",
            "language": "zh",
            "dues_class": "A",
            "monthly_amount": 300,
            "joined": date(2020, 1, 1),
            "created": NOW,
        }
        conn.execute(insert(member), row)
        if has_phone:
            conn.execute(insert(number), {"number": phone_of(id_), "member_id": id_, "main": True, "bound": NOW})
        if role is not None:
            conn.execute(
                insert(role_grant),
                {
                    "id": IDS(),
                    "role": role,
                    "member_id": id_,
                    "branch_id": where,
                    "granted_by": "test",
                    "at": NOW,
                },
            )
