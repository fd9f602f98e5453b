"""The console's languages: catalogs read from their .po files, so that no compiled file can go stale.

A page may bring a file of its own beside console.po; together they are one catalog.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations

LANGUAGES = {"zh": "中文", "en": "English"}  # English is what the messages are written in
_TAGS = {"zh": "zh-Hans", "en": "en"}


class Languages:
    """All catalogs: the console's and those of its extensions."""

    def __init__(self, folders: Iterable[Path], *, default: str = "zh") -> None:
        self.default = default if default in LANGUAGES else "en"
        folders = list(folders)
        self._catalogs = {language: _catalog(folders, language) for language in LANGUAGES}

    def catalog(self, language: str) -> NullTranslations:
        return self._catalogs[language]

    def gettext(self, language: str, message: str, **values: Any) -> str:
        text: str = self._catalogs[language].gettext(message)
        return text % values if values else text

    def ngettext(self, language: str, one: str, many: str, number: int, **values: Any) -> str:
        text: str = self._catalogs[language].ngettext(one, many, number)
        return text % {"num": number, **values}

    def choose(self, *, staff: str | None, cookie: str | None, accept: str | None) -> str:
        """The person's setting, else the browser's choice here, else its own languages, else the organisation's."""
        for choice in (staff, cookie):
            if choice in LANGUAGES:
                return choice
        return accepted(accept or "") or self.default


def N_(message: str) -> str:
    """Mark a message that is translated later."""
    return message


def tag(language: str) -> str:
    """What <html lang> says."""
    return _TAGS.get(language, language)


def accepted(header: str) -> str | None:
    """The first of our languages an Accept-Language header asks for (RFC 9110 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for item in header.split(",")[:20]:
        name, _, parameters = item.strip().partition(";")
        quality = parameters.strip().removeprefix("q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and weight > 0:
            wanted.append((-weight, language))
    return min(wanted, key=lambda pair: pair[0])[1] if wanted else None


def _catalog(folders: Iterable[Path], language: str) -> NullTranslations:
    merged: Translations | None = None
    files = (file for folder in folders for file in sorted((folder / language / "LC_MESSAGES").glob("*.po")))
    for file in files:
        compiled = io.BytesIO()
        with file.open("rb") as source:
            write_mo(compiled, read_po(source, locale=language))
        compiled.seek(0)
        catalog = Translations(compiled)
        if merged is None:
            merged = catalog
        else:
            merged.merge(catalog)
    return merged or NullTranslations()
