"""Operators that are away, slow, mute, busy, gone or mad, against the whole gateway; and reports in any order."""

from __future__ import annotations

import re
import signal
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from bench.harness import free_port
from tests.live.house import Home, ended
from tests.live.operator import OK, THROTTLED, Line, Submitted, operator, until

pytestmark = pytest.mark.peer
_MEMBER = "8613800000007"
_NUMBERS = [f"86139000000{n:02}" for n in range(60)]


def table(name: str, port: int) -> str:
    """A further link, for Kenya."""
    return f"""
[smpp.{name}]
endpoint = "tcp:127.0.0.1:{port}"
system_id = "muster"
password = "secret"
source = "20880"
prefixes = ["+254"]
"""


def test_an_operator_that_is_down_harms_no_other_and_is_found_when_it_comes(tmp_path: Path) -> None:
    other = free_port()
    home = Home(tmp_path, link='prefixes = ["+86"]', more=table("second", other))
    with operator(other) as there, home.gateway("links,api", says="second: bound"):
        until(lambda: home.ask("/readyz")[1]["links"]["second"] == "ready")
        home.post(*((f"+{number}", "later") for number in _NUMBERS[:20]), ("+254712345678", "now"))
        until(lambda: there.to("254712345678"))
        assert home.states()["queued"] >= 20
        with operator(home.port) as smsc:
            until(lambda: all(smsc.to(number) for number in _NUMBERS[:20]))
            time.sleep(0.5)
            assert Counter(one.to for one in smsc.submitted if one.to in _NUMBERS) == dict.fromkeys(_NUMBERS[:20], 1)
            # Tried again after about 1, 2, 4 ... seconds, not all the time.
            assert home.log.count("mobile: no connection") <= 3


def test_a_slow_operator_burns_nothing_and_lets_screens_and_codes_pass(tmp_path: Path) -> None:
    home = Home(tmp_path, window=5, link='ussd = "its"\nresponse_timeout = 15')
    with operator(home.port) as smsc, home.gateway("links,api"):
        late: list[threading.Timer] = []

        def slowly(submitted: Submitted) -> None:
            late.append(timer := threading.Timer(3, submitted.line.answer, (submitted,)))
            timer.start()

        smsc.on_submit = slowly
        home.post(*((f"+{number}", "notice") for number in _NUMBERS[:14]))
        until(lambda: len(smsc.submitted) == 5)
        dialled = smsc.line.deliver(_MEMBER, "*123#", more=_its(1, 0x0100))
        assert smsc.line.status(dialled, 10) == OK
        until(lambda: smsc.to(_MEMBER), 10)
        assert smsc.to(_MEMBER)[0].service == "USSD"
        asked = smsc.line.deliver("8613800000008", "STOP")
        assert smsc.line.status(asked, 10) == OK
        until(lambda: smsc.to("8613800000008"), 20)
        bulk = [one for one in smsc.submitted if one.to in _NUMBERS]
        assert len(bulk) < 14, "what was asked for went before the rest of the notice"
        until(lambda: home.states().get("sent", 0) >= 16, 60)
        assert Counter(one.to for one in smsc.submitted) == dict.fromkeys([*_NUMBERS[:14], _MEMBER, "8613800000008"], 1)
        assert len(smsc.lines) == 1


def test_an_operator_that_never_answers_leaves_unknown_and_gets_a_new_session(tmp_path: Path) -> None:
    home = Home(tmp_path, window=5, link="response_timeout = 2")
    with operator(home.port) as smsc, home.gateway("links,api"):
        smsc.on_submit = lambda submitted: None
        home.post(*((f"+{number}", "notice") for number in _NUMBERS[:5]))
        until(lambda: len(smsc.submitted) == 5)
        until(lambda: home.parts().get("unknown") == 5)
        smsc.on_submit = lambda submitted: submitted.line.answer(submitted)
        until(lambda: len(smsc.lines) == 2)
        assert smsc.line is smsc.lines[1]
        home.post((f"+{_NUMBERS[5]}", "after"))
        until(lambda: smsc.to(_NUMBERS[5]))
        assert Counter(one.to for one in smsc.submitted) == dict.fromkeys(_NUMBERS[:6], 1)
        figures = str(home.ask("/metrics")[1])
        assert re.search(r'muster_parts_total\{link="mobile",state="unknown"\} 5\.0', figures), figures
        # A report says what became of one of them.
        assert smsc.line.status(smsc.line.report(_NUMBERS[5], "0")) == OK


