"""What a bank or a wallet says moved: one line of its statement, whatever file or API it came from."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime


class Unreadable(Exception):
    """A cell holds no amount or no day; the code says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One movement as the other side has it; `amount` is in minor units, positive when money came to us.

    `reference` is the other side's own id; `end_to_end` what the payer's bank gave it. `problem` says why a line that
    cannot be read is none.
    """

    number: int  # of the line or entry in its file
    day: date
    amount: int
    reference: str = ""
    end_to_end: str = ""
    text: str = ""
    payer: str = ""
    at: datetime | None = None
    problem: str | None = None


def amount(text: str, decimal: str, places: int) -> int:
    """An amount as people and banks write it: 1,250.00, 1.250,00, -3, (3.00), 3.00-, +5, ¥12."""
    text = unicodedata.normalize("NFKC", text).strip().lstrip("'")
    negative = text.startswith("(") and text.endswith(")")
    text = text.strip("()").replace("\u2212", "-").replace("\xa0", "").replace(" ", "")
    text = text.strip("¥￥€$£")
    if text.startswith("-") or text.endswith("-"):
        negative, text = not negative, text.strip("-")
    text = text.removeprefix("+")
    thousands = "," if decimal == "." else "."
    whole, _, rest = text.partition(decimal)
    groups = whole.split(thousands)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        raise Unreadable("amount")
    whole = "".join(groups) or "0"
    if not (whole + rest).isascii() or not (whole + (rest or "0")).isdecimal() or len(whole) > 13 or not text:
        raise Unreadable("amount")
    if rest[places:].strip("0"):
        raise Unreadable("amount:decimals")
    value = int(whole + (rest + "0" * places)[:places])
    return -value if negative else value


def keys(lines: Iterable[Line]) -> list[tuple[str, Line]]:
    """Each line with what makes it itself in every copy of the statement, in all that overlap.

    What the bank says of it, and among lines of which the bank says the same, which of them it is: two equal payments
    on a day are two, and a second copy of the file has the same two.
    """
    seen: Counter[str] = Counter()
    found = []
    for line in lines:
        said = [line.day.isoformat(), str(line.amount), line.reference, line.end_to_end]
        if not (line.reference or line.end_to_end):
            said += [line.text, line.payer]
        content = "\x1f".join(said)
        seen[content] += 1
        mark = hashlib.sha256(f"{content}\x1f{seen[content]}".encode()).hexdigest()[:32]
        found.append((mark, line))
    return found
