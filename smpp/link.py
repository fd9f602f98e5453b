"""An SMPP operator as the gateway sees it: parts out, messages and delivery reports in, over one or several binds."""

from __future__ import annotations

import random as randomness
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.endpoints import clientFromString
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure

from config import model as settings_model
from gateway.core.model import (
    Address,
    Busy,
    Channel,
    Event,
    Inbound,
    LinkDown,
    LinkState,
    LinkStatus,
    NotTaken,
    Outbound,
    Part,
    Receiver,
    Rejected,
    Report,
    SendError,
    State,
    Throttled,
    Unknown,
)
from smpp import content, pdu, receipt, status, ussd
from smpp.bind import Bind, Connection
from smpp.receipt import MessageIds
from smpp.session import Answered, Asked, Timing, Unanswered
from smpp.submit import split, submit

_HELLO: Final[dict[str, type[pdu.Bind]]] = {
    "transmitter": pdu.BindTransmitter,
    "receiver": pdu.BindReceiver,
    "transceiver": pdu.BindTransceiver,
}
_CALM = 5.0  # seconds without 0x58 until a link no longer counts as throttled
_SESSIONS = 10_000  # USSD sessions whose number is kept for answers that come later


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SmppLink(Service):
    """See `gateway.links.Link`. `address` reads an operator's address given its type and plan of numbering."""

    log = Logger()
    name: str

    def __init__(
        self,
        settings: settings_model.SmppLink,
        receiver: Receiver,
        reactor: IReactorTime,
        random: randomness.Random,
        new_id: Callable[[], int],
        address: Callable[[str, int | None, int | None], Address],
        *,
        now: Callable[[], datetime] = _utc_now,
        endpoint: Callable[[], IStreamClientEndpoint] | None = None,
    ) -> None:
        self.name = settings.name
        self.rate = settings.rate
        self._each = 0 if settings.bind == "receiver" else settings.window
        self.window = self._each * settings.binds
        self._settings = settings
        self._receiver = receiver
        self._reactor = reactor
        self._new_id = new_id
        self._address = address
        self._now = now
        self._ids = cast(MessageIds, settings.message_ids)
        self._latin = settings.default_alphabet == "latin1"
        self._profile = ussd.PROFILES[settings.ussd] if settings.ussd else None
        self._sessions: OrderedDict[str, tuple[pdu.Message, ussd.Step]] = OrderedDict()
        self._state = LinkState(link=self.name, status=LinkStatus.DOWN, since=now(), detail="not started")
        self._calm: IDelayedCall | None = None
        timing = Timing(
            enquire_every=settings.enquire_every,
            enquire_timeout=min(Timing().enquire_timeout, settings.enquire_every),
            response_timeout=settings.response_timeout,
        )
        hello = _HELLO[settings.bind](
            system_id=settings.system_id, password=settings.password, system_type=settings.system_type
        )
        pdu.encode(hello, 1)  # what does not fit shall be known now
        connect = endpoint or (lambda: clientFromString(reactor, settings.endpoint))
        self._binds = [Bind(self, connect, hello, timing, reactor, random) for _ in range(settings.binds)]

    @property
    def state(self) -> LinkState:
        return self._state

    def startService(self) -> None:
        super().startService()
        for bind in self._binds:
            bind.start()

    def stopService(self) -> Deferred[Any]:
        """Wait for what is under way (5 s at most), unbind, close."""
        super().stopService()
        if self._calm is not None:
            self._calm.cancel()
            self._calm = None
        return DeferredList([bind.stop() for bind in self._binds])

    def split(self, outbound: Outbound) -> tuple[Part, ...]:
        return split(outbound, self._settings.long, latin=self._latin)

    def send(self, part: Part) -> Deferred[str]:
        """Write `part` in this turn of the reactor; fires with the operator's id."""
        return self._send(part, self._least_busy())

    def _send(self, part: Part, connection: Connection | None) -> Deferred[str]:
        if connection is None:
            return fail(LinkDown(self._state.detail or "not bound"))
        done: Deferred[str] = Deferred()
        try:
            body = submit(
                part,
                source=self._settings.source,
                report=self._settings.reports,
                now=self._now(),
                latin=self._latin,
            )
            if part.channel is Channel.USSD:
                body = self._screen(part, body)
            connection.ask(body, done)
        except SendError as error:
            return fail(error)
        except pdu.PduError as error:
            return fail(Rejected(error.reason, code=error.status))
        return done

    # --- what a bind says -------------------------------------------------------------------------------------

    def answered(self, answer: Answered) -> None:
        """A submit_sm was answered."""
        done, code, body = answer
        if code == status.OK and isinstance(body, pdu.MessageResp):
            done.callback(receipt.normal(body.message_id, self._ids, receipt=False))
            return
        error = status.nacked(code) if isinstance(body, pdu.GenericNack) else status.error(code)
        if isinstance(error, Throttled):
            self._throttled(error)
        done.errback(Failure(error))

    def unanswered(self, lost: Unanswered) -> None:
        lost.context.errback(Failure(Unknown(lost.reason)))

    def asked(self, connection: Connection, question: Asked) -> None:
        """A message or a receipt came in: it is answered once it is safe with us."""
        sequence, body = question
        try:
            if receipt.is_receipt(body.esm_class):
                done: Deferred[Any] = self._report(body)
            else:
                done = self._accept(connection, body)
        except Exception:
            done = fail(Failure())
        done.addCallbacks(
            self._taken, self._not_taken, (connection, sequence, body), {}, (connection, sequence, body), {}
        )

    def moved(self) -> None:
        """A bind came up or went down."""
        bound = [bind for bind in self._binds if bind.connection is not None]
        total = len(self._binds)
        self.window = self._each * (len(bound) or total)  # the operator gives each connection its own
        detail = "; ".join(dict.fromkeys(bind.detail for bind in self._binds if bind not in bound))
        if bound:
            if total > 1:
                detail = f"{len(bound)} of {total} binds" + (f"; {detail}" if detail else "")
            self._become(LinkStatus.THROTTLED if self._calm is not None else LinkStatus.READY, detail)
        elif any(bind.tries for bind in self._binds):
            self._become(LinkStatus.CONNECTING, detail)
        else:
            self._become(LinkStatus.DOWN, detail)

    # --- in ---------------------------------------------------------------------------------------------------

    def _accept(self, connection: Connection, body: pdu.Message | pdu.DataSm) -> Deferred[Any]:
        found = content.read(body, latin=self._latin)
        step = None
        if self._profile is not None and isinstance(body, pdu.Message):
            step = ussd.step(body, found.text, self._profile)
        inbound = Inbound(
            id=self._new_id(),
            link=self.name,
            sender=self._address(body.source_addr, body.source_addr_ton, body.source_addr_npi),
            recipient=self._address(body.destination_addr, body.dest_addr_ton, body.dest_addr_npi),
            received=self._now(),
            channel=Channel.SMS if step is None else Channel.USSD,
            event=Event.MESSAGE if step is None else step.event,
            text=found.text,
            data=found.data,
            session=None if step is None else step.session,
            code=None if step is None else step.code,
            part=found.part,
            octets=found.octets,
            udh=found.udh,
            coding=found.coding,
            damaged=found.damaged,
            trusted=self._settings.trusted_msisdn,
        )
        if step is not None and isinstance(body, pdu.Message):
            self._remember(body, step)
        return _deferred(self._receiver.accept(inbound))

    def _report(self, body: pdu.Message | pdu.DataSm) -> Deferred[Any]:
        found = receipt.parse(body, self._ids)
        if found is None:
            self.log.warn("{link}: a receipt without an id", link=self.name)
            done: Deferred[Any] = Deferred()
            done.callback(None)
            return done
        report = Report(
            link=self.name,
            remote_id=found.remote_id,
            to=self._address(body.source_addr, body.source_addr_ton, body.source_addr_npi).text,
            state=found.state or State.SENT,
            error=found.error,
            at=self._now(),
        )
        return _deferred(self._receiver.report(report))

    def _taken(
        self, screen: Part | None, connection: Connection, sequence: int, body: pdu.Message | pdu.DataSm
    ) -> None:
        connection.answer(sequence, _response(body))
        if screen is not None:
            same = connection if connection.session.transmits else self._least_busy()
            self._send(screen, same).addErrback(self._screen_lost)

    def _not_taken(
        self, failure: Failure, connection: Connection, sequence: int, body: pdu.Message | pdu.DataSm
    ) -> None:
        busy = failure.check(Busy) is not None
        if not failure.check(NotTaken):
            self.log.failure("{link}: not taken, the operator will send it again", failure, link=self.name)
        connection.answer(sequence, _response(body), status.THROTTLED if busy else status.TRY_AGAIN)

    # --- USSD -------------------------------------------------------------------------------------------------

    def _remember(self, body: pdu.Message, step: ussd.Step) -> None:
        if step.event in (Event.CLOSE, Event.ABORT):
            self._sessions.pop(step.session, None)
            return
        self._sessions[step.session] = (body, step)
        self._sessions.move_to_end(step.session)
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)

    def _screen(self, part: Part, body: pdu.SubmitSm) -> pdu.SubmitSm:
        known = self._sessions.get(part.session or "")
        if known is None or self._profile is None:
            raise Rejected("the session is over")
        if not part.more:
            del self._sessions[part.session or ""]
        question, step = known
        return ussd.answer(body, question, step, self._profile, more=part.more)

    def _screen_lost(self, failure: Failure) -> None:
        """A screen is never sent again: whoever dialled sees the session end and dials again."""
        failure.trap(SendError)
        self.log.warn("{link}: a screen was not taken: {reason}", link=self.name, reason=failure.getErrorMessage())

    # --- state ------------------------------------------------------------------------------------------------

    def _least_busy(self) -> Connection | None:
        best = None
        for bind in self._binds:
            connection = bind.connection
            if (
                connection is not None
                and connection.session.transmits
                and (best is None or connection.session.unanswered < best.session.unanswered)
            ):
                best = connection
        return best

    def _throttled(self, error: Throttled) -> None:
        if self._calm is not None:
            self._calm.reset(_CALM)
            return
        self._calm = self._reactor.callLater(_CALM, self._calmed)
        self._become(LinkStatus.THROTTLED, error.reason)

    def _calmed(self) -> None:
        self._calm = None
        self.moved()

    def _become(self, now: LinkStatus, detail: str) -> None:
        if now is self._state.status and detail == self._state.detail:
            return
        since = self._state.since if now is self._state.status else self._now()
        self._state = LinkState(link=self.name, status=now, since=since, detail=detail)
        self._receiver.changed(self._state)


def _response(body: pdu.Message | pdu.DataSm) -> pdu.Body:
    return _DELIVERED if isinstance(body, pdu.DeliverSm) else pdu.DataSmResp()


_DELIVERED = pdu.DeliverSmResp()


def _deferred(result: Awaitable[Any]) -> Deferred[Any]:
    if isinstance(result, Deferred):
        return result
    return Deferred.fromCoroutine(cast(Any, result))
