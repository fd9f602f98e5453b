"""The guard in front of all pages: who it is, whether they may, whether the form is ours, and how the answer leaves.

A page gets a `Visit` only after session, permission, Origin and CSRF token were checked, and returns a value; nothing
behind this module sets a header or reads a cookie.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, quote, urlsplit

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from gateway.console import sessions
from gateway.console.language import N_
from gateway.console.web import (
    Answer,
    Content,
    Fields,
    File,
    Page,
    Redirect,
    Refused,
    Route,
    Streaming,
    TooOld,
    Visit,
    inside,
)

if TYPE_CHECKING:
    from gateway.console.app import Console

LARGEST_FORM = 64 * 1024
LARGEST_UPLOAD = 64 * 1024 * 1024
_PARTS = 60  # of a form with a file
UPLOADS = frozenset({b"/import", b"/dues/rates/file", b"/bulk/new"})  # the only addresses that take a file
_FIELDS = 100
_TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class Front:
    """Routes of Klein, each behind the guard."""

    log = Logger()

    def __init__(self, console: Console, *, public_url: str, trusted_proxies: tuple[str, ...]) -> None:
        self._console = console
        self._klein = Klein()

        @self._klein.handle_errors(HTTPException)
        def no_such_page(request: IRequest, failure: Failure) -> Deferred[bytes]:
            return Deferred.fromCoroutine(self._no_such_page(cast("Request", request), failure))

        self._origin = _origin(public_url)
        self._secure = public_url.startswith("https:")
        self._proxies = [ip_network(proxy, strict=False) for proxy in trusted_proxies]
        prefix = "__Host-" if self._secure else ""
        self.session_cookie = f"{prefix}muster"
        self._form_cookie = f"{prefix}muster-form"
        self.language_cookie = f"{prefix}muster-language"

    def add(self, route: Route) -> None:
        method = "POST" if route.post else "GET"

        def endpoint(request: Request, **path: str) -> Deferred[bytes | None]:
            return Deferred.fromCoroutine(self._visited(request, route, path))

        endpoint.__name__ = f"{method} {route.rule}"
        self._klein.route(route.rule, methods=[method])(endpoint)

    def resource(self) -> Resource:
        return _Checked(self._klein.resource(), self._headers())

    def _headers(self) -> Mapping[str, str]:
        return _HEADERS | ({"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if self._secure else {})

    # --- one request ------------------------------------------------------------------------------------------

    async def _visited(self, request: Request, route: Route, path: Mapping[str, str]) -> bytes | None:
        visit: Visit | None = None
        try:
            visit = await self._visit(request, path)
            if route.post:
                self._check_form(visit)
            if route.may is not None and visit.staff is None:
                return self._send(visit, self._sign_in_first(visit))
            if visit.staff is not None and not visit.staff.may(route.may):
                raise Refused(HTTPStatus.FORBIDDEN)
            if visit.staff is not None and visit.staff.must_enrol and not self._console.demo and not route.unenrolled:
                return self._send(visit, Redirect("/account/second"))
            answer = await route.handler(visit)
            if isinstance(answer, Streaming):
                await answer.done
                return None
            return self._send(visit, answer)
        except CancelledError:
            raise  # the browser has gone
        except Refused as refused:
            if refused.status == HTTPStatus.FORBIDDEN:
                who = visit.staff.name if visit is not None and visit.staff is not None else "nobody signed in"
                self.log.info(
                    "{method} {rule} refused to {who}",
                    method=request.method.decode("latin-1"),
                    rule=route.rule,
                    who=who,
                )
            again = self._again(visit) if visit is not None and isinstance(refused, TooOld) else {}
            return self._send_error(request, visit, refused.status, refused.reason, **again)
        except Exception:
            reference = secrets.token_hex(4)
            self.log.failure("{path}: error {reference}", path=route.rule, reference=reference)
            return self._send_error(request, visit, HTTPStatus.INTERNAL_SERVER_ERROR, reference=reference)

    async def _no_such_page(self, request: Request, failure: Failure) -> bytes:
        error = failure.value
        status = error.code if isinstance(error, HTTPException) and error.code else HTTPStatus.NOT_FOUND
        if 300 <= status < 400:
            status = HTTPStatus.NOT_FOUND
        try:
            visit = await self._visit(request, {})
        except Exception:
            self.log.failure("no visit for an error page")
            return self._send_error(request, None, HTTPStatus.INTERNAL_SERVER_ERROR)
        return self._send_error(request, visit, status)

    async def _visit(self, request: Request, path: Mapping[str, str]) -> Visit:
        console = self._console
        now = console.now()
        token = _cookie(request, self.session_cookie)
        session = sessions.hashed(console.keys, token) if token else None
        found = waiting = None
        if session is not None:
            found, waiting = await console.database.read(console.arrive, session, now)
            live = request.getHeader("x-live") is not None  # a page refreshing itself is not a person working
            if found is not None and found.stale and not live:
                await console.database.run(sessions.touch, session, now)
        form, file = _form(request), None
        if getattr(request, "upload", b"") and found is not None:
            form, file = await console.thread(_uploaded, cast("LimitedRequest", request))
        return Visit(
            console=console,
            request=request,
            now=now,
            language=console.languages.choose(
                staff=found.staff.language if found else None,
                cookie=_cookie(request, self.language_cookie),
                accept=request.getHeader("accept-language"),
            ),
            csrf=found.csrf if found else self._anonymous_csrf(request),
            session=session if found else None,
            staff=found.staff if found else None,
            address=self._address(request),
            path=path,
            query=_fields(urlsplit(request.uri.decode("latin-1")).query),
            form=form,
            file=file,
            fragment=request.getHeader("hx-request") is not None,
            waiting=waiting or 0,
        )

    def _anonymous_csrf(self, request: Request) -> str:
        """Before anybody has signed in, the token of a form comes from a cookie of its own."""
        cookie = _cookie(request, self._form_cookie)
        if not cookie:
            cookie = secrets.token_urlsafe(18)
            self._set_cookie(request, self._form_cookie, cookie)
        return self._console.keys.mac("console form", cookie)[:32]

    def _check_form(self, visit: Visit) -> None:
        origin = visit.request.getHeader("origin") or visit.request.getHeader("referer")
        host = visit.request.getHeader("host") or ""
        if origin is not None and not self._is_ours(origin, host):
            raise Refused(HTTPStatus.FORBIDDEN, N_("The form came from another site."))
        sent = visit.form("csrf") or visit.request.getHeader("x-csrf") or ""
        if not hmac.compare_digest(sent.encode(), visit.csrf.encode()):
            raise TooOld(
                HTTPStatus.FORBIDDEN, N_("The form was too old, so nothing was done. Open it and send it again.")
            )

    def _is_ours(self, origin: str, host: str) -> bool:
        try:
            return _origin(origin) == self._origin or urlsplit(origin).netloc == host
        except ValueError:
            return False

    def _address(self, request: Request) -> str:
        """The nearest address that is no proxy of ours."""
        address = getattr(request.getClientAddress(), "host", "") or ""
        for earlier in reversed((request.getHeader("x-forwarded-for") or "").split(",")):
            if not self._is_proxy(address) or not earlier.strip():
                break
            address = earlier.strip()
        return address

    def _is_proxy(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False

    # --- the answer -------------------------------------------------------------------------------------------

    def _sign_in_first(self, visit: Visit) -> Answer:
        if visit.fragment:
            return Content(b"", status=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/sign-in"})
        wanted = visit.request.uri.decode("latin-1") if visit.request.method == b"GET" else "/"
        return Redirect("/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted, safe='')}")

    def _send(self, visit: Visit, answer: Answer) -> bytes:
        request = visit.request
        match answer:
            case Redirect(to, cookies):
                self._set_cookies(request, cookies)
                request.setHeader("location", to.encode("ascii", "ignore"))
                request.setResponseCode(HTTPStatus.SEE_OTHER)
                return b""
            case Content(body, kind, status, headers):
                for name, value in headers.items():
                    request.setHeader(name, value)
                request.setHeader("content-type", kind)
                request.setResponseCode(status)
                return body
            case Page(template, values, status, cookies, headers):
                self._set_cookies(request, cookies)
                for name, value in headers.items():
                    request.setHeader(name, value)
                request.setHeader("content-type", "text/html; charset=utf-8")
                request.setHeader("content-language", visit.language)
                request.setHeader("vary", "Cookie, Accept-Language, HX-Request")
                request.setResponseCode(status)
                return self._console.render(visit, template, values).encode()
            case _:
                raise TypeError(f"a page answered {answer!r}")

    def _send_error(self, request: Request, visit: Visit | None, status: int, reason: str = "", **more: str) -> bytes:
        """`more` is the `reference` of a failure in the log, or what was `written` and the `form` it was written in."""
        if visit is None:
            request.setResponseCode(status)
            request.setHeader("content-type", "text/plain; charset=utf-8")
            return f"{status} {HTTPStatus(status).phrase} {more.get('reference', '')}\n".encode()
        template = "error_fragment.html" if visit.fragment else "error.html"
        values = {"status": int(status), "reason": reason, "reference": "", "written": "", "form": ""} | more
        return self._send(visit, Page(template, values, status))

    def _again(self, visit: Visit) -> dict[str, str]:
        """The texts of a form, and where it is to be had again."""
        texts = [visit.form.text(name) for name in visit.form.values if name.startswith("text")]
        return {"written": "\n\n".join(filter(None, texts)), "form": self._page_of(visit.request)}

    def _page_of(self, request: Request) -> str:
        """The page that a form was on. One that was the answer to a form had that one's address, which shows nothing
        by itself: what stands above it is the page."""
        try:
            came_from = urlsplit(request.getHeader("referer") or "")
        except ValueError:
            return "/"
        path, pages = came_from.path, self._klein.url_map.bind("")
        while path and not pages.test(path, "GET"):
            path = path.rpartition("/")[0]
        whole = path == came_from.path and came_from.query
        return inside(f"{path}?{came_from.query}" if whole else path)

    def _set_cookies(self, request: Request, cookies: Mapping[str, str | None]) -> None:
        for name, value in cookies.items():
            self._set_cookie(request, name, value)

    def _set_cookie(self, request: Request, name: str, value: str | None) -> None:
        age: str | None = None
        if value is None:
            age = "0"
        elif name == self.language_cookie:
            age = str(365 * 24 * 3600)
        request.addCookie(name, value or "", path="/", max_age=age, secure=self._secure, httpOnly=True, sameSite="lax")


class _Checked(Resource):
    """Sets the headers of every answer, and turns away what is no UTF-8 before the router stumbles over it."""

    isLeaf = True

    def __init__(self, inner: IResource, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._inner = inner
        self._headers = headers

    def render(self, request: Request) -> Any:
        request.responseHeaders.removeHeader("server")
        for name, value in self._headers.items():
            request.setHeader(name, value)
        try:
            b"/".join(request.postpath or []).decode()
        except UnicodeDecodeError:
            request.setResponseCode(HTTPStatus.NOT_FOUND)
            request.setHeader("content-type", "text/plain; charset=utf-8")
            return b"404 Not Found\n"
        return self._inner.render(request)


class LimitedRequest(Request):
    """A request whose body must be a form of ordinary size, or a register for the page that takes those."""

    _taken = 0
    _most = LARGEST_FORM
    upload = b""  # the content type of a form with a file, which Twisted would read into memory

    def gotLength(self, length: int | None) -> None:
        kind = (self.requestHeaders.getRawHeaders(b"content-type") or [b""])[0]
        path = getattr(self.channel, "_path", b"").partition(b"?")[0]
        if path in UPLOADS and kind.startswith(b"multipart/form-data") and self.requestHeaders.hasHeader(b"cookie"):
            self.upload, self._most = kind, LARGEST_UPLOAD
            self.requestHeaders.setRawHeaders(b"content-type", [b"application/octet-stream"])
        if length is None or length <= self._most:
            super().gotLength(length)
            return
        super().gotLength(0)
        self._taken = length
        if self.transport is not None:
            self.transport.write(_TOO_LARGE)
        self.channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        self._taken += len(data)
        if self._taken > self._most:
            self.channel.loseConnection()
            return
        super().handleContentChunk(data)


def site(resource: Resource) -> Site:
    return Site(resource, requestFactory=LimitedRequest, timeout=60)


def _cookie(request: Request, name: str) -> str | None:
    found = request.getCookie(name.encode())
    return found.decode("ascii", "replace") if found else None


def _fields(encoded: str) -> Fields:
    try:
        return Fields(values=parse_qs(encoded, keep_blank_values=True, errors="replace", max_num_fields=_FIELDS))
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST) from None


def _form(request: Request) -> Fields:
    kind = (request.getHeader("content-type") or "").partition(";")[0].strip().lower()
    if request.method != b"POST" or kind != "application/x-www-form-urlencoded":
        return Fields()
    body = request.content
    if body is None:
        return Fields()
    body.seek(0)
    return _fields(body.read(LARGEST_FORM).decode("latin-1"))


def _uploaded(request: LimitedRequest) -> tuple[Fields, File | None]:
    """The fields and the file of a form, read in a thread: the file may be large and goes on in a temporary one."""
    body, kind = request.content, request.upload.decode("latin-1")
    boundary = parse_options_header(kind)[1].get("boundary", "")
    if body is None or not boundary:
        return Fields(), None
    body.seek(0)
    # What is read at once counts as held in memory, together with what is left of the reading before.
    parser = MultiPartParser(max_form_memory_size=LARGEST_FORM, buffer_size=LARGEST_FORM // 4, max_form_parts=_PARTS)
    try:
        fields, files = parser.parse(body, boundary.encode("latin-1"), None)
    except (RequestEntityTooLarge, ValueError):
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE) from None
    found = files.get("file")
    file = File(name=found.filename or "", content=found.stream) if found is not None else None
    return Fields(values={name: fields.getlist(name) for name in fields}), file


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
