from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from gateway.affairs import consent, members
from gateway.core.ids import Ids
from tests.affairs.people import NOW, TODAY, ZHANG, branch, person


def test_stop_and_start_of_a_number_nobody_knows(conn: Connection, ids: Ids) -> None:
    assert consent.stop(conn, ids, ZHANG, how="STOP", now=NOW) is True
    assert members.by_number(conn, ZHANG, TODAY).opted_out is True
    assert consent.stop(conn, ids, ZHANG, how="STOP", now=NOW + timedelta(hours=1)) is False
    assert consent.start(conn, ids, ZHANG, how="START", now=NOW + timedelta(hours=2)) is True
    assert consent.start(conn, ids, ZHANG, how="staff", now=NOW + timedelta(hours=3)) is False
    assert members.by_number(conn, ZHANG, TODAY).opted_out is False
    assert [(step.granted, step.how) for step in consent.history(conn, ZHANG)] == [
        (False, "STOP"),
        (False, "STOP"),
        (True, "START"),
        (True, "staff"),
    ]
    assert consent.history(conn, ZHANG)[2].at == NOW + timedelta(hours=2)


def test_an_opt_out_leaves_the_binding_alone(conn: Connection, ids: Ids) -> None:
    members.bind(conn, ZHANG, person(conn, ids, "1001", branch(conn, ids)), NOW)
    members.set_language(conn, ZHANG, "en")
    consent.stop(conn, ids, ZHANG, how="STOP", now=NOW)
    sender = members.by_number(conn, ZHANG, TODAY)
    assert sender.member is not None
    assert (sender.member.member_no, sender.language, sender.opted_out) == ("1001", "en", True)
