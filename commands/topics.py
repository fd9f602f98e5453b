"""23 SUB, 24 UNSUB, 26 TOPICS and 94 QUIET: what of the organisation's news somebody wants, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import consent
from gateway.affairs.notices import quiet as own_hours
from gateway.affairs.notices import topics
from gateway.affairs.notices.rules import quiet as read_hours
from gateway.affairs.notices.rules import rules
from gateway.affairs.notices.topics import Topic
from gateway.core.model import Ask, Channel, Reply, Request

_DAYS = {"zh": "一二三四五六日", "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
_NAMED = 4  # days in one SMS
_TOPIC = Parameter(name="topic", kind=Kind.DIGITS, length=(2, 2), required=False)


def subscribe(conn: Connection, request: Request) -> Reply:
    """Get the messages of a topic from now on; asked without one, the topics to choose from."""
    at = office(request)
    number = request.arguments.get("topic")
    if number is None:
        return _choose(conn, request, "23", topics.listing(conn))
    found = topics.by_number(conn, number)
    if found is None:
        return at.reply(request, "sub.unknown")
    topics.want(conn, at.new_id, request.number, found, wants=True, how="SUB", now=request.now)
    return at.reply(
        request,
        "sub.done",
        topic=found.number + name(found, request.language),
        number=found.number,
        when=_when(found, request.language),
        most=found.most,
    )


def leave(conn: Connection, request: Request) -> Reply:
    """Get no more of a topic; asked without one, those this phone has."""
    at = office(request)
    number = request.arguments.get("topic")
    wanted = topics.wanted(conn, request.number)
    if number is None:
        if not wanted:
            return at.reply(request, "unsub.nothing")
        return _choose(conn, request, "24", wanted)
    found = topics.by_number(conn, number)
    if found is None:
        return at.reply(request, "sub.unknown")
    topics.want(conn, at.new_id, request.number, found, wants=False, how="UNSUB", now=request.now)
    rest = [each for each in wanted if each.id != found.id]
    return left(at, request, found, rest)


def left(at: Office, request: Request, found: Topic, rest: Sequence[Topic]) -> Reply:
    return at.reply(
        request,
        "unsub.done",
        topic=found.number + name(found, request.language),
        rest=_named(at, request, rest),
    )


def tell(conn: Connection, request: Request) -> Reply:
    """The topics there are."""
    at = office(request)
    found = topics.listing(conn)
    if not found:
        return at.reply(request, "topics.none")
    return at.reply(request, "topics.list", topics=_named(at, request, found, "topics"), number=found[0].number)


def _choose(conn: Connection, request: Request, code: str, found: Sequence[Topic]) -> Reply:
    at = office(request)
    if not found:
        return at.reply(request, "topics.none")
    choices: dict[str, tuple[str, Mapping[str, Any]]] = {each.number: (code, {"topic": each.number}) for each in found}
    if request.channel is Channel.USSD:
        some = found[:9]
        choices = {str(place): (code, {"topic": each.number}) for place, each in enumerate(some, 1)}
        lines = [f"{place}) {name(each, request.language)}" for place, each in enumerate(some, 1)]
        text = "\n".join(lines)
    else:
        choices |= {str(int(each.number)): (code, {"topic": each.number}) for each in found if each.number[0] == "0"}
        which = at.registry[code].name
        text = at.say(f"{which}.topic", request.language, request.member, topics=_named(at, request, found, "topics"))
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return Reply(text=text, key="topics.list", ask=ask, language=request.language)


def name(found: Topic, language: str) -> str:
    """A topic's name, in an English SMS one that its alphabet has."""
    shown = found.name(language)
    if language != "zh":
        return f" {shown}" if shown.isascii() else ""
    return shown


def _named(at: Office, request: Request, found: Sequence[Topic], widest: str = "rest") -> str:
    """01要闻02政策: as many as one SMS has room for."""
    room = len(at.texts.widest[request.language][widest])
    between = "" if request.language == "zh" else " "
    shown = ""
    for each in found:
        longer = f"{shown}{between if shown else ''}{each.number}{name(each, request.language)}"
        if len(longer) > room:
            break
        shown = longer
    return shown


def _when(found: Topic, language: str) -> str:
    window = topics.window_words(found)
    if window is None:
        return "不定期" if language == "zh" else "at no fixed time"
    days, (first, last) = window
    if language == "zh":
        if len(days) > _NAMED:
            named = "每天" if len(days) == 7 else f"每周{len(days)}天"
        else:
            named = "每周" + "、".join(_DAYS["zh"][day - 1] for day in days)
        return f"{named}{first}-{last}时"
    if len(days) > _NAMED:
        named = "daily" if len(days) == 7 else f"{len(days)} days a week"
    else:
        named = " ".join(_DAYS["en"][day - 1] for day in days)
    return f"{named} {first:02}-{last:02}"


def quiet(conn: Connection, request: Request) -> Reply:
    """The hours without bulk messages: what they are, or others from now on."""
    at = office(request)
    hours = request.arguments.get("hours")
    if hours is None and request.channel is Channel.USSD:
        ask = Ask(expires=request.now + LIFE, command="94", parameter="hours", language=request.language)
        return replace(at.reply(request, "quiet.hours"), ask=ask)
    if hours is not None:
        own_hours.choose(conn, request.number, read_hours(hours))
    own = own_hours.of(conn, request.number) or rules(conn, request.now).quiet
    if own.start == own.until:
        return at.reply(request, "quiet.never")
    return at.reply(request, "quiet.set", start=own.start, until=own.until)


def stop_topic(conn: Connection, request: Request, number: str) -> Reply:
    """退订03: the same as 24 03, for whoever says it so."""
    at = office(request)
    found = topics.by_number(conn, number)
    if found is None:
        return at.reply(request, "stop.topic")
    topics.want(conn, at.new_id, request.number, found, wants=False, how="STOP", now=request.now)
    return left(at, request, found, topics.wanted(conn, request.number))


def start_topic(conn: Connection, request: Request, number: str) -> Reply:
    at = office(request)
    found = topics.by_number(conn, number)
    if found is None:
        return at.reply(request, "start.topic")
    topics.want(conn, at.new_id, request.number, found, wants=True, how="START", now=request.now)
    consent.start(conn, at.new_id, request.number, how="START", now=request.now)
    return at.reply(
        request,
        "sub.done",
        topic=found.number + name(found, request.language),
        number=found.number,
        when=_when(found, request.language),
        most=found.most,
    )


SUB = Command(
    code="23",
    name="sub",
    words={"zh": ("订阅", "订"), "en": ("SUB",), "pinyin": ("DY",)},
    function=subscribe,
    parameters=(_TOPIC,),
)
UNSUB = Command(
    code="24",
    name="unsub",
    words={"zh": ("退阅", "退"), "en": ("UNSUB",), "pinyin": ("TY",)},
    function=leave,
    parameters=(_TOPIC,),
)
TOPICS = Command(
    code="26",
    name="topics",
    words={"zh": ("目录",), "en": ("TOPICS",), "pinyin": ("ML",)},
    function=tell,
    public=True,
    aside=True,
)
QUIET = Command(
    code="94",
    name="quiet",
    words={"zh": ("免扰",), "en": ("QUIET",), "pinyin": ("MR",)},
    function=quiet,
    parameters=(Parameter(name="hours", kind=Kind.HOURS, required=False),),
)
