"""What a notice comes to while it is written: its SMS in their real coding, its people, its price, its time."""

from __future__ import annotations

import math
from typing import Any

from gateway.affairs.notices.approval import Estimate
from gateway.affairs.notices.drafts import Refused
from gateway.console import notice_query
from gateway.console.language import LANGUAGES, N_
from gateway.console.notice_form import said, typed
from gateway.console.notice_words import page_words, problem_words
from gateway.console.web import Answer, Page, Route, Visit
from gateway.core import text
from gateway.core.model import Coding
from gateway.core.text import TooLong
from gateway.notices import speed


async def measure(visit: Visit) -> Answer:
    """Parts and people of what is in the form just now."""
    console = visit.console
    try:
        wording = await said(visit, typed(visit))
        person = await console.database.read(notice_query.person, visit.who)
        listed = wording.audience.listed
        estimate, price = await console.database.read(notice_query.measured, console.place, wording, person, visit.now)
        problem = ""
    except Refused as refused:
        estimate, problem, price, listed = None, problem_words(visit, refused), 0, False
    cuts = {}
    for language in LANGUAGES:
        words = text.clean(visit.form.text(f"text_{language}"))[0].strip()
        if words:
            cuts[language] = _cut(visit, words, language)
    if not cuts:  # nothing was wrong yet
        problem = visit.gettext(N_("How many people and SMS it is, you see here while you write."))
    values = {"estimate": estimate, "problem": problem, "cuts": cuts, "listed": listed, **page_words(visit)}
    return Page("bulk_measure.html", values | cost(visit, estimate, price))


def _cut(visit: Visit, words: str, language: str) -> dict[str, Any]:
    signed = visit.console.place.voice.signed(words, language)
    try:
        cut = text.segments(signed)
    except TooLong:
        return {"parts": 0, "units": text.units(signed)[1], "room": 0, "coding": ""}
    single = text.SINGLE_PART[cut.coding]
    each = single if len(cut.parts) == 1 else text.room(cut.coding, 7)
    gsm = cut.coding is Coding.GSM7
    return {
        "parts": len(cut.parts),
        "units": cut.units,
        "room": each * len(cut.parts),
        "coding": "GSM 03.38" if gsm else "UCS-2",
    }


def cost(visit: Visit, estimate: Estimate | None, price: int) -> dict[str, Any]:
    """What it costs and how long it takes, as far as anybody can say."""
    if estimate is None:
        return {"cost": "", "minutes": 0, "guessed": True, "late": False}
    seen = speed(visit.console.board)
    seconds = estimate.parts / seen.parts if seen.parts else 0
    lasts = (estimate.span.expires - estimate.span.starts).total_seconds()
    return {
        "cost": visit.console.place.voice.money(price * estimate.parts, visit.language) if price else "",
        "minutes": math.ceil(seconds / 60),
        "guessed": seen.guessed,
        "late": seconds > lasts,
    }


ROUTES = (Route(rule="/bulk/measure", handler=measure, post=True, may="write notices"),)
