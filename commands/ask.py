"""71 ASK: a question becomes a case for the staff, who answer by SMS."""

from __future__ import annotations

from sqlalchemy import Connection

from commands import privacy, shown
from commands.office import office
from commands.registry import Command, Kind, Parameter
from gateway.affairs import clocks
from gateway.core.model import LogClass, Reply, Request

MOST = 300  # characters


def ask(conn: Connection, request: Request) -> Reply:
    at = office(request)
    case = at.open_case(conn, request, privacy.blank(request.arguments["question"]))
    due = clocks.promised(conn, at.zone, case.kind, request.now)
    if due is None:
        return at.reply(request, "ask.received", case=case.id, case_no=case.case_no)
    time = shown.moment(due.astimezone(at.zone), request.language)
    return at.reply(request, "ask.promised", case=case.id, case_no=case.case_no, time=time)


ASK = Command(
    code="71",
    name="ask",
    words={"zh": ("咨询", "问"), "en": ("ASK",), "pinyin": ("ZX", "WEN")},
    function=ask,
    parameters=(Parameter(name="question", kind=Kind.TEXT, length=(1, MOST)),),
    public=True,
    log_class=LogClass.D,
    root=True,
    direct=frozenset({"问"}),
)
