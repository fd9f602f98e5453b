"""The composer of bulk notices: an empty form, that of a draft or a copy, and what a form says."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus

from gateway.affairs.notices import drafts, weekdays, wording
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Refused, Wording
from gateway.affairs.roles import ROLES
from gateway.console import notice_query
from gateway.console.language import LANGUAGES
from gateway.console.notice_query import Choices
from gateway.console.notice_words import number_in, page_words
from gateway.console.staff_pages import today
from gateway.console.web import Answer, Page, Redirect, Route, Visit, identifier
from gateway.console.web import Refused as NotHere
from gateway.console.words import WORDS
from gateway.core import text

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
    broken = edited is not None and source is not None and source.filling is not None
    return await form(visit, _filled(visit, source), edited=edited, broken=broken)


def _fits(audience: Audience, own: tuple[str, ...]) -> bool:
    """Whether the form can show an audience as it is: what it cannot show it would widen."""
    several = (audience.roles, audience.languages, audience.groups, audience.classes)
    return (len(audience.paths) == 1 or audience.paths == own) and all(len(each) < 2 for each in several)


async def form(
    visit: Visit, values: dict[str, str], *, edited: int | None, broken: bool = False, problem: str = ""
) -> Page:
    """`broken`: the list of before has not come in whole, and is wanted again."""
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
            "form_id": form_id(visit, visit.console.ids()),
            "problem": problem,
            "broken": broken,
            "longest": wording.LONGEST,
            "title_longest": drafts.LONGEST_TITLE,
            **page_words(visit),
        },
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
    )


def form_id(visit: Visit, id_: int) -> str:
    """Made with the form: whatever is sent with it twice is one notice, and nobody else can make one."""
    return f"{id_}.{visit.console.keys.mac('console notice', f'{visit.session} {id_}')[:24]}"


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
    topic, group = identifier(values["topic"]), identifier(values["group"])
    audience = Audience(
        paths=paths,
        roles=(values["role"],) if values["role"] in ROLES else (),
        languages=(values["language"],) if values["language"] else (),
        groups=(group,) if group is not None else (),
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
        lasts=hours if (hours := identifier(values["hours"])) is not None and hours <= 72 else None,
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


ROUTES = (Route(rule="/bulk/new", handler=compose, may="write notices"),)
