"""Tables as offices keep them: CSV files in whatever a spreadsheet wrote, and reports that a spreadsheet may open."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import os
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from gateway.affairs.refusal import Refusal

_BLOCK = 1 << 20
_LONGEST = 6  # lines of a record: people break lines inside a cell
_DELIMITERS = ",;\t"
_DAMAGED = "\N{REPLACEMENT CHARACTER}"
_CJK = "\N{CJK RADICAL REPEAT}"  # the first of them
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class SheetProblem(Refusal):
    """The file cannot be read as a table; the sentence says what to do."""

    def __init__(self, file: object, message: str, **values: object) -> None:
        super().__init__(message, **values)
        self.args = (f"{file}: {self}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    aliases: tuple[str, ...] = ()
    required: bool = True


class Row(NamedTuple):
    """A row by the names of its columns, all there and stripped; `problem` says why it cannot be read."""

    line: int
    values: Mapping[str, str]
    problem: str | None = None


class Sheet:
    """A CSV file with a header line, read row by row however long it is."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        *,
        skip: int = 0,
        encoding: str | None = None,
        meaning: Mapping[str, str] | None = None,
    ) -> None:
        """`skip` lines stand before the header; `encoding` is in place of the guessed one; `meaning` says by title
        which column it is, "" being none of ours."""
        self._path, self._skip = path, skip
        self.encoding, self._errors, self.lines = _examine(path)
        if encoding is not None and encoding != self.encoding:
            self.encoding, self._errors = encoding, "replace"
        with self._open() as file:
            header = next((line for line in file if line.strip()), "")
        if not header:
            raise SheetProblem(path, "the file is empty")
        self._delimiter = max(_DELIMITERS, key=header.count)
        with self._open() as file:
            titles = next((cells for _, cells in self._records(file) if cells is not None and any(cells)), [])
        self.titles = tuple(titles)
        self._names = _names(path, titles, columns, meaning or {})
        self.meaning = dict(zip(titles, (name or "" for name in self._names), strict=True))
        self._empty = {column.name: "" for column in columns}
        self.names = frozenset(name for name in self._names if name is not None)
        self.ignored = tuple(title for title, name in zip(titles, self._names, strict=True) if name is None and title)

    def __iter__(self) -> Iterator[Row]:
        with self._open() as file:
            header = True
            for line, cells in self._records(file):
                if cells is None:
                    yield Row(line, self._empty, "unreadable")
                elif any(cells) and any(cell.strip() for cell in cells):
                    if not header:
                        yield self._row(line, cells)
                    header = False

    def _row(self, line: int, cells: list[str]) -> Row:
        values = dict(self._empty)
        for name, cell in zip(self._names, cells, strict=False):
            if name is not None:
                values[name] = cell.strip()
        problem = None
        if len(cells) > len(self._names) and any(cell.strip() for cell in cells[len(self._names) :]):
            problem = "too_many_cells"  # a comma inside a name that was not quoted moves all that follows
        elif self._errors == "replace" and any(_DAMAGED in cell for cell in cells):
            problem = "damaged"
        return Row(line, values, problem)

    def _open(self) -> io.TextIOWrapper:
        file = self._path.open(encoding=self.encoding, errors=self._errors, newline="")
        for _ in range(self._skip):
            file.readline()
        return file

    def _records(self, file: Iterable[str]) -> Iterator[tuple[int, list[str] | None]]:
        """Each record with the line it begins in; None for one whose quotes do not end within a few lines.

        The csv module alone would take a forgotten quote for a cell that holds the next thousand rows.
        """
        lines = enumerate(file, start=1 + self._skip)
        waiting: deque[tuple[int, str]] = deque()
        while first := waiting.popleft() if waiting else next(lines, None):
            number, text = first
            if '"' not in text:
                yield number, text.rstrip("\r\n").split(self._delimiter)
                continue
            record = [first]
            while text.count('"') % 2 and len(record) < _LONGEST:
                more = waiting.popleft() if waiting else next(lines, None)
                if more is None:
                    break
                record.append(more)
                text += more[1]
            if text.count('"') % 2:
                yield number, None
                waiting.extendleft(reversed(record[1:]))
                continue
            try:
                for cells in csv.reader([line for _, line in record], delimiter=self._delimiter):
                    yield number, cells
            except csv.Error:
                yield number, None


