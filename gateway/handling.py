"""The database side of the desk: a batch of inbound messages, handled in one transaction.

What is read by sender is read for all of them at once; what is written for the log and the queue is gathered
(`gateway.gathered`). In between, commands are plain calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from commands.answer import KEEP, Answered, Prepared, answer, locked, prepare
from commands.privacy import unknown as withheld
from gateway import receipting
from gateway.affairs import members, wallet_texts
from gateway.affairs.members import Sender
from gateway.affairs.wallet_rows import Arrival
from gateway.core import dialogs, messages, parts
from gateway.core.model import (
    AddressKind,
    Ask,
    Channel,
    Event,
    Inbound,
    Lane,
    LogClass,
    Part,
    Request,
    State,
)
from gateway.core.tables.messages import quarantine as quarantine_table
from gateway.gathered import Gathered, screen_part, shown
from gateway.limits import Verdict
from gateway.workplace import Handled, Slots, Taken, Workplace

HELP, STOP = "0", "92"  # go first, and STOP is always answered


def handle(
    conn: Connection,
    place: Workplace,
    batch: Sequence[Taken],
    slots: dict[str, Slots],
    now: datetime,
    seconds: float,
) -> list[Handled]:
    """Log, understand, act, answer and queue; all or nothing."""
    return _Batch(conn, place, slots, now, seconds).handle(batch)


class _Batch:
    """One transaction's worth: the connection, what was read for all, and what is to be written."""

    def __init__(
        self, conn: Connection, place: Workplace, slots: dict[str, Slots], now: datetime, seconds: float
    ) -> None:
        self.conn = conn
        self.place = place
        self.office = place.office
        self.now = now
        self.seconds = seconds
        self._gathered = Gathered(conn, place, slots, now)
        self._dialogs: dict[str, Ask] = {}
        self._senders: dict[str, Sender] = {}

    def handle(self, batch: Sequence[Taken]) -> list[Handled]:
        conn = self.conn
        done = messages.known(conn, [taken.message.id for taken in batch])
        numbers = [taken.message.sender.text for taken in batch if taken.message.sender.kind is AddressKind.E164]
        today = self.office.today(self.now)
        self._senders = members.by_numbers(conn, numbers, today)
        self._dialogs = dialogs.by_numbers(conn, numbers, self.now)
        prepared = [None if taken.message.id in done else self._prepare(taken.message) for taken in batch]
        read = self._read([(taken, one) for taken, one in zip(batch, prepared, strict=True) if one is not None])
        results = []
        for taken, one in zip(batch, prepared, strict=True):
            if taken.message.id in done:
                results.append(Handled(queued=True))  # a rerun after a lost COMMIT: its reply is in the queue's hands
            else:
                results.append(self._one(taken, one, read))
        self._gathered.flush()
        return results

    # --- one message ------------------------------------------------------------------------------------------

    def _prepare(self, message: Inbound) -> Prepared | None:
        """What a text means; None for what is no text, or not a whole one, or nobody's."""
        if message.text is None or message.part is not None:
            return None
        if message.channel is not Channel.SMS or message.sender.kind is not AddressKind.E164:
            return None
        sender = self._senders[message.sender.text]
        return prepare(self.office, message.text, sender, self._dialogs.get(sender.number))

    def _read(self, together: Sequence[tuple[Taken, Prepared]]) -> dict[str, dict[str, Any]]:
        """By command and number, what the commands of a batch read for all their senders at once."""
        requests: dict[str, list[Request]] = {}
        commands = {}
        for taken, prepared in together:
            command = prepared.command
            if command is not None and command.reads is not None:
                commands[command.code] = command
                sender = self._senders[taken.message.sender.text]
                requests.setdefault(command.code, []).append(
                    _request(self.place, self.now, sender, taken.message, prepared)
                )
        found = {}
        for code, command in commands.items():
            assert command.reads is not None
            found[code] = dict(command.reads(self.conn, requests[code]))
        return found

    def _one(self, taken: Taken, prepared: Prepared | None, read: dict[str, dict[str, Any]]) -> Handled:
        message = taken.message
        if message.sender.kind is not AddressKind.E164:
            return self._nobody(taken)
        sender = self._senders[message.sender.text]
        if message.channel is Channel.USSD:
            return self._ussd(taken, sender)
        if message.part is not None and message.text is not None:
            joined = parts.join(self.conn, self.office.keys, self.office.new_id, message, taken.fingerprint, self.now)
            if joined is None:
                return Handled()
            taken = taken._replace(message=joined)
            message = joined
            prepared = self._prepare(message)
        if message.link in self.place.wallets and (handled := self._wallet(taken)) is not None:
            return handled
        if prepared is None:
            return self._answered(taken, sender, self._no_text(sender, message))
        command = prepared.command
        found = read.get(command.code, {}).get(sender.number) if command is not None else None
        request = _request(self.place, self.now, sender, message, prepared, found)
        if sender.locked and (refused := locked(self.office, prepared, request)) is not None:
            return self._answered(taken, sender, refused, request)
        unknown = self.place.limits.unknowns(sender.number, self.seconds)
        return self._answered(
            taken, sender, answer(self.conn, self.office, prepared, request, unknown=unknown), request
        )

    def _no_text(self, sender: Sender, message: Inbound) -> Answered:
        """A binary message, an MMS notification."""
        reply = self.office.error(_request(self.place, self.now, sender, message), "E10")
        return Answered(
            reply=reply, command="E10", log_class=LogClass.A, log_text=None, reply_text=reply.text, dialog=KEEP
        )

    def _answered(self, taken: Taken, sender: Sender, answered: Answered, request: Request | None = None) -> Handled:
        self._gathered.came(taken, sender, answered.command, answered.log_class, answered.log_text, answered.case)
        self._turn_dialog(sender.number, answered.dialog)
        handled = Handled(command=answered.command or None)
        reply = answered.reply
        if reply is None:
            return handled
        request = request or _request(self.place, self.now, sender, taken.message)
        text, kept = reply.text, answered.reply_text
        error = reply.error is not None
        if not reply.secret and answered.command != STOP:
            verdict = self.place.limits.judge(sender.number, text, error=error, now=self.seconds)
            if verdict is Verdict.SILENT:
                self._gathered.mark(error="not answered: limit")
                self._gathered.tell(handled, taken, reply.told, answered.command, answered.log_class)
                return handled
            if verdict is Verdict.LAST:
                last = self.office.say("errors.limit", reply.language or request.language, sender.member)
                text, kept = f"{text}\n{last}", f"{kept}\n{last}" if kept is not None else None
            handled.automatic = (reply.text, error)
        lane = Lane.CODE if answered.command in (HELP, STOP) else reply.lane
        if text is not reply.text or lane is not reply.lane:
            reply = replace(reply, text=text, lane=lane)
        self._gathered.reply(handled, taken, sender, reply, answered, kept, request.language)
        self._gathered.tell(handled, taken, reply.told, answered.command, answered.log_class)
        return handled

    def _turn_dialog(self, number: str, dialog: Ask | object | None) -> None:
        if isinstance(dialog, Ask):
            self._gathered.turn(number, dialog)
        elif dialog is None and number in self._dialogs:
            self._gathered.turn(number, None)

    def _nobody(self, taken: Taken) -> Handled:
        """Who has no phone number: perhaps a wallet's provider, whose texts may have several parts."""
        message = taken.message
        place = self.place
        if message.text is not None and (
            message.link in place.wallets or (place.wallets and message.sender.text.upper() in place.rules.senders)
        ):
            if message.part is not None:
                office = self.office
                joined = parts.join(self.conn, office.keys, office.new_id, message, taken.fingerprint, self.now)
                if joined is None:
                    return Handled()
                taken = taken._replace(message=joined)
            if (handled := self._wallet(taken)) is not None:
                return handled
        return self._unanswered(taken)

    def _wallet(self, taken: Taken) -> Handled | None:
        """A text of a wallet's provider, or one that pretends to be; None for any other. Nobody is answered."""
        message, place = taken.message, self.place
        if message.text is None or message.channel is not Channel.SMS:
            return None
        on_sim = place.wallets.get(message.link)
        arrival = Arrival(
            id=message.id,
            provider=on_sim.provider if on_sim is not None else None,
            link=message.link,
            sender=message.sender.text,
            text=message.text,
            received=message.sent_at or message.received,
            phone=message.sender.kind is AddressKind.E164,
        )
        outcome = wallet_texts.take(self.conn, self.office.books, place.rules, place.wallets, arrival, self.now)
        if outcome is None:
            return None
        self._gathered.came(
            taken, self._senders.get(message.sender.text), None, LogClass.B, withheld(message.text), None
        )
        self._gathered.mark(error=f"wallet text: {outcome.state}" + (f" ({outcome.reason})" if outcome.reason else ""))
        handled = Handled(money=outcome.alarm)
        told = [
            each
            for paid in outcome.paid
            for each in receipting.of_payment(self.conn, self.office, paid.receipt, paid.payer, self.now)
        ]
        self._gathered.tell(handled, taken, told, None, LogClass.B)
        return handled

    def _unanswered(self, taken: Taken) -> Handled:
        """Short codes, names and unknown senders are logged and never answered."""
        message = taken.message
        text = withheld(message.text) if message.text is not None else None
        self._gathered.came(taken, None, None, LogClass.A, text, None)
        self._gathered.mark(error="not answered: no phone number")
        return Handled()

    def _ussd(self, taken: Taken, sender: Sender) -> Handled:
        message = taken.message
        # A locked phone dials as one that is no member's would.
        request = _request(self.place, self.now, sender._replace(member=None) if sender.locked else sender, message)
        screen = self.place.engine.answer(self.conn, message, request, self.place.sessions)
        self._gathered.came(taken, sender, screen.command, screen.log_class, f"<{screen.node or screen.typed}>", None)
        handled = Handled(session=screen.session, command=screen.command)
        if message.event not in (Event.CLOSE, Event.ABORT):
            handled.screen = self._gathered.screen(taken, sender, screen)
        if screen.dialog is not None:
            self._gathered.turn(sender.number, screen.dialog)
        if screen.follow_up is not None:
            reply = screen.follow_up
            kept = None if reply.secret else shown(reply.text, screen.log_class)
            answered = Answered(
                reply=reply, command=screen.command or "", log_class=screen.log_class, log_text=None, case=reply.case
            )
            self._gathered.reply(handled, taken, sender, reply, answered, kept, request.language)
        self._gathered.tell(handled, taken, screen.told, screen.command, screen.log_class)
        return handled


