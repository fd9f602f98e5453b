"""`muster statement import` and `muster reconcile`, as finance uses them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.affairs import suspense
from gateway.cli.opening import opened
from tests.cli.running import refused, told

ROWS = (
    "交易日期,交易流水号,交易金额,摘要,对方户名\n"
    "2026-11-20,A1,9.00,会费 00004107,张三\n"
    '2026-11-20,A2,"1,250.00",货款,某公司\n'
    "2026-11-20,A3,-3.00,手续费,\n"
)


@pytest.fixture
def bank(config: Path, tmp_path: Path) -> Path:
    config.write_text(config.read_text("utf-8") + "\n[bank.county]\n", "utf-8")
    (tmp_path / "b.csv").write_text("code,name,parent_code\n53,安河县,\n5301,安河村支部,53\n", "utf-8")
    (tmp_path / "m.csv").write_text(
        "member_no,phone,branch_code,name,language,dues_class,monthly_amount\n"
        "00004107,13800000001,5301,张三,zh,farmer,3.00\n",
        "utf-8",
    )
    told("import", config, "branches", tmp_path / "b.csv")
    told("import", config, "members", tmp_path / "m.csv")
    return config


def test_a_statement_comes_in_once(bank: Path, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_bytes(ROWS.encode("gb18030"))
    order = ("statement", "import", bank, file, "--account", "county")
    dry = (
        "3 lines: 1 booked, 1 in suspense, 0 known, 1 noted, 0 seen before, 0 not read (a dry run: nothing was changed)"
    )
    assert dry in told(*order, "--dry-run")
    said = told(*order)
    assert "1 booked, 1 in suspense" in said
    title, first, second, third = (tmp_path / "november.report.csv").read_text("utf-8-sig").splitlines()
    assert title == "line,reference,amount,outcome,what,说明"
    receipt = re.fullmatch(r"2,A1,9\.00,booked,receipt (\d{9}),已入账：成员会费，收据(\d{9})", first)
    assert receipt is not None
    assert receipt[1] == receipt[2]
    assert second == "3,A2,1250.00,suspense,,在待查款"
    assert third == "4,A3,'-3.00,noted,,留待核对"
    assert "0 booked, 0 in suspense, 0 known, 0 noted, 3 seen before" in told(*order)
    with opened(bank) as at:
        assert [item.amount for item in suspense.listing(at.conn)] == [125000]


def test_a_day_is_compared(bank: Path, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_text(ROWS, "utf-8")
    told("statement", "import", bank, file, "--account", "county")
    said = told("reconcile", bank, "2026-11-20")
    assert said.splitlines()[0] == "bank:county 2026-11-20: 2 match, 1 only theirs; 1 open"
    assert "only theirs" in said.splitlines()[2]
    assert "-3.00" in said.splitlines()[2]
    (found,) = json.loads(told("reconcile", bank, "2026-11-20", "--source", "county", "--json"))
    assert (found["open"], found["counts"]["match"]) == (1, 2)
    assert [row["reference"] for row in found["rows"] if row["open"]] == ["A3"]
    assert "nothing moved" in told("reconcile", bank, "2026-11-19")


def test_what_cannot_be_done_is_said(bank: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    assert "no such file" in refused("statement", "import", bank, file, "--account", "county")
    file.write_text("a,b\n1,2\n", "utf-8")
    assert "there is no account town; there is county" in refused(
        "statement", "import", bank, file, "--account", "town"
    )
    assert "there is no column date" in refused("statement", "import", bank, file, "--account", "county")
    file.write_text("<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>", "utf-8")
    assert "has a document type" in refused("statement", "import", bank, file, "--account", "county")
    profile = tmp_path / "p.toml"
    profile.write_text('date = "D"\n', "utf-8")
    said = refused("statement", "import", bank, file, "--account", "county", "--profile", profile)
    assert "amount: is missing" in said
    assert "has not been yet" in refused("reconcile", bank, "2999-01-01")
