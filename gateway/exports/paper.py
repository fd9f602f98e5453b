"""Sheets of A4 as PDF, with the font in the file, so that they print alike on machines that have no Chinese font.

Drawing takes a tenth of a second and more: not in the reactor, not in the database thread. The libraries are loaded
with the first sheet: they take 45 MB, which a gateway that prints nothing does without.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = Path(__file__).parent / "fonts" / "NotoSansSC-GBK.woff"
# Of Debian's fonts-hanazono and fonts-babelstone-han: the rare characters of names that ours has no picture of.
FURTHER = tuple(
    Path("/usr/share/fonts/truetype") / name
    for name in ("hanazono/HanaMinA.ttf", "hanazono/HanaMinB.ttf", "babelstone/BabelStoneHan.ttf")
)
PDF_TYPE = "application/pdf"
WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 18.0  # millimetres
_STROKE = 0.045  # of a point size: how much strong letters are outlined
_LOCALES = {"zh": "zh-CN", "en": "en-GB"}
_ALIGN = {"left": "L", "centre": "C", "right": "R"}

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells every table it drops


class Font(NamedTuple):
    family: str
    path: Path
    drawn: frozenset[int]  # the code points that it has a picture of


def printable(text: str, further: Sequence[Path] = FURTHER) -> str:
    """`text` with what no font has a picture of as its code point: a rare name is odd to look at, but not wrong."""
    return "".join(_drawn_as(char, further) for char in unicodedata.normalize("NFC", text))


def _drawn_as(char: str, further: Sequence[Path]) -> str:
    if char.isspace():
        return char if char == "\u3000" else " "
    return char if _font(char, further) is not None else f"[U+{ord(char):04X}]"


def _font(char: str, further: Iterable[Path]) -> Font | None:
    """The first that draws it. Those of the machine are asked for Han only: the letters of Tibetan, say, stack, which
    takes more than their pictures."""
    if ord(char) in _read(FONT).drawn:
        return _read(FONT)
    if not unicodedata.name(char, "").startswith("CJK "):
        return None
    fonts = (_read(path) for path in further if path.exists())
    return next((font for font in fonts if ord(char) in font.drawn), None)


@lru_cache(maxsize=8)
def _read(path: Path) -> Font:
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        return Font(path.stem, path, frozenset(code for code in font.getBestCmap() if chr(code).isprintable()))


class Paper:
    """A document in the making; places are millimetres from the upper left corner, sizes are points."""

    def __init__(
        self, title: str, *, language: str, author: str, at: datetime, further: Sequence[Path] = FURTHER
    ) -> None:
        """`further` fonts are looked at for what ours has no picture of, those of them that are there."""
        from fpdf import FPDF

        self._further = further
        self._added: list[str] = []  # of them, those in the document
        self._pdf: FPDF = FPDF(orientation="portrait", unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.add_font(FONT.stem, fname=FONT)
        self._pdf.set_title(printable(title, further))
        self._pdf.set_author(printable(author, further))
        self._pdf.set_creator("Muster")
        self._pdf.set_lang(_LOCALES.get(language, language))
        self._pdf.set_creation_date(at)

    def draws(self, text: str) -> bool:
        """Whether there is a picture of all of it."""
        return printable(text, self._further) == unicodedata.normalize("NFC", text)

    def page(self) -> None:
        self._pdf.add_page()

    def text(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        *,
        size: float = 10,
        align: str = "left",
        strong: bool = False,
        grey: int = 0,
        spacing: float = 1.45,
    ) -> float:
        """Write `text`, broken into lines of `width`; the place below it."""
        pdf, said = self._pdf, self._prepared(text)
        pdf.set_font(FONT.stem, size=size)
        pdf.set_text_color(grey)
        pdf.set_draw_color(grey)
        pdf.set_line_width(size * _STROKE * 25.4 / 72)
        pdf.set_xy(x, y)
        # A context of its own: a way of drawing would stay for what comes after it.
        with pdf.local_context(text_mode="FILL_STROKE" if strong else "FILL"):
            pdf.multi_cell(
                width,
                size * spacing * 25.4 / 72,
                said,
                align=_ALIGN[align],
                new_x="LEFT",
                new_y="NEXT",
                padding=0,
            )
            below = pdf.get_y()
        return below

    def line(self, x: float, y: float, to_x: float, to_y: float, *, cut: bool = False, grey: int = 120) -> None:
        """A line; `cut` is a dashed one to cut along."""
        pdf = self._pdf
        pdf.set_draw_color(grey)
        pdf.set_line_width(0.2)
        if cut:
            pdf.set_dash_pattern(dash=1.6, gap=1.4)
        pdf.line(x, y, to_x, to_y)
        pdf.set_dash_pattern()

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        self._pdf.set_draw_color(120)
        self._pdf.set_line_width(0.3)
        self._pdf.rect(x, y, width, height)

    def stamp(self, text: str) -> None:
        """Across the page, for what is not valid any more."""
        pdf, said = self._pdf, self._prepared(text)
        with pdf.rotation(24, WIDTH / 2, HEIGHT / 3), pdf.local_context(fill_opacity=0.3):
            pdf.set_font(FONT.stem, size=60)
            pdf.set_text_color(200, 30, 30)
            pdf.set_xy(0, HEIGHT / 3 - 15)
            pdf.cell(WIDTH, 30, said, align="C")

    def _prepared(self, text: str) -> str:
        """`text` as it can be printed; a further font that it takes is in the document from here on."""
        said = printable(text, self._further)
        for char in set(said):
            font = _font(char, self._further)
            if font is not None and font.path != FONT and font.family not in self._added:
                self._added.append(font.family)
                self._pdf.add_font(font.family, fname=font.path)
                self._pdf.set_fallback_fonts(self._added)
        return said

    def octets(self) -> bytes:
        return bytes(self._pdf.output())
