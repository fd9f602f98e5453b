"""21 NOTICES, 22 ACK and 25 MORE: what was sent to this phone, to read again and to confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from gateway.affairs.notices import received
from gateway.affairs.notices.received import Received
from gateway.core import dialogs
from gateway.core.model import Ask, Channel, Coding, Reply, Request
from gateway.core.text import units

_LISTED = 3  # in one SMS
_MORE = "M"
_ROOM = {Coding.UCS2: 40, Coding.GSM7: 95}  # units of a text beside its foot and a signature


def notices(conn: Connection, request: Request) -> Reply:
    """The last notices to this phone; a number behind it shows one of them, page by page."""
    wanted = request.arguments.get("notice")
    if wanted is not None:
        return _one(conn, request, int(wanted), int(request.arguments.get("page") or 1))
    skip = int(request.arguments.get("page") or 1) - 1
    at = office(request)
    screen = request.channel is Channel.USSD
    most = 9 if screen else _LISTED
    found = received.latest(conn, request.number, most + 1, skip * most)
    if not found:
        return at.reply(request, "notices.none")
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {
        str(place): ("21", {"notice": str(each.number)}) for place, each in enumerate(found[:most], 1)
    }
    more = len(found) > most
    if more:
        choices[_MORE] = ("21", {"page": str(skip + 2)})
    listed = _listed(at, request, found[:most])
    text = at.say("notices.list", request.language, request.member, notices=listed, more=_MORE if more else "")
    if screen:
        text = listed
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return Reply(text=text, key="notices.list", ask=ask, language=request.language)


def _listed(at: Office, request: Request, found: tuple[Received, ...]) -> str:
    """1)8/17防汛值班 2)8/15医保缴费: as long titles as one SMS leaves room for."""
    room = len(at.texts.widest[request.language]["notices"])
    each = room // max(1, min(len(found), _LISTED)) - 1
    pieces = []
    for place, one in enumerate(found, 1):
        local = one.at.astimezone(at.zone)
        day = f"{local.month}/{local.day}" if request.language == "zh" else f"{local:%m-%d} "
        pieces.append(f"{place}){day}{_cut(one.title, max(4, each - len(day) - 2), request.language)}")
    return (" " if request.channel is not Channel.USSD else "\n").join(pieces)


def _cut(title: str, most: int, language: str) -> str:
    """A title that leaves the SMS in its alphabet: in an English one a Chinese title gives way to its place."""
    if language != "zh" and not title.isascii():
        title = "notice"
    return title if len(title) <= most else title[: most - 1].rstrip() + "."


def _one(conn: Connection, request: Request, number: int, page: int) -> Reply:
    at = office(request)
    found = received.one(conn, request.number, number)
    if found is None:
        return at.reply(request, "notices.none")
    said = _unsigned(at, found.text)
    if request.channel is Channel.USSD:
        return Reply(text=said, key="notices.text", language=request.language)
    pages = _pages(said)
    page = min(max(page, 1), len(pages))
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if page < len(pages):
        choices[_MORE] = ("21", {"notice": str(number), "page": str(page + 1)})
        choices[str(page + 1)] = choices[_MORE]
    mark = f"({page}/{len(pages)})" if len(pages) > 1 else ""
    tail = at.say(
        "notices.foot", request.language, request.member, number=str(number), more=_MORE if choices else "", page=mark
    )
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language) if choices else None
    return Reply(text=f"{pages[page - 1]}{tail}", key="notices.foot", ask=ask, language=request.language)


def _pages(text: str) -> tuple[str, ...]:
    """A text in pieces that go into one SMS with their foot, cut inside no character."""
    coding, count = units(text)
    room = _ROOM[coding]
    if count <= room:
        return (text,)
    pages, rest = [], text
    while rest:
        end = len(rest)
        while units(rest[:end])[1] > room:
            end -= 1
        pages.append(rest[:end])
        rest = rest[end:]
    return tuple(pages)


def _unsigned(at: Office, text: str) -> str:
    """What was said, without the signature that every answer gets anew."""
    for signature in at.organisation.signature.values():
        for front in (f"【{signature}】", f"{signature}: "):
            text = text.removeprefix(front)
    return text


def acknowledge(conn: Connection, request: Request) -> Reply:
    """Write down that a notice was read, the newest when none is named."""
    at = office(request)
    wanted = request.arguments.get("notice")
    if wanted is None and request.channel is Channel.USSD:
        return _which(conn, request)
    if wanted is None:
        newest = received.latest(conn, request.number, 1)
        found = newest[0] if newest else None
    else:
        found = received.one(conn, request.number, int(wanted))
    if found is None:
        return at.reply(request, "notices.none")
    received.acknowledge(conn, request.number, found, request.now)
    return at.reply(request, "ack.done", number=str(found.number))


def _which(conn: Connection, request: Request) -> Reply:
    """The last notices, to choose the one that was read."""
    at = office(request)
    found = received.latest(conn, request.number, 9)
    if not found:
        return at.reply(request, "notices.none")
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {
        str(place): ("22", {"notice": str(each.number)}) for place, each in enumerate(found, 1)
    }
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    which = at.say("ack.which", request.language, request.member)
    return Reply(text=f"{which}\n{_listed(at, request, found)}", key="ack.which", ask=ask, language=request.language)


def more(conn: Connection, request: Request) -> Reply:
    """The next page of what is open."""
    at = office(request)
    open_ = dialogs.by_numbers(conn, [request.number], request.now).get(request.number)
    code, arguments = (open_.choices if open_ is not None else {}).get(_MORE, (None, {}))
    command = at.registry.get(code) if code is not None else None
    if command is None or command.code == "25":
        return at.reply(request, "more.none")
    asked = replace(request, arguments=arguments, read=None)
    return at.refused(command, asked) or at.run(conn, command, asked)


NOTICES = Command(
    code="21",
    name="notices",
    words={"zh": ("通知", "最近"), "en": ("NOTICES", "NEWS"), "pinyin": ("TZ",)},
    function=notices,
    parameters=(
        Parameter(name="notice", kind=Kind.DIGITS, length=(1, 6), required=False),
        Parameter(name="page", kind=Kind.DIGITS, length=(1, 2), required=False),
    ),
    root=True,
)
ACK = Command(
    code="22",
    name="ack",
    words={"zh": ("收到", "回执"), "en": ("ACK", "GOT"), "pinyin": ("SD",)},
    function=acknowledge,
    parameters=(Parameter(name="notice", kind=Kind.DIGITS, length=(1, 6), required=False),),
)
MORE = Command(
    code="25",
    name="more",
    words={"zh": ("更多", "下页"), "en": ("MORE", "M"), "pinyin": ("GD",)},
    function=more,
    public=True,
    aside=True,
)
