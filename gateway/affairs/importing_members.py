"""Members from a file: 500 rows are read and judged outside of the database, then written in one transaction."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.affairs import consent, dues, fields, import_rows, invitations
from gateway.affairs.importing_rows import Outcome, Result
from gateway.affairs.sheets import Column, Row
from gateway.core import phone
from gateway.core.engines import upsert
from gateway.core.keys import Keys
from gateway.core.lookup import Lookup
from gateway.core.tables.organisation import branch, member, number, obligation

COLUMNS = (
    Column(name="member_no", aliases=("member_number", "no", "编号", "成员号", "成员编号", "会员号", "会员编号")),
    Column(
        name="phone",
        aliases=(
            "mobile",
            "number",
            "telephone",
            "手机",
            "手机号",
            "手机号码",
            "电话",
            "电话号码",
            "联系电话",
            "联系方式",
        ),
    ),
    Column(name="branch_code", aliases=("branch", "支部编号", "支部代码", "所在支部编号", "组织编号", "组织代码")),
    Column(name="name", aliases=("full_name", "姓名", "名字")),
    Column(name="language", aliases=("lang", "语言", "语种")),
    Column(name="dues_class", aliases=("class", "会费类别", "会费类型", "类别", "人员类别")),
    Column(
        name="monthly_amount", aliases=("amount", "monthly_dues", "月会费", "每月会费", "月缴金额", "月交金额", "月额")
    ),
    Column(name="joined", aliases=("joined_on", "加入日期", "加入时间", "入会日期", "入会时间"), required=False),
    Column(
        name="paid_to",
        aliases=("paid_until", "交至", "缴至", "会费交至", "会费缴至", "已交至", "已缴至"),
        required=False,
    ),
)


class Person(NamedTuple):
    """A row that can be imported. `reason` is what must be said of it all the same."""

    line: int
    member_no: str
    branch_id: int
    branch_code: str
    name: str
    language: str
    dues_class: str
    monthly_amount: int
    joined: date | None
    paid_to: int | None
    phone: str | None
    reason: str


class Invitation(NamedTuple):
    """What a branch prints for a member."""

    member_no: str
    name: str
    branch_code: str
    code: str
    language: str
    expires: datetime


class Written(NamedTuple):
    results: list[Result]
    bound: int
    invited: int
    invitations: list[Invitation]  # none in a dry run


@dataclass(frozen=True, slots=True, kw_only=True)
class Inviting:
    """What codes are made with."""

    keys: Keys
    random: random.Random


class Reading:
    """Rows become people. It remembers what came earlier in the file."""

    def __init__(self, *, branches: dict[str, int], country: str, language: str, decimals: int, month: int) -> None:
        self._branches = branches
        self._country = country
        self._language = language
        self._decimals = decimals
        self._month = month
        self._numbers = _Seen()
        self._phones = _Seen()

    def people(self, rows: Iterable[Row]) -> tuple[list[Person], list[Result]]:
        """Those that can be imported, and what is wrong with the others."""
        found: list[Person] = []
        refused: list[Result] = []
        for row in rows:
            try:
                found.append(self._person(row))
            except fields.Unreadable as error:
                refused.append(Result(row.line, row.values["member_no"], Outcome.ERROR, str(error)))
        return found, refused

    def _person(self, row: Row) -> Person:
        if row.problem is not None:
            raise fields.Unreadable(row.problem)
        values = row.values
        member_no = fields.member_no(values["member_no"])
        branch_id = self._branches.get(values["branch_code"])
        if branch_id is None:
            raise fields.Unreadable("branch_code:unknown" if values["branch_code"] else "branch_code:missing")
        person = Person(
            line=row.line,
            member_no=member_no,
            branch_id=branch_id,
            branch_code=values["branch_code"],
            name=fields.name(values["name"]),
            language=fields.language(values["language"], self._language),
            dues_class=fields.dues_class(values["dues_class"]),
            monthly_amount=fields.amount(values["monthly_amount"], self._decimals),
            joined=None,
            paid_to=fields.paid_to(values["paid_to"], self._month),
            phone=None,
            reason="",
        )
        if not self._numbers.add(member_no):
            raise fields.Unreadable("member_no:earlier_in_file")
        mobile, reason = self._phone(values["phone"])
        joined = None
        try:
            joined = fields.day(values["joined"])
        except fields.Unreadable as error:
            reason = reason or str(error)
        return person._replace(joined=joined, phone=mobile, reason=reason)

    def _phone(self, text: str) -> tuple[str | None, str]:
        if not text:
            return None, ""
        mobile = phone.e164(text, self._country)
        if mobile is None:
            return None, f"phone:{phone.why_not(text, self._country)}"
        if not self._phones.add(mobile):
            return None, "phone:earlier_in_file"
        return mobile, ""


_known = Lookup(
    lambda among: select(
        member.c.id,
        member.c.member_no,
        member.c.branch_id,
        member.c.name,
        member.c.language,
        member.c.dues_class,
        member.c.monthly_amount,
        select(number.c.number).where(number.c.member_id == member.c.id).limit(1).scalar_subquery(),
    ).where(among(member.c.member_no))
)
_owners = Lookup(
    lambda among: select(number.c.number, number.c.member_id).where(
        among(number.c.number), number.c.member_id.is_not(None)
    )
)


def write(
    conn: Connection,
    people: list[Person],
    *,
    new_id: Callable[[], int],
    now: datetime,
    month: int,
    bind: bool,
    inviting: Inviting | None,
    dry_run: bool,
    import_id: int | None = None,
) -> Written:
    """Create and update `people`, bind their phones and enter what they owe, or only say what would be done."""
    known = {row[1]: row for row in _known(conn, [person.member_no for person in people])}
    wanted = [person.phone for person in people if person.phone is not None and bind]
    owners: dict[str, int] = dict(_owners(conn, wanted))
    disowned = consent.disowned(conn, wanted) if wanted else frozenset()
    results: list[Result] = []
    created: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    phones: list[dict[str, Any]] = []
    owed: list[dict[str, Any]] = []
    unbound: dict[int, Person] = {}
    for person in people:
        old = known.get(person.member_no)
        reason = person.reason
        if old is None:
            member_id, has_phone, outcome = new_id(), False, Outcome.CREATED
            created.append(_new(person, member_id, now, month))
            owed += _obligations(person, member_id, month)
        else:
            member_id, has_phone, outcome = old[0], old[7] is not None, Outcome.UNCHANGED
            if old[2:7] != person[2:3] + person[4:8]:
                outcome = Outcome.UPDATED
                changed.append(_update(person, member_id))
        if person.phone is not None and bind:
            owner = owners.get(person.phone)
            if person.phone in disowned and owner is None:
                reason = "phone:said_wrong_number"
            elif owner is None and not has_phone:
                phones.append({"number": person.phone, "member_id": member_id, "main": True, "bound": now})
                has_phone = True
            elif owner is None:
                reason = "phone:has_another"
            elif owner != member_id:
                reason = "phone:bound_to_another"
        if not has_phone:
            unbound[member_id] = person
        results.append(Result(person.line, person.member_no, outcome, reason))
    codes: list[Invitation] = []
    if not dry_run:
        if import_id is not None:
            before = {row[0]: row[2:7] for row in known.values()}
            import_rows.keep_members(
                conn,
                import_id,
                created,
                {row["b_id"]: (before[row["b_id"]], tuple(row.values())[1:]) for row in changed},
            )
            import_rows.keep_numbers(conn, import_id, phones)
        _store(conn, created, changed, phones, owed)
        consent.bound(conn, new_id, [row["number"] for row in phones], how="import", now=now)
        if inviting is not None:
            made = invitations.create(conn, inviting.keys, inviting.random, list(unbound), now)
            codes = [
                Invitation(
                    person.member_no,
                    person.name,
                    person.branch_code,
                    made[found],
                    person.language,
                    now + invitations.LIFE,
                )
                for found, person in unbound.items()
            ]
    return Written(results, len(phones), 0 if bind else len(unbound), codes)


def _new(person: Person, member_id: int, now: datetime, month: int) -> dict[str, Any]:
    return {
        "id": member_id,
        "member_no": person.member_no,
        "branch_id": person.branch_id,
        "name": person.name,
        "language": person.language,
        "dues_class": person.dues_class,
        "monthly_amount": person.monthly_amount,
        "joined": person.joined,
        "created": now,
        "dues_from": _first_month(person, month),
        "paid_to": person.paid_to,
    }


def _update(person: Person, member_id: int) -> dict[str, Any]:
    """Name, branch, language and class with its amount. What is owed already, and since when, stays as it is."""
    return {
        "b_id": member_id,
        "b_branch_id": person.branch_id,
        "b_name": person.name,
        "b_language": person.language,
        "b_dues_class": person.dues_class,
        "b_monthly_amount": person.monthly_amount,
    }


def _obligations(person: Person, member_id: int, month: int) -> list[dict[str, Any]]:
    if person.monthly_amount == 0:
        return []
    due = dues.months(_first_month(person, month), month)
    return [{"member_id": member_id, "month": each, "amount": person.monthly_amount} for each in due]


def _first_month(person: Person, month: int) -> int:
    """The month after the last one paid; who brings none begins with the month of the import, never at `joined`."""
    return month if person.paid_to is None else dues.following(person.paid_to)


def _store(
    conn: Connection,
    created: list[dict[str, Any]],
    changed: list[dict[str, Any]],
    phones: list[dict[str, Any]],
    owed: list[dict[str, Any]],
) -> None:
    if created:
        conn.execute(insert(member), created)
    if changed:
        columns = ("branch_id", "name", "language", "dues_class", "monthly_amount")
        values: dict[str, Any] = {column: bindparam(f"b_{column}") for column in columns}
        conn.execute(update(member).where(member.c.id == bindparam("b_id")).values(values), changed)
    if phones:
        # The row may be there: an opt-out outlives a binding. A bound number is never moved.
        row = upsert(conn, number)
        conn.execute(
            row.on_conflict_do_update(
                index_elements=["number"],
                set_={name: row.excluded[name] for name in ("member_id", "main", "bound")},
                where=number.c.member_id.is_(None),
            ),
            phones,
        )
    if owed:
        conn.execute(insert(obligation), owed)


def branch_ids(conn: Connection) -> dict[str, int]:
    return {row.code: row.id for row in conn.execute(select(branch.c.code, branch.c.id))}


class _Seen:
    """A set of texts that may grow to millions: SQLite keeps in a file of its own what exceeds its cache."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (text TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, text: str) -> bool:
        """False when it was there."""
        return self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (text,)).rowcount == 1
