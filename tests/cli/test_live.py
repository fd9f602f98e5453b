"""The command line as processes: simulators, checks and a gateway that talk over sockets and a pty."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from bench.harness import free_port

MUSTER = Path(sys.executable).with_name("muster")
PHONE = "+8613800000007"
_OPENER = build_opener(ProxyHandler({}))


def muster(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MUSTER, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False
    )


class Process:
    """A command that goes on, its standard output line by line."""

    def __init__(self, *arguments: str | Path) -> None:
        self.ended: int | None = None
        self.log = ""
        self._process = subprocess.Popen(
            [MUSTER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self._lines: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.log += line
            self._lines.put(line.rstrip("\n"))

    def says(self, pattern: str, within: float = 30.0) -> re.Match[str]:
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except Empty:
                break
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not said:\n{self.log}")

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        self._process.send_signal(signal.SIGTERM)  # as when it is sent to a whole group and to its leader
        self.ended = self._process.wait(20)
        return self.ended


@contextmanager
def running(*arguments: str | Path) -> Iterator[Process]:
    process = Process(*arguments)
    try:
        yield process
    finally:
        if process.ended is None:
            process.end()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "muster"
    link = ("--endpoint", f"tcp:127.0.0.1:{free_port()}", "--system-id", "us", "--link-password", "secret")
    made = muster("init", folder, "--yes", "--name", "Anhe", "--language", "en", "--source", "10690001", *link)
    assert made.returncode == 0, made.stderr
    file = folder / "muster.toml"
    written = file.read_text().replace("tcp:8080:", f"tcp:{free_port()}:").replace("tcp:8081:", f"tcp:{free_port()}:")
    file.write_text(f'{written}ussd = "its"\n\n[modem.village]\ndevice = "{tmp_path / "modem"}"\nprefixes = ["+254"]\n')
    return file


def ready(config: Path, within: float = 30.0) -> None:
    """Wait until both links are up."""
    port = re.findall(r"tcp:(\d+):interface", config.read_text())[1]
    end = time.monotonic() + within
    while time.monotonic() < end:
        try:
            with _OPENER.open(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                links = json.load(answer)["links"]
        except (URLError, ConnectionError):
            links = {}
        if links and set(links.values()) == {"ready"}:
            return
        time.sleep(0.2)
    raise AssertionError("the links did not come up")


def test_the_path_from_a_phone_and_back_over_every_link(config: Path, tmp_path: Path) -> None:
    unreached = muster("check", config, "--connect")
    assert unreached.returncode == 2
    assert "operator: no connection" in unreached.stdout
    assert "village: cannot open" in unreached.stdout
    assert unreached.stderr == "Error: not reached: operator, village\n"

    port = re.search(r"tcp:127\.0\.0\.1:(\d+)", config.read_text())
    assert port is not None
    with (
        running("simulate", "operator", "--port", port[1], "--system-id", "us", "--password", "secret") as operator,
        running("simulate", "modem", "--link", tmp_path / "modem") as modem,
    ):
        operator.says("an operator on")
        modem.says("a modem on")
        found = muster("modems", tmp_path / "modem")
        assert re.search(r"Muster Emulator, IMEI \d{15}, SIM \d+, signal -\d+ dBm", found.stdout), found
        checked = muster("check", config, "--connect")
        assert checked.stdout == "operator: ready\nvillage: ready\nok\n", checked.stderr

        with running("run", config, "--log-format", "json") as gateway:
            ready(config)
            operator.tell(f"{PHONE} help")
            assert operator.says(rf"^10690001 -> \{PHONE}: (.*)")[1].startswith("0 HELP")
            operator.tell(f"{PHONE} *123#")
            operator.says("^USSD -> ")
            modem.tell("+254712345678 help")
            assert modem.says(r"^-> \+254712345678: (.*)")[1].startswith("0 HELP")

            sent = muster("send", config, PHONE, "the meeting is at nine")
            assert re.fullmatch(r"\d{17,19}\n", sent.stdout), sent.stderr
            operator.says("the meeting is at nine")
            refused = muster("send", config, "12", "hi")
            assert refused.returncode == 2
            assert refused.stderr.startswith("Error: the gateway refused: to: ")
            assert "stop it first" in muster("restore", config, config, "--force").stderr or refused.returncode

            began = time.monotonic()
            assert gateway.end() == 0
            assert time.monotonic() - began < 10
        for line in gateway.log.splitlines():
            assert json.loads(line)["level"] in ("info", "warn"), line
        assert "meeting" not in gateway.log
        assert PHONE not in gateway.log


def test_a_port_that_is_taken_is_one_sentence(config: Path) -> None:
    port = re.findall(r"tcp:(\d+):interface", config.read_text())[0]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(port)))
        taken.listen()
        ran = muster("run", config)
    assert ran.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_two_gateways_on_one_database(config: Path) -> None:
    with running("run", config, "--only", "api") as gateway:
        gateway.says("ready")
        ran = muster("run", config, "--only", "console")
        assert ran.returncode == 2
        assert "another gateway runs on this database" in ran.stderr


def test_what_is_decided_on_the_command_line_holds_in_the_running_gateway(config: Path) -> None:
    config.write_text(config.read_text().partition("[modem")[0])
    port = re.search(r"tcp:127\.0\.0\.1:(\d+)", config.read_text())
    assert port is not None
    with (
        running("simulate", "operator", "--port", port[1], "--system-id", "us", "--password", "secret") as operator,
        running("run", config) as gateway,
    ):
        ready(config)
        operator.tell(f"{PHONE} help")
        assert "71 ASK" in operator.says(rf"^10690001 -> \{PHONE}: (.*)")[1]
        for name, value in (("commands.off", "71"), ("words.en.0", "services"), ("texts.en.help.unbound", "Hello")):
            assert muster("settings", "set", config, name, value).returncode == 0
            gateway.says("as the organisation has them now")
        operator.tell(f"{PHONE} services")
        assert operator.says(rf"^10690001 -> \{PHONE}: (.*)")[1] == "Hello"
        operator.tell(f"{PHONE} *123*7#")
        assert "Question" not in operator.says("^USSD -> .*")[0]


def test_a_provider_is_asked_and_a_wallet_is_simulated(config: Path) -> None:
    """`muster simulate wallet`, `muster check --connect` and `muster paybill` as processes of their own."""
    port = free_port()
    api = re.findall(r"tcp:(\d+):interface", config.read_text())[1]
    written = config.read_text().partition("[smpp")[0]
    written += f"""
