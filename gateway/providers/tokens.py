"""OAuth client credentials: one token for all requests, renewed before it ends, fetched once however many wait."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.http import Http, NotSent, Trouble

EARLY = 60.0  # seconds before its end a token is taken for over
_LASTS = 3599.0  # when a provider does not say


class Tokens:
    """`await tokens()` is a token that is good for now."""

    def __init__(self, http: Http, clock: IReactorTime, *, method: str, url: str, client: str, secret: str) -> None:
        self._http, self._clock = http, clock
        self._method, self._url = method, url
        self._basic = b64encode(f"{client}:{secret}".encode()).decode()
        self._token = ""
        self._ends = 0.0
        self._waiting: list[Deferred[str]] | None = None
        self.fetched = 0

    async def __call__(self) -> str:
        if self._token and self._clock.seconds() < self._ends:
            return self._token
        if self._waiting is not None:  # somebody is on the way already
            mine: Deferred[str] = Deferred()
            self._waiting.append(mine)
            return await mine
        self._waiting = []
        try:
            token = await self._fetch()
        except BaseException as error:
            problem = NotSent(f"no token: {error}")
            self._tell(lambda each: each.errback(problem))
            if isinstance(error, Trouble):
                raise problem from None
            raise
        self._tell(lambda each: each.callback(token))
        return token

    def refused(self, token: str) -> None:
        """The provider did not take it, whatever it said of how long it lasts."""
        if token == self._token:
            self._token = ""

    def _tell(self, how: Callable[[Deferred[str]], None]) -> None:
        waiting, self._waiting = self._waiting or [], None
        for each in waiting:
            if not each.called:
                how(each)

    async def _fetch(self) -> str:
        headers = {"Authorization": f"Basic {self._basic}"}
        body = None
        if self._method == "POST":
            headers["Content-Type"], body = "application/x-www-form-urlencoded", b"grant_type=client_credentials"
        answer = await self._http.ask(self._method, self._url, headers, body)
        content = answer.content if isinstance(answer.content, dict) else {}
        token = content.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not token:
            raise NotSent(f"answer {answer.status}; are client_id and client_secret right?")
        try:
            lasts = float(content.get("expires_in", _LASTS))
        except (TypeError, ValueError):
            lasts = _LASTS
        self.fetched += 1
        self._token = token
        self._ends = self._clock.seconds() + max(1.0, lasts - EARLY if lasts > 2 * EARLY else lasts / 2)
        return token
