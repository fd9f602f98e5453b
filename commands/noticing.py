"""群发 BC: a notice by SMS, for staff without a computer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from commands import halting
from commands.approving import scheduled
from commands.drafted import WRITERS, named, person, place, scope, title
from commands.grammar import CODE
from commands.office import Office, office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import branches, challenges, members
from gateway.affairs.notices import approval, drafts, groups, questions, series
from gateway.affairs.notices.approval import Estimate, Place
from gateway.affairs.notices.audience import Audience, is_small
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.affairs.notices.progress import Progress
from gateway.affairs.notices.questions import Figures, Question
from gateway.core.model import Ask, Lane, Member, Reply, Request, Told

_EVERYBODY = frozenset({"ALL", "全体", "全部", "所有"})


def draft(conn: Connection, request: Request) -> Reply:
    """Write a notice to a group or a branch; it waits for a second person, or for the writer's own code if small."""
    at = office(request)
    if "draft" in request.arguments:  # the code came back
        return _go(conn, request, request.arguments["draft"])
    where, by = place(at), person(request)
    audience = _audience(conn, request, str(request.arguments["group"]))
    if audience is None:
        return at.reply(request, "notice.nobody")
    text = request.arguments["text"]
    said = Wording(title=title(text), texts={request.language: text}, audience=audience)
    key = f"sms:{request.message}" if request.message else None
    try:
        made = drafts.create(conn, at.new_id, said, by, request.now, request_key=key)
        if not is_small(conn, audience, made.id):
            return _later(conn, request, made)
        estimate = approval.estimate(conn, where, made, request.now)
        if estimate.needed == 0:
            if estimate.funnel.left == 0:
                raise Refused("nobody", "nobody would get it")
            return _with_code(conn, request, made, estimate)
        made = approval.submit(conn, where, made, by, request.now, counted=estimate)
    except Refused as refused:
        return _refused(at, request, refused)
    return at.reply(request, "notice.waits", **_waits(at, request.member, request.language, made, estimate))


def _counted(estimate: Estimate, made: Notice) -> dict[str, Any]:
    funnel = estimate.funnel
    return {
        "draft": made.reference,
        "people": funnel.selected,
        "excluded": funnel.selected - funnel.left,
        "send": funnel.left,
        "parts": max(estimate.each.values()),
    }


def _waits(at: Office, member: Member | None, language: str, made: Notice, estimate: Estimate) -> dict[str, Any]:
    return _counted(estimate, made) | {"withdraw": named(at, member, language, "KILL", made)}


def _later(conn: Connection, request: Request, made: Notice) -> Reply:
    """So many take a second to count, in which nobody else's text would be answered: the figures follow by SMS."""
    at = office(request)
    approval.guard(conn, made, request.now)
    questions.ask(conn, made.id, request.number, questions.SUBMIT, request.now)
    withdraw = named(at, request.member, request.language, "KILL", made)
    return at.reply(request, "notice.counting", draft=made.reference, withdraw=withdraw)


def _with_code(conn: Connection, request: Request, made: Notice, estimate: Estimate) -> Reply:
    """A small notice needs nobody else; that it is really its writer who asks, the code says."""
    at = office(request)
    if (locked := at.locked(conn, request)) is not None:
        return locked
    code = challenges.issue(
        conn,
        at.new_id,
        at.keys,
        request.random,
        request.number,
        action="BC",
        arguments={"draft": made.number},
        now=request.now,
    )
    text = at.say("notice.small", request.language, request.member, code=code, **_counted(estimate, made))
    ask = Ask(expires=request.now + challenges.LIFE, command="BC", parameter=CODE, language=request.language)
    return Reply(text=text, key="notice.small", lane=Lane.CODE, ask=ask, secret=True, language=request.language)