[providers.mpesa]
kind = "daraja"
url = "http://127.0.0.1:{port}"
payee = "600000"
prefixes = ["+2547"]
client_id = "muster"
client_secret = "secret"
passkey = "passkey"
initiator = "muster"
security_credential = "credential"
sources = ["127.0.0.1"]

[callbacks]
public_url = "http://127.0.0.1:{api}"
"""
    config.write_text(written)
    unreached = muster("check", config, "--connect")
    assert unreached.returncode == 2
    assert unreached.stderr == "Error: not reached: mpesa\n"
    nobody = muster("paybill", config, "tigo")
    assert nobody.stderr == "Error: there is no [providers.tigo]; there is mpesa\n"
    with running("simulate", "wallet", "daraja", "+254712345678", "--port", str(port)) as wallet:
        wallet.says("daraja on http://127.0.0.1")
        assert muster("check", config, "--connect").stdout == "mpesa: ready\nok\n"
        registered = muster("paybill", config, "mpesa", "--register")
        assert re.fullmatch(
            rf"confirmation http://127\.0\.0\.1:{api}/payments/mpesa/[0-9a-f]{{40}}\n"
            rf"validation   http://127\.0\.0\.1:{api}/payments/mpesa/[0-9a-f]{{40}}\nmpesa: Success\n",
            registered.stdout,
        ), registered.stderr
        with running("run", config, "--only", "links,api") as gateway:
            gateway.says("ready")
            wallet.tell("+254712345678 pay 9.00 A9999")
            wallet.says(r"\+254712345678: cancelled")  # the gateway knows no such account number
            wallet.tell("+254712345678 1234")
            wallet.says("is asked for nothing")
    wrong = muster("simulate", "wallet", "gsma", "+8613800000001", "--callbacks", "never")
    assert wrong.returncode == 2
    assert "callbacks is one of once, lost" in wrong.stderr
