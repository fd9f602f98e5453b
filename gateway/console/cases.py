"""The case queue and one case: what members ask arrives here, and the answers go out as SMS."""

from __future__ import annotations

import hmac
import unicodedata
from http import HTTPStatus
from urllib.parse import urlencode

from sqlalchemy import Connection

from commands import hotline
from gateway.affairs.cases import CLOSED, LEASE, REOPEN, Overtaken
from gateway.affairs.cases import Refused as NotNow
from gateway.console import case_query, case_work, reveal
from gateway.console.case_query import NO_TOPIC, PAGE, TABS, Thread
from gateway.console.case_work import Answering, NoUnit
from gateway.console.noting import noted
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core import text
from gateway.core.model import Coding
from gateway.routing import choose

LONGEST = 700  # characters of an answer: ten segments of Chinese
_KNOWN_PROBLEMS = ("claimed", "overtaken", "gone", "empty", "long", "link", "old", "reason", "unit", "other")


async def queue(visit: Visit) -> Answer:
    words = visit.query("q")[:100]
    if words:
        return await _found(visit, words)
    tab = visit.query("tab", TABS[0])
    if tab not in TABS:
        raise Refused(HTTPStatus.NOT_FOUND)
    after, topic = visit.query("after"), visit.query("topic")[:60]
    rows, names, topics = await visit.console.database.read(
        case_query.listed, visit.who, tab, identifier(after), visit.now, topic
    )
    narrowed = {"topic": topic} if topic else {}
    here = narrowed if tab == TABS[0] else {"tab": tab} | narrowed
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return Page(
        "queue_rows.html" if visit.fragment else "queue.html",
        {
            "tab": tab,
            "rows": rows,
            "names": names,
            "here_url": f"/queue?{urlencode(here)}" if here else "/queue",
            "next_url": f"/queue?{urlencode(here | {'after': str(rows[-1].case.id)})}" if more else None,
            "first": not after,
            "sought": "",
            "topic": topic,
            "topics": topics,
            "no_topic": NO_TOPIC,
        },
    )


async def _found(visit: Visit, words: str) -> Answer:
    """Cases by words; a case number leads straight there."""
    if words.isdecimal() and await visit.console.database.read(case_query.find, visit.who, words) is not None:
        return Redirect(f"/case/{words}")
    rows, names = await visit.console.database.read(case_query.sought, visit.who, words)
    await noted(visit, "search", "cases", words)
    values = {
        "tab": "",
        "rows": rows,
        "names": names,
        "here_url": "/queue",
        "next_url": None,
        "first": False,
        "sought": words,
        "topic": "",
        "topics": (),
        "no_topic": NO_TOPIC,
    }
    return Page("queue.html", values)


async def count(visit: Visit) -> Answer:
    return Page("queue_count.html")


async def case(visit: Visit) -> Answer:
    before = identifier(visit.query("before"))
    found = await visit.console.database.read(case_query.thread, visit.who, visit.path["number"], visit.now, before)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    words = _ready(found, visit.query("canned"))
    return _page(visit, found, problem=visit.query("problem"), draft=words)


