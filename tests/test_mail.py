"""Letters of alarms, taken by a relay that really listens: what it refuses stays and is tried again."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import select
from twisted.internet.defer import Deferred

from config.model import Alarms as Settings
from gateway.affairs import alarming
from gateway.core import deliveries
from gateway.core.database import Database
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.staff import delivery
from gateway.mail import Mailer
from tests.reactors import running

NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
TOLD: dict[str, str | None] = {
    "organisation": "安河", "alarm": "link", "subject": "mobile", "state": "begun", "at": NOW.isoformat(),
    "text": "线路mobile中断已超过2分钟，请查看\nBcc: everybody@example.org",
}  # fmt: skip


class Relay(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a relay must (RFC 5321)."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.letters: list[tuple[str, bytes]] = []
        self.refuse = False
        self.mute = False
        self.left = threading.Event()  # by somebody to whom it said nothing
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Talk(socketserver.StreamRequestHandler):
    server: Relay

    def handle(self) -> None:
        if self.server.mute:
            with suppress(ConnectionResetError):
                self.rfile.read()
            self.server.left.set()
            return
        self._say("220 relay")
        to = ""
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.decode().strip()
                self._say("450 later" if self.server.refuse else "250 ok")
            elif verb == b"DATA":
                self._say("354 go on")
                content = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    content += part
                self.server.letters.append((to, content))
                self._say("250 taken")
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def relay() -> Iterator[Relay]:
    made = Relay()
    yield made
    made.shutdown()
    made.server_close()


def test_a_letter_is_taken_or_tried_again(database_url: str, relay: Relay) -> None:
    made, ids = engine(database_url), Ids()
    to = Settings(email="hotline@example.org", smtp=f"tcp:127.0.0.1:{relay.server_address[1]}", sender="m@example.org")

    def left() -> list[Any]:
        with made.connect() as conn:
            return list(conn.execute(select(delivery)).all())

    with made.begin() as conn:
        alarming.tell(conn, ids, deliveries.MAIL, "mailto:hotline@example.org", TOLD, NOW)
    with running() as it:
        database: Database = it.call(Database, database_url, it.reactor)
        it.call(database.start)

        def look(at: datetime) -> int:
            mailer = Mailer(it.reactor, database, to, lambda: at)
            found: int = it.call(lambda: Deferred.fromCoroutine(mailer.look()))
            return found

        relay.refuse = True
        assert look(NOW) == 1
        [row] = left()
        assert row.attempts == 1
        assert look(NOW + timedelta(seconds=1)) == 0, "not at once again"
        relay.refuse = False
        assert look(NOW + timedelta(minutes=1)) == 1
        assert left() == []
        assert look(NOW + timedelta(minutes=2)) == 0
        it.call(database.stop)
    made.dispose()
    [(receiver, content)] = relay.letters
    assert "hotline@example.org" in receiver
    letter = message_from_bytes(content, policy=policy.default)
    assert letter["From"] == "m@example.org"
    assert letter["Subject"].startswith("[安河] 线路mobile中断")
    assert letter["Bcc"] is None
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "begun" in letter.get_content()


def test_a_relay_that_says_nothing_is_left(database_url: str, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    made, relay.mute = engine(database_url), True
    to = Settings(email="hotline@example.org", smtp=f"tcp:127.0.0.1:{relay.server_address[1]}")
    monkeypatch.setattr("gateway.mail.TIMEOUT", 0.2)
    with made.begin() as conn:
        alarming.tell(conn, Ids(), deliveries.MAIL, "mailto:hotline@example.org", TOLD, NOW)
    with running() as it:
        database: Database = it.call(Database, database_url, it.reactor)
        it.call(database.start)
        mailer = Mailer(it.reactor, database, to, lambda: NOW)
        assert it.call(lambda: Deferred.fromCoroutine(mailer.look())) == 1
        assert relay.left.wait(30)
        it.call(database.stop)
    with made.connect() as conn:
        assert list(conn.scalars(select(delivery.c.attempts))) == [1]
    made.dispose()