def _request(
    place: Workplace,
    now: datetime,
    sender: Sender,
    message: Inbound,
    prepared: Prepared | None = None,
    read: Any = None,
) -> Request:
    """What a command is given for this message."""
    office = place.office
    if prepared is None:
        language = sender.language or office.organisation.language
        arguments: Mapping[str, Any] = {}
    else:
        language, arguments = prepared.language, prepared.arguments
    return Request(
        number=sender.number,
        member=sender.member,
        language=language,
        channel=message.channel,
        arguments=arguments,
        now=now,
        organisation=office.organisation,
        random=place.random,
        link=message.link,
        message=message.id,
        trusted=message.trusted,
        text=message.text or "",
        read=read,
        desk=office,
    )


def quarantine(conn: Connection, place: Workplace, message: Inbound, exception: str, now: datetime) -> Part | None:
    """Keep a message that failed alone, encrypted, and tell its sender that it is not lost: by SMS, or on the screen
    that is returned for a USSD step."""
    if messages.known(conn, [message.id]):
        return None
    conn.execute(
        insert(quarantine_table),
        {
            "message_id": message.id,
            "link": message.link,
            "number": message.sender.text,
            "at": now,
            "exception": exception,
            "octets": place.office.keys.seal("quarantine", message.octets or (message.text or "").encode()),
        },
    )
    gathered = Gathered(conn, place, {}, now)
    sender = Sender(message.sender.text)
    gathered.came(Taken(message, None, None), sender, "E09", LogClass.C, None, None)
    gathered.mark(state=State.QUARANTINED)
    if message.sender.kind is AddressKind.E164 and message.channel is Channel.SMS:
        request = _request(place, now, sender, message)
        reply = place.office.error(request, "E09")
        answered = Answered(reply=reply, command="E09", log_class=LogClass.A, log_text=None)
        gathered.reply(
            Handled(), Taken(message, None, message.link), sender, reply, answered, reply.text, request.language
        )
    gathered.flush()
    if message.channel is not Channel.USSD or message.event in (Event.CLOSE, Event.ABORT):
        return None
    busy = place.engine.tree.texts["busy"][place.engine.language]
    return screen_part(place.office.new_id(), message, busy, more=False)
