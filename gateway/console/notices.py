"""Bulk notices: the list, the composer, one notice with its funnel and its progress, the report."""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from gateway.affairs.notices import drafts, list_files, lists, topics, wording
from gateway.affairs.notices.approval import Estimate
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Refused, Wording
from gateway.affairs.notices.lists import Line
from gateway.affairs.roles import ROLES
from gateway.console import notice_query
from gateway.console.language import LANGUAGES, N_
from gateway.console.notice_query import PAGE, Choices
from gateway.console.show import masked
from gateway.console.staff_pages import today
from gateway.console.web import Answer, Content, Page, Redirect, Route, Visit
from gateway.console.web import Refused as NotHere
from gateway.console.words import WORDS
from gateway.core import text
from gateway.core.database import Queue
from gateway.core.model import Coding
from gateway.core.text import TooLong
from gateway.exports import tables
from gateway.exports.cells import Cell, Column
from gateway.exports.tables import Watermark
from gateway.notices import speed

STATES = {
    "draft": N_("Draft"),
    "waiting": N_("Waits for approval"),
    "scheduled": N_("Scheduled"),
    "running": N_("Running"),
    "paused": N_("Paused"),
    "done": N_("Done"),
    "killed": N_("Cancelled"),
    "expired": N_("Expired"),
}
TONES = {"waiting": "warn", "scheduled": "info", "running": "info", "paused": "warn", "done": "good", "killed": "bad"}
REASONS = {
    "opted out": N_("opted out"),
    "locked": N_("locked"),
    "quiet hours": N_("quiet hours until it expired"),
    "left the topic": N_("left the topic"),
    "no link": N_("no link takes the number"),
    "budget": N_("what may go to this prefix in a day is used up"),
    "adjacent": N_("one of too many numbers in a row that are no member's"),
}
# What may be wrong, by the name a refusal has; a sentence in the reader's language.
PROBLEMS = {
    "state": N_("It has changed meanwhile; this is how it is now."),
    "author": N_("Whoever wrote a notice cannot approve it."),
    "same": N_("The same text was sent only hours ago. To send it all the same, tick the box."),
    "nobody": N_("Nobody would get it."),
    "past": N_("Its time is over."),
    "quiet": N_("It would never be sent: the quiet hours begin before it starts."),
    "long": N_("The text is too long."),
    "title": N_("A notice has a title of at most 40 characters and a text."),
    "text": N_("A text is empty or too long, or has other values than {branch}, {month} and {due}."),
    "scope": N_("There is no such branch among yours."),
    "recurrence": N_("It is written daily 09:00, weekly 2,5 09:00 or monthly 15 09:00."),
    "day": N_("That is no day."),
    "start": N_("That is no time."),
    "topic": N_("There is no such topic, or it is closed."),
    "workbook": N_("This is an Excel workbook. Save it as CSV and choose that file."),
    "empty": N_("The file is empty."),
    "many": N_("A list has at most a million lines."),
    "windows": N_("Days and hours are written 2,5 8-11."),
    "group": N_("A group has a code of letters and digits, a name, and members of your branches."),
    "rich": N_("It came from another system and is for more kinds of people than the form here can show."),
    "phone": N_("Your account has no phone number to send a test to."),
    "link": N_("No link takes this number at present."),
}
# Why a line of a list is nobody.
STRANGE = {
    "missing": N_("empty"),
    "mangled": N_("the spreadsheet has rounded this number; format the column as text"),
    "impossible": N_("neither a mobile number nor a member number"),
    "landline": N_("a landline, which gets no SMS"),
    "not_mobile": N_("not a mobile number"),
    lists.ELSEWHERE: N_("of another branch than yours"),
}
_CHUNK = 500  # lines of a list in one work
_SHOWN = 5  # lines that are nobody, on the page of the notice
_HOURS = (1, 2, 4, 8, 12, 24, 48)


def problem_words(visit: Visit, refused: Refused) -> str:
    """Why not, in the reader's language."""
    known = PROBLEMS.get(refused.why)
    return str(refused) if known is None else visit.gettext(known)


async def listing(visit: Visit) -> Answer:
    tab = visit.query("tab", "open")
    if tab not in ("open", "waiting", "over"):
        raise NotHere(HTTPStatus.NOT_FOUND)
    before = visit.query("before")
    cursor = int(before) if before.isascii() and before.isdecimal() and len(before) < 10 else None
    rows, names = await visit.console.database.read(notice_query.listing, visit.who, tab, cursor)
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return Page(
        "bulk_rows.html" if visit.fragment else "bulk.html",
        {
            "tab": tab,
            "rows": rows,
            "names": names,
            "here_url": f"/bulk?tab={tab}" if tab != "open" else "/bulk",
            "older": f"/bulk?tab={tab}&before={rows[-1].number}" if more else "",
            "first": cursor is None,
            **_words(visit),
        },
    )


