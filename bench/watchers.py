"""Browsers of staff in one event loop: pages by HTTP, and the live stream with what a browser does at each hint."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from tests.console.served import Browser


@dataclass
class Crowd:
    """Who is signed in, what they have been told and what they waited for."""

    port: int
    hints: int = 0
    refreshed: list[float] = field(default_factory=list)  # milliseconds of each fragment that was looked at again
    pages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    sizes: dict[str, int] = field(default_factory=dict)

    async def ask(self, cookies: Mapping[str, str], path: str, *, live: bool = False) -> tuple[int, bytes]:
        """One request over a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        more = "HX-Request: true\r\nX-Live: 1\r\n" if live else ""
        path = quote(path, safe="/?&=")
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}{_cookie(cookies)}\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer[9:12]), answer

    async def look(self, who: Browser, path: str) -> None:
        began = time.perf_counter()
        status, answer = await self.ask(who.cookies, path)
        self.pages[path.partition("?")[0]].append((time.perf_counter() - began) * 1000)
        self.sizes[path.partition("?")[0]] = len(answer)
        if status != HTTPStatus.OK:
            raise RuntimeError(f"{status} to {path}")

    async def seen(self, who: Browser, path: str) -> bool:
        """Whether there is such a page for them."""
        status, _ = await self.ask(who.cookies, path)
        return status == HTTPStatus.OK

    async def watch(self, who: Browser, path: str, topics: str) -> None:
        """A page left open: each hint makes it ask for its fragment again, and never twice at a time."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET /events?topics={topics} HTTP/1.1\r\nHost: x\r\n{_cookie(who.cookies)}\r\n".encode())
        refreshing: asyncio.Task[None] | None = None
        try:
            while line := await reader.readline():
                if not line.startswith(b"event: "):
                    continue
                self.hints += 1
                if refreshing is None or refreshing.done():
                    refreshing = asyncio.create_task(self._refresh(who, path))
        finally:
            writer.close()

    async def _refresh(self, who: Browser, path: str) -> None:
        began = time.perf_counter()
        await self.ask(who.cookies, path, live=True)
        self.refreshed.append((time.perf_counter() - began) * 1000)


def _cookie(cookies: Mapping[str, str]) -> str:
    return f"Cookie: {'; '.join(f'{name}={value}' for name, value in cookies.items())}\r\n"
