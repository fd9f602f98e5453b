"""The keyword somebody may have meant: one slip of the thumb, or another character that sounds alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from commands.sounds import lazy_pinyin

if TYPE_CHECKING:
    from commands.registry import Word

LEAST = 4  # letters: below that every word is one letter apart from another
_LONGEST = 24


class Suggestions:
    """Which keyword is nearest to what was said, if exactly one is."""

    def __init__(self, words: Iterable[Word]) -> None:
        self._written: list[tuple[str, Word]] = []
        self._sounds: list[tuple[str, Word]] = []
        for word in words:
            if is_latin(word.text):
                self._written.append((word.text, word))
            elif len(word.text) > 1 and is_han(word.text[0]):
                sounds = lazy_pinyin(word.text)
                self._sounds.append((" ".join(sounds), word))
                self._written.append(("".join(sounds).upper(), word))
        self._most = max((sounds.count(" ") + 1 for sounds, _ in self._sounds), default=0)

    def nearest(self, said: str) -> tuple[Word, int] | None:
        """The keyword meant by the front of `said`, and how much of it that front is."""
        front = _front(said, is_latin)
        if LEAST <= len(front) <= _LONGEST:
            return self._one(front, self._written)
        front = _front(said, is_han)
        if 2 <= len(front) <= self._most:
            return self._one(" ".join(lazy_pinyin(front)), self._sounds, len(front))
        return None

    def _one(self, said: str, known: list[tuple[str, Word]], length: int | None = None) -> tuple[Word, int] | None:
        """Also a traditional form is found here: 會費 sounds as 会费 does."""
        for near in ([word for text, word in known if text == said], [w for t, w in known if one_apart(said, t)]):
            if near:
                if any(word.commands[0] is not near[0].commands[0] for word in near):
                    return None
                return near[0], length or len(said)
        return None


def one_apart(first: str, second: str) -> bool:
    """Whether one letter more, less, other or two exchanged makes the one the other."""
    if len(first) > len(second):
        first, second = second, first
    if len(second) - len(first) > 1 or first == second:
        return False
    at = 0
    while at < len(first) and first[at] == second[at]:
        at += 1
    if len(first) < len(second):
        return first[at:] == second[at + 1 :]
    if first[at + 1 :] == second[at + 1 :]:
        return True
    return first[at : at + 2] == second[at : at + 2][::-1] and first[at + 2 :] == second[at + 2 :]


def is_latin(text: str) -> bool:
    return text.isascii() and text.isalpha()


def is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"


def _front(text: str, belongs: Callable[[str], bool]) -> str:
    end = 0
    while end < len(text) and belongs(text[end]):
        end += 1
    return text[:end]
