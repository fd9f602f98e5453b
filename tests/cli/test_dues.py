"""`muster dues` and `muster verify` as a treasurer and an auditor use them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy import select, text

from gateway.affairs import assessing, payments
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.payments import Method, Payment
from gateway.cli.opening import opened
from gateway.core import guards
from gateway.core.tables.dues import assessment
from gateway.core.tables.organisation import member
from gateway.core.tables.staff import audit
from tests.cli.running import muster, refused, told


@pytest.fixture
def house(config: Path) -> Path:
    """Three members of a branch."""
    (config.parent / "b.csv").write_text("code,name,parent_code\n53,安河县,\n5301,安河村,53\n")
    rows = ("1,,5301,a,zh,wage,5,", "2,,5301,b,zh,farmer,0.50,", "3,,5301,c,zh,农民,0.50,", "4,,5301,d,zh,full,3,")
    head = "member_no,phone,branch_code,name,language,dues_class,monthly_amount,joined\n"
    (config.parent / "m.csv").write_text(head + "\n".join(rows) + "\n")
    for kind, name in (("branches", "b.csv"), ("members", "m.csv")):
        told("import", config, kind, config.parent / name)
    return config


def year(config: Path) -> int:
    with opened(config) as at:
        return at.today.year + 1


def report(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8-sig") as file:
        return {row["member_no"]: f"{row['outcome']} {row['reason']}".strip() for row in csv.DictReader(file)}


def test_the_year_is_assessed_from_a_file_that_is_read_and_forgotten(house: Path) -> None:
    file = house.parent / "year.csv"
    file.write_text(
        "member_no,class,base,amount\n1,wage,3333.33,\n2,farmer,,1.00\n3,wage,,\n4,hardship,,0\n5,wage,100,\n6,x,,1\n"
    )
    arguments = ("dues", "assess", house, str(year(house)), file)
    assert "a dry run" in told(*arguments, "--dry-run")
    with opened(house) as at:
        assert at.conn.scalar(select(assessment.c.id)) is None
    said = told(*arguments)
    assert "6 members: 3 assessed, 0 assessed anew, 0 unchanged, 3 not assessed" in said
    assert "2 名册中没有这名成员" in said
    assert "delete it" in said
    assert report(house.parent / "year.report.csv") == {
        "1": "created",
        "2": "created",
        "3": "error base:missing",
        "4": "created approval:needed",
        "5": "error member_no:unknown",
        "6": "error member_no:unknown",
    }
    assert "3 unchanged" in told(*arguments)
    with opened(house) as at:
        rows = at.conn.execute(
            select(member.c.member_no, assessment.c["class"], assessment.c.amount, assessment.c.state)
            .join(assessment)
            .order_by(member.c.member_no)
        ).all()
        assert [tuple(row) for row in rows] == [
            ("1", "wage", 3333, "approved"),
            ("2", "farmer", 100, "approved"),
            ("4", "hardship", 0, "proposed"),
        ]
        assert len(assessing.proposed(at.conn, "/53/")) == 1
        said = " ".join(f"{row.object} {row.reason}" for row in at.conn.execute(select(audit)))
    everywhere = said + (house.parent / "year.report.csv").read_text()
    everywhere += (house.parent / "muster.db").read_bytes().decode("latin-1")
    assert "333333" not in everywhere
    assert "3333.33" not in everywhere


def test_without_a_file_members_keep_their_class(house: Path) -> None:
    target = house.parent / "r.csv"
    said = told("dues", "assess", house, str(year(house)), "--report", target)
    assert "4 members: 3 assessed" in said
    assert report(target) == {"1": "created", "2": "created", "3": "created", "4": "error class:unknown"}


def test_what_cannot_be_assessed_is_said(house: Path) -> None:
    assert "cannot be assessed now" in refused("dues", "assess", house, "2019")
    assert "no such file" in refused("dues", "assess", house, "2027", "nowhere.csv")
    file = house.parent / "year.csv"
    file.write_text("class,base\nwage,5\n")
    assert "no column member_no" in refused("dues", "assess", house, str(year(house)), file)


def test_rates_are_written_changed_and_read_again(house: Path) -> None:
    file = house.parent / "rates.toml"
    assert "9 classes" in told("dues", "rates", house, "export", file)
    assert "already" in refused("dues", "rates", house, "export", file)
    file.write_text(file.read_text().replace("most = 1.00\n", "most = 2.00\n").replace("2009", "2026"))
    assert "9 classes are in force from 2026-01-01" in told("dues", "rates", house, "import", file)
    assert "already" in told("dues", "rates", house, "import", file)
    told("dues", "rates", house, "export", house.parent / "again.csv")
    assert "farmer,农民,Farmer,,,0.20,2.00,no" in (house.parent / "again.csv").read_text()
    file.write_text("valid_from = 2026-01-01\n")
    assert "rates.toml: the table has no class" in refused("dues", "rates", house, "import", file)


def test_the_books_are_proved(house: Path) -> None:
    with opened(house) as at:
        books = Books(at.gateway.organisation, at.keys, at.new_id)
        who = at.conn.scalar(select(member.c.id).where(member.c.member_no == "1"))
        assert who is not None
        source = Account(AccountKind.CASH, "5301")
        paid = Payment(
            key="k", member_id=who, amount=700, method=Method.CASH, source=source, actor="member:1", at=at.now
        )
        payments.receive(at.conn, books, paid, at.now)
    said = told("verify", house)
    assert "1 transactions, 1 receipts, 3 accounts" in said
    assert "all is as it was written" in said
    ran = muster("verify", "--link", "0123abcd", house)
    assert (ran.exit_code, "link 0123abcd: it is in no chain" in ran.output) == (1, True)
    with opened(house) as at:
        guards.remove(at.conn)
        at.conn.execute(text("UPDATE receipt SET amount = 800"))
    ran = muster("verify", house)
    assert ran.exit_code == 1
    assert "guard_" in ran.output
    assert "not what was written" in ran.output
    assert "muster upgrade" in refused("staff", "list", house)
    told("upgrade", house)
    assert "guard_" not in muster("verify", house).output
