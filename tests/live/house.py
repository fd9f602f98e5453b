"""A gateway as a process of its own, with its operator, database, log and HTTP within a test's reach."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from sqlalchemy import Connection, func, select

from bench.harness import API_KEY, House, muster
from gateway.core.engines import engine
from gateway.core.tables.messages import message, part
from tests.live.operator import until

T = TypeVar("T")
_OPENER = build_opener(ProxyHandler({}))  # what the environment says of proxies is not for loopback


class Home(House):
    """`link` are further settings of the link, `more` further tables."""

    def __init__(
        self, folder: Path, *, window: int = 10, url: str | None = None, link: str = "", more: str = ""
    ) -> None:
        super().__init__(folder, window=window, url=url)
        written = self.config.read_text("utf-8")
        source = 'source = "10690"\n'
        assert source in written
        self.config.write_text(written.replace(source, f"{source}{link}\n") + f"\n{more}\n", "utf-8")
        self.began = 0  # where the log of the newest gateway begins

    @property
    def log(self) -> str:
        """What the newest gateway has said."""
        return (self.folder / "log").read_bytes()[self.began :].decode()

    @contextmanager
    def gateway(
        self, only: str = "links", *, says: str = "bound", environment: Mapping[str, str] | None = None, **how: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """It is at work, and killed at the end if it has not ended by itself."""
        path = self.folder / "log"
        self.began = path.stat().st_size if path.exists() else 0
        with path.open("ab") as log:
            process = subprocess.Popen(
                [muster(), "run", str(self.config), "--only", only],
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                **how,
            )
        try:
            until(lambda: says in self.log or process.poll() is not None, 60)
            assert says in self.log, self.log[-2000:]
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def read(self, work: Callable[[Connection], T]) -> T:
        made = engine(self.url)
        try:
            with made.connect() as conn:
                return work(conn)
        finally:
            made.dispose()

    def states(self) -> dict[str, int]:
        """How many messages out are in each state."""
        found = select(message.c.state, func.count()).where(message.c.direction == "out").group_by(message.c.state)
        return self.read(lambda conn: {row[0]: row[1] for row in conn.execute(found)})

    def parts(self) -> dict[str, int]:
        found = select(part.c.state, func.count()).group_by(part.c.state)
        return self.read(lambda conn: {row[0]: row[1] for row in conn.execute(found)})

    def came(self) -> list[str]:
        """The number of each message in, as often as it is in the log."""
        found = select(message.c.number).where(message.c.direction == "in").order_by(message.c.id)
        return self.read(lambda conn: list(conn.scalars(found)))

    def post(self, *messages: tuple[str, str]) -> list[str]:
        """Hand messages to the API; their ids."""
        status, found = self.ask("/v1/messages", [{"to": to, "text": text} for to, text in messages])
        assert status == 202, found
        return [one["id"] for one in found["messages"]]

    def ask(self, path: str, content: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of an answer of the API; status 0 while nobody listens."""
        request = Request(
            f"http://127.0.0.1:{self.api}{path}",
            data=None if content is None else json.dumps(content).encode(),
            headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        )
        try:
            with _OPENER.open(request, timeout=30) as answer:
                status, body = answer.status, answer.read()
        except HTTPError as error:
            status, body = error.code, error.read()
        except (URLError, ConnectionError):
            return 0, None
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()


def ended(process: subprocess.Popen[bytes], within: float) -> int:
    """Its exit status."""
    began = time.monotonic()
    process.wait(within + 20)  # what took longer is said below, not by a time-out
    took = time.monotonic() - began
    assert took <= within, f"it took {took:.1f} s"
    return process.returncode
