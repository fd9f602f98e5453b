"""An alarm over real HTTP to another system: told, told again until it is heard, and signed with its own key."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from config.model import Alarms
from gateway.affairs import alarming, cases
from gateway.core.tables.staff import delivery, hotline_case
from tests.api.house import Client, gateway, settings
from tests.api.test_callbacks import Department, attempts, department, hurry  # noqa: F401  # a fixture
from tests.api.test_messages import until

HOOK_KEY = "hook-key-of-the-county"


@pytest.fixture
def watched(tmp_path: Path, department: Department) -> Iterator[Client]:  # noqa: F811  # the fixture
    """A gateway that tells `department` of its alarms."""
    alarms = Alarms(webhook=department.url, webhook_key=HOOK_KEY)
    with gateway(tmp_path, replace(settings(tmp_path), alarms=alarms)) as client:
        yield client


def test_the_webhook_hears_of_late_answers_until_it_has_taken_it(watched: Client, department: Department) -> None:  # noqa: F811  # as above
    department.answers = [500, 503]
    watched.work(_late, watched)
    watched.running.call(watched.muster._timetable.now, "alarms")
    until(lambda: attempts(watched) == 1)
    hurry(watched)
    until(lambda: attempts(watched) == 2)
    hurry(watched)
    until(lambda: watched.rows(delivery) == [])
    assert len(department.heard) == 3
    assert len({headers["muster-delivery"] for headers, _ in department.heard}) == 1
    assert len({body for _, body in department.heard}) == 1
    for headers, body in department.heard:
        seconds, mac = (each.partition("=")[2] for each in headers["muster-signature"].split(","))
        assert mac == hmac.new(HOOK_KEY.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    told = json.loads(department.heard[0][1])
    assert (told["organisation"], told["alarm"], told["subject"], told["state"]) == ("Anhe", "late", "", "begun")
    assert "7" in told["text"]
    (standing,) = watched.work(alarming.standing)
    assert (standing.kind, standing.said) == ("late", told["text"])
    watched.running.call(watched.muster._timetable.now, "alarms")
    assert watched.rows(delivery) == [], "one that stands is told once"


def _late(conn: Connection, client: Client) -> None:
    """Seven questions that should have been answered an hour ago."""
    now, muster = datetime.now(UTC), client.muster
    for number in range(7):
        cases.open(
            conn, muster.ids, muster.keys, number=f"+861390000000{number}", member=None, language="zh", text="水费",
            message_id=None, now=now - timedelta(hours=9),
        )  # fmt: skip
    conn.execute(update(hotline_case).values(due=now - timedelta(hours=1)))
