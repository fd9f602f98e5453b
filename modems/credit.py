"""What is left on a prepaid SIM: asked of the operator by a USSD code now and then, for pages and the alarm."""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as NothingHeard
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from modems.port import Refused, Unanswered
from modems.prepare import Modem

AGAIN = 600.0  # seconds until a question that had no answer is asked once more
ANSWERED_WITHIN = 60.0  # operators take 15 and more
_LONGEST = 160
_SHOWN = re.compile(r'\+CUSD:\s*(\d)(?:\s*,\s*"(.*)"(?:\s*,\s*(\d+))?)?', re.DOTALL)  # GSM 07.07 7.15
_UCS2 = 0x08  # of a data coding scheme, GSM 03.38 5; 0x11 is UCS-2 after two letters of a language
_MORE, _ENDED = "1", "2"
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{4})+")


class Credit:
    """`run` it while a modem is ready, and tell it what is `heard`; `said` is the newest answer."""

    log = Logger()

    def __init__(
        self,
        link: str,
        code: str,
        *,
        after: str,
        every: float,
        clock: IReactorTime,
        changed: Callable[[], None],
        within: float = ANSWERED_WITHIN,
    ) -> None:
        """Of an answer what stands after the word `after` is kept, where the figure is not the first of it."""
        self.said: str | None = None
        self._link, self._code, self._after, self._every = link, code, after, every
        self._clock, self._changed, self._within = clock, changed, within
        self._heard: Deferred[str] | None = None

    async def run(self, modem: Modem) -> None:
        while True:
            said = await self._answer(modem)
            if said is not None and said != self.said:
                self.said = said
                self._changed()
            await modem.sleep(AGAIN if said is None else self._every)

    def heard(self, line: str) -> None:
        """A line that starts with +CUSD."""
        shown = _SHOWN.match(line)
        if shown is None or self._heard is None or self._heard.called:
            return
        if not shown[2] and shown[1] == _ENDED:
            return  # "Initiating Release" without a word; some modems say it before the answer
        self._heard.callback(line)

    async def _answer(self, modem: Modem) -> str | None:
        """None when there was none; the log says why, and that is all that comes of it."""
        self._heard = Deferred()
        try:
            await modem.willing('AT+CSCS="GSM"')  # else the code would have to be said in hexadecimal
            # Some modems say what the operator answers before their OK; it is no line of theirs all the same.
            await modem.ask(f'AT+CUSD=1,"{self._code}",15', prefix="", limit=self._within)
            line = await self._heard.addTimeout(self._within, self._clock)
            if line[len("+CUSD:") :].lstrip().startswith(_MORE):
                await modem.willing("AT+CUSD=2")  # a menu that waits for a choice
        except (Refused, Unanswered, NothingHeard) as error:
            self.log.info("{link}: its credit is not known: {error}", link=self._link, error=str(error) or "no answer")
            return None
        finally:
            self._heard = None
        return read(line, self._after)


def read(line: str, after: str = "") -> str | None:
    """What the operator says, in one line."""
    shown = _SHOWN.match(line)
    if shown is None or not shown[2]:
        return None
    said, coding = shown[2], int(shown[3] or 15)
    if _HEXADECIMAL.fullmatch(said) and (coding & 0x0C == _UCS2 or coding == 0x11 or len(said) >= 16):
        said = bytes.fromhex(said).decode("utf-16-be", "replace")
    said = " ".join(said.split())
    if after and after in said:
        said = said[said.index(after) + len(after) :].strip(" :：=")
    return said[:_LONGEST] or None
