"""HTTP as a client: answers have an end, and a failure says whether anything can have been sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import treq
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseDone, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

CONNECT_SECONDS = 5.0
MOST_OCTETS = 256 << 10  # of an answer


class Trouble(Exception):
    """There is no answer; `str` says why."""


class NotSent(Trouble):
    """Nothing reached the other side, for certain: it may be tried again."""


class Unclear(Trouble):
    """It may have been carried out, or not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` is the JSON, None when it was none."""

    status: int
    content: Any


class Http:
    """Asks other systems, one request a connection. A redirect is an answer, not an order."""

    def __init__(self, clock: IReactorTime, *, seconds: float, agent: IAgent | None = None) -> None:
        self._clock, self._seconds = clock, seconds
        self._agent = agent if agent is not None else Agent(clock, connectTimeout=CONNECT_SECONDS)

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """The answer, whatever its status; raises `NotSent` or `Unclear` when there is none."""
        named: dict[bytes | str, bytes | str] = {"Accept": "application/json", "User-Agent": "muster"}
        if body is not None:
            named["Content-Type"] = "application/json"
        named.update(headers.items())
        work = Deferred.fromCoroutine(self._ask(method, url, named, body))
        work.addTimeout(self._seconds, self._clock)
        try:
            return await work
        except CancelledError:
            raise
        except (ConnectError, DNSLookupError) as error:
            raise NotSent(str(error) or type(error).__name__) from None
        except ResponseNeverReceived as error:
            raise Unclear(", ".join(type(reason.value).__name__ for reason in error.reasons)) from None
        except Trouble:
            raise
        except Exception as error:
            raise Unclear(str(error) or type(error).__name__) from None

    async def _ask(self, method: str, url: str, headers: dict[bytes | str, bytes | str], body: bytes | None) -> Answer:
        response = await treq.request(
            method,
            url,
            data=None if body is None else Body(body),
            headers=headers,
            agent=self._agent,
            allow_redirects=False,
        )
        content = await content_of(response, MOST_OCTETS)
        try:
            return Answer(response.code, orjson.loads(content) if content else None)
        except ValueError:
            return Answer(response.code, None)


def content_of(response: IResponse, most: int) -> Deferred[bytes]:
    """The body of a response; fails with `Unclear` when it is longer than `most`."""
    reading = _Reading(most)
    # treq's response wraps Twisted's own.
    getattr(response, "original", response).deliverBody(reading)
    return reading.done


class _Reading(Protocol):
    def __init__(self, most: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._hang_up())
        self._most = most
        self._octets = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._octets += data
        if len(self._octets) > self._most:
            self._hang_up()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008  # Twisted's own way
        if self.done.called:
            return
        if len(self._octets) > self._most:
            self.done.errback(Unclear(f"an answer of more than {self._most} octets"))
        elif reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(bytes(self._octets))
        else:
            self.done.errback(Unclear("the answer broke off"))

    def _hang_up(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection() if hasattr(transport, "abortConnection") else transport.loseConnection()


@implementer(IBodyProducer)
class Body:
    """A body that is all there. treq's own would be fed by the global reactor, which may not be ours."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.length = len(octets)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._octets)
        return succeed(None)

    def stopProducing(self) -> None:
        """There is nothing to stop."""

    def pauseProducing(self) -> None:
        """Nor to pause."""

    def resumeProducing(self) -> None:
        """Nor to resume."""
