"""How providers write amounts, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.providers.protocol import minor


@pytest.mark.parametrize(
    ("said", "currency", "found"),
    [
        ("9.00", "KES", 900),
        (9, "KES", 900),
        (9.0, "KES", 900),
        (0.07, "KES", 7),
        ("9", "UGX", 9),
        ("9.000", "KWD", 9000),
        ("9.0000", "KES", 900),
    ],
)
def test_an_amount(said: Any, currency: str, found: int) -> None:
    assert minor(said, currency) == found


@pytest.mark.parametrize(
    "said",
    ["", None, True, "1e3", "1e999999", "1E+5", "1_000", "NaN", "sNaN", "Infinity", "9.001", " 9", "9\n", "٩",
     "9" * 16, 1e300, "0x10", "1,000.00", [], {}],
)  # fmt: skip
def test_no_amount(said: Any) -> None:
    assert minor(said, "KES") is None
