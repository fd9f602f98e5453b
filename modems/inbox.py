"""What a modem has received: read, handed over, and deleted only when it is safe with us.

Notices are hints. A sweep of all stores finds what no notice told of, and what lay there before we came.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from itertools import pairwise

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as WaitedLongEnough
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.core.model import Address, AddressKind, Coding, Inbound, Receiver, Report, State
from modems import tpdu
from modems.at import Patience, Unsolicited
from modems.port import Refused
from modems.prepare import Identity, Modem
from modems.refusals import Remedy, meaning

ALARM_FROM = 0.8  # of a store
UNDECIDED = 2  # more readings of a PDU that makes no sense, before it is kept raw and deleted

_STORED = re.compile(r'\+(?P<kind>CMTI|CDSI):\s*"(?P<store>[A-Z]{2})"\s*,\s*(?P<index>\d+)')
_DIRECT = re.compile(r"\+(CMT|CDS):")
_LISTED = re.compile(r"\+CMGL:\s*(?P<index>\d+)")
_GONE = {"321"}  # invalid index

Addressing = Callable[[str, int | None, int | None], Address]


@dataclass(frozen=True, slots=True)
class Level:
    """How full a store is."""

    used: int
    total: int

    @property
    def alarming(self) -> bool:
        return self.total > 0 and self.used >= ALARM_FROM * self.total


class _Fate(Enum):
    SAFE = "ours now"
    KEEP = "not taken"
    NOT_OURS = "a draft or a copy that somebody left on the SIM"


class Inbox:
    """The received messages of one link, over all the modem's comings and goings."""

    log = Logger()

    def __init__(
        self,
        link: str,
        receiver: Receiver,
        *,
        new_id: Callable[[], int],
        address: Addressing,
        clock: IReactorTime,
        now: Callable[[], datetime],
        every: float,
        again: float,
    ) -> None:
        self._link, self._receiver = link, receiver
        self._new_id, self._address, self._clock, self._now = new_id, address, clock, now
        self._every, self._again = every, again
        self._identity = Identity()
        self._wanted: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._direct: deque[str] = deque()
        self._safe: set[str] = set()  # handed over, and perhaps still stored
        self._handing: dict[str, list[Deferred[_Fate]]] = {}  # on its way to the database
        self._refused = False  # the last one offered was not taken
        self._store = ""
        self._sweep_soon = False
        self._bell: Deferred[None] | None = None
        self.levels: dict[str, Level] = {}

    @property
    def alarm(self) -> str:
        """Which stores fill up, "" when none does."""
        full = [
            f"{store} holds {level.used} of {level.total}" for store, level in self.levels.items() if level.alarming
        ]
        return ", ".join(full)

    def noticed(self, notice: Unsolicited) -> None:
        """The modem tells of a message."""
        if found := _STORED.match(notice.line):
            self._wanted[found["store"], int(found["index"])] = None
            if found["kind"] == "CDSI" and "SR" in self._identity.stores:
                self._sweep_soon = True  # Quectel names another store than it keeps the report in
        elif _DIRECT.match(notice.line) and notice.body:
            self._direct.append(notice.body)
        else:
            return
        self._ring()

    async def run(self, modem: Modem, identity: Identity, swept: Callable[[], None]) -> None:
        """Read for as long as the port is there; raises `Unanswered` when it is not. `swept` after every sweep."""
        self._identity, self._store, self._sweep_soon = identity, "", True
        self._wanted.clear()
        while True:
            if await self._empty(modem, swept):
                await self._wait(self._every)
            else:
                # The database is away. What is stored stays stored, and is found again by the sweep.
                self._sweep_soon = True
                await self._wait(self._again)

    async def _wait(self, seconds: float) -> None:
        self._bell = Deferred()
        self._bell.addTimeout(seconds, self._clock)
        try:
            await self._bell
        except WaitedLongEnough:
            self._sweep_soon = True
        finally:
            self._bell = None

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.called:
            self._bell.callback(None)

    async def _empty(self, modem: Modem, swept: Callable[[], None]) -> bool:
        """Take all there is; False when something was not taken from us."""
        fine = True
        while fine and (self._direct or self._wanted or self._sweep_soon):
            if self._direct:
                fine = await self._take_direct(modem)
            elif self._wanted:
                (store, index), _ = self._wanted.popitem(last=False)
                fine = await self._fetch(modem, store, index)
            else:
                self._sweep_soon = False
                listed: set[str] = set()
                for store in self._identity.stores:
                    fine = await self._sweep(modem, store, listed) and fine
                self._safe &= listed | set(self._direct)  # what is no longer stored cannot come twice
                swept()
        return fine

    async def _take_direct(self, modem: Modem) -> bool:
        """A +CMT or +CDS: it is stored nowhere but here."""
        pdu = self._direct[0]
        if pdu not in self._safe and await self._hand_over(pdu) is _Fate.KEEP:
            return False
        self._direct.popleft()
        self._safe.discard(pdu)
        if self._identity.acknowledges and not await modem.willing("AT+CNMA", patience=Patience.ACKNOWLEDGEMENT):
            # Too late: the network sends it again, and the modem has switched its notices off (27.005 3.4.4).
            await modem.willing("AT+CNMI=" + ",".join(map(str, self._identity.notices)))
        return True

    async def _select(self, modem: Modem, store: str, patience: Patience = Patience.NONE) -> bool:
        """Make `store` the one that is read; the answer tells how full it is."""
        try:
            value = await modem.value(f'AT+CPMS="{store}"', patience=patience, limit=10.0)
        except Refused:
            return False
        self._store = store
        if level := re.match(r"(\d+),(\d+)", value):
            self.levels[store] = Level(int(level[1]), int(level[2]))
        return bool(level)

    async def _sweep(self, modem: Modem, store: str, listed: set[str]) -> bool:
        """Everything in a store; False when it could not be read or was not taken from us."""
        if await self._select(modem, store, Patience.POLL) and not self.levels[store].used:
            return True
        try:
            lines = await modem.ask("AT+CMGL=4", body_lines=1, limit=60.0, patience=Patience.POLL)
        except Refused as error:
            self.log.warn("{link}: cannot list {store}: {reason}", link=self._link, store=store, reason=str(error))
            return meaning(error.refusal).remedy is not Remedy.AGAIN
        fine = True
        for index, pdu in _listing(lines):
            listed.add(pdu)
            fine = await self._settle(modem, store, index, pdu) and fine
        await self._select(modem, store, Patience.POLL)  # how full it is now
        return fine

    async def _fetch(self, modem: Modem, store: str, index: int) -> bool:
        """One message that a notice told of."""
        pdu = await self._read(modem, store, index)
        return pdu is None or await self._settle(modem, store, index, pdu)

    async def _read(self, modem: Modem, store: str, index: int) -> str | None:
        """The PDU in a place, None when there is none."""
        if self._store != store:
            await self._select(modem, store)
        try:
            lines = await modem.ask(f"AT+CMGR={index}", body_lines=1, limit=20.0)
        except Refused as error:
            if error.refusal.text not in _GONE:
                self._sweep_soon = True
            return None
        return lines[1] if len(lines) > 1 else None  # an empty OK: it has gone already

    async def _settle(self, modem: Modem, store: str, index: int, pdu: str) -> bool:
        """Hand `pdu` over and delete it; False when it was not taken and must stay."""
        for _ in range(UNDECIDED):
            if pdu in self._safe or self._makes_sense(pdu):
                break
            again = await self._read(modem, store, index)  # perhaps only the line was disturbed
            if again is None:
                return True
            pdu = again
        if pdu not in self._safe:
            fate = await self._hand_over(pdu)
            if fate is not _Fate.SAFE:
                return fate is _Fate.NOT_OURS
        if await modem.willing(f"AT+CMGD={index}", limit=20.0):
            self._safe.discard(pdu)
        return True

    @staticmethod
    def _makes_sense(pdu: str) -> bool:
        try:
            tpdu.decode(pdu)
        except tpdu.TpduError:
            return False
        return True

    def _hand_over(self, pdu: str) -> Deferred[_Fate]:
        """Hand `pdu` over once. Who gives up waiting stops nothing: the outcome is remembered for the next reading."""
        waiting: Deferred[_Fate] = Deferred()
        if pdu in self._handing:
            self._handing[pdu].append(waiting)
        else:
            self._handing[pdu] = [waiting]
            Deferred.fromCoroutine(self._offer(pdu)).addCallback(self._offered, pdu)
        return waiting

    def _offered(self, fate: _Fate, pdu: str) -> None:
        if fate is _Fate.SAFE:
            self._safe.add(pdu)
        for waiting in self._handing.pop(pdu):
            if not waiting.called:
                waiting.callback(fate)

    async def _offer(self, pdu: str) -> _Fate:
        message = self._understood(pdu)
        if message is None:
            return _Fate.NOT_OURS
        try:
            if isinstance(message, Report):
                await self._receiver.report(message)
            else:
                await self._receiver.accept(message)
        except Exception:
            if not self._refused:  # once, however many messages wait and however often they are offered
                self.log.failure("{link}: messages are not taken and stay where they are", link=self._link)
            self._refused = True
            return _Fate.KEEP
        self._refused = False
        return _Fate.SAFE

    def _understood(self, pdu: str) -> Inbound | Report | None:
        """What a PDU says, the raw octets if nobody knows, None for a draft."""
        try:
            match tpdu.decode(pdu):
                case tpdu.Deliver() as deliver:
                    return self._inbound(deliver, pdu)
                case tpdu.StatusReport() as report:
                    return self._report(report)
                case tpdu.Submit():
                    return None
        except tpdu.TpduError as error:
            self.log.warn("{link}: a PDU that makes no sense is kept raw: {reason}", link=self._link, reason=str(error))
        except Exception:
            # Our own mistake, which would meet the same message again at every sweep.
            self.log.failure("{link}: a message that we fail to understand is kept raw", link=self._link)
        return self._raw(pdu)

    def _inbound(self, message: tpdu.Deliver, pdu: str) -> Inbound:
        text, damaged = message.data.read()
        return Inbound(
            id=self._new_id(),
            link=self._link,
            sender=self._addressed(message.sender),
            recipient=self._own(),
            received=self._now(),
            remote_id=self._remote_id(pdu),
            text=text,
            data=message.data.octets if text is None else None,
            sent_at=message.scts.astimezone(UTC) if message.scts else None,
            part=message.data.fragment,
            octets=message.data.octets,
            udh=message.data.udh,
            coding=message.data.coding,
            damaged=damaged,
        )

    def _raw(self, pdu: str) -> Inbound:
        data = _octets(pdu)
        return Inbound(
            id=self._new_id(),
            link=self._link,
            sender=Address(kind=AddressKind.UNKNOWN, text=""),
            recipient=self._own(),
            received=self._now(),
            remote_id=self._remote_id(pdu),
            data=data,
            octets=data,
            coding=Coding.BINARY,
            damaged=True,
        )

    def _report(self, report: tpdu.StatusReport) -> Report:
        fine = report.state in (State.DELIVERED, State.SENT)
        return Report(
            link=self._link,
            remote_id=str(report.reference),
            to=self._addressed(report.recipient).text,
            state=report.state,
            error=None if fine and report.status <= 2 else f"{report.status:#04x}",
            at=(report.discharge or self._now()).astimezone(UTC),
        )

    def _addressed(self, number: tpdu.Number) -> Address:
        return self._address(number.text, number.ton, number.npi)

    def _own(self) -> Address:
        number = self._identity.number
        return self._address(number, None, None) if number else Address(kind=AddressKind.UNKNOWN, text="")

    def _remote_id(self, pdu: str) -> str:
        """The same for the same message of the same SIM, however often it is read."""
        return blake2b(f"{self._identity.sim} {pdu.upper()}".encode(), digest_size=12).hexdigest()


def _listing(lines: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Places with their PDUs; one whose PDU did not come is left for the next time."""
    for header, body in pairwise(lines):
        if (place := _LISTED.match(header)) and not _LISTED.match(body):
            yield int(place["index"]), body


def _octets(pdu: str) -> bytes:
    try:
        return bytes.fromhex(pdu)
    except ValueError:
        return pdu.encode("latin-1", "replace")
