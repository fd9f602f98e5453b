"""Programs that Muster did not write use the emulated modem as they would a real one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure

from gateway.core.model import Outbound
from modems.link import split
from tests import peers
from tests.modems.rig import ModemTest

LONG = "安河组织通知：会费已到期。" * 12  # three parts in UCS-2
NUMBER = "+8613800000001"


class Program(ProcessProtocol):
    """A program that runs beside the test; only this one is ever signalled."""

    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[int] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(int(getattr(reason.value, "exitCode", None) or 0))


class PeerTest(ModemTest):
    timeout = 200
    programs: tuple[str, ...] = ()

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        for program in self.programs:
            peers.need(program)

    def setUp(self) -> None:
        super().setUp()
        self.folder = self.fresh_folder()
        self.modem.startService()

    def start(self, *arguments: str) -> Program:
        program = Program()
        path = peers.need(arguments[0])
        process = self.reactor.spawnProcess(program, path, [path, *arguments[1:]], env=dict(os.environ, LANG="C.UTF-8"))

        async def stop() -> None:
            if not program.ended.called:
                process.signalProcess("TERM")
                kill = self.reactor.callLater(5, process.signalProcess, "KILL")
                await program.ended
                if kill.active():
                    kill.cancel()

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return program

    async def run_program(self, *arguments: str) -> str:
        program = self.start(*arguments)
        await self.until(lambda: program.ended.called, 30)
        return program.said.decode(errors="replace")

    def written(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def folders(self, *names: str) -> Iterator[Path]:
        for name in names:
            (self.folder / name).mkdir()
            yield self.folder / name

    def sent(self) -> str:
        return "".join(str(submit.data.text) for submit in self.modem.emulator.sent)


@pytest.mark.peer
class Gammu(PeerTest):
    programs = ("gammu", "gammu-smsd", "gammu-smsd-inject")

    def rc(self, more: str = "") -> str:
        return self.written("rc", f"[gammu]\ndevice={self.modem.device}\nconnection=at115200\n{more}")

    async def test_identifies_it(self) -> None:
        said = await self.run_program("gammu", "-c", self.rc(), "identify")
        assert self.behaviour.imei in said
        assert self.behaviour.imsi in said

    async def test_reads_what_we_encode(self) -> None:
        self.modem.receive(NUMBER, LONG)
        said = await self.run_program("gammu", "-c", self.rc(), "getallsms")
        assert "3 SMS parts" in said
        assert said.count(f'"{NUMBER}"') == 3
        assert "".join(re.findall(r"\n\n(\S.*)\n\n", said)).startswith(LONG[:60])

    async def test_what_it_encodes_we_read(self) -> None:
        said = await self.run_program(
            "gammu", "-c", self.rc(), "sendsms", "TEXT", NUMBER, "-unicode", "-text", "你好🎉"
        )
        assert "OK, message reference=1" in said
        assert self.sent() == "你好🎉"
        assert str(self.modem.emulator.sent[0].recipient) == NUMBER

    async def test_asks_for_a_balance(self) -> None:
        program = self.start("gammu", "-c", self.rc(), "getussd", "*100#")
        await self.until(lambda: b"You dialled *100#" in program.said, 30)

    async def test_its_daemon_receives_sends_and_takes_reports(self) -> None:
        inbox, outbox, sent, errors = self.folders("inbox", "outbox", "sent", "errors")
        rc = self.rc(
            f"[smsd]\nservice=files\nlogfile={self.folder}/log\ndebuglevel=255\nReceiveFrequency=1\nStatusFrequency=0\n"
            f"CommTimeout=1\nCheckSecurity=0\nDeliveryReport=log\n"
            f"inboxpath={inbox}/\noutboxpath={outbox}/\nsentsmspath={sent}/\nerrorsmspath={errors}/\n"
        )
        self.modem.emulator.notices = [2, 1, 0, 2, 0]  # it leaves that to the modem's own profile
        self.start("gammu-smsd", "-c", rc)
        self.modem.receive(NUMBER, LONG)
        await self.until(lambda: len(list(inbox.iterdir())) >= 3 and not self.stored, 40)
        parts = [path.read_text(encoding="utf-8") for path in sorted(inbox.iterdir())]
        assert "".join(parts) == LONG
        await self.run_program(
            "gammu-smsd-inject", "-c", rc, "TEXT", NUMBER, "-report", "-len", "400", "-unicode", "-text", LONG
        )
        await self.until(lambda: self.sent() == LONG, 40)
        assert all(submit.report for submit in self.modem.emulator.sent)
        log = self.folder / "log"
        await self.until(lambda: "Delivered to +8613800000001" in log.read_text(errors="replace"), 40)


@pytest.mark.peer
class Smstools(PeerTest):
    programs = ("smsd",)

    async def test_receives_sends_and_takes_reports(self) -> None:
        names = ("outgoing", "checked", "incoming", "failed", "sent", "report", "tmp")
        outgoing, checked, incoming, failed, sent, report, _ = self.folders(*names)
        conf = self.written(
            "smsd.conf",
            f"""devices = GSM1