def _words(visit: Visit) -> dict[str, Any]:
    return {
        "states": {name: visit.gettext(words) for name, words in STATES.items()},
        "tones": TONES,
        "reasons": {name: visit.gettext(words) for name, words in REASONS.items()},
        "may_write": visit.who.may("write notices"),
        "may_stop": visit.who.may("stop notices"),
    }


# --- the composer -------------------------------------------------------------------------------------------------


async def compose(visit: Visit) -> Answer:
    """An empty form, or that of a draft, or a copy."""
    source = None
    for name in ("edit", "copy"):
        if wanted := visit.query(name):
            source = await visit.console.database.read(notice_query.find, visit.who, _number(wanted), "write notices")
            if source is None or (name == "edit" and source.state != drafts.DRAFT):
                raise NotHere(HTTPStatus.NOT_FOUND)
    if source is not None and not _fits(source.audience, notice_query.scope(visit.who, "write notices")):
        return Redirect(f"/bulk/{source.number}?problem=rich")
    edited = source.number if source is not None and visit.query("edit") else None
    return await _form(visit, _filled(visit, source), edited=edited)


def _fits(audience: Audience, own: tuple[str, ...]) -> bool:
    """Whether the form can show an audience as it is: what it cannot show it would widen."""
    several = (audience.roles, audience.languages, audience.groups, audience.classes)
    return (len(audience.paths) == 1 or audience.paths == own) and all(len(each) < 2 for each in several)


async def _form(visit: Visit, values: dict[str, str], *, edited: int | None, problem: str = "") -> Page:
    choices = await visit.console.database.read(
        notice_query.choices, visit.who, visit.console.organisation.currency, today(visit)
    )
    return Page(
        "bulk_new.html",
        {
            "values": values,
            "choices": choices,
            **_pairs(visit, choices),
            "edited": edited,
            "form_id": _form_id(visit, visit.console.ids()),
            "problem": problem,
            "longest": wording.LONGEST,
            "title_longest": drafts.LONGEST_TITLE,
            **_words(visit),
        },
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
    )


def _pairs(visit: Visit, choices: Choices) -> dict[str, list[tuple[str, str]]]:
    """What the selects of the composer offer: value and words."""
    language, named = visit.language, WORDS["role"]
    return {
        "role_pairs": [(role, visit.gettext(named.get(role, role))) for role in ROLES],
        "language_pairs": list(LANGUAGES.items()),
        "group_pairs": [(str(group.id), f"{group.code} {group.name}") for group in choices.groups],
        "topic_pairs": [(str(topic.id), f"{topic.number} {topic.name(language)}") for topic in choices.topics],
        "class_pairs": [(name, choices.labels.get(name, {}).get(language, name)) for name in choices.classes],
        "hour_pairs": [(str(hours), visit.ngettext("%(num)s hour", "%(num)s hours", hours)) for hours in _HOURS],
    }


_FIELDS = (
    "title",
    "branch",
    "role",
    "language",
    "group",
    "topic",
    "class",
    "owing",
    "joined_from",
    "joined_until",
    "start",
    "hours",
    "every",
    "emergency",
    "list",
    "listed",
)


def _filled(visit: Visit, source: Notice | None) -> dict[str, str]:
    values = dict.fromkeys((*_FIELDS, *(f"text_{language}" for language in LANGUAGES)), "")
    if source is None:
        return values
    audience = source.audience
    values |= {f"text_{language}": said for language, said in source.texts.items() if language in LANGUAGES}
    local = source.starts.astimezone(visit.console.zone) if source.starts is not None else None
    values |= {
        "title": source.title,
        "branch": audience.paths[0].strip("/").rpartition("/")[2] if len(audience.paths) == 1 else "",
        "role": audience.roles[0] if audience.roles else "",
        "language": audience.languages[0] if audience.languages else "",
        "group": str(audience.groups[0]) if audience.groups else "",
        "topic": str(audience.topic or ""),
        "class": audience.classes[0] if audience.classes else "",
        "owing": str(audience.owing or ""),
        "joined_from": str(audience.joined_from or ""),
        "joined_until": str(audience.joined_until or ""),
        "start": f"{local:%Y-%m-%dT%H:%M}" if local is not None and local > visit.now else "",
        "hours": str(source.lasts or ""),
        "every": source.recurrence or "",
        "emergency": "1" if source.emergency else "",
        "listed": str(source.number) if audience.listed else "",
    }
    return values


def _typed(visit: Visit) -> dict[str, str]:
    names = (*_FIELDS, *(f"text_{language}" for language in LANGUAGES))
    plain = {name: visit.form(name) for name in names}
    return plain | {name: visit.form.text(name) for name in names if name.startswith("text_") or name == "list"}


