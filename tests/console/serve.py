"""A real console on loopback in a process of its own, for tests that speak HTTP and for those that drive a browser.

Prints its port as one line, then obeys lines on its standard input: `advance SECONDS`, `wake TOPIC`, `link STATUS`,
`instant SECONDS` (what takes longer to count is shown as it was).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from commands.texts import Texts
from config.model import Console as Settings
from config.model import Organisation
from gateway.console.app import Console
from gateway.console.importer import Importer
from gateway.core.database import Database, wake
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import LinkState, LinkStatus, Outbound, Part
from gateway.links import Board

KEYS = Keys(bytes(range(32)))
ORGANISATION = Organisation(
    name="安河县组织部",
    signature={"zh": "安河组织", "en": "Anhe"},
    country="CN",
    time_zone="Asia/Shanghai",
    language="zh",
)
COMMANDS = {
    "0": {"zh": "帮助", "en": "Help"},
    "11": {"zh": "会费", "en": "Dues"},
    "71": {"zh": "提问", "en": "Ask"},
    "81": {"zh": "绑定", "en": "Bind"},
}


@dataclass
class StillLink:
    """A link that is only looked at."""

    name: str
    state: LinkState
    window: int = 10
    rate: float = 0.0

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        return ()

    def send(self, part: Part) -> Deferred[str]:
        return succeed("")

    def startService(self) -> None:
        """Nothing to start."""

    def stopService(self) -> None:
        """Nothing to stop."""


class Orders(LineReceiver):
    delimiter = b"\n"

    def __init__(self, database: Database, board: Board, clock: Clock, console: Console) -> None:
        self._database, self._board, self._clock, self._console = database, board, clock, console

    def lineReceived(self, line: bytes) -> None:
        order, _, value = line.decode().partition(" ")
        if order == "advance":
            self._clock.ahead += timedelta(seconds=float(value))
        elif order == "wake":
            self._database.run(_wake, value)
        elif order == "link":
            link = self._board["mobile"].link
            assert isinstance(link, StillLink)
            link.state = replace(link.state, status=LinkStatus(value), since=self._clock())
            self._board.changed("mobile")
        elif order == "instant":
            self._console.sums.instant = self._console.totals.instant = float(value)
        self.sendLine(b"done")


class Clock:
    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def _wake(conn: Connection, topic: str) -> None:
    wake(conn, topic)


def main(url: str, public_url: str, demo: str) -> None:
    reactor: object = the_reactor
    clock = Clock()
    database = Database(url, reactor)  # type: ignore[arg-type]  # the reactor module provides what it needs
    board = Board(the_reactor.seconds)
    folder = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite") else Path(tempfile.mkdtemp())
    mobile = StillLink("mobile", LinkState(link="mobile", status=LinkStatus.READY, since=clock() - timedelta(hours=5)))
    village = StillLink(
        "village",
        LinkState(
            link="village",
            status=LinkStatus.DOWN,
            since=clock() - timedelta(minutes=7),
            detail="no network",
            signal=-87,
        ),
        window=1,
    )
    board.add(mobile, kind="smpp", prefixes=("+86",)).came.add(37)
    board.add(village, kind="modem", prefixes=("+86139",))
    console = Console(
        Settings(public_url=public_url),
        ORGANISATION,
        database=database,
        board=board,
        commands=COMMANDS,
        texts=Texts.load(),
        keys=KEYS,
        ids=Ids(slot=7),
        reactor=the_reactor,
        now=clock,
        demo=demo == "demo",
        bank="county",
        exports=folder / "exports",
        importer=Importer(
            url=url,
            folder=folder / "imports",
            keys=KEYS,
            ids=Ids(slot=9),
            organisation=ORGANISATION,
            reactor=the_reactor,  # type: ignore[arg-type]  # as above
            now=clock,
        ),
    )
    database.start()
    console.startService()

    def listening(port: Any) -> None:
        sys.stdout.write(f"{port.getHost().port}\n")
        sys.stdout.flush()
        StandardIO(Orders(database, board, clock, console))

    endpoint = TCP4ServerEndpoint(the_reactor, 0, interface="127.0.0.1")
    endpoint.listen(console.site()).addCallback(listening)
    the_reactor.addSystemEventTrigger("before", "shutdown", console.stopService)
    the_reactor.addSystemEventTrigger("during", "shutdown", database.stop)
    the_reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
