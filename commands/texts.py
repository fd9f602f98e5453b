"""What members read: config/texts, one file a language, and how a text is put together for one reader.

A text names a command only inside a piece that is left out where the command is not (`[71|text]`), so that nobody is
told to send what would not be understood.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from commands.sounds import lazy_pinyin
from gateway.affairs.refusal import Refusal
from gateway.core.text import fits_gsm7

FOLDER = Path(__file__).resolve().parent.parent / "config" / "texts"
_ELLIPSIS = ".."
_ORGANISATION = frozenset({"hotline", "ussd"})  # known to every text


def is_code(condition: str) -> bool:
    """Whether a piece depends on a command: [71|...], [DONE|...]; values have names in small letters."""
    return condition.isdecimal() or condition.isupper()


class TextProblem(Refusal, ValueError):
    """A text cannot be used as it is written; the sentence names the file's language and the key."""


class Named(NamedTuple):
    """A value with a name of its own, and a code that any phone can show. What is no name is not `spelled` by sound."""

    name: str
    code: str
    spelled: bool = True


class Piece(NamedTuple):
    """A stretch of a text: shown when `condition` (a command's code, or a value that is not empty) holds."""

    condition: str | None
    parts: tuple[tuple[str, str | None], ...]  # literal, then the value behind it


@dataclass(frozen=True, slots=True)
class Template:
    """One text in one language, taken apart once."""

    source: str
    pieces: tuple[Piece, ...]
    gsm: bool  # all its own characters are in GSM 03.38: it must stay so
    widest: Mapping[str, str]  # of its values; a name that is longer is cut

    @property
    def values(self) -> frozenset[str]:
        """The names of its values, those of its conditions included."""
        named = {value for piece in self.pieces for _, value in piece.parts if value is not None}
        asked = {piece.condition for piece in self.pieces if piece.condition and not is_code(piece.condition)}
        return frozenset(named | asked)

    def render(self, values: Mapping[str, Any], may: Callable[[str], bool]) -> str:
        """The text for one reader, who may use the commands that `may` says."""
        found: list[str] = []
        for condition, parts in self.pieces:
            if condition is not None and not (may(condition) if is_code(condition) else values.get(condition)):
                continue
            for literal, name in parts:
                found.append(literal)
                if name is not None:
                    value = values[name]
                    found.append(self._called(name, value) if type(value) is Named else str(value))
        return "".join(found)

    def _called(self, name: str, value: Named) -> str:
        """A name that this text can carry, as it is written or as it sounds, else the code."""
        called = value.name
        if value.spelled and self.gsm and not fits_gsm7(called):
            called = _spelled(called)
        if self.gsm and not fits_gsm7(called):
            return value.code
        most = len(self.widest.get(name, called))
        return called if len(called) <= most else _cut(called, most)


