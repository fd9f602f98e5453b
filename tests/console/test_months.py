from __future__ import annotations

from datetime import date

import pytest

from gateway.console.months import after, taken_out

TODAY = date(2026, 8, 18)


@pytest.mark.parametrize(
    ("typed", "words", "month"),
    [
        ("会费 2026-08", "会费", date(2026, 8, 1)),
        ("2025年12月 会费", "会费", date(2025, 12, 1)),
        ("会费 8月", "会费", date(2026, 8, 1)),
        ("会费 9月", "会费", date(2025, 9, 1)),
        ("dues August", "dues", date(2026, 8, 1)),
        ("dues sep 2024 help", "dues help", date(2024, 9, 1)),
        ("会费", "会费", None),
        ("8月", "8月", None),
        ("8月会费", "8月会费", None),
        ("会费 2026-13", "会费 2026-13", None),
        ("13800000007", "13800000007", None),
        ("maybe tomorrow", "maybe tomorrow", None),
    ],
)
def test_a_month_among_the_words(typed: str, words: str, month: date | None) -> None:
    assert taken_out(typed, TODAY) == (words, month)


def test_the_year_turns() -> None:
    assert after(date(2026, 12, 1)) == date(2027, 1, 1)
    assert after(date(2026, 8, 1)) == date(2026, 9, 1)
