"""What a batch of messages writes to the log and to the queue: gathered, and then written by one statement a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from commands.answer import Answered
from commands.privacy import masked_reply
from gateway import telling
from gateway.affairs.members import Sender
from gateway.core import dialogs, messages
from gateway.core.bulk import Row
from gateway.core.database import wake
from gateway.core.model import (
    Ask,
    Channel,
    Inbound,
    Lane,
    LogClass,
    Outbound,
    Part,
    Reply,
    Resend,
    State,
    Told,
)
from gateway.core.text import segments, signed
from gateway.workplace import Handled, Slots, Taken, Workplace
from menus.step import Screen

# How long a reply is worth sending (SERVICES 7.4).
_LIFE = {Lane.CODE: timedelta(minutes=10), Lane.ANSWER: timedelta(hours=24)}
_STATE, _ERROR = (messages.log_in.names.index(name) for name in ("state", "error"))


class Gathered:
    """Rows in the order of the messages. A link with slots gets replies at once; the others are queued."""

    def __init__(self, conn: Connection, place: Workplace, slots: Mapping[str, Slots], now: datetime) -> None:
        self._conn, self._place, self._office, self._now = conn, place, place.office, now
        self._slots = slots
        self._free = {name: [slot.granted, slot.room] for name, slot in slots.items()}
        self._in: list[list[Any]] = []
        self._out: list[Row] = []
        self._parts: list[Row] = []
        self._index: list[int] = []
        self._changed: dict[str, Ask | None] = {}

    def came(
        self,
        taken: Taken,
        sender: Sender | None,
        command: str | None,
        log_class: LogClass,
        text: str | None,
        case: int | None,
    ) -> None:
        """A message for the log, as much of it as `text` says."""
        message = taken.message
        member = sender.member if sender is not None else None
        self._in.append(
            [
                message.id,
                State.RECEIVED.value,
                message.channel.value,
                message.link,
                message.sender.text,
                message.recipient.text,
                message.received,
                message.sent_at,
                member.id if member else None,
                member.branch_path if member else None,
                command,
                log_class.value,
                text,
                message.damaged,
                taken.fingerprint,
                case,
                message.session,
                None,
            ]
        )
        if text and message.channel is Channel.SMS and log_class in (LogClass.A, LogClass.D):
            self._index.append(message.id)

    def mark(self, *, error: str | None = None, state: State = State.RECEIVED) -> None:
        """Say more of the message that came last."""
        self._in[-1][_ERROR], self._in[-1][_STATE] = error, state.value

    def turn(self, number: str, ask: Ask | None) -> None:
        """From now on this number is in another dialogue, or in none."""
        self._changed[number] = ask

    def reply(
        self,
        handled: Handled,
        taken: Taken,
        sender: Sender,
        reply: Reply,
        answered: Answered,
        kept: str | None,
        language: str,
    ) -> None:
        """Born inflight when the link has a slot, leased when it has room, queued otherwise."""
        office, message, route = self._office, taken.message, taken.route
        outbound = Outbound(
            id=office.new_id(),
            to=sender.number,
            text=signed(reply.text, office.organisation.signature_for(reply.language or language)),
            link=route,
            lane=reply.lane,
            expires=self._now + _LIFE.get(reply.lane, timedelta(hours=24)),
            resend=Resend.NEVER if reply.secret or reply.lane is Lane.CODE else Resend.ONCE,
            case=answered.case,
        )
        handled.link = route
        state = State.QUEUED
        cut: tuple[Part, ...] = ()
        free = self._free.get(route) if route is not None else None
        if free is not None and route is not None:
            cut = self._slots[route].split(outbound)
            if len(cut) <= free[0]:
                free[0] -= len(cut)
                state, handled.write = State.INFLIGHT, cut
            elif len(cut) <= free[1]:
                free[1] -= len(cut)
                state, handled.hold = State.LEASED, cut
        handled.queued = handled.queued or state is State.QUEUED
        sealed = None
        if kept != reply.text:
            sealed = office.keys.seal("secret", outbound.text.encode())
        member = sender.member
        self._out.append(
            messages.row(
                outbound,
                self._now,
                link=route or message.link,
                state=State.LEASED if state is State.INFLIGHT else state,
                log_class=answered.log_class.value,
                text=kept,
                sealed=sealed,
                command=reply.error or answered.command,
                member_id=member.id if member else None,
                branch_path=member.branch_path if member else None,
                answers=message.id,
                actor="command",
            )
        )
        if state is not State.QUEUED:
            self._parts += [messages.part_row(part, route or "", state, self._now) for part in cut]
        if kept is not None and answered.log_class in (LogClass.A, LogClass.D):
            self._index.append(outbound.id)

    def tell(
        self, handled: Handled, taken: Taken, told: Sequence[Told], command: str | None, log_class: LogClass
    ) -> None:
        """What others hear of it; of two who speak in one batch, each keeps the dialogue they are in."""
        route, prefer = self._place.route, taken.route or taken.message.link
        for each in told:
            self._out.append(
                telling.row(
                    self._office,
                    route,
                    each,
                    self._now,
                    command=command,
                    log_class=log_class,
                    answers=taken.message.id,
                    prefer=prefer,
                )
            )
        if told:
            handled.queued = True
            for number, ask in telling.opened(self._conn, told, self._now).items():
                self._changed.setdefault(number, ask)

    def screen(self, taken: Taken, sender: Sender, screen: Screen) -> Part:
        """What answers a USSD step, which the link returns at once; it is only logged."""
        message = taken.message
        outbound = Outbound(
            id=self._office.new_id(),
            to=sender.number,
            text=screen.text,
            channel=Channel.USSD,
            link=message.link,
            session=message.session,
            more=screen.more,
            resend=Resend.NEVER,
        )
        log_text = None if screen.session.sealed else shown(screen.text, screen.log_class)
        self._out.append(
            messages.row(
                outbound,
                self._now,
                link=message.link,
                state=State.SENT,
                log_class=screen.log_class.value,
                text=log_text,
                command=screen.error or screen.command,
                member_id=sender.member.id if sender.member else None,
                branch_path=sender.member.branch_path if sender.member else None,
                answers=message.id,
                actor="command",
            )
        )
        return screen_part(outbound.id, message, screen.text, more=screen.more)

    def flush(self) -> None:
        messages.log_in(self._conn, [tuple(row) for row in self._in])
        messages.log_out(self._conn, self._out)
        messages.insert_parts(self._conn, self._parts)
        messages.index_later(self._conn, self._index)
        dialogs.save(self._conn, self._changed)
        wake(self._conn, "messages")


def screen_part(id_: int, message: Inbound, text: str, *, more: bool) -> Part:
    """What answers a USSD step."""
    cut = segments(text)
    return Part(
        outbound=id_,
        number=1,
        total=1,
        reference=0,
        octets=b"".join(cut.parts),
        coding=cut.coding,
        to=message.sender.text,
        channel=Channel.USSD,
        session=message.session,
        more=more,
    )


def shown(text: str, log_class: LogClass) -> str | None:
    """What the log keeps of our words in a USSD session, by the rules for texts."""
    match log_class:
        case LogClass.A | LogClass.D:
            return text
        case LogClass.B:
            return masked_reply(text)
        case LogClass.C:
            return None
