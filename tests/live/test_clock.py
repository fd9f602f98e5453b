"""The wall clock jumps by an hour, both ways, under a gateway at work: nobody is lost, nothing stands still."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.core.tables.messages import message, unindexed
from gateway.core.tables.staff import timetable
from tests.live.faults import Faults
from tests.live.house import Home
from tests.live.operator import OK, Submitted, operator, until

pytestmark = pytest.mark.peer
_NUMBERS = [f"86139000000{n:02}" for n in range(12)]


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["forward", "back"])
def test_the_clock_jumps(tmp_path: Path, seconds: int) -> None:
    faults = Faults(tmp_path / "faults")
    home = Home(tmp_path, window=5, link="enquire_every = 2\nresponse_timeout = 10")
    with operator(home.port) as smsc, home.gateway("links,api", environment=faults.environment):

        def slowly(submitted: Submitted) -> None:
            threading.Timer(1.5, submitted.line.answer, (submitted,)).start()

        smsc.on_submit = slowly
        home.post(*((f"+{number}", "notice") for number in _NUMBERS))
        until(lambda: len(smsc.submitted) >= 5)
        faults.clock(seconds)
        until(lambda: home.states() == {"sent": len(_NUMBERS)})
        assert len(smsc.lines) == 1, "no answer was overdue, no enquiry missed"
        enquiries = smsc.line.enquiries

        # Timers go on: enquiries, the wait before a new connection, the queue that is looked at each second.
        until(lambda: smsc.line.enquiries > enquiries)
        smsc.on_submit = lambda submitted: submitted.line.answer(submitted)
        smsc.line.close()
        until(lambda: len(smsc.lines) == 2)
        for phone in ("8613800000007", "8613800000008"):
            assert smsc.line.status(smsc.line.deliver(phone, "HELP")) == OK
        until(lambda: smsc.to("8613800000008"))
        home.post(("+8613900000099", "after"))
        until(lambda: smsc.to("8613900000099"))
        until(lambda: home.read(lambda conn: conn.scalar(select(func.count()).select_from(unindexed))) == 0)

        # Ids go on counting, so that the log keeps its order; what runs once in a slot has run once.
        inbound = select(message.c.number).where(message.c.direction == "in").order_by(message.c.id)
        assert home.read(lambda conn: list(conn.scalars(inbound))) == ["+8613800000007", "+8613800000008"]
        last = select(message.c.number).order_by(message.c.id.desc()).limit(1)
        assert home.read(lambda conn: conn.scalar(last)) == "+8613900000099"
        slots = select(timetable.c.job, func.count()).group_by(timetable.c.job, timetable.c.slot)
        assert home.read(lambda conn: {row[0]: row[1] for row in conn.execute(slots)}).get("assess", 1) == 1
        assert home.states().get("unknown") is None


def test_a_dialogue_does_not_outlive_a_jump_forward(tmp_path: Path) -> None:
    """What expires by the wall clock does so when the wall clock says so."""
    faults = Faults(tmp_path / "faults")
    home = Home(tmp_path)
    home.members(1)
    with operator(home.port) as smsc, home.gateway(environment=faults.environment):
        member = "8613800000000"
        assert smsc.line.status(smsc.line.deliver(member, "91")) == OK
        until(lambda: smsc.to(member))
        faults.clock(3600)
        time.sleep(0.1)
        assert smsc.line.status(smsc.line.deliver(member, "2")) == OK
        until(lambda: len(smsc.to(member)) == 2)
        commands = select(message.c.command).where(message.c.direction == "in").order_by(message.c.id)
        assert home.read(lambda conn: list(conn.scalars(commands)))[1] != "91"
