"""USSD over HTTP: a vendor posts each input and shows what we answer, if we are quick."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from config.model import UssdHttp
from gateway.api.joined import Joined
from gateway.api.metrics import Figures
from gateway.core import phone
from gateway.core.model import (
    Address,
    AddressKind,
    Channel,
    Coding,
    Event,
    Inbound,
    Lane,
    NotTaken,
    Outbound,
    Part,
)
from gateway.core.text import decode_gsm7, signed
from menus.vendors import VENDORS, Form, Vendor

SECONDS = 2.0  # networks drop a session soon after


class Ussd:
    """The steps of all vendors, through the desk like any other message."""

    log = Logger()

    def __init__(self, gateway: Joined, vendors: Mapping[str, UssdHttp], figures: Figures) -> None:
        self._gateway = gateway
        self._vendors = vendors
        self._figures = figures

    def vendor(self, name: str, path_key: str) -> Vendor | None:
        """The vendor who may post here; the key in the path is what it proves itself by."""
        known = self._vendors.get(name)
        expected = known.path_key if known is not None else ""
        right = hmac.compare_digest(expected.encode(), path_key.encode("utf-8", "replace"))
        return VENDORS.get(name) if known is not None and expected and right else None

    async def answer(self, vendor: Vendor, form: Form) -> str:
        """What to show, in the vendor's own form; raises NotUnderstood."""
        gateway = self._gateway
        dialled = vendor.read(form)
        inbound = Inbound(
            id=gateway.ids(),
            link=vendor.name,
            sender=phone.address(dialled.number, gateway.settings.organisation.country),
            recipient=Address(kind=AddressKind.SHORT, text=dialled.code),
            received=gateway.now(),
            channel=Channel.USSD,
            event=dialled.event,
            text=dialled.text,
            session=dialled.session,
            code=dialled.code,
        )
        began = gateway.reactor.seconds()
        accepted: Deferred[Part | None] = gateway.desk.accept(inbound)
        if dialled.event in (Event.CLOSE, Event.ABORT):
            accepted.addErrback(lambda failure: failure.trap(NotTaken) and None)
            return ""
        try:
            part = await self._in_time(accepted)
        except TimeoutError:
            self._figures.late += 1
            self._by_sms(accepted, inbound)
            return vendor.write(self._say("late"), False)
        except NotTaken:
            return vendor.write(self._say("busy"), False)
        finally:
            self._figures.ussd.observe(gateway.reactor.seconds() - began)
        if part is None:  # a sender who is never answered
            return vendor.write("", False)
        return vendor.write(_text(part), part.more)

    def _in_time(self, accepted: Deferred[Part | None]) -> Deferred[Part | None]:
        """Fires with the screen, or fails with TimeoutError; the desk goes on all the same."""
        first: Deferred[Part | None] = Deferred()
        limit: Deferred[None] = deferLater(self._gateway.reactor, SECONDS)

        def late(_: None) -> None:
            if not first.called:
                first.errback(TimeoutError())

        def done(result: Part | Failure | None) -> Part | Failure | None:
            if first.called:
                return result
            limit.cancel()
            if isinstance(result, Failure):
                first.errback(result)
                return None
            first.callback(result)
            return result

        limit.addCallbacks(late, lambda _: None)
        accepted.addBoth(done)
        return first

    def _by_sms(self, accepted: Deferred[Part | None], inbound: Inbound) -> None:
        """The session is over; what it would have shown was promised as an SMS."""

        async def send() -> None:
            part = await accepted
            if part is None:
                return
            organisation = self._gateway.settings.organisation
            text = signed(_text(part), organisation.signature_for(organisation.language))
            outbound = Outbound(id=self._gateway.ids(), to=inbound.sender.text, text=text, lane=Lane.ANSWER)
            # The screen's own row says what of it may be kept.
            await self._gateway.desk.submit([outbound], actor="command", sealed=True)

        def failed(failure: Failure) -> None:
            if not failure.check(NotTaken):
                self.log.failure("a late USSD screen was not sent by SMS", failure)

        Deferred.fromCoroutine(send()).addErrback(failed)

    def _say(self, key: str) -> str:
        """A text of the menus in the organisation's language: whose session it is we do not know here."""
        text: str = self._gateway.place.engine.tree.texts[key][self._gateway.place.engine.language]
        return text


def _text(part: Part) -> str:
    return decode_gsm7(part.octets) if part.coding is Coding.GSM7 else part.octets.decode("utf-16-be", "replace")
