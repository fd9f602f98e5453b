"""The hotline by phone: 76 CALL for members, and 回, 结, 转 for staff who have no computer at hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps

from sqlalchemy import Connection

from commands import privacy, shown
from commands.office import Office, office
from commands.registry import Command, Kind, Parameter
from commands.texts import Named
from gateway.affairs import branches, cases, clocks, replies, roles
from gateway.affairs.cases import Case
from gateway.core import audit, messages
from gateway.core.model import Lane, LogClass, Outbound, Reply, Request
from gateway.core.text import segments, signed

STAFF = frozenset({"agent", "lead", "secretary"})
CALL_KIND = "call"
MOST = 300  # characters of an answer by SMS
RATE = "64"

# --- 76: call me ------------------------------------------------------------------------------------------------------


def call(conn: Connection, request: Request) -> Reply:
    at = office(request)
    for known in cases.of_number(conn, request.number):
        if known.kind == CALL_KIND and known.state == cases.OPEN:
            return at.reply(request, "call.again", case=known.id, case_no=known.case_no)
    case = at.open_case(conn, request, at.texts("call.asked", request.language), kind=CALL_KIND)
    due = clocks.promised(conn, at.zone, CALL_KIND, request.now)
    if due is None:
        return at.reply(request, "call.received", case=case.id, case_no=case.case_no)
    time = shown.moment(due.astimezone(at.zone), request.language)
    return at.reply(request, "call.promised", case=case.id, case_no=case.case_no, time=time)


CALL = Command(
    code="76",
    name="call",
    words={"zh": ("回电", "人工"), "en": ("CALL", "AGENT"), "pinyin": ("HD", "RG")},
    function=call,
    public=True,
    log_class=LogClass.D,
)

# --- 回 结 转: a case in the hands of staff ----------------------------------------------------------------------

Verb = Callable[[Connection, Request, Case], Reply]


def _of_case(verb: Verb) -> Callable[[Connection, Request], Reply]:
    """Give `verb` the case; E04 alike when there is none, when it is not theirs, or when they have no such role."""

    @wraps(verb)
    def function(conn: Connection, request: Request) -> Reply:
        at, member = office(request), request.member
        case = cases.find(conn, request.arguments["case"])
        if case is None or member is None or case.kind in cases.ELSEWHERE:
            return at.error(request, "E04")
        grants = roles.in_force(conn, member_id=member.id, today=at.today(request.now))
        if not roles.may(grants, STAFF, case.path or ""):
            return at.error(request, "E04")
        if case.state == cases.CLOSED:
            return at.reply(request, "answer.closed", case=case.id, case_no=case.case_no)
        try:
            return verb(conn, request, case)
        except cases.Refused:
            return at.reply(request, "answer.busy", case=case.id, case_no=case.case_no)

    return function


@_of_case
def answer(conn: Connection, request: Request, case: Case) -> Reply:
    at = office(request)
    said = privacy.blank(request.arguments["text"])
    text = signed(said, at.organisation.signature_for(case.language))
    replies.send(
        conn,
        at.new_id,
        case,
        id=at.new_id(),
        said=said,
        signed=text,
        link=replies.link_of(conn, case) or request.link,
        actor=_actor(request),
        staff_id=None,
        now=request.now,
    )
    return at.reply(
        request, "answer.sent", case=case.id, case_no=case.case_no, count=str(len(segments(text).parts))
    )  # fmt: skip


@_of_case
def done(conn: Connection, request: Request, case: Case) -> Reply:
    at = office(request)
    reason = privacy.blank(request.arguments.get("text") or "")
    cases.close(conn, at.new_id, case.id, staff_id=None, author=_actor(request), reason=reason, now=request.now)
    _noted(conn, request, "close", case, reason or None)
    link = replies.link_of(conn, case) or request.link
    ask_to_rate(conn, at, case, link=link, actor=_actor(request), now=request.now)
    return at.reply(request, "done.closed", case=case.id, case_no=case.case_no)


@_of_case
def forward(conn: Connection, request: Request, case: Case) -> Reply:
    at = office(request)
    unit = branches.by_code(conn, request.arguments["unit"])
    if unit is None:
        return at.error(request, "E04")
    note = f"→ {unit.code} {unit.name}"
    cases.forward(
        conn, at.new_id, case.id, unit_path=unit.path, staff_id=None, author=_actor(request), note=note,
        now=request.now,
    )  # fmt: skip
    _noted(conn, request, "forward", case, unit.code)
    branch = Named(unit.name, unit.code)
    return at.reply(request, "forward.forwarded", case=case.id, case_no=case.case_no, branch=branch)


def ask_to_rate(conn: Connection, at: Office, case: Case, *, link: str, actor: str, now: datetime) -> None:
    """When staff close a case, by SMS or in the console, as long as command 64 is there to do it with."""
    if RATE not in at.registry:
        return
    said = at.say("done.rate", case.language, None, case_no=case.case_no)
    text = signed(said, at.organisation.signature_for(case.language))
    outbound = Outbound(id=at.new_id(), to=case.number, text=text, link=link, lane=Lane.NOTICE, case=case.id)
    messages.queue(conn, [outbound], now, actor=actor)


def _actor(request: Request) -> str:
    assert request.member is not None
    return f"member:{request.member.id}"


def _noted(conn: Connection, request: Request, action: str, case: Case, reason: str | None) -> None:
    audit.record(
        conn, id=office(request).new_id(), at=request.now, actor=_actor(request), action=action,
        object=f"case:{case.case_no}", reason=reason,
    )  # fmt: skip


_CASE = Parameter(name="case", kind=Kind.DIGITS, length=(9, 9))

ANSWER = Command(
    code="R",
    name="answer",
    words={"zh": ("回",), "en": ("R",), "pinyin": ("HUI",)},
    function=answer,
    parameters=(_CASE, Parameter(name="text", kind=Kind.TEXT, length=(1, MOST))),
    roles=STAFF,
    log_class=LogClass.D,
)
DONE = Command(
    code="DONE",
    name="done",
    words={"zh": ("结",), "en": ("DONE",), "pinyin": ("JIE",)},
    function=done,
    parameters=(_CASE, Parameter(name="text", kind=Kind.TEXT, required=False, length=(0, MOST))),
    roles=STAFF,
    log_class=LogClass.D,
)
FORWARD = Command(
    code="FWD",
    name="forward",
    words={"zh": ("转",), "en": ("FWD",), "pinyin": ("ZHUAN",)},
    function=forward,
    parameters=(_CASE, Parameter(name="unit", kind=Kind.DIGITS, length=(2, 12))),
    roles=STAFF,
    log_class=LogClass.D,
)
