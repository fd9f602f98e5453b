"""What a notice says: its texts by language, what stands in for {branch}, {month} and {due}, and how long it gets."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.core.text import Segments, TooLong, fits_gsm7, segments, signed

VALUES = ("branch", "month", "due")
LONGEST = 1000  # characters
MOST_PARTS = 10
_PLACE = re.compile(r"\{([^{}]*)\}")
_ABOUT = "{"


@dataclass(frozen=True, slots=True)
class Voice:
    """How the organisation says things: its signature by language, money and months."""

    signatures: Mapping[str, str]
    language: str
    money: Callable[[int, str], str]
    month: Callable[[int, str], str]

    def signed(self, text: str, language: str) -> str:
        return signed(text, self.signatures.get(language, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What differs from one recipient to the other."""

    branch: str = ""
    branch_code: str = ""
    due: int = 0
    month: int = 0


def problem(text: str) -> str | None:
    """What is wrong with a text, as a sentence; None when it can be sent."""
    if not text.strip():
        return "a text is empty"
    if len(text) > LONGEST:
        return f"a text has at most {LONGEST} characters"
    for name in _PLACE.findall(text):
        if name not in VALUES:
            return f"{{{name}}} is no value; there are {', '.join(f'{{{each}}}' for each in VALUES)}"
    rest = _PLACE.sub("", text)
    if "{" in rest or "}" in rest:
        return "a brace stands alone; values are written {branch}, {month}, {due}"
    return None


def choose(texts: Mapping[str, str], language: str, default: str) -> str:
    """The language somebody is written to in: their own, else the organisation's, else the one there is."""
    if language in texts:
        return language
    return default if default in texts else next(iter(texts))


def is_personal(text: str) -> bool:
    return _ABOUT in text


def render(text: str, reader: Reader, language: str, voice: Voice) -> str:
    """The text for one reader. A name that GSM 03.38 lacks gives way to its code in a text that has nothing else."""
    if _ABOUT not in text:
        return text
    plain = fits_gsm7(_PLACE.sub("", text))
    branch = reader.branch if not plain or fits_gsm7(reader.branch) else reader.branch_code
    values = {
        "branch": branch,
        "month": voice.month(reader.month, language),
        "due": voice.money(reader.due, language),
    }
    return _PLACE.sub(lambda found: values[found[1]], text)


def measure(text: str, reader: Reader, language: str, voice: Voice) -> Segments:
    """The parts it will have, signed and in its real coding; raises TooLong."""
    cut = segments(voice.signed(render(text, reader, language, voice), language))
    if len(cut.parts) > MOST_PARTS:
        raise TooLong(f"{len(cut.parts)} SMS are more than the {MOST_PARTS} a notice may have")
    return cut


def fingerprint(texts: Mapping[str, str]) -> str:
    """What two equal texts have in common, however they are spaced and written."""
    parts = []
    for language in sorted(texts):
        plain = unicodedata.normalize("NFKC", texts[language]).casefold()
        parts.append(f"{language}:{''.join(plain.split())}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