class Report:
    """A CSV file about the rows of another; no cell of it is a formula."""

    def __init__(self, file: TextIO, titles: Sequence[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(titles)

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        self._writer.writerows([[inert(str(cell)) for cell in row] for row in rows])


def inert(cell: str) -> str:
    """`cell` as text for a spreadsheet, which would run what begins like a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def private_file(path: Path) -> TextIO:
    """A new CSV file that only its owner can read, in the UTF-8 that spreadsheets recognise."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(handle, 0o600)  # it may have been there, open to all
    return os.fdopen(handle, "w", encoding="utf-8-sig", newline="")


def titles_of(path: Path, encoding: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The encoding and the titles of a file whose columns may be called anything."""
    sheet = Sheet(path, (), encoding=encoding)
    return sheet.encoding, sheet.titles


def guessed(titles: Sequence[str], columns: Sequence[Column]) -> dict[str, str]:
    """Which of our columns each title seems to be."""
    known = {_plain(word): column.name for column in columns for word in (column.name, *column.aliases)}
    return {title: known.get(_plain(title), "") for title in titles}


def _names(
    path: Path, titles: Sequence[str], columns: Sequence[Column], meaning: Mapping[str, str]
) -> list[str | None]:
    """The column that each title means, None for one that we do not know."""
    known = guessed(titles, columns)
    names = [meaning.get(title, known[title]) or None for title in titles]
    for column in columns:
        if names.count(column.name) > 1:
            raise SheetProblem(path, "two columns mean %(name)s", name=column.name)
        if column.required and column.name not in names:
            unknown = [title for title, name in zip(titles, names, strict=True) if name is None]
            near = difflib.get_close_matches(column.name, unknown, n=1)
            if near:
                raise SheetProblem(
                    path, "there is no column %(name)s; is it '%(near)s'?", name=column.name, near=near[0]
                )
            raise SheetProblem(path, "there is no column %(name)s", name=column.name)
    return names


def _plain(title: str) -> str:
    title = unicodedata.normalize("NFKC", title).removeprefix("\ufeff").strip().casefold()
    return title.replace(" ", "_").replace("-", "_")


def _examine(path: Path) -> tuple[str, str, int]:
    """Encoding, what to do with damaged octets, and the number of lines."""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    gb18030 = codecs.getincrementaldecoder("gb18030")()
    lines, evidence, as_utf8, as_gb18030 = 0, 0, True, True
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith(b"PK"):
                raise SheetProblem(path, "this is a workbook; save it as CSV (UTF-8)")
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16", "replace", _count_lines(path, "utf-16")
            file.seek(0)
            last = b"\n"
            while block := file.read(_BLOCK):
                lines += block.count(b"\n")
                last = block[-1:]
                if as_utf8:
                    try:
                        text = utf8.decode(block)
                    except UnicodeDecodeError as error:
                        text = block[: error.start].decode("utf-8", "ignore")
                        as_utf8 = False
                    evidence += sum(1 for character in text if character >= _CJK) if evidence < 2 else 0
                if as_gb18030:
                    try:
                        gb18030.decode(block)
                    except UnicodeDecodeError:
                        as_gb18030 = False
            lines += last != b"\n"
            as_utf8 = as_utf8 and _ends(utf8)
            as_gb18030 = as_gb18030 and _ends(gb18030)
    except OSError as error:
        raise SheetProblem(path, "%(error)s", error=error.strerror) from None
    if as_utf8 or start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "strict" if as_utf8 else "replace", lines
    # Two Chinese characters in a row that are well-formed UTF-8 are hardly ever GB 18030: the file is damaged.
    if evidence >= 2:
        return "utf-8-sig", "replace", lines
    return "gb18030", "strict" if as_gb18030 else "replace", lines


def _ends(decoder: codecs.IncrementalDecoder) -> bool:
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _count_lines(path: Path, encoding: str) -> int:
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        return sum(1 for _ in file)
