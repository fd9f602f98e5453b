"""Case numbers as members read and type them: nine digits, of which the last finds a slip of the finger.

The first digit is the type, seven are a keyed permutation of a count, so that nobody can tell how many cases there
are, and the last is Damm's check digit, which finds every single wrong digit and every two that changed places.
"""

from __future__ import annotations

from sqlalchemy import Connection

from gateway.core.driver import ask
from gateway.core.keys import Keys

DIGITS = 7
LIMIT = 10**DIGITS

# The quasigroup of order 10 in H. M. Damm's thesis (2004).
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)


def case_number(keys: Keys, kind: int, count: int) -> str:
    """The number of the `count`th case of a type; after ten million they begin again."""
    digits = f"{kind}{keys.permute(count % LIMIT, digits=DIGITS, purpose=f'case {kind}'):0{DIGITS}d}"
    return digits + check_digit(digits)


def take_counts(conn: Connection, kind: int, how_many: int = 1) -> int:
    """The first of the next `how_many` counts of a type. The count is one row, so that it never repeats after an
    erasure; what was taken in a transaction that fails is taken again."""
    name = f"cases {kind}"
    advance = (
        "UPDATE fact SET value = CAST(CAST(value AS BIGINT) + ? AS TEXT) WHERE name = ? RETURNING CAST(value AS BIGINT)"
    )
    rows = ask(conn, advance, how_many, name)
    if not rows:
        ask(conn, "INSERT INTO fact (name, value) VALUES (?, '0') ON CONFLICT DO NOTHING", name)
        rows = ask(conn, advance, how_many, name)
    return int(rows[0][0]) - how_many


def is_case_number(text: str) -> bool:
    return len(text) == DIGITS + 2 and text.isascii() and text.isdecimal() and check_digit(text) == "0"


def check_digit(digits: str) -> str:
    """Damm's digit for `digits`; "0" for digits that end with their own."""
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return str(interim)