def test_a_storm_of_throttling_loses_nothing_and_keeps_the_order_of_a_number(tmp_path: Path) -> None:
    home = Home(tmp_path, window=10)
    with operator(home.port) as smsc, home.gateway("links,api"):
        allowed = [0.0, 0.0]  # tokens, at
        taken: list[Submitted] = []
        refused = 0

        def sometimes(submitted: Submitted) -> None:
            nonlocal refused
            tokens, at = allowed
            tokens = min(3.0, tokens + (submitted.at - at) * 20)
            allowed[:] = [tokens - 1 if tokens >= 1 else tokens, submitted.at]
            if tokens >= 1:
                taken.append(submitted)
                submitted.line.answer(submitted)
            else:
                refused += 1
                submitted.line.answer(submitted, THROTTLED)

        smsc.on_submit = sometimes
        home.post(*((f"+{_NUMBERS[n % 6]}", f"{n:03}") for n in range(60)))
        until(lambda: len(taken) == 60, 60)
        until(lambda: home.states() == {"sent": 60})
        assert refused > 0
        assert len({submitted.text for submitted in taken}) == 60
        for number in _NUMBERS[:6]:
            texts = [submitted.text for submitted in taken if submitted.to == number]
            assert texts == sorted(texts)
        assert len(smsc.lines) == 1


def test_a_line_that_breaks_in_the_middle_of_a_pdu_leaves_unknown_and_is_made_anew(tmp_path: Path) -> None:
    home = Home(tmp_path, window=4)
    with operator(home.port) as smsc, home.gateway("links,api"):
        seen = 0

        def breaks(submitted: Submitted) -> None:
            nonlocal seen
            seen += 1
            if seen == 4:
                submitted.line.write(struct.pack(">3I", 17, 0x80000004, 0))
                submitted.line.close()

        smsc.on_submit = breaks
        home.post(*((f"+{number}", "notice") for number in _NUMBERS[:12]))
        until(lambda: seen == 4)
        smsc.on_submit = lambda submitted: submitted.line.answer(submitted)
        until(lambda: home.states() == {"unknown": 4, "sent": 8})
        assert Counter(one.to for one in smsc.submitted) == dict.fromkeys(_NUMBERS[:12], 1)
        assert len(smsc.lines) == 2


def test_a_line_that_carries_nothing_any_more_is_dead_after_two_enquiries(tmp_path: Path) -> None:
    every = 2
    other = free_port()
    home = Home(tmp_path, link=f"enquire_every = {every}")
    with operator(other) as smsc, Relay(home.port, other) as relay, home.gateway():
        assert smsc.line.status(smsc.line.deliver(_MEMBER, "HELP")) == OK
        relay.forwards = False
        began = time.monotonic()
        # Silence, an enquiry, a second one, and the ticks in between.
        until(lambda: "no sign of life" in home.log, 3 * every + 20)
        assert time.monotonic() - began >= every
        relay.forwards = True
        until(lambda: sum(line.bound for line in smsc.lines[1:]) == 1)
        assert smsc.lines[-1].status(smsc.lines[-1].deliver("8613800000008", "HELP")) == OK


def test_other_services_on_the_port_are_left_alone(tmp_path: Path) -> None:
    """Each on the port of a link of its own: HTTP, TLS, lengths that cannot be, nothing but zeros."""
    nonsense = {
        "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "tls": b"\x15\x03\x01\x00\x02\x02\x28" * 4,
        "none": struct.pack(">4I", 0, 0x80000009, 0, 1),
        "giant": struct.pack(">4I", 0xFFFFFFFF, 0x80000009, 0, 1),
        "zeros": bytes(64),
    }
    ports = {name: free_port() for name in nonsense}
    home = Home(tmp_path, more="".join(table(name, port) for name, port in ports.items()))
    with ExitStack() as open_:
        good = open_.enter_context(operator(home.port))
        others = {}
        for name, octets in nonsense.items():
            others[name] = open_.enter_context(operator(ports[name]))
            others[name].on_connect = partial(_write, octets)
        process = open_.enter_context(home.gateway(says="mobile: bound"))
        for smsc in others.values():
            until(lambda smsc=smsc: len(smsc.lines) >= 3 and smsc.lines[1].closed is not None)  # type: ignore[misc]  # bound now
            gaps = [after.opened - before.opened for before, after in pairwise(smsc.lines)]
            assert min(gaps) > 0.5, "it waits before it comes back"
            smsc.on_connect = lambda line: None
        assert good.line.status(good.line.deliver(_MEMBER, "HELP")) == OK
        assert process.poll() is None
        for name, smsc in others.items():
            assert len([line for line in home.log.splitlines() if f" {name}: " in line]) <= 6
            assert smsc.line.status(smsc.line.deliver(_MEMBER, "HELP")) == OK  # when it speaks SMPP again
        assert "Traceback" not in home.log


