"""What a member has in hand of their own data: 85 DATA (what is kept, and who has looked), 87 LOCK, and WRONG from a
phone that is not the member's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from commands import shown
from commands.office import LIFE, Office, office
from commands.registry import Command, Kind, Parameter
from commands.texts import Named
from gateway.affairs import members, phones, settings, views
from gateway.core.model import Ask, LogClass, Reply, Request

_LOOKED = timedelta(days=30)
_MORE = "M"
_PAGE = Parameter(name="page", kind=Kind.DIGITS, length=(1, 2), required=False)


# --- 85: what is kept, who has looked ---------------------------------------------------------------------------------


def tell(conn: Connection, request: Request) -> Reply:
    """What is kept and how often staff have looked in 30 days; M tells of each look, the newest first."""
    at, member = office(request), request.member
    assert member is not None, "85 is for members"
    numbers = [each.number for each in members.numbers_of(conn, member.id)]
    seen = views.of_member(conn, member.id, numbers, request.now - _LOOKED)
    page = int(request.arguments.get("page") or 0)
    if page:
        return _look(at, request, seen, page)
    days = settings.value(conn, "retention.texts", request.now)
    key = "data.seen" if seen else "data.unseen"
    reply = at.reply(request, key, days=days, count=len(seen))
    return _asking(reply, request, 1) if seen else reply


def _look(at: Office, request: Request, seen: tuple[views.View, ...], page: int) -> Reply:
    if page > len(seen):
        return at.reply(request, "data.none")
    view = seen[page - 1]
    more = page < len(seen)
    who = view.actor.partition(":")[2]
    reply = at.reply(
        request,
        "data.looked" if view.action == views.REVEAL else "data.read",
        time=shown.moment(view.at.astimezone(at.zone), request.language),
        staff=Named(who, "-"),
        reason=Named(view.reason or "-", "-", spelled=False),
        more=_MORE if more else "",
    )
    return _asking(reply, request, page + 1) if more else reply


def _asking(reply: Reply, request: Request, page: int) -> Reply:
    """M goes on, for as long as a dialogue lasts."""
    choices: Mapping[str, tuple[str, Mapping[str, Any]]] = {_MORE: ("85", {"page": str(page)})}
    ask = Ask(expires=request.now + LIFE, choices=choices, language=request.language)
    return Reply(text=reply.text, key=reply.key, ask=ask, language=request.language)


DATA = Command(
    code="85",
    name="data",
    words={"zh": ("数据",), "en": ("DATA",), "pinyin": ("SHUJU",)},
    function=tell,
    parameters=(_PAGE,),
)


# --- 87: lost or stolen -----------------------------------------------------------------------------------------------


def lock(conn: Connection, request: Request) -> Reply:
    """From now on only HELP and STOP work from this phone; staff unlock it."""
    at, member = office(request), request.member
    assert member is not None, "87 is for members"
    phones.lock(conn, at.new_id, request.number, actor=f"member:{member.id}", now=request.now)
    return at.reply(request, "lock.done")


LOCK = Command(
    code="87",
    name="lock",
    words={"zh": ("挂失", "锁定"), "en": ("LOCK",), "pinyin": ("GS",)},
    function=lock,
)


# --- not my number ----------------------------------------------------------------------------------------------------


def wrong(conn: Connection, request: Request) -> Reply:
    """The phone is somebody else's: unbound at once, and a case for the branch."""
    at, member = office(request), request.member
    if member is None:
        return at.reply(request, "wrong.nothing")
    case = phones.disown(
        conn,
        at.new_id,
        at.keys,
        phone=request.number,
        member=member,
        language=request.language,
        said=at.texts("wrong.said", request.language),
        message_id=request.message or None,
        now=request.now,
    )
    return at.reply(request, "wrong.done", case=case.id, case_no=case.case_no)


NOT_MINE = Command(
    code="WRONG",
    name="wrong",
    words={"zh": ("错", "错号"), "en": ("WRONG",), "pinyin": ("CUOHAO",)},
    function=wrong,
    public=True,
    log_class=LogClass.D,
)
