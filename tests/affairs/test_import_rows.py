"""An import is taken back: what it made goes, what it changed is as before, what has been used since stays."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, update

from config.model import Organisation
from gateway.affairs import branches, consent, import_rows, members
from gateway.affairs.importing import Import, What, run_import
from gateway.core.ids import Ids
from gateway.core.tables.organisation import branch, member, number, obligation
from gateway.core.tables.organisation import consent as consents
from gateway.core.tables.staff import import_job, import_row
from tests.affairs.people import NOW

BRANCHES = "code,name,parent_code\n53,安河县,\n5301,一支部,53\n"
TITLES = "member_no,phone,branch_code,name,language,dues_class,monthly_amount\n"


def job(conn: Connection, ids: Ids) -> int:
    made = ids()
    conn.execute(
        import_job.insert().values(
            id=made, what="members", file="x.csv", state="running", options="{}", actor="staff:root", at=NOW
        )
    )
    return made


def bring(conn: Connection, ids: Ids, folder: Path, what: What, text: str, **options: Any) -> int:
    """Import as the console does; the job's id."""
    file = folder / f"{what}.csv"
    file.write_text(text, "utf-8")
    with conn.begin():
        import_id = job(conn, ids)
    run_import(
        conn,
        Import(what=what, file=file, organisation=Organisation(name="Anhe"), id=import_id, **options),
        new_id=ids,
        random=random.Random(1),
        now=NOW,
    )
    return import_id


def back(conn: Connection, import_id: int) -> tuple[int, int]:
    done = stay = 0
    with conn.begin():
        while (step := import_rows.undo(conn, import_id, NOW + timedelta(hours=1), limit=2))[0]:
            done, stay = done + step[0], stay + step[1]
    return done, stay


def count(conn: Connection, table: Any) -> int:
    with conn.begin():
        return conn.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture
def first(conn: Connection, ids: Ids, tmp_path: Path) -> int:
    return bring(conn, ids, tmp_path, What.BRANCHES, BRANCHES)


def test_everything_goes_again(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    rows = "".join(f"M{n},1380000{n:04},5301,成员{n},zh,a,3\n" for n in range(5))
    second = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + rows)
    assert (count(conn, member), count(conn, obligation)) == (5, 5)
    with conn.begin():
        assert [row.how for row in consent.history(conn, "+8613800000001")] == ["import"]
    assert back(conn, second) == (10, 0)
    assert [count(conn, table) for table in (member, obligation, consents)] == [0, 0, 0]
    with conn.begin():
        assert conn.scalar(select(func.count()).where(number.c.member_id.is_not(None))) == 0
    assert back(conn, first) == (2, 0)
    assert count(conn, branch) == 0
    assert count(conn, import_row) == 0


def test_what_was_changed_is_as_before(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉兰,zh,a,3\n")
    moved = bring(conn, ids, tmp_path, What.BRANCHES, "code,name,parent_code\n5301,新名,\n")
    again = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉蓝,en,b,9\n")
    assert back(conn, again) == (1, 0)
    with conn.begin():
        kept = conn.execute(select(member.c.name, member.c.language, member.c.monthly_amount)).one()
    assert tuple(kept) == ("王玉兰", "zh", 300)
    assert back(conn, moved) == (1, 0)
    with conn.begin():
        stored = conn.execute(select(branch.c.name, branch.c.path).where(branch.c.code == "5301")).one()
        assert tuple(stored) == ("一支部", "/53/5301/")
        found = members.by_number(conn, "+8613800000001", NOW.date()).member
    assert found is not None


def test_who_was_changed_by_a_later_import_stays_until_that_is_taken_back(
    conn: Connection, ids: Ids, tmp_path: Path, first: int
) -> None:
    rows = "M1,,5301,王玉兰,zh,a,3\nM2,,5301,李,zh,a,3\n"
    made = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + rows)
    later = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,,5301,王玉蓝,zh,a,3\n")
    assert back(conn, made) == (2, 1)
    with conn.begin():
        assert list(conn.scalars(select(member.c.name))) == ["王玉蓝"]
    assert back(conn, later) == (1, 0)


