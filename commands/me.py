"""82 ME: what a member is to us, without name and number; a stranger may be reading."""

from __future__ import annotations

from sqlalchemy import Connection

from commands import dues, shown
from commands.office import office
from commands.registry import Command
from commands.texts import Named
from gateway.affairs.dues import Owed
from gateway.core.model import LogClass, Reply, Request


def tell(conn: Connection, request: Request) -> Reply:
    at, member = office(request), request.member
    assert member is not None, "82 is for members"
    owed = request.read or Owed()
    if owed.paid_to is not None:
        month = shown.month(owed.paid_to, request.language, at.month(request.now))
        state = at.say("me.paid", request.language, member, month=month)
    else:
        state = at.say("me.unpaid" if owed.months else "me.none", request.language, member)
    return at.reply(
        request,
        "me.me",
        tail=shown.tail(member.member_no),
        branch=Named(member.branch_name, member.branch_code),
        dues=state,
        language=at.texts("lang.name", request.language),
    )


ME = Command(
    code="82",
    name="me",
    words={"zh": ("我的",), "en": ("ME",), "pinyin": ("WD",)},
    function=tell,
    log_class=LogClass.B,
    reads=dues.read,
    root=True,
)
