"""Sheets of A4 as PDF, with the font in the file, so that they print alike on machines that have no Chinese font.

Drawing takes a tenth of a second and more: not in the reactor, not in the database thread. The libraries are loaded
with the first sheet: they take 45 MB, which a gateway that prints nothing does without.
"""

from __future__ import annotations

import logging
import unicodedata
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpdf import FPDF

FONT = Path(__file__).parent / "fonts" / "NotoSansSC-GBK.woff"
PDF_TYPE = "application/pdf"
WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 18.0  # millimetres
_FAMILY = "NotoSansSC"
_STROKE = 0.045  # of a point size: how much strong letters are outlined
_LOCALES = {"zh": "zh-CN", "en": "en-GB"}
_ALIGN = {"left": "L", "centre": "C", "right": "R"}

logging.getLogger("fontTools").setLevel(logging.ERROR)  # it tells every table it drops


def printable(text: str) -> str:
    """`text` with what the font has no picture of as its code point: a rare name is odd to look at, but not wrong."""
    return "".join(_drawn_as(char) for char in unicodedata.normalize("NFC", text))


def drawable(text: str) -> bool:
    """Whether the font has a picture of all of it."""
    return printable(text) == unicodedata.normalize("NFC", text)


def _drawn_as(char: str) -> str:
    if char.isspace():
        return char if char == "\u3000" else " "
    return char if ord(char) in _drawn() else f"[U+{ord(char):04X}]"


@lru_cache(maxsize=1)
def _drawn() -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(FONT, lazy=True) as font:
        return frozenset(code for code in font.getBestCmap() if chr(code).isprintable())


class Paper:
    """A document in the making; places are millimetres from the upper left corner, sizes are points."""

    def __init__(self, title: str, *, language: str, author: str, at: datetime) -> None:
        from fpdf import FPDF

        self._pdf: FPDF = FPDF(orientation="portrait", unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.add_font(_FAMILY, fname=FONT)
        self._pdf.set_title(printable(title))
        self._pdf.set_author(printable(author))
        self._pdf.set_creator("Muster")
        self._pdf.set_lang(_LOCALES.get(language, language))
        self._pdf.set_creation_date(at)

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
        pdf = self._pdf
        pdf.set_font(_FAMILY, size=size)
        pdf.set_text_color(grey)
        pdf.set_draw_color(grey)
        pdf.set_line_width(size * _STROKE * 25.4 / 72)
        pdf.set_xy(x, y)
        # A context of its own: a way of drawing would stay for what comes after it.
        with pdf.local_context(text_mode="FILL_STROKE" if strong else "FILL"):
            pdf.multi_cell(
                width,
                size * spacing * 25.4 / 72,
                printable(text),
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
        pdf = self._pdf
        with pdf.rotation(24, WIDTH / 2, HEIGHT / 3), pdf.local_context(fill_opacity=0.3):
            pdf.set_font(_FAMILY, size=60)
            pdf.set_text_color(200, 30, 30)
            pdf.set_xy(0, HEIGHT / 3 - 15)
            pdf.cell(WIDTH, 30, printable(text), align="C")

    def octets(self) -> bytes:
        return bytes(self._pdf.output())
