"""Tables that leave the house, read back by readers that are not ours."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from gateway.exports.cells import Cell, Column, Kind, acts, guarded, inert
from gateway.exports.tables import Watermark, csv_rows, xlsx

AT = datetime(2026, 11, 25, 19, 30, tzinfo=UTC)
MARK = Watermark(what="会费", who="staff:li", at=AT)
COLUMNS = (Column(title="成员号"), Column(title="Name"))
HOSTILE = (
    "=1+1",
    "+8613800000007",
    "-2+3",
    "@SUM(A1)",
    "=cmd|'/c calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u3000＝1+1",
    "＝HYPERLINK(1)",
    "＋1",
    "－1",
    "＠SUM(A1)",
    "\ufeff=1",
    "\u200b=1",
    "a;=1+1;b",
    'a"=1+1"',
    "−1",
)


def read_csv(rows: Sequence[Sequence[Cell]], columns: Sequence[Column] = COLUMNS) -> list[list[str]]:
    octets = b"".join(csv_rows(columns, rows, MARK))
    assert octets.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(octets.decode("utf-8-sig"), newline="")))


def read_xlsx(path: Path) -> list[list[object]]:
    book = load_workbook(path)
    for sheet in book:
        for line in sheet:
            assert all(cell.data_type != "f" for cell in line), "no cell is a formula"
    return [list(line) for sheet in book for line in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_is_a_text_in_csv(text: str) -> None:
    cell = read_csv([("0042", text)])[2][1]
    # Whatever character a spreadsheet takes for the end of a cell, no cell begins with a sign.
    for between in (",", ";", "\n", '"'):
        for piece in cell.split(between):
            assert piece.strip(" \u3000\ufeff\u200b\ufffd")[:1] not in (*"=+-@＝＋－＠−",) or piece.strip() == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_a_formula_is_a_text_in_xlsx(text: str, tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    assert xlsx(file, COLUMNS, [("0042", text)], MARK) == 1
    line = read_xlsx(file)[2]
    assert line == ["0042", inert(text)]
    cell = load_workbook(file).worksheets[0]["B3"]
    assert cell.quotePrefix, "it stays a text when somebody edits the cell"


@given(st.text())
def test_no_text_acts_once_it_is_guarded(text: str) -> None:
    assert not acts(guarded(inert(text)))
    assert guarded(guarded(inert(text))) == guarded(inert(text))


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=10))
def test_what_is_harmless_comes_back_from_csv_as_it_was(rows: list[tuple[str, str]]) -> None:
    found = read_csv(rows)[2:]
    assert found == [[guarded(inert(cell)) for cell in row] for row in rows]


def test_zeros_in_front_and_long_numbers_stay(tmp_path: Path) -> None:
    rows = [("0042", "530102014107"), ("000000", "1E5"), ("138****0007", "张;三")]
    assert read_csv(rows)[2:] == [list(row) for row in rows]
    file = tmp_path / "t.xlsx"
    xlsx(file, COLUMNS, rows)
    assert read_xlsx(file)[1:] == [list(row) for row in rows]


def test_controls_and_lone_surrogates_do_nothing(tmp_path: Path) -> None:
    odd = "a\x00b\x07\ud800c\u202ed\x1b[31m\x7f _x0041_ \ufffe"
    file = tmp_path / "t.xlsx"
    xlsx(file, COLUMNS, [("1", odd)], MARK)
    shown = "a\ufffdb\ufffd\ufffdc\ufffdd\ufffd[31m\ufffd _x0041_ \ufffd"
    assert unescape(str(read_xlsx(file)[2][1])) == shown  # ECMA-376 22.4.2.4, which openpyxl leaves to its user
    assert read_csv([("1", odd)])[2][1] == shown


def test_numbers_days_and_times_have_types_of_their_own(tmp_path: Path) -> None:
    columns = [
        Column(title="n", kind=Kind.NUMBER),
        Column(title="m", kind=Kind.MONEY),
        Column(title="d", kind=Kind.DAY),
        Column(title="t", kind=Kind.TIME),
        Column(title="none"),
    ]
    row = (-7, Decimal("-1234.50"), date(2026, 8, 1), AT, None)
    file = tmp_path / "t.xlsx"
    xlsx(file, columns, [row])
    found = read_xlsx(file)[1]
    assert found[:2] == [-7, -1234.5]
    assert [str(value)[:19] for value in found[2:4]] == ["2026-08-01 00:00:00", "2026-11-25 19:30:00"]
    assert read_csv([row], columns)[2] == ["-7", "-1234.50", "2026-08-01", "2026-11-25 19:30:00+00:00", ""]


def test_who_took_it_out_and_when_stands_on_top(tmp_path: Path) -> None:
    said = "会费 · staff:li · 2026-11-25 19:30:00 +0000"
    assert read_csv([])[0] == [said, ""]
    file = tmp_path / "t.xlsx"
    xlsx(file, COLUMNS, [], MARK)
    assert read_xlsx(file)[0][0] == said
    footer = load_workbook(file).worksheets[0].oddFooter
    assert footer is not None
    assert footer.left is not None
    assert "staff:li" in (footer.left.text or "")
    hostile = Watermark(what="=1+1", who="x", at=AT)
    top = next(csv.reader(io.StringIO(b"".join(csv_rows(COLUMNS, [], hostile)).decode("utf-8-sig"))))
    assert top[0].startswith("'=")


def test_more_rows_than_a_sheet_holds_go_on_another(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    assert xlsx(file, COLUMNS, [(str(n), "x") for n in range(25)], MARK, rows_a_sheet=12) == 25
    book = load_workbook(file)
    assert [sheet.max_row for sheet in book] == [12, 12, 7]
    assert book.worksheets[2]["A2"].value == "成员号"


def test_an_overlong_text_is_cut_where_excel_would_not_open_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.xlsx"
    xlsx(file, COLUMNS, [("1", "字" * 40_000)])
    found = str(read_xlsx(file)[1][1])
    assert len(found) == 32_001
    assert found.endswith("…")


def test_many_rows_need_the_memory_of_a_few(tmp_path: Path) -> None:
    def used(count: int) -> int:
        rows = ((f"{n:012d}", f"成员{n}") for n in range(count))
        tracemalloc.start()
        for _ in csv_rows(COLUMNS, rows, MARK):
            pass
        rows = ((f"{n:012d}", f"成员{n}") for n in range(count))
        xlsx(tmp_path / "t.xlsx", COLUMNS, rows, MARK)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert used(8_000) < used(1_000) + 500_000
