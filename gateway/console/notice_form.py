"""The composer of bulk notices: an empty form, that of a draft or a copy; kept as a draft with its list."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import date, datetime
from http import HTTPStatus

from gateway.affairs.notices import drafts, list_files, lists, weekdays, wording
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Refused, Wording
from gateway.affairs.notices.lists import Line
from gateway.affairs.roles import ROLES
from gateway.console import notice_query
from gateway.console.language import LANGUAGES
from gateway.console.notice_query import Choices
from gateway.console.notice_words import number_in, page_words, problem_words
from gateway.console.staff_pages import today
from gateway.console.web import Answer, Page, Redirect, Route, Visit
from gateway.console.web import Refused as NotHere
from gateway.console.words import WORDS
from gateway.core import text
from gateway.core.database import Queue

_CHUNK = 500  # lines of a list in one work
_HOURS = (1, 2, 4, 8, 12, 24, 48)


async def compose(visit: Visit) -> Answer:
    """An empty form, or that of a draft, or a copy."""
    source = None
    for name in ("edit", "copy"):
        if wanted := visit.query(name):
            source = await visit.console.database.read(notice_query.find, visit.who, number_in(wanted), "write notices")
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
            **page_words(visit),
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
        "every": weekdays.said(source.recurrence or "", visit.language),
        "emergency": "1" if source.emergency else "",
        "listed": str(source.number) if audience.listed else "",
    }
    return values


def typed(visit: Visit) -> dict[str, str]:
    names = (*_FIELDS, *(f"text_{language}" for language in LANGUAGES))
    plain = {name: visit.form(name) for name in names}
    return plain | {name: visit.form.text(name) for name in names if name.startswith("text_") or name == "list"}


async def said(visit: Visit, values: dict[str, str]) -> Wording:
    """What a form says; Refused names what cannot be."""
    texts = {}
    for language in LANGUAGES:
        said = text.clean(values[f"text_{language}"])[0].strip()
        if said:
            texts[language] = said
    paths = await visit.console.database.read(notice_query.within, visit.who, values["branch"])
    topic = int(values["topic"]) if values["topic"].isdecimal() else None
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
        recurrence=weekdays.recurrence(values["every"]) if values["every"] else None,
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


async def keep(visit: Visit) -> Answer:
    """Keep the form as a draft; sent twice, it is one."""
    console, values = visit.console, typed(visit)
    edited = number_in(visit.form("edited")) if visit.form("edited") else None
    values["listed"] = values["listed"] or ("file" if visit.file is not None and visit.file.name else "")
    id_ = visit.form("form").partition(".")[0]
    if not id_.isdecimal() or not hmac.compare_digest(_form_id(visit, int(id_)).encode(), visit.form("form").encode()):
        raise NotHere(HTTPStatus.BAD_REQUEST)
    try:
        listed = await _listed(visit, values["list"])
        meant = await said(visit, values)
        kept = await console.database.run(
            lambda conn: notice_query.keep(
                conn,
                console.place,
                visit.who,
                meant,
                listed=number_in(values["listed"]) if values["listed"] not in ("", "file") else None,
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


ROUTES = (
    Route(rule="/bulk/new", handler=compose, may="write notices"),
    Route(rule="/bulk/new", handler=keep, post=True, may="write notices"),
)