outgoing = {outgoing}
checked = {checked}
incoming = {incoming}
failed = {failed}
sent = {sent}
report = {report}
logfile = {self.folder}/log
infofile = {self.folder}/info
pidfile = {self.folder}/pid
loglevel = 7
delaytime = 1

[GSM1]
device = {self.modem.device}
incoming = yes
report = yes
memory_start = 1
init = AT+CNMI=2,1,0,2,0
""",
        )
        self.modem.receive(NUMBER, LONG)
        self.start("smsd", "-c", conf, "-t")
        await self.until(lambda: list(incoming.iterdir()) and not self.stored, 60)
        (received,) = incoming.iterdir()
        head, _, body = received.read_bytes().partition(b"\n\n")
        assert b"From: 8613800000001" in head
        assert b"Alphabet: UCS2" in head
        assert body.decode("utf-16-be") == LONG
        message = f"To: 8613800000001\nReport: yes\nAlphabet: UTF-8\n\n{LONG}"
        self.written("message", message)
        (self.folder / "message").rename(outgoing / "message")
        await self.until(lambda: self.sent() == LONG, 60)
        await self.until(lambda: [path for path in report.iterdir() if "Status: 0" in path.read_text()], 60)
        assert not list(failed.iterdir())


class Gsmmodem(PeerTest):
    """python-gsmmodem-new, within what it can stand: one notice at a time, references of 8 bits."""

    async def test_sends_and_receives(self) -> None:
        got: list[Any] = []
        modem = await deferToThread(self.connected, got.append)
        try:
            assert await deferToThread(getattr, modem, "imei") == self.behaviour.imei
            self.modem.receive(NUMBER, "会费")
            await self.until(lambda: got)
            assert (got[0].number, got[0].text) == (NUMBER, "会费")
            await deferToThread(modem.sendSms, NUMBER, "Your dues are paid.")
            assert self.sent() == "Your dues are paid."
        finally:
            await deferToThread(modem.close)

    def connected(self, received: Any) -> Any:
        from gsmmodem.modem import GsmModem

        modem = GsmModem(self.modem.device, smsReceivedCallbackFunc=received)
        modem.connect()
        return modem


@pytest.mark.parametrize("text", ["Dues paid.", "x" * 200, "会费已交", LONG, "€[]{}^~|\\" * 30])
def test_another_codec_reads_what_a_link_writes(text: str) -> None:
    from gsmmodem import pdu

    from modems import tpdu
    from modems.userdata import UserData, data_coding

    parts = []
    for part in split(Outbound(id=1, to=NUMBER, text=text)):
        data = UserData(octets=part.octets, dcs=data_coding(part.coding), udh=part.udh)
        octets = tpdu.encode(tpdu.Submit(recipient=tpdu.Number.of(part.to), data=data))
        parts.append(pdu.decodeSmsPdu(octets.hex().upper()))
    assert all(part["number"] == NUMBER for part in parts)
    if len(parts) == 1:  # of 16-bit references it loses the first letter
        assert parts[0]["text"] == text
    else:
        assert [part["text"][1:] in text for part in parts] == [True] * len(parts)
