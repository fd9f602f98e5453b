"""Alarms by e-mail, over the relay of `[alarms] smtp`; what it does not take is tried again for a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from io import BytesIO
from typing import Any

import orjson
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.mail.smtp import ESMTPSenderFactory

from config.model import Alarms as Settings
from gateway.core import deliveries
from gateway.core.database import Queue, Runs
from gateway.core.deliveries import Delivery

TIMEOUT = 30.0
_AT_ONCE = 3  # one after the other within a lease, or another process would send the last ones again


class Mailer:
    """`look` sends what is due; the timetable calls it."""

    log = Logger()

    def __init__(self, reactor: Any, database: Runs, settings: Settings, now: Callable[[], datetime]) -> None:
        self._reactor, self._database, self._settings, self._now = reactor, database, settings, now

    async def look(self) -> int:
        found = await self._database.run(deliveries.due, deliveries.MAIL, self._now(), _AT_ONCE, queue=Queue.BACKGROUND)
        for each in found:
            if not self._settings.email or await self._taken(each):
                await self._database.run(deliveries.told, [each.id])
            else:
                await self._database.run(deliveries.not_told, [each], self._now())
        return len(found)

    async def _taken(self, each: Delivery) -> bool:
        try:
            await self._send(letter(each, self._settings)).addTimeout(TIMEOUT, self._reactor)
        except CancelledError:
            raise
        except Exception as error:
            self.log.warn("an alarm was not mailed: {error}", error=str(error) or type(error).__name__)
            return False
        return True

    def _send(self, letter: EmailMessage) -> Deferred[Any]:
        def hang_up(_: object) -> None:
            """Nobody waits for it any more: a relay that says nothing would keep the connection for ever."""
            connecting.cancel()
            if factory.currentProtocol is not None:
                factory.currentProtocol.transport.abortConnection()

        settings, sent = self._settings, Deferred[Any](hang_up)
        user = settings.smtp_user
        host = settings.smtp.split(":")[1]
        factory = ESMTPSenderFactory(
            user.encode() or None,
            settings.smtp_password.encode() or None,
            sender(settings),
            [settings.email],
            BytesIO(letter.as_bytes()),
            sent,
            retries=0,
            contextFactory=optionsForClientTLS(host),
            heloFallback=True,
            requireAuthentication=bool(user),
            requireTransportSecurity=bool(user) and not settings.smtp.startswith("tls:"),
            hostname=host,
        )
        connecting = clientFromString(self._reactor, settings.smtp).connect(factory)
        connecting.addErrback(
            lambda failure: None if sent.called or failure.check(ConnectingCancelledError) else sent.errback(failure)
        )
        return sent


def sender(settings: Settings) -> str:
    return settings.sender or settings.email


def letter(each: Delivery, settings: Settings) -> EmailMessage:
    """Plain text; nothing in it comes from a phone."""
    told = orjson.loads(each.body)
    made = EmailMessage()
    made["From"], made["To"] = sender(settings), settings.email
    made["Subject"] = f"[{told['organisation']}] {told['text']}".replace("\r", " ").replace("\n", " ")[:200]
    made["Date"] = format_datetime(each.created)
    made["Message-ID"] = make_msgid(str(each.id), "muster.invalid")
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{told['text']}\n\n{told['alarm']} {told['subject']} {told['state']}\n{told['at']}\n")
    return made
