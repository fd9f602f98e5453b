"""What a new password must not be: too short, its own name, or one of those that are tried first.

The list is zxcvbn's (MIT licence, Dropbox 2012-2016): of the 30,000 most used passwords those long enough for us.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from gateway.console.passwords import LEAST, MOST

_LIST = Path(__file__).with_suffix(".txt")


def problem(password: str, *names: str) -> str | None:
    """ "short", "name" or "common"; None when it may be used. `names` are the account's, the organisation's, ours."""
    if not LEAST <= len(password) <= MOST:
        return "short"
    folded = password.casefold()
    if any(len(name) >= 3 and name.casefold() in folded for name in names):
        return "name"
    if folded in _common() or len(set(folded)) < 4:
        return "common"
    return None


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset(_LIST.read_text("utf-8").split())
