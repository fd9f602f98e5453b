"""Papers are drawn in a thread of their own, one at a time: neither the reactor nor the database waits for them."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ParamSpec

from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from gateway.console.language import N_
from gateway.console.web import Content, Refused
from gateway.exports.paper import PDF_TYPE

P = ParamSpec("P")
_WAITING = 8


class Drawing:
    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, 1, "papers")
        self._waiting = 0

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        self._pool.stop()

    async def pdf(self, name: str, draw: Callable[P, bytes], *args: P.args, **kwargs: P.kwargs) -> Content:
        """What `draw` makes, to be saved as `name`."""
        if self._waiting >= _WAITING:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, N_("Many papers are being made. Try again in a minute."))
        self._waiting += 1
        try:
            drawing: Any = deferToThreadPool(self._reactor, self._pool, draw, *args, **kwargs)
            octets: bytes = await drawing
        finally:
            self._waiting -= 1
        return Content(octets, PDF_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'})