def _page(visit: Visit, found: Thread, *, problem: str = "", draft: str | None = None, noted: str = "") -> Page:
    case = found.case
    held = case.claimed_until is not None and case.claimed_until > visit.now
    mine = held and case.claimed_by == visit.who.id
    about = visit.query("about")
    fragment = "case_canned.html" if about else "case_thread.html"
    return Page(
        fragment if visit.fragment else "case.html",
        {
            "found": found,
            "at_hand": case_query.at_hand(found.canned, about or case.topic or ""),
            "about": about,
            "first": not visit.query("before"),
            "case": case,
            "mine": mine,
            "others_hold": held and not mine,
            "may_answer": visit.who.reaches("answer", case.path),
            "may_reveal": visit.who.reaches("reveal", case.path),
            "may_take_over": visit.who.reaches("take over", case.path),
            "may_reopen": case.closed is not None and case.closed > visit.now - REOPEN,
            "writing": found.writing,
            "asks_to_rate": hotline.RATE in visit.console.commands and case.answered is not None,
            "minutes": int(LEASE.total_seconds() // 60),
            "signature": visit.console.organisation.signature_for(case.language),
            "longest": LONGEST,
            "form_id": _form_id(visit, visit.console.ids()),
            "problem": problem if problem in _KNOWN_PROBLEMS else "",
            "draft": draft or "",
            "noted": noted,
            "least": reveal.LEAST,
            "most": reveal.MOST,
        },
        status=HTTPStatus.CONFLICT if (draft or noted) and problem else HTTPStatus.OK,
    )


def _ready(found: Thread, chosen: str) -> str | None:
    """The canned answer that a link without scripts asked for."""
    topic, _, title = chosen.rpartition("/")
    return found.canned.get(topic, {}).get(title)


async def measure(visit: Visit) -> Answer:
    """How many SMS the answer is, in its real coding and with its signature; keeps the case for who writes."""
    found = await visit.console.database.read(case_query.find, visit.who, visit.path["number"], "answer")
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    words = _words(visit)
    if words:
        await visit.console.database.run(case_work.writes, visit.who, found, visit.now)
    signed = _signed(visit, words, found.language)
    values: dict[str, object] = {"signed": signed, "empty": not words, "too_long": len(words) > LONGEST}
    try:
        cut = text.segments(signed)
    except text.TooLong:
        values |= {"too_long": True, "cut": None}
    else:
        single = 160 if cut.coding is Coding.GSM7 else 70
        each = single if len(cut.parts) == 1 else text.room(cut.coding, 7)
        odd = sorted({letter for letter in words if not text.fits_gsm7(letter)}) if cut.coding is Coding.UCS2 else []
        values |= {"cut": cut, "room": each * len(cut.parts), "odd": odd[:5], "gsm": cut.coding is Coding.GSM7}
        values["latin"] = bool(odd) and len(odd) <= 5 and words.isprintable() and not _east_asian(words)
    return Page("counter.html", values)


async def answer(visit: Visit) -> Answer:
    """Send the answer. What was typed is never lost: a problem shows the page again with it."""
    console, number, words = visit.console, visit.path["number"], _words(visit)
    found = await console.database.read(case_query.thread, visit.who, number, visit.now)
    if found is None or not visit.who.reaches("answer", found.case.path):
        raise Refused(HTTPStatus.NOT_FOUND)
    id_ = identifier(visit.form("form").partition(".")[0])
    if id_ is None or not hmac.compare_digest(_form_id(visit, id_).encode(), visit.form("form").encode()):
        raise Refused(HTTPStatus.BAD_REQUEST)
    link = choose(console.board, found.case.number, found.link)
    problem = "empty" if not words else "long" if len(words) > LONGEST else "link" if link is None else ""
    if not problem and link is not None:
        answering = Answering(
            id=id_,
            case_no=number,
            text=_signed(visit, words, found.case.language),
            said=words,
            link=link,
            seen=identifier(visit.form("seen")) or 0,
        )
        try:
            await console.database.run(case_work.answer, console.ids, visit.who, answering, visit.now)
            return Redirect(f"/case/{number}#end")
        except NotNow as refused:
            # The page is to show what was in the way: read again.
            found = await console.database.read(case_query.thread, visit.who, number, visit.now) or found
            closed = found.case.state == CLOSED
            problem = "overtaken" if isinstance(refused, Overtaken) else "gone" if closed else "claimed"
    return _page(visit, found, problem=problem, draft=words)


async def claim(visit: Visit) -> Answer:
    number = visit.path["number"]
    try:
        taken = await visit.console.database.run(case_work.claim, visit.console.ids, visit.who, number, visit.now)
    except NotNow:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    return Redirect(f"/case/{number}" if taken else f"/case/{number}?problem=claimed")


async def release(visit: Visit) -> Answer:
    await visit.console.database.run(case_work.release, visit.who, visit.path["number"])
    return Redirect("/queue")


async def note(visit: Visit) -> Answer:
    number, words = visit.path["number"], _words(visit)
    if not words:
        return Redirect(f"/case/{number}?problem=empty")
    if len(words) > LONGEST:
        found = await visit.console.database.read(case_query.thread, visit.who, number, visit.now)
        if found is None or not visit.who.reaches("answer", found.case.path):
            raise Refused(HTTPStatus.NOT_FOUND)
        return _page(visit, found, problem="long", noted=words)
    try:
        await visit.console.database.run(case_work.note, visit.console.ids, visit.who, number, words, visit.now)
    except NotNow:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    return Redirect(f"/case/{number}#end")


async def close(visit: Visit) -> Answer:
    number, reason = visit.path["number"], visit.form("reason")[: reveal.MOST]
    console = visit.console
    found = await console.database.read(case_query.thread, visit.who, number, visit.now)
    link = choose(console.board, found.case.number, found.link) if found is not None else None
    try:
        await console.database.run(_close, visit, number, reason, link)
    except NotNow:
        return Redirect(f"/case/{number}?problem=claimed")
    return Redirect("/queue")


def _close(conn: Connection, visit: Visit, number: str, reason: str, link: str | None) -> None:
    office = visit.console.office(conn, visit.now)
    case_work.close(conn, office, visit.who, number, reason, link, visit.now)


async def file(visit: Visit) -> Answer:
    number, console = visit.path["number"], visit.console
    try:
        await console.database.run(
            case_work.file, console.ids, visit.who, number, visit.form("topic")[:60], visit.now
        )  # fmt: skip
    except NotNow:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    return Redirect(f"/case/{number}")


async def reopen(visit: Visit) -> Answer:
    number = visit.path["number"]
    try:
        await visit.console.database.run(case_work.reopen, visit.console.ids, visit.who, number, visit.now)
    except NotNow:
        return Redirect(f"/case/{number}?problem=old")
    return Redirect(f"/case/{number}")


async def forward(visit: Visit) -> Answer:
    number, unit, note = visit.path["number"], visit.form("unit"), visit.form("note")[: reveal.MOST]
    console = visit.console
    try:
        await console.database.run(case_work.forward, console.ids, visit.who, number, unit, note, visit.now)
    except NoUnit:
        return Redirect(f"/case/{number}?problem=unit")
    except NotNow:
        return Redirect(f"/case/{number}?problem=claimed")
    return Redirect("/queue")


async def merge(visit: Visit) -> Answer:
    number, console = visit.path["number"], visit.console
    try:
        await console.database.run(
            case_work.merge, console.ids, visit.who, number, visit.form("other"), visit.now
        )  # fmt: skip
    except NotNow:
        return Redirect(f"/case/{number}?problem=other")
    return Redirect(f"/case/{number}#end")


async def opt_out(visit: Visit) -> Answer:
    number = visit.path["number"]
    try:
        await visit.console.database.run(case_work.opt_out, visit.console.ids, visit.who, number, visit.now)
    except NotNow:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    return Redirect(f"/case/{number}")


async def show_number(visit: Visit) -> Answer:
    number, reason = visit.path["number"], visit.form("reason")
    if not reveal.LEAST <= len(reason) <= reveal.MOST:
        return Redirect(f"/case/{number}?problem=reason#number")
    shown = await visit.console.database.run(
        case_work.show_number, visit.console.ids, visit.who, number, reason, visit.now
    )
    if not shown:
        raise Refused(HTTPStatus.NOT_FOUND)
    return Redirect(f"/case/{number}#number")


def _words(visit: Visit) -> str:
    """What was typed, as it can be sent."""
    return text.clean(visit.form.text("text"))[0].strip()


def _signed(visit: Visit, words: str, language: str) -> str:
    return text.signed(words, visit.console.organisation.signature_for(language))


def _form_id(visit: Visit, id_: int) -> str:
    """The id that an answer will have, made with its form: sent twice, it is one answer. Nobody else can make one."""
    whose = f"{visit.session} {visit.path['number']} {id_}"
    return f"{id_}.{visit.console.keys.mac('console answer', whose)[:24]}"


def _east_asian(words: str) -> bool:
    return any(unicodedata.east_asian_width(letter) in "WF" for letter in words)


ROUTES = (
    Route(rule="/queue", handler=queue, may="queue"),
    Route(rule="/queue/count", handler=count, may="queue"),
    Route(rule="/case/<number>", handler=case, may="case"),
    Route(rule="/case/<number>/measure", handler=measure, post=True, may="answer"),
    Route(rule="/case/<number>/answer", handler=answer, post=True, may="answer"),
    Route(rule="/case/<number>/claim", handler=claim, post=True, may="answer"),
    Route(rule="/case/<number>/release", handler=release, post=True, may="answer"),
    Route(rule="/case/<number>/note", handler=note, post=True, may="answer"),
    Route(rule="/case/<number>/topic", handler=file, post=True, may="answer"),
    Route(rule="/case/<number>/close", handler=close, post=True, may="answer"),
    Route(rule="/case/<number>/reopen", handler=reopen, post=True, may="answer"),
    Route(rule="/case/<number>/forward", handler=forward, post=True, may="answer"),
    Route(rule="/case/<number>/merge", handler=merge, post=True, may="answer"),
    Route(rule="/case/<number>/opt-out", handler=opt_out, post=True, may="answer"),
    Route(rule="/case/<number>/number", handler=show_number, post=True, may="reveal"),
)
