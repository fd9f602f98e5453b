"""A modem as a link of the gateway: prepared, watched, read, and sent through one part at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from config import model as config
from gateway.core import text
from gateway.core.model import (
    Expired,
    Fragment,
    LinkDown,
    LinkState,
    LinkStatus,
    Outbound,
    Part,
    Receiver,
    Rejected,
    Unknown,
)
from gateway.core.tasks import Tasks
from modems import tpdu
from modems.at import Condition, Dialogue, Unsolicited
from modems.credit import Credit
from modems.inbox import Addressing, Inbox
from modems.makes import REBOOTED
from modems.pins import PinMemory, Pins
from modems.port import Candidates, Conversation, Port, Refused, Unanswered
from modems.prepare import (
    Identity,
    Modem,
    Unfit,
    Wanted,
    prepare,
    reboot,
    registered,
    restart_radio,
    service_centre,
    signal,
)
from modems.refusals import Remedy, meaning, send_error
from modems.userdata import concatenation, data_coding

BUSY_TRIES = 3
SICK = 3  # failures in a row that call for the next rung: radio off and on, then a reboot


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds."""

    submit: float = 90.0  # CMGS takes 1 to 60 s, and for ever when the credit is gone
    look: float = 30.0  # between looks at network and signal
    search: float = 5.0  # the same while there is no network
    sweep: float = 60.0
    again: float = 5.0  # until what was not taken is offered again
    busy: float = 2.0
    quiet: float = 0.6
    settle: float = 0.3
    probe: float = 2.0
    reopen: float = 1.0
    dark: float = 1.0  # for what is said to a modem that no longer answers
    mistake: float = 60.0  # until what failed by our own mistake is tried again
    stop: float = 5.0  # for the message that is just being sent
    lost_network: float = 600.0  # without network before the radio is switched off and on


