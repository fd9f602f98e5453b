"""The audit in the console: for auditors of the whole, searched, exported, and signed off by month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.affairs import chain, chain_state
from gateway.console import audit_query
from gateway.core import audit, guards
from gateway.core.ids import Ids
from tests.console.serve import KEYS
from tests.console.served import staff_member
from tests.console.world import World


def record(world: World, actor: str, action: str, reason: str) -> None:
    now = datetime.now(UTC)
    world.run(
        lambda conn: audit.record(
            conn, id=world.ids(), at=now, actor=actor, action=action, object="member:1", reason=reason
        )
    )


def linked(world: World) -> None:
    """Today's rows become a link, as they would tomorrow night."""

    def work(conn: Connection) -> None:
        later = datetime.now(UTC) + timedelta(days=2)
        made = chain.plan(conn, chain.Name.AUDIT, ZoneInfo("Asia/Shanghai"), later)
        assert made is not None
        chain.append(conn, KEYS, made, *chain.read(conn, made), later)

    world.run(work)


def test_only_an_auditor_of_the_whole_reads_it(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "townaudit", "auditor", branch="5301"))
    for name in ("root", "li", "zhao", "townaudit"):
        assert world.browser(name).get("/audit").status == 403, name
        assert world.browser(name).get("/audit/export/csv").status == 403, name
    assert world.browser("sun").get("/audit").status == 200


def test_it_is_searched_and_exported_inertly(world: World) -> None:
    record(world, "staff:li", "reveal", "=cmd|'/C calc'!A0")
    record(world, "staff:zhao", "export", "<script>alert(1)</script>")
    sun = world.browser("sun")
    page = sun.get("/audit?action=reveal")
    assert "calc" in page.text
    assert "alert" not in page.text
    assert "<script>alert" not in sun.get("/audit?actor=zhao").body
    assert "calc" not in sun.get("/audit?actor=zhao").text
    assert "calc" not in sun.get("/audit?from=2999-01-01").text
    assert "calc" not in sun.get("/audit?to=2020-01-01").text
    exported = sun.get("/audit/export/csv?action=reveal")
    assert "calc" in exported.body
    assert not any(line.split(",")[-1].startswith("=") for line in exported.body.splitlines())
    assert sun.get("/audit/export/exe").status == 404


def test_no_phone_is_whole_in_it(world: World) -> None:
    phone, now = "+8613800000077", datetime.now(UTC)
    world.run(
        lambda conn: audit.record(
            conn, id=world.ids(), at=now, actor=f"number:{phone}", action="reveal", object=f"number:{phone}"
        )
    )
    sun = world.browser("sun")
    for path in ("/audit", "/audit/export/csv"):
        body = sun.get(path).body
        assert body.count("number:+86138****0077") == 2, path
        assert phone not in body, path
    assert "number:+86138****0077" in sun.get(f"/audit?object=number:%2B{phone[1:]}").body  # asked for by who knows it


def test_the_actions_are_those_that_there_are(conn: Connection, ids: Ids) -> None:
    assert audit_query.actions(conn) == ()
    for action in ("reveal", "answer", "reveal", "export", "answer", "a b"):
        audit.record(conn, id=ids(), at=datetime.now(UTC), actor="staff:li", action=action, object="case:1")
    assert audit_query.actions(conn) == ("a b", "answer", "export", "reveal")
    found = audit_query.page(conn, audit_query.Wanted(action="answer"), None)
    assert [entry.action for entry in found] == ["answer", "answer"]


def test_a_month_is_signed_off_once_when_it_is_over(world: World) -> None:
    record(world, "staff:li", "reveal", "why")
    sun = world.browser("sun")
    sun.get("/audit")
    now = datetime.now(UTC) + timedelta(hours=8)
    last = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    assert sun.post("/audit/sign", {"month": f"{now:%Y-%m}"}).status == 400
    assert sun.post("/audit/sign", {"month": last, "note": "all seen"}).status == 303
    assert sun.post("/audit/sign", {"month": last}).status == 400
    assert "all seen" in sun.get("/audit").text


def test_a_broken_chain_is_seen_and_nothing_is_signed_over_it(world: World) -> None:
    record(world, "staff:li", "reveal", "why")
    sun = world.browser("sun")
    linked(world)
    assert "审计 链完好，从" in sun.get("/audit").text

    def tamper(conn: Connection) -> None:
        guards.remove(conn)
        conn.exec_driver_sql("UPDATE chain SET rows = rows + 1")

    world.run(tamper)
    assert "审计 链已断裂" in sun.get("/audit").text
    assert world.run(lambda conn: chain_state.state(conn, KEYS, chain.Name.AUDIT)).broken
    last = f"{datetime.now(UTC).replace(day=1) - timedelta(days=2):%Y-%m}"
    assert sun.post("/audit/sign", {"month": last}).status == 400