def _write(octets: bytes, line: Line) -> None:
    line.write(octets)


def test_reports_before_their_response_twice_and_backwards(tmp_path: Path) -> None:
    home = Home(tmp_path, link="binds = 2")
    with operator(home.port) as smsc, home.gateway("links,api"):
        until(lambda: sum(line.bound for line in smsc.lines) == 2)

        def early(submitted: Submitted) -> None:
            """The report on the other bind, then the response, then the same and an older state again."""
            one = next(line for line in smsc.lines if line is not submitted.line)
            id_ = smsc.new_id()
            one.report(submitted.to, id_)
            submitted.line.answer(submitted, id_=id_)
            one.report(submitted.to, id_)
            submitted.line.report(submitted.to, id_, "ENROUTE")

        smsc.on_submit = early
        home.post(*((f"+{number}", "notice") for number in _NUMBERS))
        until(lambda: home.states() == {"delivered": len(_NUMBERS)})
        until(lambda: sum(len(line.answers) for line in smsc.lines) == 3 * len(_NUMBERS))
        assert {status for line in smsc.lines for status in line.answers.values()} == {OK}


def test_a_text_that_comes_again_after_a_lost_session_counts_once(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with operator(home.port) as smsc, home.gateway("links,api"):
        line = smsc.line
        assert line.status(line.deliver(_MEMBER, "HELP")) == OK
        assert line.status(line.deliver(_MEMBER, "HELP")) == OK  # a person may say a thing twice
        line.close()
        until(lambda: len(smsc.lines) == 2)
        again = [smsc.line.deliver(_MEMBER, "HELP") for _ in range(3)]
        assert [smsc.line.status(one) for one in again] == [OK] * 3
        until(lambda: len(smsc.to(_MEMBER)) >= 3)
        time.sleep(0.5)
    # Two repeats were absorbed, the third is a text of its own.
    assert home.came() == [f"+{_MEMBER}"] * 3
    assert len(smsc.to(_MEMBER)) == 3


def test_a_stop_waits_for_what_is_under_way(tmp_path: Path) -> None:
    home = Home(tmp_path, window=10)
    with operator(home.port) as smsc, home.gateway("links,api") as process:

        def later(submitted: Submitted) -> None:
            threading.Timer(2, submitted.line.answer, (submitted,)).start()

        smsc.on_submit = later
        home.post(*((f"+{number}", "notice") for number in _NUMBERS[:40]))
        until(lambda: len(smsc.submitted) >= 10)
        process.send_signal(signal.SIGTERM)
        assert ended(process, 10) == 0
        written = len(smsc.submitted)
        assert smsc.lines[0].unbinds == 1
    states = home.states()
    assert states == {"sent": written, "queued": 40 - written}
    assert "stopped, 0 parts without an answer" in home.log
    with operator(home.port) as smsc, home.gateway():
        until(lambda: home.states() == {"sent": 40})
        assert len(smsc.submitted) == 40 - written


def test_a_stop_does_not_wait_for_a_mute_operator(tmp_path: Path) -> None:
    home = Home(tmp_path, window=10)
    with operator(home.port) as smsc, home.gateway("links,api") as process:
        smsc.on_submit = lambda submitted: None
        smsc.on_unbind = lambda line, sequence: None
        home.post(*((f"+{number}", "notice") for number in _NUMBERS[:40]))
        until(lambda: len(smsc.submitted) == 10)
        process.send_signal(signal.SIGTERM)
        assert ended(process, 10) == 0
    assert "stopped, 10 parts without an answer" in home.log
    with operator(home.port) as smsc, home.gateway():
        assert "10 unknown" in home.log
        until(lambda: home.states() == {"unknown": 10, "sent": 30})
        assert len(smsc.submitted) == 30


def _its(operation: int, info: int) -> bytes:
    """ussd_service_op and its_session_info."""
    return struct.pack(">HHBHHH", 0x0501, 1, operation, 0x1383, 2, info)


class Relay:
    """Between the gateway and its operator, until it carries nothing any more, as a cable that was pulled."""

    def __init__(self, port: int, to: int) -> None:
        self.forwards = True
        self._to = to
        self._sockets: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    def _carry(self, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while octets := a.recv(65536):
                if self.forwards:
                    b.sendall(octets)
