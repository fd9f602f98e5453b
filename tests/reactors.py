"""A reactor of one's own in a thread, for tests that must not play the network: real sockets, blocking test code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from twisted.internet.defer import maybeDeferred
from twisted.internet.epollreactor import EPollReactor

T = TypeVar("T")


class Running:
    """`call` runs a function in the reactor and waits for its result, a Deferred's too."""

    def __init__(self) -> None:
        self.reactor = EPollReactor()
        self._thread = threading.Thread(
            target=self.reactor.run, kwargs={"installSignalHandlers": False}, name="reactor", daemon=True
        )
        self._thread.start()

    def call(self, work: Callable[..., Any], *args: Any, timeout: float = 20, **kwargs: Any) -> Any:
        result: Future[Any] = Future()

        def run() -> None:
            done = maybeDeferred(work, *args, **kwargs)
            done.addCallbacks(result.set_result, lambda failure: result.set_exception(failure.value))

        self.reactor.callFromThread(run)
        return result.result(timeout)

    def stop(self) -> None:
        self.reactor.callFromThread(self.reactor.stop)
        self._thread.join(10)


@contextmanager
def running() -> Iterator[Running]:
    it = Running()
    try:
        yield it
    finally:
        it.stop()