class ModemLink(Service):
    """Implements gateway.links.Link.

    `power_cycle(name)` is called when a modem stays silent whatever is said to it; it may switch a USB port.
    """

    log = Logger()
    name: str

    def __init__(
        self,
        settings: config.ModemLink,
        receiver: Receiver,
        *,
        reactor: Any,
        random: Random,
        new_id: Callable[[], int],
        address: Addressing,
        pins: Pins | None = None,
        power_cycle: Callable[[str], None] | None = None,
        timing: Timing | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.name, self.window, self.rate = settings.name, settings.window, settings.rate
        self._settings, self._receiver, self._reactor = settings, receiver, reactor
        self._now = now or self._reactors_now
        self._pins, self._power_cycle, self._timing = pins or PinMemory(), power_cycle, timing or Timing()
        self._tasks = Tasks()
        self._modem: Modem | None = None
        self._session: Deferred[None] | None = None
        self._beginning: IDelayedCall | None = None
        self._sending: set[Deferred[None]] = set()
        self._failures = self._silences = self._rungs = 0
        self._no_network_since: float | None = None
        self.identity = Identity()
        self._state = LinkState(link=self.name, status=LinkStatus.DOWN, since=self._now(), detail="not started")
        self._inbox = Inbox(
            self.name,
            receiver,
            new_id=new_id,
            address=address,
            clock=reactor,
            now=self._now,
            every=self._timing.sweep,
            again=self._timing.again,
        )
        self._credit = self._asks_for_credit(settings.balance) if settings.balance else None
        device = settings.device
        self._port = Port(
            Candidates() if not device else lambda: device,
            self._conversation,
            reactor=reactor,
            random=random,
            failed=lambda reason: self._become(LinkStatus.DOWN, reason),
            first_wait=self._timing.reopen,
        )

    def _asks_for_credit(self, code: str) -> Credit:
        return Credit(
            self.name,
            code,
            after=self._settings.balance_after,
            every=self._settings.balance_every * 3600,
            clock=self._reactor,
            changed=self._renewed,
        )

    @property
    def state(self) -> LinkState:
        return self._state

    def startService(self) -> None:
        super().startService()
        self._port.startService()

    async def _stop(self) -> None:
        self._become(LinkStatus.DOWN, "being stopped")
        if self._sending:
            await DeferredList(list(self._sending), consumeErrors=True).addTimeout(self._timing.stop, self._reactor)
        self._port.stopService()
        if self._beginning is not None and self._beginning.active():
            self._beginning.cancel()
        await self._tasks.stop()
        self._become(LinkStatus.DOWN, "stopped")

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    # Out

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        return split(outbound)

    def send(self, part: Part) -> Deferred[str]:
        """Fires with the TP-MR the modem gave the part, as in its status report."""
        sending = Deferred.fromCoroutine(self._send(part))
        if not sending.called:
            ended: Deferred[None] = Deferred()
            self._sending.add(ended)
            sending.addBoth(self._sent, ended)
        return sending

    def _sent(self, result: Any, ended: Deferred[None]) -> Any:
        self._sending.discard(ended)
        ended.callback(None)
        return result

    async def _send(self, part: Part) -> str:
        if self._modem is None or self._state.status is not LinkStatus.READY:
            raise LinkDown(self._state.detail or "the modem is not ready")
        if part.expires is not None and part.expires <= self._now():
            raise Expired("its time was over before the modem was free")
        try:
            octets = tpdu.encode(self._submit(part))
        except tpdu.TpduError as error:
            raise Rejected(str(error)) from error
        reference = await self._submitted(self._modem, octets, BUSY_TRIES)
        self._failures = self._rungs = 0
        return reference

    async def _submitted(self, modem: Modem, octets: bytes, tries: int) -> str:
        command = f"AT+CMGS={tpdu.tpdu_length(octets)}"
        try:
            lines = await modem.ask(command, payload=octets.hex().upper(), limit=self._timing.submit)
        except Refused as error:
            known = meaning(error.refusal)
            if tries > 1 and await self._remedied(modem, known.remedy):
                return await self._submitted(modem, octets, tries - 1)
            self._suffered(known.remedy)
            raise send_error(error.refusal) from error
        except Unanswered as error:
            self._suffered(Remedy.COUNT)
            if error.written:
                raise Unknown(f"{error}, after the message was written") from error
            raise LinkDown(str(error)) from error
        except CancelledError as error:
            raise Unknown("the link was stopped while the message was being sent") from error
        # `+CMGS: 7` and, with AT+CSMS=1, `+CMGS: 7,"scts"`.
        return lines[0].partition(":")[2].partition(",")[0].strip() if lines else ""

    async def _remedied(self, modem: Modem, remedy: Remedy) -> bool:
        """Whether something was done that makes another try worth while; nothing was sent when it was refused."""
        match remedy:
            case Remedy.AGAIN:
                await modem.pause()
                return True
            case Remedy.PDU_MODE:
                return await modem.willing("AT+CMGF=0")
            case Remedy.SMSC:
                return bool(self._settings.smsc) and bool(await service_centre(modem, self._settings.smsc or ""))
        return False

    def _suffered(self, remedy: Remedy) -> None:
        if remedy is Remedy.PREPARE:
            self._begin()
        elif remedy is Remedy.COUNT:
            self._failures += 1
            if self._failures >= SICK:
                self._begin(cure=True)

    def _submit(self, part: Part) -> tpdu.Submit:
        validity = None if part.expires is None else part.expires - self._now()
        return tpdu.Submit(
            recipient=tpdu.Number.of(part.to),
            data=tpdu.UserData(octets=part.octets, dcs=data_coding(part.coding), udh=part.udh),
            validity=validity,
            report=part.report,
        )

    # The port

    def _conversation(self) -> Conversation:
        conversation = Conversation(
            self._reactor,
            dialogue=Dialogue(quiet=self._timing.quiet, settle=self._timing.settle, probe_limit=self._timing.probe),
            opened=lambda: self._opened(conversation),
            noticed=self._noticed,
            condition=self._condition,
            lost=self._lost,
        )
        return conversation

    def _opened(self, conversation: Conversation) -> None:
        self._modem = Modem(conversation, self._sleep, pause=self._timing.busy)
        self._begin()

    def _lost(self, reason: str) -> None:
        self._modem = None
        self._begin()  # which ends the session, there being no modem
        self._become(LinkStatus.DOWN, self._silent if self._silences else reason)

    def _condition(self, condition: Condition) -> None:
        if condition is Condition.RECOVERED:
            self._silences = 0
            self._port.steady()
            return
        self._silences += 1
        self.log.warn("{link}: the modem does not answer", link=self.name)
        if self._modem is not None:
            self._become(LinkStatus.DOWN, self._silent)
            self._tasks.start(self._give_up(self._modem))

    async def _give_up(self, modem: Modem) -> None:
        """A reboot said into the dark, then a fresh port; from the second time on the power as well."""
        modem.conversation.say_blindly("AT+CFUN=1,1")
        await modem.sleep(self._timing.dark)
        if self._silences > 1 and self._power_cycle is not None:
            self._power_cycle(self.name)
        if self._modem is modem:
            self._port.hang_up(self._silent)

    @property
    def _silent(self) -> str:
        return f"the modem does not answer, for the {self._silences}. time"

    def _noticed(self, notice: Unsolicited) -> None:
        if notice.line in REBOOTED and self._modem is not None:
            self.log.warn("{link}: the modem has rebooted", link=self.name)
            self._begin()
            self._modem.conversation.restart()
        elif self._credit is not None and notice.line.startswith("+CUSD:"):
            self._credit.heard(notice.line)
        else:
            self._inbox.noticed(notice)

    # From an open port to READY, and staying there

    def _begin(self, *, cure: bool = False) -> None:
        """Prepare the modem again, from a fresh call: whoever asks may be in the middle of the present session."""
        if self._beginning is not None and self._beginning.active():
            self._beginning.cancel()
        if self._modem is not None:
            self._become(LinkStatus.CONNECTING, "being prepared")
        self._beginning = self._reactor.callLater(0, self._start_session, cure)

    def _start_session(self, cure: bool) -> None:
        if self._session is not None:
            self._session.cancel()
            self._session = None
        if self._modem is not None:
            self._session = self._tasks.start(self._work(self._modem, cure))

    async def _work(self, modem: Modem, cure: bool) -> None:
        beside: list[Deferred[None]] = []
        try:
            if cure:
                await self._cure(modem)
            while not await self._prepared(modem):
                pass
            beside.append(self._tasks.start(self._read(modem)))
            if self._credit is not None:
                beside.append(self._tasks.start(self._ask_for_credit(modem, self._credit)))
            await self._watch(modem)
        except Unanswered as error:
            self.log.info("{link}: {reason}", link=self.name, reason=str(error))
        except CancelledError:
            raise
        except Exception:
            self.log.failure("{link}: a mistake of ours; the modem is prepared again", link=self.name)
            self._become(LinkStatus.DOWN, "a mistake of ours, see the log")
            await modem.sleep(self._timing.mistake)
            self._begin()
        finally:
            for task in beside:
                task.cancel()

    async def _prepared(self, modem: Modem) -> bool:
        settings = self._settings
        wanted = Wanted(imei=settings.imei or "", pin=settings.pin or "", smsc=settings.smsc or "")
        self._become(LinkStatus.CONNECTING, "being prepared")
        try:
            self.identity = await prepare(modem, wanted, self._pins)
        except Unfit as error:
            self._become(LinkStatus.DOWN, str(error))
            if error.stranger and not settings.device:
                self._port.hang_up(str(error))
            await modem.sleep(error.again)
            return False
        except Unanswered as error:
            if not modem.conversation.connected_to_modem:
                raise
            self._become(LinkStatus.DOWN, f"{error} while being prepared")
            await modem.sleep(self._timing.again)
            return False
        return True

    async def _read(self, modem: Modem) -> None:
        while True:
            try:
                await self._inbox.run(modem, self.identity, self._renewed)
            except Unanswered as error:
                if not modem.conversation.connected_to_modem:
                    return
                self.log.warn("{link}: reading stopped: {reason}", link=self.name, reason=str(error))
                self._suffered(Remedy.COUNT)
            except CancelledError:
                raise
            except Exception:
                self.log.failure("{link}: reading stopped by a mistake of ours", link=self.name)
                await modem.sleep(self._timing.mistake)
            await modem.sleep(self._timing.again)

    async def _ask_for_credit(self, modem: Modem, credit: Credit) -> None:
        """Once there is a network."""
        while self._state.status is not LinkStatus.READY:
            await modem.sleep(self._timing.search)
        await credit.run(modem)

    async def _watch(self, modem: Modem) -> None:
        """Keep network and signal in the state for as long as the port is open."""
        while True:
            try:
                there, strength = await registered(modem), await signal(modem)
            except Unanswered:
                if not modem.conversation.connected_to_modem:
                    raise
                self._suffered(Remedy.COUNT)
                await modem.sleep(self._timing.search)
                continue
            self._network(there, strength)
            await modem.sleep(self._timing.look if there else self._timing.search)

    def _network(self, there: bool, strength: int | None) -> None:
        if there:
            self._no_network_since = None
            self._become(LinkStatus.READY, self._inbox.alarm, strength)
            return
        self._become(LinkStatus.CONNECTING, "no network", strength)
        now = self._reactor.seconds()
        self._no_network_since = self._no_network_since or now
        if now - self._no_network_since >= self._timing.lost_network:
            self._no_network_since = None
            self._begin(cure=True)

    async def _cure(self, modem: Modem) -> None:
        """The next rung of the ladder; what is above the last one is `_condition`'s."""
        self._failures = 0
        self._rungs += 1
        if self._rungs == 1:
            self._become(LinkStatus.CONNECTING, "radio off and on")
            await restart_radio(modem)
        else:
            self._become(LinkStatus.CONNECTING, "the modem is rebooted")
            await reboot(modem)
            await modem.sleep(self._timing.again)

    def _renewed(self) -> None:
        """A sweep has told how full the stores are, or the operator how much credit is left."""
        if self._state.status is LinkStatus.READY:
            self._become(LinkStatus.READY, self._inbox.alarm, self._state.signal)

    def _become(self, status: LinkStatus, detail: str = "", strength: int | None = None) -> None:
        old, credit = self._state, self._credit.said if self._credit is not None else None
        if (old.status, old.detail, old.signal, old.balance) == (status, detail, strength, credit):
            return
        since = old.since if old.status is status else self._now()
        self._state = LinkState(
            link=self.name, status=status, since=since, detail=detail, signal=strength, balance=credit
        )
        self._receiver.changed(self._state)

    def _reactors_now(self) -> datetime:
        return datetime.fromtimestamp(self._reactor.seconds(), UTC)

    def _sleep(self, seconds: float) -> Awaitable[None]:
        return deferLater(self._reactor, seconds)


def split(outbound: Outbound) -> tuple[Part, ...]:
    """The parts of a message, with 16-bit references when there are several."""
    reference = outbound.id & 0xFFFF
    cut = text.segments(outbound.text, header=7)
    total = len(cut.parts)

    def header(number: int) -> bytes:
        return concatenation(Fragment(reference=reference, total=total, number=number, bits=16)) if total > 1 else b""

    return tuple(
        Part(
            outbound=outbound.id,
            number=number,
            total=total,
            reference=reference,
            octets=octets,
            coding=cut.coding,
            to=outbound.to,
            sender=outbound.sender,
            udh=header(number),
            expires=outbound.expires,
            lane=outbound.lane,
            notice=outbound.notice,
        )
        for number, octets in enumerate(cut.parts, start=1)
    )
