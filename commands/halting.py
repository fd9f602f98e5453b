"""暂停 PAUSE, 继续 RESUME, 撤 KILL: a notice stopped, let go on or cancelled by SMS, with how far it has come."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from commands.drafted import APPROVERS, DRAFT, WRITERS, named, person, place, reachable
from commands.office import Office, office
from commands.registry import Command
from gateway.affairs.notices import drafts, progress, questions, running
from gateway.affairs.notices.audience import FEW
from gateway.affairs.notices.drafts import Notice, Refused
from gateway.affairs.notices.progress import Progress
from gateway.core.model import Member, Reply, Request

_TURNS = {"pause": running.pause, "resume": running.resume, "kill": running.kill}
_NEXT = {"pause": "RESUME", "resume": "PAUSE"}  # what may be wanted then


def pause(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "pause")


def resume(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "resume")


def kill(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "kill")


def _turned(conn: Connection, request: Request, what: str) -> Reply:
    at = office(request)
    found = reachable(conn, request, WRITERS | APPROVERS)
    if found is None:
        return at.error(request, "E04")
    try:
        found = _TURNS[what](conn, place(at), found, person(request), request.now)
    except Refused:
        return at.reply(request, f"{what}.not", draft=found.reference)
    if found.recipients > FEW and found.totals is None:
        questions.ask(conn, found.id, request.number, questions.STANDING, request.now)
        next_ = _next(at, request.member, request.language, what, found)
        return at.reply(request, f"{what}.soon", draft=found.reference, withdraw=next_)
    values = _standing(at, request.member, request.language, what, found, progress.progress(conn, found))
    return at.reply(request, f"{what}.done", **values)


def _next(at: Office, member: Member | None, language: str, what: str, found: Notice) -> str:
    return named(at, member, language, _NEXT[what], found) if what in _NEXT else ""


def _standing(
    at: Office, member: Member | None, language: str, what: str, found: Notice, counted: Progress
) -> dict[str, Any]:
    return {
        "draft": found.reference,
        "sent": counted.sent,
        "unsent": counted.unsent if found.frozen else max(0, found.funnel.left - counted.sent),
        "withdraw": _next(at, member, language, what, found),
    }


def standing(at: Office, member: Member | None, language: str, found: Notice, counted: Progress) -> str:
    """What somebody reads who asked a moment ago: how it is now."""
    what = {drafts.PAUSED: "pause", drafts.KILLED: "kill"}.get(found.state, "resume")
    return at.say(f"{what}.done", language, member, **_standing(at, member, language, what, found, counted))


PAUSE = Command(
    code="PAUSE",
    name="pause",
    words={"zh": ("暂停",), "en": ("PAUSE",), "pinyin": ("ZT",)},
    function=pause,
    parameters=(DRAFT,),
    roles=WRITERS | APPROVERS,
)
RESUME = Command(
    code="RESUME",
    name="resume",
    words={"zh": ("继续",), "en": ("RESUME",), "pinyin": ("JX",)},
    function=resume,
    parameters=(DRAFT,),
    roles=WRITERS | APPROVERS,
)
KILL = Command(
    code="KILL",
    name="kill",
    words={"zh": ("撤",), "en": ("KILL",), "pinyin": ("CHE",)},
    function=kill,
    parameters=(DRAFT,),
    roles=WRITERS | APPROVERS,
)
