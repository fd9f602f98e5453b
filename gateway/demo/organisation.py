"""The sample organisation: a county, its towns and villages, members with dues in every state, and staff.

It comes in as a real one does, from two CSV files, through the import and the functions of the affairs.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from config.model import Organisation
from gateway.affairs import branches, dues, invitations, members, roles, settings, staff
from gateway.affairs.importing import Import, What, run_import
from gateway.affairs.notices import topics
from gateway.console import sessions
from gateway.core.keys import Keys
from gateway.demo.network import Carrier, Handset

COUNTY = "5301"
NEWCOMER = "A0006"  # in the register, without a phone: holds an invitation
SIGN_IN_LASTS = timedelta(days=1)

_TOWNS = {
    "530101": ("河口镇", ("河口村", "柳树湾", "东桥")),
    "530102": ("青山乡", ("青山村", "茶园", "上坪")),
    "530103": ("石桥镇", ("石桥村", "新塘", "竹林")),
}
_FAMILIES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = ("秀英", "建国", "桂兰", "志强", "玉梅", "文华", "春花", "国平", "小红", "德明", "秀珍", "永福", "丽华")
_ORDINARY = 12  # members of a village beside those with a phone in the demo


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member whose phone is in the demo. `behind`: months of dues not paid, negative when paid ahead."""

    member_no: str
    number: str
    name: str
    branch: str
    language: str
    behind: int
    carrier: Carrier
    story: dict[str, str]


PEOPLE = (
    Person(
        member_no="A0001",
        number="+8613800000001",
        name="李秀英",
        branch="53010101",
        language="zh",
        behind=1,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "本月会费未交。发“会费”，或拨 *123#；要交现金发“12”再发“1”",
            "en": "Owes this month. Text 会费 or DUES, or dial *123#; to pay in cash text 12, then 1",
        },
    ),
    Person(
        member_no="A0002",
        number="+8613800000002",
        name="王建国",
        branch="53010202",
        language="zh",
        behind=-2,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "会费已预交。发“82”看自己的登记，发“帮助”看能做什么",
            "en": "Has paid ahead. Text 82 for his own record, 帮助 or HELP for what there is",
        },
    ),
    Person(
        member_no="A0003",
        number="+254712345678",
        name="Grace Wanjiru",
        branch="53010301",
        language="en",
        behind=3,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "英文成员，国外号码，欠三个月。发 DUES 或 LANG ZH",
            "en": "Reads English, a foreign number, three months behind. Text DUES, or LANG ZH",
        },
    ),
    Person(
        member_no="A0004",
        number="+8615700000004",
        name="陈桂香",
        branch="53010303",
        language="zh",
        behind=5,
        carrier=Carrier.MODEM,
        story={
            "zh": "经村里的短信猫收发。发“咨询 水渠什么时候修”，在队列里答复她",
            "en": "Reached through the village's modem. Text ASK and a question, then answer it in the queue",
        },
    ),
    Person(
        member_no="A0005",
        number="+8613800000005",
        name="刘志强",
        branch="53010101",
        language="zh",
        behind=0,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "支部书记。发“退订”停收群发短信，发“恢复”再收",
            "en": "A branch secretary. Text STOP to end bulk messages, START to have them again",
        },
    ),
    Person(
        member_no="A0007",
        number="+8613800000007",
        name="赵会计",
        branch="53010101",
        language="zh",
        behind=0,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "河口村支部会计。收了李秀英的现金发“收 A0001 5”，她回Y才入账；一天完了发“日结 5”，再发“上交 5”",
            "en": "Treasurer of a village. For cash of 李秀英 text 收 A0001 5; her Y books it. Then 日结 5, 上交 5",
        },
    ),
    Person(
        member_no="A0008",
        number="+8613800000008",
        name="钱芳",
        branch=COUNTY,
        language="zh",
        behind=0,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "县财务。会计上交后会收到单号，到账了回“到账”加单号",
            "en": "Finance of the county. Hears of what a treasurer hands on; text 到账 or ARRIVED and its number",
        },
    ),
    Person(
        member_no="A0009",
        number="+8613800000009",
        name="孙立",
        branch=COUNTY,
        language="zh",
        behind=0,
        carrier=Carrier.OPERATOR,
        story={
            "zh": "审计。成员对会计的登记回N时会收到短信",
            "en": "The auditor. Is told when a member answers N to what a treasurer has recorded",
        },
    ),
)
# Members whose task it is to handle money, or to look at those who do; by number in the register.
APPOINTED = {
    "A0005": ("secretary", "53010101"),
    "A0007": ("treasurer", "53010101"),
    "A0008": ("finance", COUNTY),
    "A0009": ("auditor", COUNTY),
}
_STRANGER = "+8613800000006"
FIRST_TEXTS = (
    ("+8613800000001", "会费"),
    ("+254712345678", "DUES"),
    ("+8615700000004", "咨询 村东的水渠什么时候修？"),
)
STAFF = {
    "lead": "赵敏",
    "agent": "周婷",
    "auditor": "孙立",
    "secretary": "刘志强",
    "publisher": "何文",
    "approver": "郭平",
    "treasurer": "赵会计",
    "finance": "钱芳",
    "admin": "高峰",
}
# What people may subscribe to: number, names, days and hours, whether everybody gets it.
_TOPICS = (
    ("01", "要闻", "News", "", False),
    ("03", "农技", "Farming", "2,5 8-11", False),
    ("04", "天气", "Weather", "", False),
    ("07", "招工", "Jobs", "1,3,5 8-18", False),
    ("08", "本支部", "My branch", "", True),
)


