"""A list of people as a file: whatever a spreadsheet saves as CSV, or one number a line, in UTF-8 or GB 18030."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator

from gateway.affairs import importing_members
from gateway.affairs.notices.drafts import Refused
from gateway.affairs.notices.lists import MOST, Line
from gateway.affairs.sheets import guessed

LARGEST = 32 * 1024 * 1024  # octets
_DELIMITERS = ",;\t"
_WANTED = ("phone", "member_no")  # in this order, where a sheet has titles


def read(octets: bytes) -> list[Line]:
    """Its lines with their numbers; of a sheet the column called phone or member number, else the first."""
    if octets.startswith(b"PK"):
        raise Refused("workbook", "this is a workbook; save it as CSV")
    found = list(_lines(decoded(octets)))
    if not found:
        raise Refused("empty", "the file is empty")
    if len(found) > MOST or len(octets) > LARGEST:
        raise Refused("many", f"a list has at most {MOST:,} lines")
    return found


def decoded(octets: bytes) -> str:
    """As text; what is neither UTF-8 nor GB 18030 keeps what can be read of it."""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return octets.decode("utf-16", "replace")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    return octets.decode("utf-8-sig", "replace")


def _lines(text: str) -> Iterator[Line]:
    columns: list[int] | None = None
    for number, cells in _rows(text):
        if columns is None:
            columns = _columns(cells)
            if columns:
                continue
            columns = [0]
            if not any(map(re.compile(r"\d").search, cells)):
                continue  # a title that we do not know
        said = next((cells[at] for at in columns if at < len(cells) and cells[at]), "")
        if said:
            yield Line(number, said)


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that holds anything, with its number."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    for number, line in enumerate(text.splitlines(), start=1):
        cells = [cell.strip(" \t\"'\ufeff") for cell in _cells(line, delimiter)]
        if any(cells):
            yield number, cells


def _cells(line: str, delimiter: str) -> Iterable[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _columns(titles: list[str]) -> list[int]:
    """Where the columns stand that say who is meant, the better one first; none when these are no titles."""
    meaning = [guessed([title], importing_members.COLUMNS)[title] for title in titles]
    return [meaning.index(wanted) for wanted in _WANTED if wanted in meaning]
