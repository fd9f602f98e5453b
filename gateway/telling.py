"""What others are told of something that was done: queued in the transaction that did it, by their own link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from commands.office import Office
from commands.privacy import masked_reply
from gateway.core import dialogs, messages
from gateway.core.bulk import Row
from gateway.core.database import wake
from gateway.core.model import Ask, Lane, LogClass, Outbound, Resend, State, Told
from gateway.core.text import signed

Route = Callable[[str, str | None], str | None]
LIFE = timedelta(hours=24)


def tell(
    conn: Connection,
    office: Office,
    route: Route,
    told: Sequence[Told],
    now: datetime,
    *,
    command: str | None = None,
    log_class: LogClass = LogClass.B,
    actor: str = "command",
) -> None:
    """Queue these texts, and open the dialogues that they begin."""
    if not told:
        return
    rows = [row(office, route, each, now, command=command, log_class=log_class, actor=actor) for each in told]
    messages.log_out(conn, rows)
    dialogs.save(conn, opened(conn, told, now))
    wake(conn, "queue")
    wake(conn, "messages")


def row(
    office: Office,
    route: Route,
    told: Told,
    now: datetime,
    *,
    command: str | None,
    log_class: LogClass,
    actor: str = "command",
    answers: int | None = None,
    prefer: str | None = None,
) -> Row:
    """The log's row of one text, queued."""
    text = signed(told.text, office.organisation.signature_for(told.language))
    kept = _kept(told, text, log_class)
    link = route(told.number, prefer)
    member = told.member
    outbound = Outbound(
        id=office.new_id(),
        to=told.number,
        text=text,
        link=link,
        lane=told.lane,
        expires=told.expires or now + LIFE,
        resend=Resend.NEVER if told.secret or told.lane is Lane.CODE else Resend.ONCE,
        case=told.case,
    )
    return messages.row(
        outbound,
        now,
        link=link or "",
        state=State.QUEUED,
        log_class=log_class.value,
        text=kept,
        sealed=None if kept == text else office.keys.seal("secret", text.encode()),
        command=command,
        member_id=member.id if member else None,
        branch_path=member.branch_path if member else None,
        answers=answers,
        actor=actor,
    )


def opened(conn: Connection, told: Iterable[Told], now: datetime) -> dict[str, Ask]:
    """The dialogues that these texts begin; whoever is in one already goes on with it."""
    asked = {each.number: each.ask for each in told if each.ask is not None}
    busy = dialogs.by_numbers(conn, list(asked), now)
    return {number: ask for number, ask in asked.items() if number not in busy}


def _kept(told: Told, text: str, log_class: LogClass) -> str | None:
    """What the log keeps of it, which is also what is sent where nothing of it is masked."""
    if told.secret or log_class is LogClass.C:
        return None
    return masked_reply(text) if log_class is LogClass.B else text
