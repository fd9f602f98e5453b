"""The handset page of the demo: six lines, keys, and everything the phone has sent and received."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

from gateway.console.web import Answer, Entry, Extra, Page, Redirect, Refused, Route, Visit
from gateway.demo.network import Handset, Network
from gateway.demo.wallets import PIN

NAME = "handset"
TOPIC = "handset"
PARTS = frozenset({"list", "screen", "notes"})
ANSWERS_WITHIN = 1.5  # seconds that pressing a key waits for something to show


def N_(message: str) -> str:  # the usual name of "translate this later"
    return message


def extra(network: Network, code: str) -> Extra:
    """The pages for the console; `code` is what can be dialled."""
    handsets = Handsets(network, code)
    return Extra(
        name=NAME,
        routes=(
            Route(rule="/handset", handler=handsets.first),
            Route(rule="/handset/<number>", handler=handsets.page),
            Route(rule="/handset/<number>/<part>", handler=handsets.part),
            Route(rule="/handset/<number>/press", handler=handsets.press, post=True),
        ),
        entries=(Entry(href="/handset", title=N_("Handsets")),),
        folder=Path(__file__).parent,
        topics=(TOPIC,),
    )


class Handsets:
    """The handlers. Any of the staff may hold any phone: it is a demo."""

    def __init__(self, network: Network, code: str) -> None:
        self._network, self._code = network, code

    async def first(self, visit: Visit) -> Answer:
        return Redirect(f"/handset/{next(iter(self._network.handsets))}")

    async def page(self, visit: Visit) -> Answer:
        return Page(f"{NAME}/handset.html", self._shown(visit))

    async def part(self, visit: Visit) -> Answer:
        """What changes by itself: the page asks for it when it is told that there is something new."""
        if visit.path["part"] not in PARTS:
            raise Refused(HTTPStatus.NOT_FOUND)
        return Page(f"{NAME}/{visit.path['part']}.html", self._shown(visit))

    async def press(self, visit: Visit) -> Answer:
        handset = self._handset(visit)
        number, text = handset.number, visit.form.text("text")
        if visit.fragment and not (text.strip() or handset.in_session or visit.form("key") == "end"):
            return Page(f"{NAME}/pressed.html", self._shown(visit))  # an empty field: there is nothing to wait for
        news = self._network.news(number, ANSWERS_WITHIN)
        was_open = handset.in_session
        if visit.form("key") == "end":
            self._network.hang_up(number)
        else:
            self._network.press(number, text)
        if visit.fragment:
            await news
            if handset.in_session and not handset.screen and not was_open:
                await self._network.news(number, ANSWERS_WITHIN)
            return Page(f"{NAME}/pressed.html", self._shown(visit))
        return Redirect(f"/handset/{number}")

    def _shown(self, visit: Visit) -> dict[str, Any]:
        handset = self._handset(visit)
        self._network.read(handset.number)
        return {"handset": handset, "handsets": list(self._network.handsets.values()), "code": self._code, "pin": PIN}

    def _handset(self, visit: Visit) -> Handset:
        handset = self._network.handsets.get(visit.path["number"])
        if handset is None:
            raise Refused(HTTPStatus.NOT_FOUND)
        return handset
