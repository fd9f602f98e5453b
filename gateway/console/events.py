"""The live stream: server-sent events that say what to look at again, never what it says.

An event names a topic; the page then asks for the fragment it shows, whose handler decides what this person may
see. So a hint needs no rights, and many changes within a second are one hint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.server import Request
from zope.interface import implementer

HEARTBEAT = 15.0
_RETRY = 3000  # milliseconds until a browser comes back
_PAUSE = 1.0  # seconds between two hints of a topic
_EACH = 0.03  # seconds between two streams: what showing a page again costs, three times over
_MOST = 1000  # streams in all
_MOST_EACH = 8  # streams of one session: browsers open six at most


class Full(Exception):
    """Too many open streams."""


class Events:
    """Topics, who listens, and what they have missed."""

    log = Logger()

    def __init__(self, clock: IReactorTime, topics: Iterable[str], *, mark: str) -> None:
        self._clock = clock
        self._last: dict[str, int] = dict.fromkeys(topics, 0)
        self._mark = mark  # of this process: numbers of another one mean nothing here
        self._count = 0
        self._streams: set[Stream] = set()
        self._soon: dict[str, IDelayedCall] = {}
        self._owed: dict[Stream, set[str]] = {}  # what is still to be told, whom it was first owed first
        self._pace: IDelayedCall | None = None
        self._quiet_until: dict[str, float] = {}
        self._heart = LoopingCall(self._beat)
        self._heart.clock = clock
        self.alive: Callable[[Stream], None] | None = None  # called at each beat, may end the stream

    def start(self) -> None:
        self._heart.start(HEARTBEAT, now=False).addErrback(
            lambda failure: self.log.failure("the heartbeat stopped", failure=failure)
        )

    def stop(self) -> None:
        if self._heart.running:
            self._heart.stop()
        for call in self._soon.values():
            call.cancel()
        self._soon.clear()
        if self._pace is not None:
            self._pace.cancel()
            self._pace = None
        self._owed.clear()
        for stream in list(self._streams):
            stream.end()

    def hint(self, topic: str) -> None:
        """Something about `topic` is new. At most one event a second goes out, fewer to many; the last always."""
        if topic not in self._last or topic in self._soon:
            return
        wait = self._quiet_until.get(topic, 0.0) - self._clock.seconds()
        if wait > 0:
            self._soon[topic] = self._clock.callLater(wait, self._send, topic)
        else:
            self._send(topic)

    def open(self, request: Request, session: str, topics: Iterable[str], last_seen: str | None) -> Stream:
        """Turn `request` into a stream of hints, beginning with those missed since `last_seen`."""
        if len(self._streams) >= _MOST or sum(each.session == session for each in self._streams) >= _MOST_EACH:
            raise Full
        wanted = frozenset(topics) & self._last.keys()
        stream = Stream(request, session, wanted)
        self._streams.add(stream)
        request.notifyFinish().addBoth(lambda _: self._gone(stream))
        stream.write(f"retry: {_RETRY}\n\n")
        if last_seen is not None:
            mark, _, count = last_seen.partition("-")
            known = int(count) if mark == self._mark and count.isdecimal() else -1
            for topic in sorted(wanted):
                if self._last[topic] > known:
                    stream.write(self._event(topic))
        else:
            stream.write(f"id: {self._mark}-{self._count}\ndata:\n\n")
        return stream

    def __len__(self) -> int:
        return len(self._streams)

    def _gone(self, stream: Stream) -> None:
        self._streams.discard(stream)
        self._owed.pop(stream, None)

    def _send(self, topic: str) -> None:
        self._soon.pop(topic, None)
        self._quiet_until[topic] = self._clock.seconds() + max(_PAUSE, _EACH * len(self._streams))
        self._count += 1
        self._last[topic] = self._count
        for stream in self._streams:
            if topic in stream.topics:
                self._owed.setdefault(stream, set()).add(topic)
        if self._owed and self._pace is None:
            self._tell()

    def _tell(self) -> None:
        """One stream after the other: if all heard at once, all would ask for their pages at once."""
        self._pace = None
        stream = next(iter(self._owed), None)
        if stream is None:
            return
        for topic in sorted(self._owed.pop(stream)):
            stream.write(self._event(topic))
        if self._owed:
            self._pace = self._clock.callLater(_EACH, self._tell)

    def _event(self, topic: str) -> str:
        return f"id: {self._mark}-{self._count}\nevent: {topic}\ndata: {topic}\n\n"

    def _beat(self) -> None:
        for stream in list(self._streams):
            stream.write(": .\n\n")
            if self.alive is not None:
                self.alive(stream)


@implementer(IPushProducer)
class Stream:
    """One open connection. A browser that does not read is skipped instead of buffered for."""

    def __init__(self, request: Request, session: str, topics: frozenset[str]) -> None:
        self.session = session
        self.topics = topics
        self._request = request
        self.done: Deferred[None] = Deferred(lambda _: self._finished(None))
        self._paused = False
        self._missed = False
        self._ended = False
        for name, value in (
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ):
            request.setHeader(name, value)
        request.registerProducer(self, True)
        request.notifyFinish().addBoth(self._finished)

    def write(self, event: str) -> None:
        if self._paused:
            self._missed = True
        elif not self._ended:
            self._request.write(event.encode())

    def end(self, event: str = "") -> None:
        """Close it; `event` says why. A browser comes back by itself unless it is told that all is over."""
        if self._ended:
            return
        if event:
            self.write(f"event: {event}\ndata: {event}\n\n")
        self._ended = True
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if self._missed:
            self.end()  # it returns with the last id it has seen, and is told what it missed

    def stopProducing(self) -> None:
        self._ended = True

    def _finished(self, _: object) -> None:
        self._ended = True
        if not self.done.called:
            self.done.callback(None)
