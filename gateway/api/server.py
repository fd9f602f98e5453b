"""The HTTP server below the routes: how large a body may be, and which resource a path is."""

from __future__ import annotations

from typing import Any

from twisted.web.http import RESPONSES, datetimeToString
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from gateway.api.intake import error

MOST_OCTETS = 4 << 20  # of a body: a thousand messages of ten parts in Chinese
JSON = b"application/json"

_HEAD = b"HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


class ApiRequest(Request):
    """A request whose body is never larger than we want to hold, and which can be answered in one go."""

    _taken = 0
    _refused = False

    def __init__(self, channel: Any, *args: Any, **more: Any) -> None:
        # Every request asks for our own address, which costs a system call; a connection does not change it.
        if "getHost" not in vars(channel):
            host = channel.getHost()
            channel.getHost = lambda: host
        super().__init__(channel, *args, **more)

    def gotLength(self, length: int | None) -> None:
        super().gotLength(None if length is None else min(length, MOST_OCTETS))
        if length is not None and length > MOST_OCTETS:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > MOST_OCTETS:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._refused:
            super().requestReceived(command, path, version)

    def answer(self, status: int, body: bytes, **headers: bytes) -> None:
        """Send the whole answer, JSON, and be done; nothing when whoever asked has gone."""
        channel: Any = self.channel
        if not channel:
            return
        more = b"".join(b"%s: %s\r\n" % (name.replace("_", "-").encode(), value) for name, value in headers.items())
        head = _HEAD % (status, RESPONSES.get(status, b""), datetimeToString(), len(body), more)
        self.code, self.startedWriting = status, 1
        channel.write(head + body)
        self.finish()

    def _refuse(self) -> None:
        """Say so at once and hang up: reading to the end is what the sender wants of us."""
        if self._refused:
            return
        self._refused = True
        body = error("size", f"a body has at most {MOST_OCTETS} octets")
        head = b"HTTP/1.1 413 Content Too Large\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        channel: Any = self.channel
        channel.transport.write(head % (JSON, len(body)) + body)
        channel.loseConnection()


class ApiSite(Site):
    """Sends the path `hot` straight to its resource and everything else through Klein; or `only` what begins so, or all
    `but` that."""

    def __init__(
        self,
        hot: bytes,
        resource: IResource,
        others: IResource,
        *,
        only: tuple[bytes, ...] = (b"",),
        but: tuple[bytes, ...] = (),
    ) -> None:
        # Forms are read where they are expected: Twisted would have `email` parse the type of every body.
        super().__init__(others, requestFactory=ApiRequest, timeout=60, parsePOSTFormSubmission=False)
        self._hot = hot
        self._resource = resource
        self._others = others
        self._only, self._but = only, but

    def getResourceFor(self, request: Request) -> IResource:
        if request.path == self._hot:
            return self._resource
        if not request.path.startswith(self._only) or request.path.startswith(self._but or (b"\0",)):
            request.postpath = [b"?"]
            return self._others
        try:
            b"/".join(request.postpath or ()).decode()
        except UnicodeDecodeError:
            request.postpath = [b"?"]  # no route of ours; Klein would log it as an error of ours
        return self._others

    def log(self, request: object) -> None:
        """No access log: addresses of vendors hold their keys, and the message log says the rest."""
