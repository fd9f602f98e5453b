"""Texts made comparable: what counts when a keyword is looked for, while the text itself stays as sent."""

from __future__ import annotations

import unicodedata

_BLANKS = "#*+/,，、;；:：。!！【】[]<>《》\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_TRIM = " .?\"'`´‘’“”„«»「」『』"
_JOINTS = "#*:：,，、;；】]>》)）"  # 71#..., 【咨询】..., right behind a keyword
_SEPARATORS = " \t\r\n\u3000\xa0:：,，"
_UNSEEN = (0xFE0E, 0xFE0F, 0x20E3)  # variation selectors and the keycap: "1" as an emoji is still a 1
# Where there are control and format characters, blanks and digits; the rest of Unicode would cost half a second.
_RANGES = ((0, 0x3001), (0xA600, 0xAC00), (0xFE00, 0x10000), (0x10D00, 0x11100), (0x1D173, 0x1D17B), (0xE0000, 0xE0080))


def _table() -> dict[int, str | None]:
    """Control and format characters go, digits of every script become ours, punctuation becomes a blank."""
    found: dict[int, str | None] = {}
    for first, end in _RANGES:
        for point in range(first, end):
            category = unicodedata.category(chr(point))
            if category in ("Cc", "Cf"):
                found[point] = None
            elif category == "Nd" and point > 0x7F:
                found[point] = str(unicodedata.digit(chr(point)))
            elif category in ("Zs", "Zl", "Zp"):
                found[point] = " "
    found.update(dict.fromkeys(_UNSEEN, None))
    found.update((ord(char), " ") for char in _BLANKS)
    return found


_TABLE = _table()


def normal(text: str) -> str:
    """`text` for matching only: one form of each character, no marks that nobody sees, blanks for punctuation."""
    return " ".join(plain(text).split()).strip(_TRIM).upper()


def plain(text: str) -> str:
    """`text` in one form of each character, punctuation as blanks, as long as sent but for what nobody sees."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.translate(_TABLE)


def behind(text: str, front: str) -> str:
    """What of `text` stands behind its beginning `front` (in normal form), as sent but for what joins the two."""
    left = sum(1 for char in front if char != " ")
    begun = False
    for index, char in enumerate(text):
        if left <= 0:
            return text[index:].lstrip(_JOINTS).lstrip(_SEPARATORS).rstrip()
        seen = plain(char).strip()
        if seen and (begun or seen.strip(_TRIM)):
            begun = True
            left -= len(seen.upper())
    return ""


def letters(text: str, most: int) -> str:
    """The first word of `text`, at most `most` letters of it and nothing but letters: what may be echoed."""
    found = ""
    for char in plain(text).lstrip(_TRIM):
        if not char.isalpha() or len(found) == most:
            break
        found += char
    return found


def says_nothing(text: str) -> bool:
    """Whether there is no letter and no digit in it: emoji, punctuation, blanks."""
    return not any(char.isalnum() for char in unicodedata.normalize("NFKC", text))
