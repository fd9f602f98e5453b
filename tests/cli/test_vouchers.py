"""`muster vouchers`: paper that is made once, and codes that are nowhere else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from pypdf import PdfReader

from gateway.affairs import vouchers
from gateway.affairs.voucher_codes import is_code
from gateway.cli.opening import opened
from tests.cli.running import refused, told


@pytest.fixture
def branch(config: Path, tmp_path: Path) -> str:  # a fixture
    (tmp_path / "b.csv").write_text("code,name,parent_code\n53,安河县,\n5301,安河村支部,53\n", "utf-8")
    told("import", config, "branches", tmp_path / "b.csv")
    return "5301"


def codes_on(file: Path) -> list[str]:
    text = "\n".join(page.extract_text() for page in PdfReader(file).pages)
    return [found.replace(" ", "") for found in re.findall(r"\d{4} \d{4} \d{4} \d{4}", text)]


def states(config: Path) -> dict[str, int]:
    with opened(config) as at:
        return {state: count for state, count in vouchers.batches(at.conn)[0].states.items() if count}


def test_a_batch_is_printed_once_and_activated_by_another(config: Path, branch: str, tmp_path: Path) -> None:
    file = tmp_path / "v.pdf"
    order = ("vouchers", "print", config, "--count", "12", "--value", "5", "--branch", branch, file)
    said = told(*order)
    assert "12 vouchers worth 60.00 CNY" in said
    codes = codes_on(file)
    assert len(set(codes)) == 12
    assert all(map(is_code, codes))
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert "printed once" in refused(*order)
    assert states(config) == {"printed": 12}
    number = re.findall(r"batch (\d+)", said)[0]
    assert "colleague" in refused("vouchers", "activate", config, number)
    told("staff", "add", config, "li", "--role", "finance")
    assert "12 vouchers are active" in told("vouchers", "activate", config, number, "--by", "li")
    assert told("vouchers", "list", config) == f"{number}\t5301\t5.00 CNY\t0 sold\t12 activated\n"
    told("vouchers", "void", config, number, "--reason", "lost", "--serial", "3")
    assert states(config) == {"activated": 11, "void": 1}
    stored = b"".join(path.read_bytes() for path in config.parent.glob("muster.db*"))
    assert number.encode() in stored, "the search would find what is there"
    assert not any(code.encode() in stored for code in codes)


def test_what_cannot_be_printed_is_said_in_a_sentence(config: Path, branch: str, tmp_path: Path) -> None:
    def order(count: str = "1", value: str = "5", place: str = branch, *more: str) -> str:
        file = tmp_path / "v.pdf"
        said = refused("vouchers", "print", config, "--count", count, "--value", value, "--branch", place, *more, file)
        assert not file.exists()
        return said

    assert "there is no branch 99" in order(place="99")
    assert "5.001 is no amount" in order(value="5.001")
    assert "nan is no amount" in order(value="nan")
    assert "five is no amount" in order(value="five")
    assert "-5 is no amount" in order(value="-5")
    assert "1 to 2000 vouchers" in order(count="0")
    assert "there is no account wang" in order("1", "5", branch, "--by", "wang")


def test_a_batch_whose_sheets_fail_is_void(
    config: Path,
    branch: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object, **more: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.cli.vouchers.voucher_sheets", full)
    file = tmp_path / "v.pdf"
    refused("vouchers", "print", config, "--count", "2", "--value", "5", "--branch", branch, file)
    assert states(config) == {"void": 2}