async def _said(visit: Visit, values: dict[str, str]) -> Wording:
    """What a form says; Refused names what cannot be."""
    texts = {}
    for language in LANGUAGES:
        said = text.clean(values[f"text_{language}"])[0].strip()
        if said:
            texts[language] = said
    paths = await visit.console.database.read(notice_query.within, visit.who, values["branch"])
    topic = int(values["topic"]) if values["topic"].isdecimal() else None
    if values["every"]:
        topics.check_recurrence(values["every"])
    audience = Audience(
        paths=paths,
        roles=(values["role"],) if values["role"] in ROLES else (),
        languages=(values["language"],) if values["language"] else (),
        groups=(int(values["group"]),) if values["group"].isdecimal() else (),
        classes=(values["class"],) if values["class"] else (),
        owing=int(values["owing"]) if values["owing"].isdecimal() and len(values["owing"]) < 4 else 0,
        joined_from=_day(values["joined_from"]),
        joined_until=_day(values["joined_until"]),
        topic=topic,
        listed=bool(values["list"].strip() or values["listed"]),
    )
    first = next(iter(texts.values()), "")
    return Wording(
        title=values["title"] or first.partition("\n")[0][:12],
        texts=texts,
        audience=audience,
        emergency=bool(values["emergency"]),
        topic=topic,
        starts=_moment(visit, values["start"]),
        lasts=int(values["hours"]) if values["hours"].isdecimal() and 0 < int(values["hours"]) <= 72 else None,
        recurrence=values["every"] or None,
    )


def _day(written: str) -> date | None:
    if not written:
        return None
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Refused("day", f"{written} is no day") from None


def _moment(visit: Visit, written: str) -> datetime | None:
    """A time as it reads on the organisation's clocks."""
    if not written:
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=visit.console.zone).astimezone(visit.now.tzinfo)
    except ValueError:
        raise Refused("start", f"{written} is no time") from None


async def measure(visit: Visit) -> Answer:
    """Parts and people of what is in the form just now."""
    console = visit.console
    try:
        said = await _said(visit, _typed(visit))
        person = await console.database.read(notice_query.person, visit.who)
        listed = said.audience.listed
        estimate, price = await console.database.read(notice_query.measured, console.place, said, person, visit.now)
        problem = ""
    except Refused as refused:
        estimate, problem, price, listed = None, problem_words(visit, refused), 0, False
    cuts = {}
    for language in LANGUAGES:
        words = text.clean(visit.form.text(f"text_{language}"))[0].strip()
        if words:
            cuts[language] = _cut(visit, words, language)
    values = {"estimate": estimate, "problem": problem, "cuts": cuts, "listed": listed, **_words(visit)}
    return Page("bulk_measure.html", values | _cost(visit, estimate, price))


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


def _cost(visit: Visit, estimate: Estimate | None, price: int) -> dict[str, Any]:
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


async def keep(visit: Visit) -> Answer:
    """Keep the form as a draft; sent twice, it is one."""
    console, values = visit.console, _typed(visit)
    edited = _number(visit.form("edited")) if visit.form("edited") else None
    values["listed"] = values["listed"] or ("file" if visit.file is not None and visit.file.name else "")
    id_ = visit.form("form").partition(".")[0]
    if not id_.isdecimal() or not hmac.compare_digest(_form_id(visit, int(id_)).encode(), visit.form("form").encode()):
        raise NotHere(HTTPStatus.BAD_REQUEST)
    try:
        listed = await _listed(visit, values["list"])
        said = await _said(visit, values)
        kept = await console.database.run(
            lambda conn: notice_query.keep(
                conn,
                console.place,
                visit.who,
                said,
                listed=_number(values["listed"]) if values["listed"] not in ("", "file") else None,
                key=f"form:{id_}",
                number=edited,
                now=visit.now,
            )
        )
    except Refused as refused:
        values["listed"] = values["listed"].removesuffix("file")
        return await _form(visit, values, edited=edited, problem=problem_words(visit, refused))
    if kept.fresh:
        await _append(visit, kept.notice, listed)
    return Redirect(f"/bulk/{kept.notice.number}")


async def _listed(visit: Visit, pasted: str) -> list[Line]:
    """The lines of the form and of the file that came with it."""
    found = lists.lines_of(pasted)
    if visit.file is not None and visit.file.name:
        octets = await visit.console.thread(visit.file.content.read)
        found += await visit.console.thread(list_files.read, octets)
    return found


