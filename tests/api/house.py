"""A whole gateway with its API on loopback and one link that takes everything, and a client that asks it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, succeed

from config.model import Api, ApiKey, Console, Database, Gateway, Organisation, Security, UssdHttp
from gateway.core.keys import Keys
from gateway.core.model import LinkState, LinkStatus, Outbound, Part
from gateway.core.text import segments
from gateway.core.upgrade import upgrade
from gateway.links import Link
from gateway.service import Muster
from tests.reactors import Running

KEY, LIMITED, SOURCED, BLIND = "agriculture-key", "limited-key", "sourced-key", "blind-key"
NOTICING, APPROVING = "noticing-key", "approving-key"
PATH_KEY = "random-path-part"
NUMBER = "+8613800000007"


class Wire:
    """A link that takes every part at once and remembers it."""

    name = "wire"
    window = 10
    rate = 0.0

    def __init__(self) -> None:
        self.sent: list[Part] = []
        self.status = LinkStatus.READY

    @property
    def state(self) -> LinkState:
        return LinkState(link=self.name, status=self.status, since=datetime(2026, 8, 17, tzinfo=UTC))

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        cut = segments(outbound.text)
        return tuple(
            Part(
                outbound=outbound.id,
                number=number,
                total=len(cut.parts),
                reference=1,
                octets=octets,
                coding=cut.coding,
                to=outbound.to,
                sender=outbound.sender,
                expires=outbound.expires,
                lane=outbound.lane,
                notice=outbound.notice,
            )
            for number, octets in enumerate(cut.parts, 1)
        )

    def send(self, part: Part) -> Deferred[str]:
        self.sent.append(part)
        return succeed(f"r{len(self.sent)}")

    def startService(self) -> None:
        """It is always there."""

    def stopService(self) -> None:
        """Nothing to end."""


class Wired(Muster):
    """A gateway whose only link is a `Wire`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.wire = Wire()
        super().__init__(*args, **more)

    def _links(self) -> list[tuple[Link, str, tuple[str, ...]]]:
        return [(self.wire, "test", ("+86",))]


def settings(folder: Path) -> Gateway:
    keys = {
        "agriculture": ApiKey(name="agriculture", key=KEY),
        "limited": ApiKey(name="limited", key=LIMITED, per_day=3),
        "sourced": ApiKey(name="sourced", key=SOURCED, sources=("10690001", "10690002")),
        "blind": ApiKey(name="blind", key=BLIND, may=frozenset({"notices"})),
        "noticing": ApiKey(name="noticing", key=NOTICING, may=frozenset({"notices"})),
        "approving": ApiKey(name="approving", key=APPROVING, may=frozenset({"notices", "approve"})),
    }
    return Gateway(
        path=folder / "muster.toml",
        organisation=Organisation(name="Anhe", signature={"zh": "安河组织"}, ussd_code="*123#", hotline="12345"),
        security=Security(key_file=folder / "muster.key"),
        database=Database(url=f"sqlite:///{folder}/muster.db"),
        console=Console(),
        api=Api(listen="tcp:0:interface=127.0.0.1", keys=keys),
        ussd_http={"africastalking": UssdHttp(name="africastalking", path_key=PATH_KEY)},
    )


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """Asks the gateway as another system would; every call blocks."""

    def __init__(self, running: Running, muster: Wired) -> None:
        self.running, self.muster = running, muster
        self.port: int = muster.addresses()[0].port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def post(self, content: Any, key: str | None = KEY, **headers: str) -> Reply:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.ask("POST", "/v1/messages", body, **headers)

    def get(self, path: str, key: str | None = KEY, **headers: str) -> Reply:
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.ask("GET", path, None, **headers)

    def dial(self, text: str, *, session: str = "s1", path_key: str = PATH_KEY, **more: str) -> Reply:
        form = {
            "sessionId": session,
            "phoneNumber": NUMBER,
            "networkCode": "99999",
            "serviceCode": "*123#",
            "text": text,
            **more,
        }
        return self.ask(
            "POST",
            f"/ussd/africastalking/{path_key}",
            urlencode(form).encode(),
            Content_Type="application/x-www-form-urlencoded",
        )

    def work(self, work: Any, *args: Any) -> Any:
        """A work in the gateway's database."""
        return self.running.call(self.muster.database.run, work, *args)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        def read(conn: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in conn.execute(table.select())]

        found: list[dict[str, Any]] = self.work(read)
        return found


@contextmanager
def gateway(folder: Path, found: Gateway | None = None) -> Iterator[Client]:
    """A gateway from its first row to its last."""
    found = found or settings(folder)
    keys = Keys.make(found.security.key_file)
    upgrade(found.database.url, keys)
    running = Running()
    try:
        muster = Wired(running.reactor, found, only={"api", "links"})
        running.call(lambda: Deferred.fromCoroutine(muster.start()))
        try:
            yield Client(running, muster)
        finally:
            running.call(lambda: Deferred.fromCoroutine(muster.stop()))
    finally:
        running.stop()
