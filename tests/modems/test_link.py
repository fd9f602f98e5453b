"""A link and a modem on a real terminal: what comes in, what goes out, and what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.core.model import (
    Address,
    AddressKind,
    Expired,
    LinkDown,
    LinkStatus,
    Rejected,
    State,
    Unknown,
)
from gateway.core.text import decode_ucs2
from modems import tpdu
from modems.emulated import Stored
from modems.link import ModemLink, Timing, split
from modems.pins import PinFile, PinMemory
from tests.modems.rig import QUICK, ModemTest, outbound


def replace_timing(**changes: Any) -> Timing:
    return replace(QUICK, **changes)


class Coming(ModemTest):
    async def test_stored_before_the_start(self) -> None:
        self.modem.receive("+8613800000001", "DUES")
        await self.ready()
        await self.until(lambda: self.desk.accepted)
        message = self.desk.accepted[0]
        assert (message.text, message.sender.text, message.sender.kind) == ("DUES", "+8613800000001", AddressKind.E164)
        assert message.sent_at is not None
        assert abs(message.sent_at - datetime.now(UTC)) < timedelta(minutes=5)
        await self.until(lambda: not self.stored)

    async def test_a_storm_loses_none(self) -> None:
        await self.ready()
        for number in range(30):
            self.modem.receive("+8613800000001", f"text {number}")
        await self.until(lambda: len(self.desk.accepted) == 30 and not self.stored)
        assert sorted(self.desk.texts, key=str) == sorted((f"text {n}" for n in range(30)), key=str)

    async def test_what_no_notice_told_of_is_swept(self) -> None:
        link = await self.ready(timing=replace_timing(sweep=0.2))
        self.modem.emulator.notices[1] = 0
        self.modem.receive("+8613800000001", "unheard")
        await self.until(lambda: self.desk.texts == ["unheard"] and not self.stored)
        assert link.state.status is LinkStatus.READY

    async def test_both_stores_are_swept(self) -> None:
        self.modem.receive("+8613800000001", "on the SIM")
        stores = self.modem.emulator.stores
        stores["ME"][7] = stores["SM"].pop(1)
        self.modem.receive("+8613800000002", "other")
        await self.ready()
        await self.until(lambda: len(self.desk.accepted) == 2 and not self.stored)

    async def test_deleted_only_after_it_is_safe(self) -> None:
        self.desk.hold = Deferred()
        await self.ready()
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.offered)
        await self.sleep(0.2)
        assert self.stored == 1
        assert not [line for line in self.heard if line.startswith("AT+CMGD")]
        self.desk.hold.callback(None)
        await self.until(lambda: not self.stored)

    async def test_what_is_not_taken_stays_and_comes_again(self) -> None:
        self.desk.refuse = 3
        await self.ready()
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.texts == ["DUES"] and not self.stored)
        assert self.desk.offered == 4
        assert len(self.flushLoggedErrors(OSError)) == 1  # once is enough to say

    async def test_a_delete_that_fails_does_not_hand_over_twice(self) -> None:
        self.behaviour.errors["+CMGD"] = ["+CMS ERROR: 500"]
        await self.ready(timing=replace_timing(sweep=0.2))
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.accepted and not self.stored)
        assert self.desk.offered == 1

    async def test_the_same_message_has_the_same_remote_id(self) -> None:
        sent_at = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
        await self.ready()
        for text in ("DUES", "DUES", "HELP"):
            self.modem.emulator.receive("+8613800000001", text, sent_at=sent_at)
        await self.until(lambda: len(self.desk.accepted) == 3)
        first, second, third = (message.remote_id for message in self.desk.accepted)
        assert first == second != third

    async def test_a_long_one_comes_in_parts(self) -> None:
        await self.ready()
        self.modem.receive("+8613800000001", "长" * 100)
        await self.until(lambda: len(self.desk.accepted) == 2 and not self.stored)
        parts = [message.part for message in self.desk.accepted]
        assert [(part.number, part.total) for part in parts if part] == [(1, 2), (2, 2)]
        assert "".join(decode_ucs2(message.octets)[0] for message in self.desk.accepted) == "长" * 100

    async def test_what_makes_no_sense_is_kept_raw(self) -> None:
        await self.ready()
        pdu = bytes.fromhex("0791448720003023240DD0E474")
        self.modem.emulator.receive_pdu(pdu)
        self.modem.receive("+8613800000001", "after it")
        await self.until(lambda: len(self.desk.accepted) == 2 and not self.stored)
        raw = self.desk.accepted[0]
        assert (raw.text, raw.data, raw.damaged) == (None, pdu, True)
        assert self.desk.texts[1] == "after it"

    async def test_what_only_we_cannot_understand_is_kept_raw_too(self) -> None:
        """Our own mistake must not leave a message on the modem for ever."""
        link = await self.ready()

        def mistaken(text: str, ton: int | None, npi: int | None) -> Address:
            raise KeyError(text)

        link._inbox._address = mistaken
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.accepted and not self.stored)
        assert (self.desk.accepted[0].text, self.desk.accepted[0].damaged) == (None, True)
        assert len(self.flushLoggedErrors(KeyError)) == 1

    async def test_a_disturbed_line_is_read_again(self) -> None:
        """What the serial line spoils once is not spoilt for good."""
        self.modem.receive("+8613800000001", "DUES")
        stored = self.modem.emulator.stores["SM"][1]
        whole, stored.pdu = stored.pdu, stored.pdu[:-3]
        self.behaviour.delays["+CMGL"] = 0.05
        self.link()
        await self.until(lambda: "AT+CMGL=4" in self.heard)
        stored.pdu = whole
        await self.until(lambda: self.desk.accepted)
        assert self.desk.texts == ["DUES"]

    async def test_binary_content(self) -> None:
        await self.ready()
        data = tpdu.UserData(octets=b"\x06\x05\x04push", dcs=4)
        self.modem.emulator.receive_pdu(tpdu.encode(tpdu.Deliver(sender=tpdu.Number.of("+8613800000001"), data=data)))
        await self.until(lambda: self.desk.accepted)
        assert (self.desk.accepted[0].text, self.desk.accepted[0].data) == (None, b"\x06\x05\x04push")

    async def test_delivered_past_the_store_and_acknowledged(self) -> None:
        self.behaviour.cnmi = "(0-2),(0,1,2),(0),(0,1),(0)"
        link = await self.ready()
        self.modem.emulator.notices[1] = 2
        self.modem.emulator.service = 1
        link._inbox._identity = replace(link.identity, acknowledges=True)
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.texts == ["DUES"] and "AT+CNMA" in self.heard)
        assert not self.modem.emulator.unacknowledged

    async def test_delivered_past_the_store_while_the_database_is_away(self) -> None:
        await self.ready()
        self.modem.emulator.notices[1] = 2
        self.desk.refuse = 2
        self.modem.receive("+8613800000001", "DUES")
        await self.until(lambda: self.desk.texts == ["DUES"])
        self.flushLoggedErrors(OSError)

    async def test_drafts_on_the_sim_are_left_alone(self) -> None:
        draft = tpdu.Submit(recipient=tpdu.Number.of("+8613800000001"), data=tpdu.UserData(octets=b"draft"))
        self.modem.emulator.stores["SM"][4] = Stored(tpdu.encode(draft), status=2)
        self.modem.receive("+8613800000001", "DUES")
        await self.ready()
        await self.until(lambda: self.desk.accepted)
        await self.sleep(0.1)
        assert list(self.modem.emulator.stores["SM"]) == [4]

    async def test_a_store_that_fills_up_is_told(self) -> None:
        """The database is away for long, and the SIM has little room."""
        self.behaviour.capacity["SM"] = 5
        self.desk.refuse = 10_000
        link = await self.ready()
        for number in range(4):
            self.modem.receive("+8613800000001", str(number))
        await self.until(lambda: link.state.detail == "SM holds 4 of 5")
        assert link.state.status is LinkStatus.READY
        self.desk.refuse = 0
        await self.until(lambda: not self.stored and link.state.detail == "")
        self.flushLoggedErrors(OSError)

    async def test_a_full_store_empties_and_the_network_brings_the_rest(self) -> None:
        self.behaviour.capacity["SM"] = 3
        self.desk.hold = Deferred()
        await self.ready()
        for number in range(10):
            self.modem.receive("+8613800000001", str(number))
        await self.until(lambda: self.desk.offered)
        assert (self.stored, len(self.modem.emulator.network)) == (3, 7)
        self.desk.hold.callback(None)
        await self.until(lambda: len(self.desk.accepted) == 10 and not self.stored)

    async def test_an_empty_place(self) -> None:
        link = await self.ready()
        for quirk in (True, False):
            self.behaviour.empty_read_is_ok = quirk
            self.modem.emulator.say('+CMTI: "SM",29')
            await self.until(lambda: self.heard[-1] == "AT+CMGR=29")
            self.modem.emulator.heard.append("")
        self.modem.emulator.say('+CMTI: "SM",1,"MMS PUSH",2,1')
        await self.until(lambda: self.heard[-1] == "AT+CMGR=1")
        assert link.state.status is LinkStatus.READY


class Going(ModemTest):
    async def test_one_part(self) -> None:
        link = await self.ready()
        (part,) = link.split(outbound())
        assert await link.send(part) == "1"
        (submit,) = self.modem.emulator.sent
        assert (str(submit.recipient), submit.data.text, submit.report) == (
            "+8613800000001",
            "Your dues are paid.",
            True,
        )

    async def test_parts_of_a_long_one(self) -> None:
        link = await self.ready()
        text = "你好，" * 40
        references = [await link.send(part) for part in link.split(outbound(text))]
        assert references == ["1", "2"]
        sent = list(self.modem.emulator.sent)
        assert "".join(str(submit.data.text) for submit in sent) == text
        fragments = [submit.data.fragment for submit in sent]
        assert [(part.reference, part.bits, part.number, part.total) for part in fragments if part] == [
            (70001 & 0xFFFF, 16, 1, 2),
            (70001 & 0xFFFF, 16, 2, 2),
        ]

    async def test_an_emoji_arrives_whole(self) -> None:
        link = await self.ready()
        for part in link.split(outbound("🎉" * 40)):
            await link.send(part)
        assert "".join(str(submit.data.text) for submit in self.modem.emulator.sent) == "🎉" * 40

    async def test_validity(self) -> None:
        link = await self.ready()
        (part,) = link.split(outbound(expires=datetime.now(UTC) + timedelta(hours=2)))
        await link.send(part)
        assert self.modem.emulator.sent[0].validity == timedelta(hours=2)
        (late,) = link.split(outbound(expires=datetime.now(UTC) - timedelta(seconds=1)))
        await self.fails(link, Expired, part=late)

    async def test_reports_stored_and_told(self) -> None:
        link = await self.ready()
        await self.reported(link)
        await self.until(lambda: not self.stored)

    async def test_reports_told_directly(self) -> None:
        self.behaviour.cnmi = "(0-2),(0,1),(0),(0,1),(0)"
        link = await self.ready()
        await self.reported(link)

    async def test_reports_in_another_store_than_told(self) -> None:
        """Quectel says SM and keeps them in SR."""
        self.modem.emulator.stores["SR"] = {}
        self.behaviour.capacity["SR"] = 10
        self.behaviour.reports_in = "SR"
        link = await self.ready()
        await self.reported(link)
        await self.until(lambda: not self.stored)

    async def reported(self, link: ModemLink) -> None:
        for state, status in ((State.DELIVERED, 0x00), (State.SENT, 0x30), (State.FAILED, 0x41), (State.EXPIRED, 0x46)):
            self.behaviour.report_status = status
            (part,) = link.split(outbound())
            reference = await link.send(part)
            await self.until(lambda: self.desk.reports)
            report = self.desk.reports.pop()
            assert (report.remote_id, report.state, report.to) == (reference, state, "+8613800000001")
            assert report.error == (None if status == 0 else f"{status:#04x}")

    async def test_the_reference_wraps(self) -> None:
        link = await self.ready()
        self.modem.emulator._reference = 254
        (part,) = link.split(outbound())
        assert [await link.send(part) for _ in range(3)] == ["255", "0", "1"]

    async def test_what_modems_print_around_it(self) -> None:
        for quirks in (
            {"prompt": b">"},
            {"prompt": b"> "},
            {"echo_stuck": True},
            {"scts_in_answer": True},
            {"before_prompt": "^RSSI:20"},
            {"chatter": "^BOOT:48175390,0,0,0,89"},
            {"garbage": b"\xff\xfe\x00"},
        ):
            before = dict(vars(self.behaviour))
            vars(self.behaviour).update(quirks)
            link = await self.ready()
            self.modem.receive("+8613800000001", "DUES")
            (part,) = link.split(outbound())
            assert (await link.send(part)).isdecimal(), quirks
            await self.until(lambda: self.desk.accepted and not self.stored)
            await link.stopService()
            vars(self.behaviour).update(before)
            self.desk.accepted.clear()

    async def test_a_message_comes_in_the_middle_of_sending(self) -> None:
        link = await self.ready()
        self.modem.emulator.notices[1] = 0
        self.modem.receive("+8613800000001", "DUES")
        self.behaviour.before_prompt = '+CMTI: "SM",1'
        (part,) = link.split(outbound())
        assert await link.send(part) == "1"
        await self.until(lambda: self.desk.texts == ["DUES"] and not self.stored)

    async def fails(self, link: ModemLink, error: type[Exception], **options: object) -> Exception:
        part = options.get("part") or link.split(outbound())[0]
        try:
            await link.send(part)  # type: ignore[arg-type]  # a Part either way
        except error as failure:
            return failure
        raise AssertionError(f"{error.__name__} expected")

    async def test_not_ready(self) -> None:
        self.behaviour.registration = 2
        link = self.link()
        await self.until(lambda: link.state.detail == "no network")
        await self.fails(link, LinkDown)
        assert not self.modem.emulator.sent
        self.behaviour.registration = 5
        await self.until(lambda: link.state.status is LinkStatus.READY)

    async def test_no_answer_after_the_text_is_unknown_and_never_sent_again(self) -> None:
        self.behaviour.lose_submits = 1
        link = await self.ready()
        await self.fails(link, Unknown)
        assert len(self.modem.emulator.sent) == 1
        (part,) = link.split(outbound("next"))
        assert await link.send(part) == "2"
        assert [submit.data.text for submit in self.modem.emulator.sent] == ["Your dues are paid.", "next"]

    async def test_refusals(self) -> None:
        link = await self.ready()
        for line, kind, retry, elsewhere in (
            ("+CMS ERROR: 1", Rejected, None, False),
            ("+CMS ERROR:304", Rejected, None, False),
            ("+CMS ERROR: 38", Rejected, 300.0, True),
            ("+CMS ERROR: 69", Rejected, None, True),
            ("+CMS ERROR: 42", Rejected, 60.0, True),
            ("+CMS ERROR: 322", LinkDown, 30.0, True),
        ):
            self.behaviour.errors["+CMGS"] = [line]
            error = await self.fails(link, kind)
            assert isinstance(error, Rejected | LinkDown)
            assert (error.retry_after, error.other_link) == (retry, elsewhere), line
        assert not self.modem.emulator.sent
        assert link.state.status is LinkStatus.READY

    async def test_busy_is_asked_again_and_not_for_ever(self) -> None:
        link = await self.ready()
        self.behaviour.errors["+CMGS"] = ["+CMS ERROR: 314", "+CME ERROR: SIM busy"]
        (part,) = link.split(outbound())
        assert await link.send(part) == "1"
        self.behaviour.errors["+CMGS"] = ["+CMS ERROR: 515"] * 10
        await self.fails(link, Rejected)
        assert len(self.behaviour.errors["+CMGS"]) == 7

    async def test_text_mode_is_left_at_once(self) -> None:
        link = await self.ready()
        self.behaviour.errors["+CMGS"] = ["+CMS ERROR: 305"]
        (part,) = link.split(outbound())
        assert await link.send(part) == "1"
        assert self.heard.count("AT+CMGF=0") == 2

    async def test_a_lost_service_centre_is_given_again(self) -> None:
        link = await self.ready(smsc="+8613800100500")
        self.modem.emulator.smsc = ""
        (part,) = link.split(outbound())
        assert await link.send(part) == "1"
        assert self.modem.emulator.smsc == "+8613800100500"


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
        link = await self.ready(timing=replace_timing(lost_network=0.3))
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
        link = await self.ready(timing=replace_timing(submit=60.0, stop=0.1))
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


def test_a_text_of_one_part_needs_no_header() -> None:
    (part,) = split(outbound("x" * 160))
    assert (part.udh, part.total, part.number) == (b"", 1, 1)
    assert [len(part.octets) for part in split(outbound("x" * 161))] == [152, 9]