def exists(conn: Connection) -> bool:
    """Whether the sample organisation is in this database already; who was interrupted before its staff begins anew."""
    return staff.find(conn, STAFF["lead"]) is not None


def found(
    conn: Connection,
    organisation: Organisation,
    folder: Path,
    *,
    new_id: Callable[[], int],
    random: Random,
    now: datetime,
    today: date,
) -> None:
    """Write the registers to `folder` and import them; then roles and staff. What is owed is owed `today`, once the
    months between `now` and then are assessed."""
    for what, rows in ((What.BRANCHES, _branches()), (What.MEMBERS, _members(random, dues.month_of(today)))):
        file = folder / f"{what}.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(rows)
        job = Import(what=what, file=file, organisation=organisation, actor="system:demo")
        counts = run_import(conn, job, new_id=new_id, random=random, now=now)
        if counts.errors:
            raise RuntimeError(f"{counts.errors} rows of the sample {what} were refused")
    with conn.begin():
        _appoint(conn, new_id, now, now.astimezone(ZoneInfo(organisation.time_zone)).date())
        # Whoever tries a notice at night should see it arrive.
        settings.change(conn, new_id, "quiet.hours", "0-0", actor="system:demo", now=now)


def links(conn: Connection, keys: Keys, now: datetime) -> dict[str, str]:
    """A one-time sign-in token for each role."""
    tokens = {}
    for role, name in STAFF.items():
        account = staff.find(conn, name)
        if account is not None and not account.disabled:
            tokens[role] = sessions.make_link(conn, keys, account.id, now, lasts=SIGN_IN_LASTS)
    return tokens


def handsets(conn: Connection, keys: Keys, *, random: Random, now: datetime, today: date) -> list[Handset]:
    """The phones of the demo. The stranger's story holds the invitation, as long as it has not been used."""
    phones = [
        Handset(number=person.number, owner=person.name, carrier=person.carrier, story=person.story)
        for person in PEOPLE
    ]
    story = {"zh": "新手机，还不认识。发“帮助”", "en": "A new phone that nobody knows. Text HELP"}
    newcomer = members.by_member_no(conn, NEWCOMER, today)
    if newcomer is not None and not members.numbers_of(conn, newcomer.id):
        code = invitations.create(conn, keys, random, [newcomer.id], now)[newcomer.id]
        story = {
            "zh": f"新手机，支部给了邀请码 {code}。发“绑定 {code}”",
            "en": f"A new phone; the branch has given an invitation, {code}. Text BIND {code}",
        }
    phones.append(Handset(number=_STRANGER, owner="张伟", carrier=Carrier.OPERATOR, story=story))
    return phones


def _branches() -> Iterator[tuple[str, ...]]:
    yield "code", "name", "parent_code"
    yield COUNTY, "安河县", ""
    for code, (town, villages) in _TOWNS.items():
        yield code, town, COUNTY
        for number, village in enumerate(villages, 1):
            yield f"{code}{number:02}", f"{village}支部", code


def _members(random: Random, month: int) -> Iterator[tuple[str, ...]]:
    yield "member_no", "phone", "branch_code", "name", "language", "dues_class", "monthly_amount", "joined", "paid_to"
    for person in PEOPLE:
        yield _row(person.member_no, person.number, person.branch, person.name, person.language, person.behind, month)
    yield _row(NEWCOMER, "", "53010203", "张伟", "zh", 0, month)
    count = 0
    for town, (_, villages) in _TOWNS.items():
        for village in range(1, len(villages) + 1):
            for _ in range(_ORDINARY):
                count += 1
                name = random.choice(_FAMILIES) + random.choice(_GIVEN)
                behind = random.choice((0, 0, 0, 0, 1, 1, 2, 6, -1, -3))
                yield _row(
                    f"M{count:04}", f"+86139{count:08}", f"{town}{village:02}", name, "zh", behind, month, random
                )


def _row(
    member_no: str,
    phone: str,
    branch: str,
    name: str,
    language: str,
    behind: int,
    month: int,
    random: Random | None = None,
) -> tuple[str, ...]:
    amount = random.choice(("3.00", "3.00", "5.00", "10.00")) if random else "5.00"
    paid_to = dues.show_month(dues.following(month, -behind))
    return member_no, phone, branch, name, language, "voluntary", amount, "2019-07-01", paid_to


def _appoint(conn: Connection, new_id: Callable[[], int], now: datetime, today: date) -> None:
    """Staff for every role that has work in the console; a secretary's reach is one town, a treasurer's one village."""
    reach = {"secretary": branches.by_code(conn, "530101"), "treasurer": branches.by_code(conn, "53010101")}
    for role, name in STAFF.items():
        person = staff.add(conn, new_id, name, now=now)
        within = reach.get(role)
        branch_id = within.id if within is not None else None
        roles.grant(conn, new_id, role, staff_id=person, branch_id=branch_id, by="system:demo", now=now, today=today)
    for number, zh, en, windows, everyone in _TOPICS:
        names = {"zh": zh, "en": en}
        topics.save(conn, new_id, number=number, names=names, windows=windows, everyone=everyone)
    for member_no, (role, code) in APPOINTED.items():
        member, branch = members.by_member_no(conn, member_no, today), branches.by_code(conn, code)
        if member is not None and branch is not None:
            roles.grant(
                conn,
                new_id,
                role,
                member_id=member.id,
                branch_id=branch.id,
                by="system:demo",
                now=now,
                today=today,
            )
