"""91 LANG, 92 STOP and 93 START: how a phone is answered, and whether it gets bulk messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from commands import topics
from commands.office import office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import consent, members
from gateway.core.model import Lane, Reply, Request

_NAMES = {"zh": ("ZH", "CN", "中文", "汉语", "CHINESE"), "en": ("EN", "英文", "英语", "ENGLISH")}
_TOPIC = Parameter(name="topic", kind=Kind.DIGITS, length=(2, 2), required=False)


def speak(conn: Connection, request: Request) -> Reply:
    """Answers to this phone come in another language from now on, this one already."""
    language = request.arguments["language"]
    members.set_language(conn, request.number, language)
    return office(request).reply(replace(request, language=language), "lang.set")


def stop(conn: Connection, request: Request) -> Reply:
    """No more bulk messages to this phone, whoever it belongs to."""
    at = office(request)
    if topic := request.arguments.get("topic"):
        return replace(topics.stop_topic(conn, request, topic), lane=Lane.CODE)
    consent.stop(conn, at.new_id, request.number, how="STOP", now=request.now)
    return at.reply(request, "stop.stop", lane=Lane.CODE)


def start(conn: Connection, request: Request) -> Reply:
    """Bulk messages may come again."""
    at = office(request)
    if topic := request.arguments.get("topic"):
        return topics.start_topic(conn, request, topic)
    consent.start(conn, at.new_id, request.number, how="START", now=request.now)
    return at.reply(request, "start.start")


def lang(languages: Iterable[str]) -> Command:
    """The command for the languages that there are texts in; a digit stands for each, in their order."""
    choices: dict[str, str] = {}
    for digit, language in enumerate(languages, 1):
        choices |= dict.fromkeys((str(digit), *_NAMES.get(language, (language.upper(),))), language)
    return Command(
        code="91",
        name="lang",
        words={"zh": ("语言", "设置"), "en": ("LANG", "SET"), "pinyin": ("YY",)},
        function=speak,
        parameters=(Parameter(name="language", kind=Kind.CHOICE, choices=choices),),
        public=True,
        root=True,
    )


STOP = Command(
    code="92",
    name="stop",
    words={
        "zh": ("退订", "退訂", "不要再发", "回TD", "回复TD"),  # as 退订回TD is read by some
        "en": ("STOP", "STOPALL", "UNSUBSCRIBE", "QUIT", "END"),
        "pinyin": ("TD", "T", "TDING"),
    },
    function=stop,
    parameters=(_TOPIC,),
    public=True,
    whole=True,
)

START = Command(
    code="93",
    name="start",
    words={"zh": ("恢复",), "en": ("START", "UNSTOP"), "pinyin": ("HUIFU",)},
    function=start,
    parameters=(_TOPIC,),
    public=True,
)
