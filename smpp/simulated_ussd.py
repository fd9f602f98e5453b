"""A USSD session between a phone and an ESME, as the operator carries it: nothing is kept, and it ends when one side is
silent.

Profile "its": the first octet of its_session_info is the session, the second counts its steps and ends it
with its last bit."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from gateway.core.text import encode
from smpp import pdu, status
from smpp.pdu import Tag
from smpp.simulated_texts import message

NO_SERVICE = "no service"
SILENT = "the service does not answer"


class Operation(IntEnum):
    """ussd_service_op of SMPP 3.4 5.3.2.44, and the vendors' abort."""

    DIALLED = 0x01
    SCREEN = 0x02
    NOTICE = 0x03
    LAST_SCREEN = 0x11
    ANSWERED = 0x12
    HUNG_UP = 0x81


class Carrier(Protocol):
    """What a session asks the operator behind it."""

    ussd_timeout: float

    def carry(self, body: pdu.DeliverSm) -> Deferred[int]:
        """Hand `body` to an ESME at once, or fail."""

    def ended(self, session: UssdSession) -> None:
        """The session is over."""


class UssdSession:
    """What a phone holds while it is in a session; `shown` gets every screen and whether an answer is asked for."""

    def __init__(
        self,
        carrier: Carrier,
        clock: IReactorTime,
        *,
        number: str,
        code: str,
        session: int,
        shown: Callable[[str, bool], None],
    ) -> None:
        self.number, self.code, self.session = number, code, session
        self.open = True
        self._step = 0
        self._carrier, self._clock, self._shown = carrier, clock, shown
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        self._say(self.code, Operation.DIALLED)

    def answer(self, text: str) -> None:
        """The phone's keys; a session that is over does not hear them."""
        if self.open:
            self._say(text, Operation.ANSWERED)

    def hang_up(self) -> None:
        """The red key."""
        if self.open:
            self._say("", Operation.HUNG_UP)
            self.close("")

    def screen(self, text: str, *, more: bool) -> None:
        """The ESME's words."""
        if more:
            self._wait(lambda: self.close("", tell=True))
        else:
            self._over()
        self._shown(text, more)

    def close(self, reason: str, *, tell: bool = False) -> None:
        """End it from the network's side; the phone shows `reason`, if any. `tell` the ESME too."""
        if not self.open:
            return
        if tell:
            self._say("", Operation.HUNG_UP)
        self._over()
        if reason:
            self._shown(reason, False)

    def _say(self, text: str, operation: Operation) -> None:
        encoded = encode(text)
        last = operation is Operation.HUNG_UP
        self._step = (self._step + 1) % 128
        body = message(
            self.number,
            self.code.strip("*#").split("*")[0],  # the service's number; what was dialled is the first text
            encoded.octets,
            encoded.coding,
            tlvs=(
                (Tag.USSD_SERVICE_OP, bytes((operation,))),
                (Tag.ITS_SESSION_INFO, bytes((self.session, self._step << 1 | last))),
            ),
        )._replace(service_type="USSD")
        self._wait(lambda: self.close(SILENT, tell=True))
        self._carrier.carry(body).addCallbacks(self._taken, self._failed)

    def _taken(self, code: int) -> None:
        if code != status.OK:
            self.close(NO_SERVICE)

    def _failed(self, failure: Failure) -> None:
        self.close(NO_SERVICE)

    def _wait(self, then: Callable[[], None]) -> None:
        self._stop_waiting()
        if self.open:
            self._timer = self._clock.callLater(self._carrier.ussd_timeout, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _over(self) -> None:
        self.open = False
        self._stop_waiting()
        self._carrier.ended(self)
