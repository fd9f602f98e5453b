"""The links page: is every way to the phones open, how much goes through it, what waits."""

from __future__ import annotations

from gateway.console import board
from gateway.console.web import Answer, Page, Route, Visit
from gateway.core.model import Lane


async def page(visit: Visit) -> Answer:
    links = sorted(visit.console.board, key=lambda link: link.name)
    names = [link.name for link in links]
    queues = await visit.console.database.read(board.queues, names)
    unknown = await visit.console.database.read(board.unresolved, names)
    template = "links_list.html" if visit.fragment else "links.html"
    return Page(
        template, {"links": links, "queues": queues, "unknown": unknown, "most": board.MOST, "lanes": list(Lane)}
    )


ROUTES = (Route(rule="/links", handler=page),)