def _go(conn: Connection, request: Request, wanted: int) -> Reply:
    at = office(request)
    where, by = place(at), person(request)
    found = drafts.find(conn, wanted)
    if found is None or not by.is_same(found.author, found.author_phone):
        return at.error(request, "E04")
    try:
        if not is_small(conn, found.audience, found.id):  # it grew meanwhile
            return _later(conn, request, found)
        estimate = approval.estimate(conn, where, found, request.now)
        found = approval.submit(conn, where, found, by, request.now, counted=estimate)
    except Refused as refused:
        return _refused(at, request, refused)
    if found.state == drafts.WAITING:
        return at.reply(request, "notice.waits", **_waits(at, request.member, request.language, found, estimate))
    if found.is_over:  # cancelled meanwhile
        return at.reply(request, "approve.over", draft=found.reference)
    return scheduled(at, request, found)


def _audience(conn: Connection, request: Request, name: str) -> Audience | None:
    """Everybody of the writer's own branches, a branch among them by its code, or a group of theirs."""
    theirs = scope(conn, request, WRITERS)
    if name in _EVERYBODY:
        return Audience(paths=theirs)
    if (found := branches.by_code(conn, name)) is not None:
        return Audience(paths=(found.path,)) if drafts.reaches(theirs, (found.path,)) else None
    group = groups.by_code(conn, name)
    if group is None or not drafts.reaches(theirs, (group.path,)):
        return None
    return Audience(paths=theirs, groups=(group.id,))


def _refused(at: Office, request: Request, refused: Refused) -> Reply:
    if refused.why == "long":
        return at.error(request, "E10")
    return at.reply(request, _why_not(refused))


def _why_not(refused: Refused) -> str:
    key = {"nobody": "nobody", "same": "same", "text": "braces"}.get(refused.why, "never")
    return f"notice.{key}"


# --- who asked a moment ago --------------------------------------------------------------------------------------


def answered(
    conn: Connection, where: Place, at: Office, question: Question, figures: Figures, now: datetime
) -> list[Told]:
    """Go on with what has been counted meanwhile, and tell whoever asked."""
    found = drafts.get(conn, question.notice_id)
    if not questions.close(conn, question):
        return []
    if question.number == questions.SERIES:
        assert not isinstance(figures, Progress)
        series.go_on(conn, where, found, figures, now)
        return []
    sender = members.by_number(conn, question.number, at.today(now))
    language = sender.language or at.organisation.language
    if isinstance(figures, Progress):
        text = halting.standing(at, sender.member, language, found, figures)
    elif found.state == drafts.DRAFT and isinstance(figures, Estimate) and not approval.is_of(figures, found):
        questions.ask(conn, found.id, question.number, question.what, now)  # it was written anew meanwhile
        return []
    elif found.state == drafts.DRAFT:
        text = _submitted(conn, where, at, sender.member, language, found, figures, now)
    else:  # cancelled, or submitted at the console
        return []
    return [Told(number=question.number, text=text, language=language, member=sender.member)]


def _submitted(
    conn: Connection,
    where: Place,
    at: Office,
    member: Member | None,
    language: str,
    found: Notice,
    figures: Estimate | Refused,
    now: datetime,
) -> str:
    try:
        if isinstance(figures, Refused):
            raise figures
        # Few may be left of many; a small one needs its writer's code, which nobody was asked for.
        counted = replace(figures, needed=max(1, figures.needed))
        by = Person(actor=found.author, phone=found.author_phone)
        found = approval.submit(conn, where, found, by, now, counted=counted)
    except Refused as refused:
        return at.say(_why_not(refused), language, member)
    return at.say("notice.waits", language, member, **_waits(at, member, language, found, counted))


BROADCAST = Command(
    code="BC",
    name="notice",
    words={"zh": ("群发",), "en": ("BC", "BROADCAST"), "pinyin": ("QF",)},
    function=draft,
    parameters=(
        Parameter(name="group", kind=Kind.WORD, choices=dict.fromkeys(sorted(_EVERYBODY), "ALL")),
        Parameter(name="text", kind=Kind.TEXT, length=(1, 300)),
    ),
    roles=WRITERS,
)
