"""What happens to a member's phone beside binding with an invitation: staff bind, unbind, lock; a stranger says it is
not theirs. Everything is in the audit under the member, who can see it (85)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select, update

from gateway.affairs import cases, challenges, consent, members, views
from gateway.affairs.cases import Case
from gateway.affairs.refusal import Refusal
from gateway.core import audit
from gateway.core.engines import upsert
from gateway.core.keys import Keys
from gateway.core.model import Member
from gateway.core.tables.organisation import number

WRONG = "WRONG"  # how a consent came: the phone is somebody else's
KIND = "wrong"  # of the case


class Refused(Refusal):
    """This cannot be done with the phone as it is now; the sentence says why."""


def disown(
    conn: Connection,
    new_id: Callable[[], int],
    keys: Keys,
    *,
    phone: str,
    member: Member,
    language: str,
    said: str,
    message_id: int | None,
    now: datetime,
) -> Case:
    """Who has the phone says that it is not the member's: it is unbound at once, gets no bulk, and staff look at it."""
    members.unbind(conn, phone, now)
    consent.stop(conn, new_id, phone, how=WRONG, now=now)
    _record(conn, new_id, f"number:{phone}", "phone disowned", member.id, now, None)
    return cases.open(
        conn,
        new_id,
        keys,
        number=phone,
        member=member,
        language=language,
        text=said,
        message_id=message_id,
        now=now,
        kind=KIND,
    )


def bind(
    conn: Connection, new_id: Callable[[], int], phone: str, member_id: int, *, actor: str, reason: str, now: datetime
) -> None:
    """Bind a phone whose owner stands at the desk."""
    try:
        fresh = members.bind(conn, phone, member_id, now)
    except members.Taken:
        raise Refused("this phone is bound to somebody else; unbind it there first") from None
    if not fresh:
        raise Refused("this phone is bound to this member already")
    consent.bound(conn, new_id, [phone], how="staff", now=now)
    _record(conn, new_id, actor, "phone bound", member_id, now, reason)


def unbind(conn: Connection, new_id: Callable[[], int], phone: str, *, actor: str, reason: str, now: datetime) -> None:
    owner = members.unbind(conn, phone, now)
    if owner is None:
        raise Refused("this phone is bound to nobody")
    _record(conn, new_id, actor, "phone unbound", owner, now, reason)


def make_main(
    conn: Connection, new_id: Callable[[], int], phone: str, *, actor: str, reason: str, now: datetime
) -> None:
    """Codes and notices go to this one of the member's phones from now on."""
    owner = _owner(conn, phone)
    members.make_main(conn, phone)
    _record(conn, new_id, actor, "main phone chosen", owner, now, reason)


def lock(
    conn: Connection, new_id: Callable[[], int], phone: str, *, actor: str, now: datetime, reason: str | None = None
) -> bool:
    """Only HELP and STOP work from it until staff unlock it; False when it was locked before."""
    before = conn.scalar(select(number.c.locked).where(number.c.number == phone))
    row = upsert(conn, number).values(number=phone, locked=now)
    conn.execute(row.on_conflict_do_update(index_elements=["number"], set_={"locked": now}))
    challenges.cancel_all(conn, phone)
    owner = conn.scalar(select(number.c.member_id).where(number.c.number == phone))
    _record(conn, new_id, actor, "phone locked", owner, now, reason, phone)
    return before is None


def unlock(conn: Connection, new_id: Callable[[], int], phone: str, *, actor: str, reason: str, now: datetime) -> None:
    """Open it again; who asked for it stood at the desk, or was called back."""
    opened = update(number).where(number.c.number == phone, number.c.locked.is_not(None)).values(locked=None)
    if not conn.execute(opened).rowcount:
        raise Refused("this phone is not locked")
    owner = conn.scalar(select(number.c.member_id).where(number.c.number == phone))
    _record(conn, new_id, actor, "phone unlocked", owner, now, reason, phone)


def _owner(conn: Connection, phone: str) -> int:
    owner: int | None = conn.scalar(select(number.c.member_id).where(number.c.number == phone))
    if owner is None:
        raise Refused("this phone is bound to nobody")
    return owner


def _record(
    conn: Connection,
    new_id: Callable[[], int],
    actor: str,
    action: str,
    member_id: int | None,
    now: datetime,
    reason: str | None,
    phone: str = "",
) -> None:
    whose = views.about(member_id, phone)
    audit.record(conn, id=new_id(), at=now, actor=actor, action=action, object=whose, reason=reason)
