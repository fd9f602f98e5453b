"""A link and a modem on a real terminal: what comes in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from twisted.internet.defer import Deferred

from gateway.core.model import (
    Address,
    AddressKind,
    LinkStatus,
)
from gateway.core.text import decode_ucs2
from modems import tpdu
from modems.emulated import Stored
from tests.modems.rig import ModemTest, quick


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
        link = await self.ready(timing=quick(sweep=0.2))
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
        await self.ready(timing=quick(sweep=0.2))
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
        for index, quirk in ((29, True), (28, False)):
            self.behaviour.empty_read_is_ok = quirk
            self.modem.emulator.say(f'+CMTI: "SM",{index}')
            await self.until(partial(self.was_heard, f"AT+CMGR={index}"))
        self.modem.emulator.say('+CMTI: "SM",1,"MMS PUSH",2,1')
        await self.until(partial(self.was_heard, "AT+CMGR=1"))
        assert link.state.status is LinkStatus.READY
