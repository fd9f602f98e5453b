"""The live stream, and the static files."""

from __future__ import annotations

from http import HTTPStatus

from gateway.console.events import Full
from gateway.console.web import Answer, Content, Refused, Route, Streaming, Visit


async def events(visit: Visit) -> Answer:
    """Hints on the topics asked for; what is new since Last-Event-ID comes first."""
    topics = visit.query("topics").split(",")
    try:
        stream = visit.console.events.open(
            visit.request, visit.session or "", topics, visit.request.getHeader("last-event-id")
        )
    except Full:
        return Content(b"", status=HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "30"})
    return Streaming(stream.done)


async def static(visit: Visit) -> Answer:
    return _file(visit, visit.path["name"])


async def favicon(visit: Visit) -> Answer:
    return _file(visit, "mark.svg")


def _file(visit: Visit, name: str) -> Answer:
    file = visit.console.static.get(name)
    if file is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in (visit.request.getHeader("accept-encoding") or "") and len(file.packed) < len(file.plain):
        return Content(file.packed, file.kind, headers=headers | {"Content-Encoding": "gzip"})
    return Content(file.plain, file.kind, headers=headers)


ROUTES = (
    Route(rule="/events", handler=events),
    Route(rule="/static/<path:name>", handler=static, may=None),
    Route(rule="/favicon.ico", handler=favicon, may=None),
)
