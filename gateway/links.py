"""What a link is to the gateway. An SMPP bind and a modem are two of these, and so can be any other transport."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.core.model import LinkState, Outbound, Part


class Link(Protocol):
    """A way to phones. Free of SMPP notions: an HTTP aggregator is one more package.

    A link is given a `Receiver` for all that comes in. `split` is pure. `send` fires with the operator's id of the
    part, or fails with a `SendError` that says what may be done next; it never writes before it is called and
    never writes twice.
    """

    name: str
    window: int  # parts that may be unanswered at once
    rate: float  # parts a second, 0 for no limit

    @property
    def state(self) -> LinkState: ...

    def split(self, outbound: Outbound) -> tuple[Part, ...]: ...

    def send(self, part: Part) -> Deferred[str]: ...

    def startService(self) -> object: ...

    def stopService(self) -> object: ...