async def _append(visit: Visit, made: Notice, listed: Sequence[Line]) -> None:
    """Find out who is meant, in short works: a long list keeps nobody's answer waiting."""
    console = visit.console
    for at in range(0, len(listed), _CHUNK):
        some = listed[at : at + _CHUNK]
        country, paths = console.organisation.country, made.audience.paths
        read = await console.database.run(lists.append, made.id, some, country, paths, queue=Queue.BACKGROUND)
        if read.wrong:
            await console.database.run(lists.keep_strange, made.id, read.wrong, queue=Queue.BACKGROUND)


def _form_id(visit: Visit, id_: int) -> str:
    """Made with the form: whatever is sent with it twice is one notice, and nobody else can make one."""
    return f"{id_}.{visit.console.keys.mac('console notice', f'{visit.session} {id_}')[:24]}"


# --- one notice ---------------------------------------------------------------------------------------------------


async def one(visit: Visit) -> Answer:
    return await page(visit, _number(visit.path["number"]), problem=visit.query("problem"))


async def page(visit: Visit, number: int, *, problem: str = "") -> Answer:
    console = visit.console
    found = await console.database.read(notice_query.shown, console.place, visit.who, number, visit.now)
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    return Page(
        "bulk_standing.html" if visit.fragment else "bulk_one.html",
        {
            "found": found,
            "notice": found.notice,
            "estimate": found.estimate,
            "cannot": visit.gettext(PROBLEMS.get(found.problem, PROBLEMS["state"])) if found.problem else "",
            "problem": visit.gettext(PROBLEMS[problem]) if problem in PROBLEMS else "",
            "same": problem == "same",
            "strange": found.strange[:_SHOWN],
            "why": {name: visit.gettext(words) for name, words in STRANGE.items()},
            "tested": bool(visit.query("tested")),
            "may_approve": found.may_approve and visit.who.may("approve notices"),
            "in_flight": sum(link.window for link in console.board if link.window > 0),
            **_words(visit),
            **_cost(visit, found.estimate, found.price),
        },
    )


async def told(visit: Visit) -> Answer:
    """What became of it, by person and part."""
    number = _number(visit.path["number"])
    found = await visit.console.database.read(notice_query.find, visit.who, number)
    report = await visit.console.database.read(notice_query.told, visit.who, number, visit.now)
    if found is None or report is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    return Page("bulk_report.html", {"notice": found, "report": report, **_words(visit)})


async def unreached(visit: Visit) -> Answer:
    """Those somebody has to visit, branch by branch, as a sheet without names or whole numbers."""
    number = _number(visit.path["number"])
    found = await visit.console.database.read(notice_query.unreached, visit.who, number, "")
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    head = [visit.gettext(word) for word in (N_("Branch"), N_("Member"), N_("Phone"), N_("State"), N_("Reason"))]
    rows = [[each.branch_code, each.member_no, masked(each.number), each.state, each.reason] for each in found]
    mark = Watermark(what=f"D{number}", who=visit.who.name, at=visit.now.astimezone(visit.console.zone))
    body = b"".join(tables.csv_rows([Column(title=word) for word in head], rows, mark))
    name = f'attachment; filename="D{number}-unreached.csv"'
    return Content(body, "text/csv; charset=utf-8", headers={"Content-Disposition": name})


async def row_report(visit: Visit) -> Answer:
    """The lines of a draft's list that are nobody, to be mended in a spreadsheet."""
    number = _number(visit.path["number"])
    found = await visit.console.database.read(notice_query.strange, visit.who, number)
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    head = [visit.gettext(word) for word in (N_("Line"), N_("Written there"), N_("Reason"))]
    rows: list[list[Cell]] = [
        [each.number, each.said, visit.gettext(STRANGE.get(each.why, each.why))] for each in found
    ]
    mark = Watermark(what=f"D{number}", who=visit.who.name, at=visit.now.astimezone(visit.console.zone))
    body = b"".join(tables.csv_rows([Column(title=word) for word in head], rows, mark))
    name = f'attachment; filename="D{number}-list.csv"'
    return Content(body, "text/csv; charset=utf-8", headers={"Content-Disposition": name})


def _number(written: str) -> int:
    """A notice's number as an address has it, with its D or without."""
    digits = written.removeprefix("D")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise NotHere(HTTPStatus.NOT_FOUND)
    return int(digits)


ROUTES = (
    Route(rule="/bulk", handler=listing, may="notices"),
    Route(rule="/bulk/new", handler=compose, may="write notices"),
    Route(rule="/bulk/new", handler=keep, post=True, may="write notices"),
    Route(rule="/bulk/measure", handler=measure, post=True, may="write notices"),
    Route(rule="/bulk/<number>", handler=one, may="notices"),
    Route(rule="/bulk/<number>/report", handler=told, may="notices"),
    Route(rule="/bulk/<number>/list.csv", handler=row_report, may="write notices"),
    Route(rule="/bulk/<number>/unreached.csv", handler=unreached, may="notices"),
)