class Texts:
    """All texts by language and key, and the widest each value may become."""

    def __init__(self, languages: Mapping[str, Mapping[str, Any]]) -> None:
        self.widest: dict[str, dict[str, str]] = {}
        self.groups: dict[str, dict[str, str]] = {}
        self._templates: dict[str, dict[str, Template]] = {}
        for language, tables in languages.items():
            self.widest[language] = {name: str(value) for name, value in tables.get("widest", {}).items()}
            self.groups[language] = {digit: str(name) for digit, name in tables.get("groups", {}).items()}
            self._templates[language] = {
                f"{table}.{key}": _template(language, f"{table}.{key}", source, self.widest[language])
                for table, texts in tables.items()
                if table not in ("widest", "groups")
                for key, source in texts.items()
            }
        _same(self._templates)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Texts:
        """The texts that Muster brings along."""
        found = {}
        for path in sorted(folder.glob("*.toml"), key=lambda path: (path.stem != "zh", path.stem)):
            with path.open("rb") as file:
                found[path.stem] = tomllib.load(file)
        return cls(found)

    def replaced(self, own: Mapping[str, Mapping[str, str]]) -> Texts:
        """These texts with some of an organisation's own: each may leave out values of ours, and name no others."""
        made = Texts.__new__(Texts)
        made.widest, made.groups = self.widest, self.groups
        made._templates = {language: dict(templates) for language, templates in self._templates.items()}
        for language, texts in own.items():
            for key, source in texts.items():
                shipped = self._templates.get(language, {}).get(key)
                if shipped is None:
                    raise TextProblem("texts: %(language)s: %(key)s: there is no such text", language=language, key=key)
                template = _template(language, key, source, self.widest[language])
                if foreign := sorted(template.values - shipped.values - _ORGANISATION):
                    raise TextProblem(
                        "texts: %(language)s: %(key)s: there is no value %(name)s here",
                        language=language,
                        key=key,
                        name=foreign[0],
                    )
                made._templates[language][key] = template
        return made

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._templates)

    def keys(self, language: str) -> Iterable[str]:
        return self._templates[language]

    def template(self, key: str, language: str) -> Template:
        """The text in this language; a language that lacks it gives way to the first one that has it."""
        known = self._templates.get(language)
        if known is not None and key in known:
            return known[key]
        for texts in self._templates.values():
            if key in texts:
                return texts[key]
        raise KeyError(key)

    def has(self, key: str) -> bool:
        return any(key in texts for texts in self._templates.values())

    def __call__(
        self, key: str, language: str, /, *, may: Callable[[str], bool] = lambda code: False, **values: Any
    ) -> str:
        """The text for one reader, who may use the commands that `may` says."""
        return self.template(key, language).render(values, may)


@lru_cache(maxsize=10_000)
def _spelled(name: str) -> str:
    """安河村支部 as An He Cun Zhi Bu, for who reads no Chinese."""
    return " ".join(part.strip().capitalize() for part in lazy_pinyin(name) if part.strip())


def _cut(name: str, most: int) -> str:
    """A long name within `most` characters."""
    return name[: most - len(_ELLIPSIS)].rstrip() + _ELLIPSIS


def _template(language: str, key: str, source: str, widest: Mapping[str, str]) -> Template:
    pieces: list[Piece] = []
    rest = source
    while rest:
        literal, bracket, rest = rest.partition("[")
        if literal:
            pieces.append(Piece(None, _parts(language, key, literal)))
        if bracket:
            inner, closed, rest = rest.partition("]")
            condition, bar, shown = inner.partition("|")
            if not closed or not bar or not condition:
                raise TextProblem(
                    "texts: %(language)s: %(key)s: a piece is written [71|text]", language=language, key=key
                )
            pieces.append(Piece(condition, _parts(language, key, shown)))
    gsm = fits_gsm7("".join(literal for piece in pieces for literal, _ in piece.parts))
    return Template(source, tuple(pieces), gsm, widest)


def _parts(language: str, key: str, source: str) -> tuple[tuple[str, str | None], ...]:
    found: list[tuple[str, str | None]] = []
    while source:
        literal, brace, source = source.partition("{")
        if not brace:
            found.append((literal, None))
            break
        name, closed, source = source.partition("}")
        if not closed or not name.isidentifier():
            raise TextProblem("texts: %(language)s: %(key)s: a value is written {name}", language=language, key=key)
        found.append((literal, name))
    return tuple(found)


def _same(templates: Mapping[str, Mapping[str, Template]]) -> None:
    """Every language says everything, with the same values."""
    first, *others = templates
    for language in others:
        for key in templates[first].keys() ^ templates[language].keys():
            lacking = language if key in templates[first] else first
            raise TextProblem("texts: %(language)s: %(key)s: is missing", language=lacking, key=key)
        for key, template in templates[language].items():
            if template.values != templates[first][key].values:
                raise TextProblem(
                    "texts: %(language)s: %(key)s: has other values than in %(first)s",
                    language=language,
                    key=key,
                    first=first,
                )
