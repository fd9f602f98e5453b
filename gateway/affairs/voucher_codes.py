"""The sixteen digits of a voucher: fifteen drawn, and a check digit that finds every single slip and swap (Damm)."""

from __future__ import annotations

import random

from gateway.core.keys import Keys

DIGITS = 16
_PURPOSE = "voucher"
# H. M. Damm, Total anti-symmetrische Quasigruppen (2004): row is the digit so far, column the next one.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def draw(random: random.Random) -> str:
    """A new code. `random` must be one that nobody can foresee."""
    digits = f"{random.randrange(10 ** (DIGITS - 1)):0{DIGITS - 1}d}"
    return digits + str(damm(digits))


def damm(digits: str) -> int:
    """The digit that, put behind `digits`, makes the whole check to 0."""
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


def is_code(code: str) -> bool:
    """Whether `code` could be a voucher's at all."""
    return len(code) == DIGITS and code.isascii() and code.isdecimal() and damm(code) == 0


def in_fours(code: str) -> str:
    """As it is printed: 1234 5678 9012 3456."""
    return " ".join(code[start : start + 4] for start in range(0, len(code), 4))


def hashed(keys: Keys, code: str) -> str:
    """What the database knows a code by."""
    return keys.mac(_PURPOSE, code)
