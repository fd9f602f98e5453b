"""Reading one table of a configuration file: every key is asked for by its type, and what nobody asked for is an error.

A problem is noted and reading goes on with a harmless value, so that a file is put right in one round.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: a person can put it right from this line alone."""

    file: Path
    table: str
    key: str
    reason: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (str(self.file), self.table and f"[{self.table}]", self.key, self.reason)))


def nearest(word: str, words: Iterable[str]) -> str:
    """Return what was perhaps meant, as the end of a sentence."""
    near = get_close_matches(word, sorted(words), 1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


class Reader:
    """What is shared by the tables of one file: where it lies, the environment and the problems found so far."""

    def __init__(self, file: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._environment = environment

    def problem(self, table: str, key: str, reason: str) -> None:
        self.problems.append(Problem(self.file, table, key, reason))

    def path(self, text: str) -> Path:
        """Return `text` as a path; a relative one starts at the configuration's folder."""
        return (self.file.parent / Path(text).expanduser()).absolute()

    def filled(self, table: str, key: str, text: str) -> str:
        """Return `text` with every ${NAME} replaced from the environment."""

        def value(found: re.Match[str]) -> str:
            if found[1] not in self._environment:
                self.problem(table, key, f"the environment has no {found[1]}")
            return self._environment.get(found[1], "")

        return _VARIABLE.sub(value, text)


class Table:
    """One table; `name` is how problems call it. Close it with `done` when everything has been asked for."""

    def __init__(self, reader: Reader, name: str, values: Mapping[str, Any]) -> None:
        self.reader, self.name = reader, name
        self._values = values
        self._asked: set[str] = set()

    def problem(self, key: str, reason: str) -> None:
        self.reader.problem(self.name, key, reason)

    def has(self, key: str) -> bool:
        return key in self._values

    def text(
        self, key: str, default: str | None = None, *, pattern: str = ".*", wants: str = "", longest: int = 200
    ) -> str:
        """Return a text that matches `pattern`, which `wants` says in words; without a default it must be there."""
        value: str | None = self._value(key, str)
        if value is None:
            if default is None and key not in self._values:
                self.problem(key, "is missing" + (f"; it is {wants}" if wants else ""))
            return default or ""
        value = self.reader.filled(self.name, key, value)
        if default is None and not value:
            self.problem(key, "must not be empty")
        elif len(value.encode()) > longest:
            self.problem(key, f"has {len(value.encode())} octets, {longest} are allowed")
        elif value and not re.fullmatch(pattern, value, re.DOTALL):
            self.problem(key, f"is not {wants}")
        return value

    def secret(
        self, key: str, default: str | None = None, *, pattern: str = ".*", wants: str = "", longest: int = 200
    ) -> str:
        """Return the text of `key`, or of the file that KEY_file names; what is wrong with it is told without it."""
        file = f"{key}_file"
        name = self._value(file, str)
        if name is None:
            return self.text(key, default, pattern=pattern, wants=wants, longest=longest)
        if self.has(key):
            self._asked.add(key)
            self.problem(file, f"is given and {key} too; one of them is enough")
            return ""
        path = self.reader.path(self.reader.filled(self.name, file, name))
        try:
            value = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.problem(file, f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}")
            return ""
        if not value:
            self.problem(file, f"{path} is empty")
        elif len(value.encode()) > longest:
            self.problem(file, f"{path} has {len(value.encode())} octets, {longest} are allowed")
        elif not re.fullmatch(pattern, value):
            self.problem(file, f"{path} does not hold {wants}")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(key, default)
        if value not in choices:
            self.problem(key, f"is one of {', '.join(filter(None, choices))}" + nearest(value, choices))
            return default
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._value(key, bool)
        return default if value is None else value

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        return int(self.number(key, default, least=least, most=most, kind=int))

    def number(self, key: str, default: float, *, least: float, most: float, kind: type = float) -> float:
        value = self._value(key, kind)
        if value is None:
            return default
        if not least <= value <= most:
            self.problem(key, f"is {least:g} to {most:g}, not {value:g}")
            return default
        return float(value)

    def texts(self, key: str, *, pattern: str, wants: str) -> tuple[str, ...]:
        """Return a list of texts, each of which matches `pattern`."""
        values = self._value(key, list)
        found = []
        for value in values or ():
            if not isinstance(value, str):
                self.problem(key, f"is a list of texts, {value!r} is none")
                continue
            value = self.reader.filled(self.name, key, value)
            if re.fullmatch(pattern, value):
                found.append(value)
            else:
                self.problem(key, f"{value!r} is not {wants}")
        return tuple(found)

    def any(self, key: str) -> Any:
        """Return the value as it stands, None when there is none."""
        self._asked.add(key)
        return self._values.get(key)

    def table(self, key: str) -> Table:
        """Return a table within this one, an empty one when it is not there."""
        return Table(self.reader, f"{self.name}.{key}".lstrip("."), self._value(key, dict) or {})

    def all(self) -> tuple[str, ...]:
        """Every key there is; whoever asks still has to ask for each value."""
        return tuple(self._values)

    def names(self) -> Iterator[str]:
        """Yield every key that can stand in an address and in a log; they are names, and any is right."""
        for key in self._values:
            self._asked.add(key)
            if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,31}", key):
                yield key
            else:
                self.problem(key, "a name has up to 32 of a to z, 0 to 9, - and _")

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield every named table within this one."""
        for name in self.names():
            if self._value(name, dict) is not None:
                yield name, self.table(name)

    def done(self) -> None:
        """Report what was never asked for."""
        for key in self._values:
            if key not in self._asked:
                what = "table" if isinstance(self._values[key], dict) else "setting"
                self.problem(key, f"there is no such {what}" + nearest(key, self._asked))

    def _value(self, key: str, kind: type) -> Any:
        """Return the value of `key` if it is of `kind`, else None and a problem when it is of another."""
        self._asked.add(key)
        value = self._values.get(key)
        kinds = (int, float) if kind is float else (kind,)
        if value is None or (isinstance(value, kinds) and (kind is bool or not isinstance(value, bool))):
            return value
        self.problem(key, f"is {_KINDS[kind]}")
        return None
