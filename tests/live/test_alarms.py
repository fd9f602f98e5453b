"""Each kind of alarm, begun and over, told by SMS, by e-mail and by webhook, once: a gateway with real peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from bench.harness import free_port
from gateway.affairs import cases
from gateway.core import messages
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Lane, Outbound
from gateway.core.tables.staff import hotline_case
from modems.emulated import Behaviour
from modems.emulator import EmulatedModem
from tests.live.faults import Faults
from tests.live.house import Home
from tests.live.operator import operator, until
from tests.live.test_split import Ear, ear  # noqa: F401  # a fixture
from tests.reactors import running
from tests.test_mail import Relay, relay  # noqa: F401  # a fixture

pytestmark = pytest.mark.peer
_TOLD, _NOISY = "8613800000001", "8613800000009"
_KINDS = ("link", "queue", "balance", "late", "burst")


def _home(folder: Path, far: int, letters: int, heard: int) -> Home:
    home = Home(
        folder,
        link='prefixes = ["+86"]',
        more=f"""
[smpp.far]
endpoint = "tcp:127.0.0.1:{far}"
system_id = "muster"
password = "secret"
source = "20880"
prefixes = ["+254"]

[modem.village]
device = "{folder}/modem"
prefixes = ["+86157"]
balance = "*100#"

[alarms]
numbers = ["+{_TOLD}"]
email = "hotline@example.org"
smtp = "tcp:127.0.0.1:{letters}"
webhook = "http://127.0.0.1:{heard}/alarms"
webhook_key = "k"
""",
    )
    home.decide("alarms.queue", 2)
    home.decide("alarms.balance", 500)
    home.decide("alarms.late", 3)
    home.decide("alarms.burst", 10)
    return home


def test_each_trouble_is_told_by_sms_letter_and_webhook_and_so_is_its_end(
    tmp_path: Path,
    ear: Ear,  # noqa: F811  # the fixture
    relay: Relay,  # noqa: F811  # the fixture
) -> None:
    faults, far = Faults(tmp_path / "faults"), free_port()
    home = _home(tmp_path, far, relay.server_address[1], ear.server_port)
    credit, asked = ["Balance 1.20 CNY"], list[str]()

    def answer(code: str) -> str:
        asked.append(code)
        return credit[0]

    with running() as it, operator(home.port) as smsc:
        modem: EmulatedModem = it.call(
            EmulatedModem, it.reactor, path=tmp_path / "modem", behaviour=Behaviour(ussd=answer)
        )
        it.call(modem.startService)

        def told(state: str) -> Callable[[], bool]:
            """Whether each kind was told of in this state, to everybody."""
            wanted = Counter((kind, state) for kind in _KINDS)
            over = len(_KINDS) if state == "over" else 0
            return lambda: (
                Counter(each for each in ear.heard if each[1] == state) == wanted
                and len(relay.letters) == len(_KINDS) + over
                and len(smsc.to(_TOLD)) == len(_KINDS) + over
            )

        with home.gateway("links", environment=faults.environment):
            _write(home, _queued)
            _write(home, _late)
            for _ in range(12):
                smsc.line.deliver(_NOISY, "?")
            until(lambda: ("burst", "begun") in ear.heard, 60)  # it has looked, and has seen who is away
            faults.clock(150)  # the far operator is away for more than two minutes
            until(told("begun"), 60)

            with operator(far) as there:
                until(lambda: there.to("254712345678"))
                credit[0] = "Balance 61.20 CNY"
                it.call(modem.stopService)
                it.call(modem.startService)  # plugged in anew it is asked at once, not in some hours
                until(lambda: len(asked) == 2)
                _write(home, lambda conn: conn.execute(update(hotline_case).values(state="closed")))
                faults.clock(150 + 660)  # what came is older than ten minutes
                until(lambda: ("link", "over") in ear.heard, 60)
                faults.clock(150 + 660 + 330)  # and all has been calm for five
                until(told("over"), 90)
        assert Counter(ear.heard) == Counter((kind, state) for kind in _KINDS for state in ("begun", "over"))
    subjects = {
        str(message_from_bytes(content, policy=policy.default)["subject"]).partition("] ")[2]
        for _, content in relay.letters
    }
    sent = {one.text.removesuffix("【安河组织】").removeprefix("【安河组织】") for one in smsc.to(_TOLD)}
    assert subjects == sent, "the letter's subject is the text of the SMS"
    assert len(sent) == 2 * len(_KINDS)


def _write(home: Home, work: Callable[[Connection], object]) -> None:
    made = engine(home.url)
    with made.begin() as conn:
        work(conn)
    made.dispose()


def _queued(conn: Connection) -> None:
    """An answer that waits for the operator who is away."""
    now = datetime.now(UTC)
    answer = Outbound(id=Ids(slot=5)(), to="+254712345678", text="x", link="far", lane=Lane.ANSWER)
    messages.queue(conn, [answer], now, actor="test")


def _late(conn: Connection) -> None:
    """Four questions that should have been answered; nobody else hears of them."""
    now, keys = datetime.now(UTC), Keys(bytes(32))
    ids = Ids(slot=4)
    for index in range(4):
        cases.open(
            conn, ids, keys, number=f"+86139000000{index:02}", member=None, language="zh", text="水费",
            message_id=None, now=now - timedelta(hours=9),
        )  # fmt: skip
    conn.execute(update(hotline_case).values(due=now - timedelta(hours=1), escalated=2))
