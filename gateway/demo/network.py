"""The phones of the demo and the two networks they are in: what they send and receive really travels through the SMPP
operator, over TCP, or through the modem, over a pseudo terminal."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from gateway.core.model import Fragment
from gateway.providers.simulator import Prompt
from modems import tpdu
from modems.emulated import Behaviour
from modems.emulator import EmulatedModem
from smpp.simulated_ussd import UssdSession
from smpp.simulator import Operator, Options, Text

KEPT = 60  # messages on a phone
LONGEST = 700  # characters somebody may write: ten parts
CODE = re.compile(r"[*#][0-9*#]{1,60}#")
NO_USSD = "This network has no such code"


def _credit(code: str) -> str:
    """What the modem's operator answers to a code."""
    return "余额23.40元" if code == "*100#" else f"{code}: ?"


class Carrier(Enum):
    """Which way a phone's messages take."""

    OPERATOR = "operator"
    MODEM = "modem"


@dataclass(slots=True, kw_only=True)
class Note:
    """A message on a phone. `taken`: the gateway has it, so that it will be answered."""

    text: str
    at: datetime
    ours: bool  # written on this phone
    taken: bool = True
    parts: int = 1
    unread: bool = False


@dataclass(slots=True, kw_only=True)
class Handset:
    """A phone. `story` says in each language whose it is and what to try."""

    number: str
    owner: str
    carrier: Carrier
    story: dict[str, str]
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=KEPT))
    screen: str | None = None  # of a USSD session, or its last words
    session: UssdSession | None = None
    prompt: Prompt | None = None  # the wallet's pop-up

    @property
    def in_session(self) -> bool:
        return self.session is not None and self.session.open

    @property
    def unread(self) -> int:
        return sum(note.unread for note in self.notes)


class Network:
    """Both networks and all phones; `changed` is called with a number whose phone shows something new."""

    def __init__(
        self,
        reactor: Any,
        handsets: Iterable[Handset],
        *,
        random: Random,
        now: Callable[[], datetime],
        device: Path,
        options: Options,
    ) -> None:
        self.handsets = {handset.number: handset for handset in handsets}
        self.changed: Callable[[str], None] = lambda number: None
        self._reactor, self._now = reactor, now
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self._joining: dict[tuple[str, int, int], dict[int, str]] = {}
        self.operator = Operator(reactor, options, random=random, delivered=self._from_operator)
        self.modem = EmulatedModem(reactor, path=device, behaviour=Behaviour(ussd=_credit), on_sent=self._from_modem)

    def start(self, port: int) -> int:
        """Switch both on; return the port that the operator listens on, `port` unless that is 0."""
        self.modem.startService()
        return self.operator.listen(self._reactor, port)

    async def stop(self) -> None:
        self.modem.stopService()
        await self.operator.stop()

    def press(self, number: str, text: str) -> None:
        """What a person does with the keys: answer a session, dial a code, or else send a text."""
        handset = self.handsets[number]
        text = text[:LONGEST]
        if handset.prompt is not None:  # what is entered there is the wallet's, and is kept nowhere
            if text.strip():
                handset.prompt.answer(text.strip())
        elif handset.session is not None and handset.in_session:
            handset.session.answer(text)
        elif CODE.fullmatch(text.strip()):
            self.dial(number, text.strip())
        elif text.strip():
            self.send(number, text)

    def send(self, number: str, text: str) -> None:
        handset = self.handsets[number]
        note = Note(text=text, at=self._now(), ours=True, taken=False)
        handset.screen = None
        handset.notes.append(note)
        self._changed(number)

        def taken(_: None) -> None:
            note.taken = True
            self._changed(number)

        if handset.carrier is Carrier.OPERATOR:
            self.operator.send(number, text).addCallback(taken)
        else:
            self.modem.receive(number, text)
            taken(None)  # it is on the SIM: what a phone is told is that the network has it

    def dial(self, number: str, code: str) -> None:
        handset = self.handsets[number]
        if handset.carrier is Carrier.MODEM:  # a modem answers texts, it cannot own a code
            handset.screen = NO_USSD
            self._changed(number)
            return
        handset.screen = ""
        handset.session = self.operator.dial(number, code, lambda text, more: self._shown(handset, text))

    def hang_up(self, number: str) -> None:
        """The red key: it ends a session, and clears the screen."""
        handset = self.handsets[number]
        if handset.prompt is not None:
            handset.prompt.cancel()
            return
        if handset.session is not None:
            handset.session.hang_up()
        handset.session = handset.screen = None
        self._changed(number)

    def prompted(self, prompt: Prompt) -> None:
        """The wallet's pop-up has come, or gone."""
        handset = self.handsets[prompt.number]
        handset.prompt = prompt if prompt.open else None
        if prompt.open:
            handset.session = handset.screen = None
        self._changed(prompt.number)

    def busy(self, number: str) -> bool:
        """No pop-up comes over an open USSD session."""
        return self.handsets[number].in_session

    def told(self, number: str, text: str) -> None:
        """The wallet's own SMS."""
        self._deliver(number, text, 1)

    def read(self, number: str) -> None:
        """Somebody has looked at the phone."""
        for note in self.handsets[number].notes:
            note.unread = False

    def news(self, number: str, within: float) -> Deferred[None]:
        """Fire with the next change of a phone, or after `within` seconds without one."""
        news: Deferred[None] = Deferred()
        self._waiting.setdefault(number, []).append(news)
        limit: IDelayedCall = self._reactor.callLater(within, self._fire, number, news)

        def fired(_: None) -> None:
            if limit.active():
                limit.cancel()

        return news.addCallback(fired)

    def _fire(self, number: str, news: Deferred[None]) -> None:
        waiting = self._waiting.get(number, [])
        if news in waiting:
            waiting.remove(news)
            news.callback(None)

    def _changed(self, number: str) -> None:
        for news in self._waiting.pop(number, []):
            news.callback(None)
        self.changed(number)

    def _shown(self, handset: Handset, text: str) -> None:
        handset.screen = text
        self._changed(handset.number)

    def _from_operator(self, text: Text) -> None:
        self._deliver(text.to, text.text, text.parts)

    def _from_modem(self, submit: tpdu.Submit) -> None:
        """The modem has sent a part: a phone shows the text when all are there."""
        number, text = str(submit.recipient), submit.data.text or ""
        fragment: Fragment | None = submit.data.fragment
        if fragment is None:
            self._deliver(number, text, 1)
            return
        key = (number, fragment.reference, fragment.total)
        parts = self._joining.setdefault(key, {})
        parts[fragment.number] = text
        if len(parts) == fragment.total:
            del self._joining[key]
            self._deliver(number, "".join(parts[part] for part in sorted(parts)), fragment.total)

    def _deliver(self, number: str, text: str, parts: int) -> None:
        handset = self.handsets.get(number)
        if handset is None:
            return  # a phone that nobody here holds
        handset.notes.append(Note(text=text, at=self._now(), ours=False, parts=parts, unread=True))
        self._changed(number)
