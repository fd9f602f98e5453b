"""What became of a row of an import is a sentence in the reader's language, beside the code that machines read."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import affairs
from gateway.affairs.sheets import Report
from gateway.console import row_reports
from gateway.console.words import WORDS
from gateway.core import phone

FOLDER = Path(affairs.__path__[0])
ASSESSED_CELLS = ("base", "amount")  # read by `fields.amount`, under their own names


def codes() -> Iterator[str]:
    """What the affairs of imports and assessments say of a row."""
    for name in ("fields", "importing_members", "importing_branches", "assess_register", "rates"):
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                column, colon, what = node.value.partition(":")
                if colon and column.isidentifier() and what.isidentifier():
                    yield node.value
    yield from (f"phone:{reason}" for reason in phone.Reason)
    yield from statement_codes()
    yield from (f"{cell}:{what}" for cell in ASSESSED_CELLS for what in ("missing", "unreadable", "too_precise"))
    yield from ("unreadable", "too_many_cells", "damaged")  # of sheets


def statement_codes() -> Iterator[str]:
    """Why a line of a statement could not be read, and what one was booked for: `f"receipt {number}"`."""
    for name in ("statement_lines", "statement_csv", "statement_camt"):
        for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Unreadable"), args=[ast.Constant(value=str(code))]):
                    yield code
    for node in ast.walk(ast.parse((FOLDER / "statements.py").read_text("utf-8"))):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(begin)), *_]) if re.fullmatch("[a-z]+ ", begin):
                yield begin.strip()
            case ast.Return(value=ast.Tuple(elts=[*_, ast.Constant(value=str(code))])) if code:
                yield code
            case ast.Constant(value=str(code)) if re.fullmatch("[a-z]+:[a-z]+", code):
                yield code


def test_what_a_line_was_booked_for_is_said_with_its_number() -> None:
    english = row_reports.console_reader("en")
    said = row_reports.explained(english, row_reports.STATED, "booked", "remittance 400123")
    assert said == "booked: what a treasurer has handed on, number 400123"


def test_every_reason_is_a_sentence_in_both_languages() -> None:
    found = set(codes())
    assert found == set(row_reports.REASONS), found ^ set(row_reports.REASONS)
    chinese = row_reports.console_reader("zh")
    for sentence in row_reports.REASONS.values():
        assert chinese(sentence) != sentence, sentence


@pytest.mark.parametrize(
    ("language", "title", "said"), [("zh", "说明", "未导入：没有"), ("en", "explanation", "not imp")]
)
def test_a_file_to_take_away_says_both(tmp_path: Path, language: str, title: str, said: str) -> None:
    report, target = tmp_path / "report.csv", io.BytesIO()
    with report.open("w", encoding="utf-8-sig", newline="") as file:
        Report(file, ("line", "member_no", "outcome", "reason")).add(
            [
                (2, "=1", "created", ""),
                (3, "7", "error", "branch_code:unknown"),
                (4, "8", "updated", "phone:of_a_later_day"),
            ]
        )
    row_reports.explain_file(report, target, row_reports.console_reader(language))
    header, first, second, third = csv.reader(io.StringIO(target.getvalue().decode("utf-8-sig")))
    assert header == ["line", "member_no", "outcome", "reason", title]
    assert first[:4] == ["2", "'=1", "created", ""]
    assert first[4] == row_reports.console_reader(language)("created")
    assert second[3] == "branch_code:unknown"
    assert second[4].startswith(said)
    assert third[4].endswith("phone:of_a_later_day")  # written before this version knew better


def test_outcomes_and_columns_are_words() -> None:
    chinese = row_reports.console_reader("zh")
    for words in (row_reports.IMPORTED, row_reports.ASSESSED, row_reports.STATED, WORDS["column"]):
        for word in words.values():
            assert chinese(word) != word, word
