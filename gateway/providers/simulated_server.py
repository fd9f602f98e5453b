"""What both simulated APIs share: an HTTP server on this machine, tokens, callbacks, and faults by option."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import orjson
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from gateway.core.tasks import Tasks
from gateway.http import Http, Trouble

CALLBACKS = ("once", "lost", "doubled", "late", "early", "forged", "reordered")
SUBMITS = ("taken", "refused", "unanswered", "failed", "slow", "hung")
_TOGETHER = 2  # callbacks that change places
_MOST_OCTETS = 64 << 10


def _option(default: Any, words: str) -> Any:
    return field(default=default, metadata={"help": words})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the operator behaves. Times are seconds."""

    client_id: str = _option("muster", "who may ask")
    client_secret: str = _option("secret", "with this password")
    token_lasts: float = _option(3599.0, "until a token ends")
    callbacks: str = _option("once", f"callbacks come {', '.join(CALLBACKS)}")
    late: float = _option(5.0, "until a late callback comes")
    submits: str = _option(
        "taken",
        "a request to pay is taken; refused (answer 503, nothing done); unanswered (done, and the connection cut);"
        " failed (done, and answer 500); slow; or hung (done, and never answered)",
    )
    slow: float = _option(3.0, "until a slow answer comes")
    extra: int = _option(0, "minor units that a transaction says it moved beyond what was asked for")
    queries: bool = _option(True, "questions are answered, else 503")
    lasts: float = _option(60.0, "until a PIN pop-up ends by itself")

    def __post_init__(self) -> None:
        for name, choices in (("callbacks", CALLBACKS), ("submits", SUBMITS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")


class Asked(NamedTuple):
    """A request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    content: Any
    query: dict[str, str] = {}  # nobody changes it


class Reply(NamedTuple):
    status: int
    content: Any = None


Cut = Reply(0)  # the connection ends without an answer


class Server(Resource):
    """An API. A subclass answers; this one listens, checks tokens, and sends callbacks as the options say."""

    isLeaf = True
    log = Logger()

    def __init__(self, reactor: Any, options: Options, *, random: Random) -> None:
        super().__init__()
        self.options = options
        self.asked: list[Asked] = []
        self.called: list[tuple[str, int]] = []  # address and status of each callback
        self._reactor, self._random = reactor, random
        self._http = Http(reactor, seconds=20)
        self._elsewhere = Http(reactor, seconds=20, agent=_Elsewhere(reactor))
        self._tokens: dict[str, float] = {}
        self._kept: list[tuple[str, str, Any]] = []
        self._calling: list[Deferred[None]] = []
        self._tasks = Tasks()
        self._port: Any = None
        self._hung: list[Deferred[None]] = []

    # --- life -------------------------------------------------------------------------------------------------------

    def listen(self, port: int = 0) -> int:
        self._port = self._reactor.listenTCP(port, Site(self, timeout=60), interface="127.0.0.1")
        found: int = self._port.getHost().port
        return found

    async def stop(self) -> None:
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        for hung in self._hung:
            if not hung.called:
                hung.callback(None)
        await self._tasks.stop()

    def count(self, end: str) -> int:
        """How many requests there were to paths that end so."""
        return sum(each.path.endswith(end) for each in self.asked)

    # --- answering --------------------------------------------------------------------------------------------------

    def render(self, request: Request) -> int:
        self._tasks.start(self._render(request))
        return NOT_DONE_YET

    async def _render(self, request: Request) -> None:
        body = request.content.read(_MOST_OCTETS) if request.content else b""
        try:
            content = orjson.loads(body) if body else None
        except ValueError:
            content = body.decode("utf-8", "replace")
        headers = {
            name.decode("latin-1").lower(): values[0].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        path = request.uri.decode("latin-1")
        split = urlsplit(path)
        asked = Asked(
            request.method.decode("ascii", "replace"), split.path, headers, content, dict(parse_qsl(split.query))
        )
        self.asked.append(asked)
        reply = await self.answer(asked)
        self._send(request, reply)

    def _send(self, request: Any, reply: Reply) -> None:
        if reply.status == 0:
            if request.channel is not None:
                request.channel.forceAbortClient()
            return
        request.setResponseCode(reply.status)
        request.setHeader("content-type", "application/json")
        if not request.channel:
            return
        request.write(b"" if reply.content is None else orjson.dumps(reply.content))
        request.finish()

    async def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    async def created(self, do: Callable[[], Reply]) -> Reply:
        """Carry out a creation as the options say, `do` being what is done."""
        fault = self.options.submits
        if fault == "refused":
            return Reply(503, {"errorCategory": "serviceUnavailable", "errorCode": "genericError"})
        reply = do()
        if self.options.callbacks == "early":
            await DeferredList(list(self._calling))
        if fault == "unanswered":
            return Cut
        if fault == "failed":
            return Reply(500, {"errorCategory": "internal", "errorCode": "genericError"})
        if fault == "slow":
            await deferLater(self._reactor, self.options.slow)
        if fault == "hung":
            hung: Deferred[None] = Deferred()
            self._hung.append(hung)
            await hung
            return Cut
        return reply

    # --- tokens -----------------------------------------------------------------------------------------------------

    def token(self, asked: Asked) -> Reply:
        expected = base64.b64encode(f"{self.options.client_id}:{self.options.client_secret}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {expected}":
            return Reply(400, {"errorCode": "400.008.01", "errorMessage": "Invalid Authentication passed"})
        token = f"{self._random.getrandbits(96):024x}"
        self._tokens[token] = self._reactor.seconds() + self.options.token_lasts
        return Reply(200, {"access_token": token, "expires_in": str(int(self.options.token_lasts))})

    def knows(self, asked: Asked) -> bool:
        """Whether a right token came along."""
        _, _, token = asked.headers.get("authorization", "").partition("Bearer ")
        return bool(self._tokens.get(token, 0.0) > self._reactor.seconds())

    def forget_tokens(self) -> None:
        """As if all had ended before their time."""
        self._tokens.clear()

    # --- calling back -----------------------------------------------------------------------------------------------

    def call(self, method: str, url: str, content: Any) -> None:
        """A callback: once, or as the options say."""
        how = self.options.callbacks
        if how == "lost":
            return
        if how == "reordered":
            self._kept.append((method, url, content))
            if len(self._kept) >= _TOGETHER:
                kept, self._kept = self._kept[::-1], []
                self._tasks.start(self._one_after_another(kept))
            return
        calling = self._tasks.start(self._call(method, url, content, after=self.options.late if how == "late" else 0.0))
        self._calling.append(calling)
        if how == "doubled":
            self._tasks.start(self._call(method, url, content))

    def forge(self, method: str, url: str, content: Any, *, elsewhere: bool = True) -> None:
        """A callback that somebody else sends, from an address that is not the operator's."""
        self._tasks.start(self._call(method, url, content, by=self._elsewhere if elsewhere else self._http))

    async def _one_after_another(self, calls: list[tuple[str, str, Any]]) -> None:
        for each in calls:
            await self._call(*each)

    async def _call(self, method: str, url: str, content: Any, *, after: float = 0.0, by: Http | None = None) -> None:
        if after:
            await deferLater(self._reactor, after)
        try:
            answer = await (by or self._http).ask(method, url, {}, orjson.dumps(content))
        except Trouble as trouble:
            self.log.info("a callback was not taken: {trouble}", trouble=trouble)
            self.called.append((url, 0))
        else:
            self.called.append((url, answer.status))


class _Elsewhere(Agent):
    """Asks from 127.0.0.2, which on this machine is another address."""

    def _getEndpoint(self, uri: Any) -> Any:
        host, port = uri.host.decode(), uri.port
        return TCP4ClientEndpoint(self._reactor, host, port, bindAddress=("127.0.0.2", 0))
