"""群发 BC, 批准 OK, 驳回 DENY, 暂停 PAUSE, 继续 RESUME, 撤 KILL: notices by SMS, for staff without a computer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select, update

from commands import shown
from commands.grammar import CODE
from commands.office import Office, office
from commands.registry import Command, Confirm, Kind, Parameter, Question
from commands.voice import place as place_of
from gateway.affairs import branches, challenges, members, roles
from gateway.affairs.notices import approval, drafts, groups, progress, running
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.core.model import Ask, Lane, LogClass, Reply, Request, Told
from gateway.core.tables.notices import notice
from gateway.core.tables.organisation import branch, number, role_grant
from gateway.core.text import fits_gsm7

_EVERYBODY = frozenset({"ALL", "全体", "全部", "所有"})
_TITLE = 12  # characters of a text that stand for it
_TOLD = 10  # approvers who hear of one notice
WRITERS, APPROVERS = ("secretary", "publisher"), ("approver",)


# --- 群发 --------------------------------------------------------------------------------------------------------


def draft(conn: Connection, request: Request) -> Reply:
    """Write a notice to a group or a branch; it waits for a second person, or for the writer's own code if small."""
    at = office(request)
    if "draft" in request.arguments:  # the code came back
        return _go(conn, request, request.arguments["draft"])
    place, by = _place(at), _person(request)
    audience = _audience(conn, request, str(request.arguments["group"]))
    if audience is None:
        return at.reply(request, "notice.nobody")
    text = request.arguments["text"]
    said = Wording(title=_title(text), texts={request.language: text}, audience=audience)
    try:
        made = drafts.create(
            conn, at.new_id, said, by, request.now, request_key=f"sms:{request.message}" if request.message else None
        )
        estimate = approval.estimate(conn, place, made, request.now)
        if estimate.needed == 0:
            if estimate.funnel.left == 0:
                raise Refused("nobody", "nobody would get it")
            return _with_code(conn, request, made, estimate)
        made = approval.submit(conn, place, made, by, request.now)
    except Refused as refused:
        return _refused(at, request, refused)
    return at.reply(request, "notice.waits", withdraw=_named(at, request, "KILL", made), **_counted(estimate, made))


def _counted(estimate: approval.Estimate, made: Notice) -> dict[str, Any]:
    funnel = estimate.funnel
    return {
        "draft": made.reference,
        "people": funnel.selected,
        "excluded": funnel.selected - funnel.left,
        "send": funnel.left,
        "parts": max(estimate.each.values()),
    }


def _with_code(conn: Connection, request: Request, made: Notice, estimate: approval.Estimate) -> Reply:
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
    place, by = _place(at), _person(request)
    found = drafts.find(conn, wanted)
    if found is None or not by.is_same(found.author, found.author_phone):
        return at.error(request, "E04")
    try:
        found = approval.submit(conn, place, found, by, request.now)
    except Refused as refused:
        return _refused(at, request, refused)
    if found.state == drafts.WAITING:  # it grew meanwhile
        estimate = approval.estimate(conn, place, found, request.now)
        counted = _counted(estimate, found)
        return at.reply(request, "notice.waits", withdraw=_named(at, request, "KILL", found), **counted)
    return _scheduled(at, request, found)


def _audience(conn: Connection, request: Request, name: str) -> Audience | None:
    """Everybody of the writer's own branches, a branch among them by its code, or a group of theirs."""
    scope = _scope(conn, request, WRITERS)
    if name in _EVERYBODY:
        return Audience(paths=scope)
    if (found := branches.by_code(conn, name)) is not None:
        return Audience(paths=(found.path,)) if drafts.reaches(scope, (found.path,)) else None
    group = groups.by_code(conn, name)
    if group is None or not ("" in scope or drafts.reaches(scope, (group.path,))):
        return None
    return Audience(paths=scope, groups=(group.id,))


# --- 批准 驳回 ---------------------------------------------------------------------------------------------------


def ask_for_code(conn: Connection, request: Request) -> Question | Reply:
    """Whoever approves sends back a code; one that was sent along with the draft's number is as good."""
    at = office(request)
    found = _reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    if _person(request).is_same(found.author, found.author_phone):
        return at.reply(request, "approve.own", draft=found.reference)
    if found.state != drafts.WAITING:
        return at.reply(request, "approve.over", draft=found.reference)
    code = request.arguments.get("code")
    if code:
        match challenges.check(conn, at.keys, request.number, code, request.now):
            case challenges.Confirmed(action="OK", arguments=arguments) if arguments.get("draft") == found.reference:
                return approve(conn, replace(request, arguments=arguments))
            case challenges.Wrong(left=left):
                return at.error(request, "E07", left=left)
            case challenges.Locked(until=until):
                return at.wait(request, until)
            case _:
                return at.reply(request, "confirm.nothing")
    values = {"draft": found.reference, "send": found.funnel.left, "text": _shown(found, request.language)}
    asked = {"draft": found.reference, "submitted": found.submission}
    return Question(key="approve.check", values=values, arguments=asked)


