"""A bad day: the modem is unplugged, reboots, chatters, refuses and loses answers while messages go both ways."""

from __future__ import annotations

import random
from collections import Counter

from gateway.core.model import LinkDown, LinkStatus, Rejected, SendError, Unknown
from modems.link import ModemLink
from tests.modems.rig import ModemTest, outbound

CHATTER = ("^RSSI:20", '+CMTI: "SM",1', "+CREG: 1", "^BOOT:48175390,0,0,0,89", "RING", "+ZUSIMR:2")


class BadDay(ModemTest):
    timeout = 120

    async def test_nothing_is_lost_and_nothing_is_sent_twice(self) -> None:
        chance = random.Random(29)
        self.behaviour.capacity["SM"] = 8
        link = await self.ready()
        fates: dict[str, str] = {}
        for number in range(40):
            self.mischief(chance)
            for each in range(chance.randrange(4)):
                self.modem.receive("+8613800000001", f"in {number} {each}")
            text = f"out {number}"
            fates[text] = await self.fate(link, text)
            if fates[text] == "down":
                await self.until(lambda: link.state.status is LinkStatus.READY)
        self.modem.emulator.behaviour.chatter = ""
        await self.until(lambda: not self.stored and not self.modem.emulator.network, 60)
        self.flushLoggedErrors(OSError)

        came = Counter(message.text for message in self.desk.accepted)
        expected = {text for text in self.said if text.startswith("in")}
        assert set(came) == expected
        assert Counter(message.remote_id for message in self.desk.accepted).most_common(1)[0][1] == 1
        went = Counter(submit.data.text for submit in self.modem.emulator.sent)
        for text, fate in fates.items():
            allowed = {"sent": {1}, "down": {0}, "rejected": {0}, "unknown": {0, 1}}[fate]
            assert went[text] in allowed, (text, fate)
        assert {"sent", "down", "rejected", "unknown"} == set(fates.values())

    def setUp(self) -> None:
        super().setUp()
        self.said: list[str] = []
        receive = self.modem.receive

        def remembered(sender: str, text: str) -> None:
            self.said.append(text)
            receive(sender, text)

        self.modem.receive = remembered  # type: ignore[method-assign]  # to know what should arrive

    def mischief(self, chance: random.Random) -> None:
        self.behaviour.chatter = chance.choice((*CHATTER, "", ""))
        self.behaviour.before_prompt = chance.choice((*CHATTER, "", "", ""))
        match chance.randrange(9):
            case 0:
                self.modem.unplug()
                self.reactor.callLater(0.1, self.modem.plug)
            case 1:
                self.modem.emulator.power_on()
                self.modem.emulator.say("RDY")
            case 2:
                self.desk.refuse = 3
            case 3:
                self.behaviour.errors["+CMGS"] = [chance.choice(("+CMS ERROR: 42", "+CMS ERROR: 1", "ERROR"))]
            case 4:
                self.behaviour.lose_submits = 1
            case 5:
                self.behaviour.errors["+CMGD"] = ["+CMS ERROR: 500"]
            case 6:
                self.behaviour.delays["+CMGR"] = 0.05

    async def fate(self, link: ModemLink, text: str) -> str:
        try:
            await link.send(link.split(outbound(text))[0])
        except LinkDown:
            return "down"
        except Rejected:
            return "rejected"
        except Unknown:
            return "unknown"
        except SendError as error:
            return repr(error)
        return "sent"
