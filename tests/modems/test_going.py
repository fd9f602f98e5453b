"""A link and a modem on a real terminal: what goes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.core.model import (
    Expired,
    LinkDown,
    LinkStatus,
    Rejected,
    State,
    Unknown,
)
from modems.link import ModemLink, split
from tests.modems.rig import ModemTest, outbound


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


def test_a_text_of_one_part_needs_no_header() -> None:
    (part,) = split(outbound("x" * 160))
    assert (part.udh, part.total, part.number) == (b"", 1, 1)
    assert [len(part.octets) for part in split(outbound("x" * 161))] == [152, 9]