def approve(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = _reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    if request.arguments.get("submitted") != found.submission:  # written anew since the code was asked for
        return at.reply(request, "confirm.nothing")
    try:
        found = approval.approve(conn, _place(at), found, _person(request), request.now)
    except Refused as refused:
        if refused.why == "author":
            return at.reply(request, "approve.own", draft=found.reference)
        return at.reply(request, "approve.over", draft=found.reference)
    if found.state == drafts.WAITING:
        return at.reply(request, "approve.more", draft=found.reference)
    return _scheduled(at, request, found)


def deny(conn: Connection, request: Request) -> Reply:
    at = office(request)
    found = _reachable(conn, request, APPROVERS)
    if found is None:
        return at.error(request, "E04")
    reason = (request.arguments.get("reason") or "")[:100]
    try:
        approval.deny(conn, _place(at), found, _person(request), reason, request.now)
    except Refused:
        return at.reply(request, "approve.over", draft=found.reference)
    return at.reply(request, "deny.done", draft=found.reference)


def _scheduled(at: Office, request: Request, found: Notice) -> Reply:
    assert found.starts is not None
    time = shown.moment(found.starts.astimezone(at.zone), request.language)
    stop = _named(at, request, "PAUSE", found)
    return at.reply(request, "approve.done", draft=found.reference, time=time, send=found.funnel.left, withdraw=stop)


# --- 暂停 继续 撤 ------------------------------------------------------------------------------------------------


def pause(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "pause")


def resume(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "resume")


def kill(conn: Connection, request: Request) -> Reply:
    return _turned(conn, request, "kill")


def _turned(conn: Connection, request: Request, what: str) -> Reply:
    at = office(request)
    found = _reachable(conn, request, (*WRITERS, *APPROVERS))
    if found is None:
        return at.error(request, "E04")
    place, by = _place(at), _person(request)
    try:
        if what == "pause":
            found = running.pause(conn, place, found, by, request.now)
        elif what == "resume":
            found = running.resume(conn, place, found, by, request.now)
        else:
            found = running.kill(conn, place, found, by, request.now)
    except Refused:
        return at.reply(request, f"{what}.not", draft=found.reference)
    counted = progress.progress(conn, found)
    next_ = _named(at, request, "RESUME" if what == "pause" else "PAUSE", found) if what != "kill" else ""
    return at.reply(
        request,
        f"{what}.done",
        draft=found.reference,
        sent=counted.sent,
        unsent=counted.unsent if found.frozen else max(0, found.funnel.left - counted.sent),
        withdraw=next_,
    )


# --- what they share ---------------------------------------------------------------------------------------------


def _place(at: Office) -> Place:
    return place_of(at.organisation, at.new_id)


def _person(request: Request) -> Person:
    assert request.member is not None
    return Person(actor=f"member:{request.member.id}", phone=request.number)


def _scope(conn: Connection, request: Request, wanted: Iterable[str]) -> tuple[str, ...]:
    assert request.member is not None
    today = office(request).today(request.now)
    held = roles.in_force(conn, member_id=request.member.id, today=today)
    paths = {each.path for each in held if each.role in wanted}
    return tuple(sorted(path for path in paths if not any(path != other and path.startswith(other) for other in paths)))


def _reachable(conn: Connection, request: Request, wanted: Iterable[str]) -> Notice | None:
    """The notice somebody names, when all that it reaches is theirs; the same answer for none and for not theirs."""
    reference = str(request.arguments["draft"])
    if reference[:1] != "D" or not reference[1:].isdecimal():
        return None
    found = drafts.find(conn, int(reference[1:]))
    if found is None or not drafts.reaches(_scope(conn, request, wanted), found.paths):
        return None
    return found


def _named(at: Office, request: Request, code: str, found: Notice) -> str:
    """How to send a command about this notice, "" for whoever may not."""
    command = at.registry.get(code)
    if command is None or not command.allows(request.member):
        return ""
    word = command.word(request.language)
    return f"{word}{found.reference}" if request.language == "zh" else f"{word} {found.reference}"


def _title(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else text
    return line[:_TITLE]


def _shown(found: Notice, language: str) -> str:
    """The beginning of what it says; nothing of it where an English SMS could not carry it."""
    text = _title(found.texts.get(language) or next(iter(found.texts.values())))
    return text if language == "zh" or fits_gsm7(text) else ""


def _refused(at: Office, request: Request, refused: Refused) -> Reply:
    match refused.why:
        case "nobody":
            return at.reply(request, "notice.nobody")
        case "same":
            return at.reply(request, "notice.same")
        case "text":
            return at.reply(request, "notice.braces")
        case "long":
            return at.error(request, "E10")
        case _:
            return at.reply(request, "notice.never")


# --- who hears of it ---------------------------------------------------------------------------------------------


def announcements(conn: Connection, place: Place, at: Office, now: datetime) -> list[Told]:
    """What waits for approval, to those who may; what was denied, to its author in the field. Each once."""
    rows = conn.execute(
        select(notice.c.id)
        .where(
            ~notice.c.announced,
            (notice.c.state == drafts.WAITING) | ((notice.c.state == drafts.DRAFT) & notice.c.reason.is_not(None)),
        )
        .limit(20)
    ).all()
    told: list[Told] = []
    for row in rows:
        found = drafts.get(conn, row.id)
        told += (
            _to_approvers(conn, place, at, found, now) if found.state == drafts.WAITING else _back(conn, at, found, now)
        )
        conn.execute(update(notice).where(notice.c.id == found.id).values(announced=True))
    return told


def _to_approvers(conn: Connection, place: Place, at: Office, found: Notice, now: datetime) -> list[Told]:
    today = place.today(now)
    rows = conn.execute(
        select(number.c.number, branch.c.path)
        .select_from(
            role_grant.join(number, (number.c.member_id == role_grant.c.member_id) & number.c.main).outerjoin(
                branch, branch.c.id == role_grant.c.branch_id
            )
        )
        .where(
            role_grant.c.role.in_(APPROVERS),
            or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
        )
        .order_by(role_grant.c.id)
    ).all()
    told: list[Told] = []
    for row in rows:
        author = found.author_phone == row.number
        if author or not drafts.reaches((row.path or "",), found.paths) or len(told) >= _TOLD:
            continue
        sender = members.by_number(conn, row.number, today)
        if sender.member is None or found.author == f"member:{sender.member.id}":
            continue
        language = sender.language or at.organisation.language
        command = at.registry.get("OK")
        if command is None or not command.allows(sender.member):
            continue
        how = f"{command.word(language)}{'' if language == 'zh' else ' '}{found.reference}"
        text = at.say(
            "approve.waits",
            language,
            sender.member,
            draft=found.reference,
            send=found.funnel.left,
            text=_shown(found, language),
            withdraw=how,
        )
        told.append(Told(number=row.number, text=text, language=language, member=sender.member))
    return told


def _back(conn: Connection, at: Office, found: Notice, now: datetime) -> list[Told]:
    if not found.author.startswith("member:") or found.author_phone is None:
        return []
    sender = members.by_number(conn, found.author_phone, at.today(now))
    language = sender.language or at.organisation.language
    text = at.say("deny.told", language, sender.member, draft=found.reference, reason=(found.reason or "")[:20])
    return [Told(number=found.author_phone, text=text, language=language, member=sender.member)]


_DRAFT = Parameter(name="draft", kind=Kind.REFERENCE)
_STAFF = frozenset(WRITERS)
_APPROVERS = frozenset(APPROVERS)

BROADCAST = Command(
    code="BC",
    name="notice",
    words={"zh": ("群发",), "en": ("BC", "BROADCAST"), "pinyin": ("QF",)},
    function=draft,
    parameters=(
        Parameter(name="group", kind=Kind.WORD, choices=dict.fromkeys(sorted(_EVERYBODY), "ALL")),
        Parameter(name="text", kind=Kind.TEXT, length=(1, 300)),
    ),
    roles=_STAFF,
)
APPROVE = Command(
    code="OK",
    name="approve",
    words={"zh": ("批准",), "en": ("OK", "APPROVE"), "pinyin": ("PZ",)},
    function=approve,
    parameters=(_DRAFT, Parameter(name="code", kind=Kind.DIGITS, length=(4, 4), required=False)),
    roles=_APPROVERS,
    confirm=Confirm.CODE,
    question=ask_for_code,
    log_class=LogClass.B,  # the code may stand in it
)
DENY = Command(
    code="DENY",
    name="deny",
    words={"zh": ("驳回",), "en": ("DENY",), "pinyin": ("BH",)},
    function=deny,
    parameters=(_DRAFT, Parameter(name="reason", kind=Kind.TEXT, length=(1, 100), required=False)),
    roles=_APPROVERS,
)
PAUSE = Command(
    code="PAUSE",
    name="pause",
    words={"zh": ("暂停",), "en": ("PAUSE",), "pinyin": ("ZT",)},
    function=pause,
    parameters=(_DRAFT,),
    roles=_STAFF | _APPROVERS,
)
RESUME = Command(
    code="RESUME",
    name="resume",
    words={"zh": ("继续",), "en": ("RESUME",), "pinyin": ("JX",)},
    function=resume,
    parameters=(_DRAFT,),
    roles=_STAFF | _APPROVERS,
)
KILL = Command(
    code="KILL",
    name="kill",
    words={"zh": ("撤",), "en": ("KILL",), "pinyin": ("CHE",)},
    function=kill,
    parameters=(_DRAFT,),
    roles=_STAFF | _APPROVERS,
)
