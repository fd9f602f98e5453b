"""Tables for spreadsheets, CSV and XLSX: any number of rows in the memory of a few, and no formula in either.

Both begin with the watermark, a line that says who took the table out and when, so that a copy that turns up somewhere
can be asked about. `rows` may be a generator over a database cursor. Nothing here belongs in the database thread.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from gateway.exports.cells import Cell, Column, Kind, acts, guarded, inert

CSV_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PIECE = 64 * 1024
_ROWS_A_SHEET = 1_048_576  # what Excel opens; further rows go to a further sheet
_BOM = b"\xef\xbb\xbf"  # without it Excel reads UTF-8 as the machine's own code page
_FORMATS = {Kind.MONEY: "0.00", Kind.DAY: "yyyy-mm-dd", Kind.TIME: "yyyy-mm-dd hh:mm:ss", Kind.NUMBER: "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Who took the table out, and when by the organisation's clock; `what` is its title."""

    what: str
    who: str
    at: datetime

    def line(self) -> str:
        return inert(f"{self.what} · {self.who} · {self.at:%Y-%m-%d %H:%M:%S %z}")


def csv_rows(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], mark: Watermark | None = None
) -> Iterator[bytes]:
    """The pieces of a CSV file (RFC 4180: CR LF, every field quoted) in UTF-8 with BOM."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    first = _BOM
    for row in _lines(columns, rows, mark):
        writer.writerow([_written(cell) for cell in row])
        if text.tell() >= _PIECE:
            yield first + text.getvalue().encode()
            first = b""
            text.seek(0)
            text.truncate()
    if first or text.tell():
        yield first + text.getvalue().encode()


def xlsx(
    file: Path | BinaryIO,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
    mark: Watermark | None = None,
    *,
    sheet: str = "Muster",
    rows_a_sheet: int = _ROWS_A_SHEET,
) -> int:
    """Write an XLSX workbook, row by row to disk; how many rows of `rows` there were."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
        "default_date_format": _FORMATS[Kind.DAY],
    }
    target = str(file) if isinstance(file, Path) else file
    book = Workbook(target, options)
    try:
        book.set_properties({"title": mark.what if mark else sheet, "author": mark.who if mark else ""})
        return _Sheets(book, columns, mark, sheet, rows_a_sheet).write(rows)
    finally:
        book.close()


class _Sheets:
    """The sheets of one workbook; each begins with the watermark and the titles."""

    def __init__(
        self, book: Workbook, columns: Sequence[Column], mark: Watermark | None, title: str, rows_a_sheet: int
    ) -> None:
        self._book, self._columns, self._mark = book, columns, mark
        self._title, self._most, self._count = title, rows_a_sheet, 0
        self._bold: Format = book.add_format({"bold": True, "num_format": "@", "bottom": 1})
        self._small: Format = book.add_format({"italic": True, "num_format": "@", "font_color": "#555555"})
        self._text: Format = book.add_format({"num_format": "@"})
        self._quoted: Format = book.add_format({"num_format": "@", "quote_prefix": True})
        self._kinds = {kind: book.add_format({"num_format": format_}) for kind, format_ in _FORMATS.items()}

    def write(self, rows: Iterable[Sequence[Cell]]) -> int:
        sheet, line, total = *self._new(), 0
        for row in rows:
            if line >= self._most:
                sheet, line = self._new()
            for at, (cell, column) in enumerate(zip(row, self._columns, strict=True)):
                self._cell(sheet, line, at, cell, column.kind)
            line += 1
            total += 1
        return total

    def _new(self) -> tuple[Worksheet, int]:
        self._count += 1
        sheet: Worksheet = self._book.add_worksheet(f"{self._title} {self._count}" if self._count > 1 else self._title)
        for at, column in enumerate(self._columns):
            sheet.set_column(at, at, column.width)
        line = 0
        if self._mark is not None:
            said = self._mark.line()
            sheet.set_footer(f"&L{said.replace('&', '&&')[:200]}&R&P / &N")
            sheet.write_string(line, 0, said, self._small)
            line += 1
        for at, column in enumerate(self._columns):
            sheet.write_string(line, at, inert(column.title), self._bold)
        sheet.freeze_panes(line + 1, 0)
        sheet.repeat_rows(0, line)
        return sheet, line + 1

    def _cell(self, sheet: Worksheet, line: int, at: int, cell: Cell, kind: Kind) -> None:
        match cell:
            case None:
                return
            case str():
                text = inert(cell)
                sheet.write_string(line, at, text, self._quoted if acts(text) else self._text)
            case datetime():
                sheet.write_datetime(line, at, cell.replace(tzinfo=None), self._kinds[Kind.TIME])
            case date():
                sheet.write_datetime(line, at, datetime.combine(cell, time()), self._kinds[Kind.DAY])
            case _:
                if isinstance(cell, int) and abs(cell) >= 10**15:  # Excel's numbers end there
                    sheet.write_string(line, at, str(cell), self._text)
                else:
                    sheet.write_number(line, at, float(cell), self._kinds.get(kind, self._kinds[Kind.NUMBER]))


def _lines(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell]], mark: Watermark | None
) -> Iterator[Sequence[Cell]]:
    if mark is not None:
        yield [mark.line(), *[None] * (len(columns) - 1)]
    yield [column.title for column in columns]
    yield from rows


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return guarded(inert(cell))
        case datetime():
            return cell.isoformat(sep=" ", timespec="seconds")
        case Decimal():
            return format(cell, "f")
        case _:
            return str(cell)