def test_taking_back_asks_the_database_as_often_for_many_as_for_one(
    conn: Connection, ids: Ids, tmp_path: Path, first: int
) -> None:
    """Else a gateway beside it waits for its turn to write until it is told that the database is locked."""
    asked: list[str] = []
    event.listen(conn, "before_cursor_execute", lambda *called: asked.append(called[2]))
    counts = []
    for many in (1, 40):
        rows = "".join(f"N{n},,5301,成员{n},zh,a,3\n" for n in range(many))
        made = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + rows)
        asked.clear()
        with conn.begin():
            assert import_rows.undo(conn, made, NOW) == (many, 0)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_what_was_changed_again_stays(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉兰,zh,a,3\n")
    again = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉蓝,en,b,9\n")
    with conn.begin():  # assessed since, and somebody has put the language right
        conn.execute(update(member).values(dues_class="b", monthly_amount=1200, language="bo"))
    assert back(conn, again) == (1, 1)
    with conn.begin():
        kept = conn.execute(
            select(member.c.name, member.c.language, member.c.dues_class, member.c.monthly_amount)
        ).one()
    assert tuple(kept) == ("王玉兰", "bo", "b", 1200)


def test_a_branch_goes_back_with_what_is_below_it_by_now(
    conn: Connection, ids: Ids, tmp_path: Path, first: int
) -> None:
    bring(conn, ids, tmp_path, What.BRANCHES, "code,name,parent_code\n54,邻县,\n")
    moved = bring(conn, ids, tmp_path, What.BRANCHES, "code,name,parent_code\n5301,新名,54\n")
    with conn.begin():
        branches.rename(conn, "5301", "又一名")
        branches.add(conn, ids, code="530101", name="小组", parent_code="5301")
    assert back(conn, moved) == (1, 1)
    with conn.begin():
        stored = conn.execute(select(branch.c.code, branch.c.name, branch.c.path).order_by(branch.c.code)).all()
    assert [tuple(row) for row in stored] == [
        ("53", "安河县", "/53/"),
        ("5301", "又一名", "/53/5301/"),
        ("530101", "小组", "/53/5301/530101/"),
        ("54", "邻县", "/54/"),
    ]


def test_a_branch_that_was_moved_again_stays(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    moved = bring(conn, ids, tmp_path, What.BRANCHES, "code,name,parent_code\n5301,一支部,\n")
    with conn.begin():
        branches.add(conn, ids, code="55", name="新县")
        branches.move(conn, "5301", "55")
    assert back(conn, moved) == (1, 1)
    with conn.begin():
        assert conn.scalar(select(branch.c.path).where(branch.c.code == "5301")) == "/55/5301/"


@pytest.mark.parametrize("whose", ["somebody else's", "their own again"])
def test_a_phone_that_was_bound_again_stays(conn: Connection, ids: Ids, tmp_path: Path, first: int, whose: str) -> None:
    bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,,5301,王玉兰,zh,a,3\nM2,,5301,李四,zh,a,3\n")
    second = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉兰,zh,a,3\n")
    no = "M2" if whose == "somebody else's" else "M1"
    with conn.begin():
        members.unbind(conn, "+8613800000001", NOW + timedelta(minutes=1))
        owner = conn.execute(select(member.c.id).where(member.c.member_no == no)).scalar_one()
        assert members.bind(conn, "+8613800000001", owner, NOW + timedelta(minutes=2))
    assert back(conn, second) == (1, 1)
    with conn.begin():
        found = members.by_number(conn, "+8613800000001", NOW.date()).member
    assert found is not None
    assert found.member_no == no


def test_what_has_been_used_since_stays(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    rows = TITLES + "M1,13800000001,5301,王玉兰,zh,a,3\nM2,13800000002,5301,李四,zh,a,3\n"
    second = bring(conn, ids, tmp_path, What.MEMBERS, rows)
    with conn.begin():
        paid = select(member.c.id).where(member.c.member_no == "M1").scalar_subquery()
        conn.execute(update(obligation).where(obligation.c.member_id == paid).values(paid=100))
    assert back(conn, second) == (4, 1)
    with conn.begin():
        assert list(conn.scalars(select(member.c.member_no))) == ["M1"]
    assert back(conn, first) == (2, 2)
    assert count(conn, branch) == 2


def test_an_opt_out_outlives_the_import_and_its_undoing(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    second = bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王玉兰,zh,a,3\n")
    with conn.begin():
        consent.stop(conn, ids, "+8613800000001", how="STOP", now=NOW)
    back(conn, second)
    with conn.begin():
        assert members.by_number(conn, "+8613800000001", NOW.date()).opted_out
        assert [row.how for row in consent.history(conn, "+8613800000001")] == ["STOP"]


def test_a_dry_run_keeps_nothing(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    bring(conn, ids, tmp_path, What.MEMBERS, TITLES + "M1,13800000001,5301,王,zh,a,3\n", dry_run=True)
    with conn.begin():
        assert conn.scalar(select(func.count()).where(import_row.c.import_id != first)) == 0


def test_columns_by_another_name_and_another_encoding(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    file = tmp_path / "odd.csv"
    file.write_bytes("甲,乙,丙,丁,戊,己,庚\nM9,13800000009,5301,陈,zh,a,3\n".encode("gb18030"))
    names = ("member_no", "phone", "branch_code", "name", "language", "dues_class", "monthly_amount")
    meaning = dict(zip("甲乙丙丁戊己庚", names, strict=True))
    one = Import(
        what=What.MEMBERS, file=file, organisation=Organisation(name="Anhe"), meaning=meaning, encoding="gb18030"
    )
    counts = run_import(conn, one, new_id=ids, random=random.Random(1), now=NOW)
    assert (counts.created, counts.bound) == (1, 1)


def test_when_the_day_is_over_it_is_forgotten(conn: Connection, ids: Ids, tmp_path: Path, first: int) -> None:
    with conn.begin():
        assert import_rows.left(conn, first) == 2
        assert import_rows.forget(conn, first) == 2
        assert import_rows.undo(conn, first, NOW) == (0, 0)
    assert count(conn, branch) == 2
