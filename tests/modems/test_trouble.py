"""A link and a modem on a real terminal: what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.core.model import (
    LinkDown,
    LinkStatus,
    Rejected,
    Unknown,
)
from modems.pins import PinFile, PinMemory
from tests.modems.rig import ModemTest, outbound, quick


class Trouble(ModemTest):
    async def test_unplugged_while_the_text_goes_out(self) -> None:
        """The fate of the message is unknown; the port comes back by its stable name."""
        self.behaviour.lose_submits = 1
        link = await self.ready()
        (part,) = link.split(outbound())
        seen: list[LinkStatus] = []

        def look(failure: Failure) -> Failure:
            seen.append(link.state.status)
            return failure

        sending = link.send(part).addErrback(look)
        await self.until(lambda: self.modem.emulator.sent)
        self.modem.unplug()
        await self.fails(sending, Unknown)
        assert seen == [LinkStatus.DOWN]  # who hears of the failure does not try this link again at once
        await self.until(lambda: link.state.status is LinkStatus.DOWN)
        self.modem.receive("+8613800000001", "DUES")
        self.modem.plug()
        await self.until(lambda: link.state.status is LinkStatus.READY)
        assert await link.send(link.split(outbound("next"))[0]) == "2"
        await self.until(lambda: self.desk.texts == ["DUES"])

    async def test_unplugged_before_the_prompt(self) -> None:
        self.behaviour.no_prompt = True
        link = await self.ready()
        sending = link.send(link.split(outbound())[0])
        await self.until(lambda: self.heard[-1].startswith("AT+CMGS"))
        self.modem.unplug()
        await self.fails(sending, LinkDown)
        assert not self.modem.emulator.sent

    async def fails(self, sending: Deferred[str], error: type[Exception]) -> None:
        try:
            await sending
        except error:
            return
        raise AssertionError(f"{error.__name__} expected")

    async def test_hung_and_back(self) -> None:
        cycled: list[str] = []
        link = await self.ready(power_cycle=cycled.append)
        self.behaviour.stuck = True
        await self.until(lambda: link.state.status is LinkStatus.DOWN and "does not answer" in link.state.detail)
        await self.until(lambda: cycled)
        self.modem.receive("+8613800000001", "waiting on the SIM")
        self.behaviour.stuck = False
        self.modem.emulator.power_on()
        await self.until(lambda: link.state.status is LinkStatus.READY)
        await self.until(lambda: self.desk.texts == ["waiting on the SIM"] and not self.stored)

    async def test_frozen_until_rebooted(self) -> None:
        link = await self.ready()
        self.behaviour.frozen = True
        await self.until(lambda: link.state.status is LinkStatus.DOWN)
        await self.until(lambda: link.state.status is LinkStatus.READY)
        assert "AT+CFUN=1,1" in self.heard

    async def test_a_modem_that_takes_no_octets_does_not_block(self) -> None:
        link = await self.ready()
        self.modem.stop_reading()
        await self.until(lambda: link.state.status is LinkStatus.DOWN)
        worst, last = 0.0, self.reactor.seconds()
        for _ in range(30):
            await self.sleep(0.01)
            worst, last = max(worst, self.reactor.seconds() - last), self.reactor.seconds()
        assert worst < 1.0

    async def test_a_reboot_in_the_middle(self) -> None:
        link = await self.ready()
        before = self.heard.count("AT+CMGF=0")
        self.modem.emulator.power_on()
        self.modem.emulator.say("RDY")
        await self.until(lambda: self.heard.count("AT+CMGF=0") > before)
        await self.until(lambda: link.state.status is LinkStatus.READY)
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.texts == ["DUES"])

    async def test_the_ladder(self) -> None:
        """Three failures of the radio in a row: off and on. Three more: a reboot."""
        link = await self.ready()
        for cure in ("AT+CFUN=4", "AT+CFUN=1,1"):
            self.behaviour.errors["+CMGS"] = ["+CMS ERROR: 500"] * 3
            for _ in range(3):
                await self.fails(link.send(link.split(outbound())[0]), Rejected)
            await self.until(partial(self.was_heard, cure))
            await self.until(lambda: link.state.status is LinkStatus.READY)
        assert (await link.send(link.split(outbound())[0])).isdecimal()

    async def test_the_network_goes_and_comes(self) -> None:
        link = await self.ready(timing=quick(lost_network=0.3))
        assert link.state.signal == -73
        self.behaviour.registration = 2
        await self.until(lambda: link.state.detail == "no network")
        await self.until(lambda: "AT+CFUN=4" in self.heard)
        self.behaviour.registration = 1
        await self.until(lambda: link.state.status is LinkStatus.READY)

    async def test_no_sim(self) -> None:
        self.change(sim=False, verbose_errors=True)
        link = self.link()
        await self.until(lambda: link.state.detail == "no SIM card")
        assert link.state.status is LinkStatus.DOWN

    async def test_a_wrong_pin_is_typed_once_and_never_again(self) -> None:
        memory = self.fresh_folder() / "pins.json"
        self.change(pin="1234")
        for _ in range(3):
            link = self.link(pin="0000", pins=PinFile(memory))
            await self.until(partial(self.has_detail, link, "PIN"))
            await link.stopService()
            self.modem.emulator.power_on()
        assert [line for line in self.heard if line.startswith("AT+CPIN=")] == ['AT+CPIN="0000"']
        assert self.behaviour.pin_tries == 2
        link = self.link(pin="1234", pins=PinFile(memory))
        await self.until(lambda: link.state.status is LinkStatus.READY)
        assert PinFile(memory)._read() == {}

    async def test_no_pin_is_tried_without_a_memory(self) -> None:
        self.change(pin="1234")
        link = self.link(pin="1234", pins=PinFile(self.fresh_folder() / "missing" / "pins.json"))
        await self.until(lambda: "cannot be written" in link.state.detail)
        assert not [line for line in self.heard if line.startswith("AT+CPIN=")]
        damaged = self.fresh_folder() / "pins.json"
        damaged.write_text("[")
        second = self.link(name="second", pin="1234", pins=PinFile(damaged))
        await link.stopService()
        await self.until(lambda: "cannot be read" in second.state.detail)
        assert self.behaviour.pin_tries == 3

    async def test_a_mistake_of_ours_does_not_end_a_link(self) -> None:
        link = self.link()
        link._pins = None  # type: ignore[assignment]  # the mistake
        self.change(pin="1234")
        link._settings = replace(link._settings, pin="1234")
        await self.until(lambda: "a mistake of ours" in link.state.detail)
        link._pins = PinMemory()
        await self.until(lambda: link.state.status is LinkStatus.READY)
        assert self.flushLoggedErrors(AttributeError)

    async def test_nothing_is_typed_into_a_puk(self) -> None:
        self.change(pin="1234", pin_tries=0)
        link = self.link(pin="1234")
        await self.until(lambda: link.state.detail == "the SIM asks for SIM PUK")
        assert not [line for line in self.heard if line.startswith("AT+CPIN=")]

    async def test_the_right_pin(self) -> None:
        self.change(pin="1234", unfinished_pin=True)
        await self.ready(pin="1234")

    async def test_another_modem_than_configured(self) -> None:
        link = self.link(imei="356938035643809")
        await self.until(lambda: "is here, not 356938035643809" in link.state.detail)

    async def test_two_links_do_not_share_a_port(self) -> None:
        await self.ready()
        second = self.link(name="second")
        await self.until(lambda: "in use by another program" in second.state.detail)

    async def test_no_device(self) -> None:
        link = self.link(device="/dev/does-not-exist")
        await self.until(lambda: "cannot open" in link.state.detail)

    async def test_a_slow_sim(self) -> None:
        """SMS commands fail until the SIM is awake."""
        self.behaviour.errors["+CMGF"] = ["+CMS ERROR: 515"]
        self.behaviour.errors["+CPIN"] = ["+CME ERROR: 14"]
        await self.ready()

    async def test_stopped_while_sending(self) -> None:
        """What the modem answers in time is not left unknown."""
        self.behaviour.delays["+CMGS"] = 0.3
        link = await self.ready()
        sending = link.send(link.split(outbound())[0])
        await self.until(lambda: self.modem.emulator.sent)
        await link.stopService()
        assert await sending == "1"

    async def test_stopped_while_a_modem_sends_for_ever(self) -> None:
        self.behaviour.lose_submits = 1
        link = await self.ready(timing=quick(submit=60.0, stop=0.1))
        sending = link.send(link.split(outbound())[0])
        await self.until(lambda: self.modem.emulator.sent)
        await link.stopService()
        await self.fails(sending, Unknown)

    async def test_prepared_again_while_the_database_is_slow(self) -> None:
        """The modem reboots before the commit: it is handed over once, and deleted after all."""
        self.desk.hold = Deferred()
        await self.ready()
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.offered)
        self.modem.emulator.power_on()
        self.modem.emulator.say("RDY")
        await self.until(lambda: self.heard.count("AT+CMGL=4") == 1)
        await self.sleep(0.2)
        self.desk.hold.callback(None)
        await self.until(lambda: not self.stored)
        assert (self.desk.offered, self.desk.texts) == (1, ["DUES"])

    async def test_a_radio_left_off(self) -> None:
        self.modem.emulator.function = 4
        await self.ready()
        assert "AT+CFUN=1" in self.heard

    async def test_stopped_for_good(self) -> None:
        link = await self.ready()
        await link.stopService()
        assert link.state.status is LinkStatus.DOWN
        heard = len(self.heard)
        self.modem.receive("+8613800000001", "DUES")
        await self.sleep(0.3)
        assert len(self.heard) == heard
        assert self.stored == 1
