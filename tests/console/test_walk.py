"""Every address of the console with every role and with none, against a table that is declared here.

The table is the promise; the permissions of the code are only how it is kept. A route that is new must be put into it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import branches, vouchers, waivers
from gateway.affairs.roles import ROLES
from gateway.console import app, export_query
from gateway.console.permissions import Staff
from gateway.console.web import Route
from gateway.core.tables.desk import saved_search
from gateway.core.tables.everything import METADATA
from gateway.core.tables.staff import staff
from tests.console.money import MONTHS, doubted, owed, paid
from tests.console.serve import KEYS
from tests.console.served import Browser, logged, staff_member
from tests.console.test_notices import write
from tests.console.world import World, served_on

ANYBODY, STAFF = "anybody", "staff"
# What ends the session or turns its token is asked last of all.
_LAST = ("/account/session/end", "/account/session/others", "/sign-out")
_STREAMS = frozenset({"/events"})
_VALUES = {"kind": "csv", "language": "zh", "act": "lock", "verb": "accept", "what": "waiver", "path:name": "mark.svg"}


def table() -> dict[tuple[str, str], str]:
    """Method and address, and who may: "anybody", "staff" (whoever is signed in), or roles."""
    found = {}
    for line in (Path(__file__).parent / "walk.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            method, rule, who = re.split(r" +", line, maxsplit=2)
            found[method, rule] = who
    return found


def method_of(route: Route) -> str:
    return "POST" if route.post else "GET"


def address(route: Route) -> str:
    return re.sub(r"<([^>]+)>", lambda found: _VALUES.get(found[1], "1"), route.rule)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_on(tmp_path_factory.mktemp("walk")) as served:
        made = World(served)
        for role in ROLES:
            made.run(partial(_account, made, f"one-{role}", role))
        yield made


def _account(world: World, name: str, role: str, conn: Connection) -> int:
    return staff_member(conn, world.ids, name, role, branch="5302" if name.startswith("beside") else None)


def in_turn() -> list[Route]:
    """All routes, what ends the session at the end."""
    return sorted(app._ROUTES, key=lambda route: _LAST.index(route.rule) if route.rule in _LAST else -1)


def source(role: str) -> str:
    """Each calls from an address of its own, for some of what they try fails and is counted."""
    return f"127.0.1.{ROLES.index(role) + 1}"


def ask(browser: Browser, route: Route) -> int:
    if route.post:
        return browser.post(address(route), {}).status
    return browser.get(address(route)).status


def test_every_route_is_declared_and_nothing_else() -> None:
    assert set(table()) == {(method_of(route), route.rule) for route in app._ROUTES}


def test_the_table_names_roles_that_exist() -> None:
    for key, who in table().items():
        assert who in (ANYBODY, STAFF) or set(who.split()) <= set(ROLES), key


def test_without_a_session_nothing_answers_but_the_door(world: World) -> None:
    declared = table()
    for route in in_turn():
        browser = world.browser(source="127.0.2.3")
        browser.get("/sign-in")
        answer = browser.post(address(route), {}) if route.post else browser.get(address(route))
        leads = answer.headers["Location"] or ""
        if declared[method_of(route), route.rule] == ANYBODY:
            assert answer.status != 303 or not leads.startswith("/sign-in?"), route.rule
            continue
        assert (answer.status, leads.partition("?")[0]) == (303, "/sign-in"), route.rule


@pytest.mark.parametrize("role", ROLES)
def test_every_role_reaches_what_is_its_own_and_no_more(world: World, role: str) -> None:
    declared = table()
    browser = world.browser(f"one-{role}", source(role))
    wrong = []
    for route in in_turn():
        who = declared[method_of(route), route.rule]
        if route.rule in _STREAMS or who == ANYBODY:
            continue
        allowed = who == STAFF or role in who.split()
        browser.get("/account")  # the token of forms
        status = ask(browser, route)
        if (status != 403) is not allowed or status >= 500:
            wrong.append(f"{role} {method_of(route)} {route.rule}: {status}")
    assert not wrong


# Addresses with a parameter that is of no branch, or of the whole organisation alone.
_OF_NO_BRANCH = (
    "/static/", "/sign-in/link/", "/settings/", "/alarms/", "/audit/export/", "/dues/rates.", "/dues/table/",
    "/dues/days/", "/dues/reconciliation/", "/dues/suspense/", "/dues/texts/", "/dues/wallets/",
)  # fmt: skip
_LIVING = {"audit", "staff_session", "fact", "figure"}  # tables that change whoever asks


def rows(conn: Connection) -> dict[str, list[str]]:
    """All that stands in the database, but what changes whoever asks."""
    tables = (table for table in METADATA.sorted_tables if table.name not in _LIVING)
    return {table.name: sorted(map(str, conn.execute(select(table)))) for table in tables}


def belongings(world: World) -> dict[str, str]:
    """One of everything that belongs to the branch 5301, by the beginning of its addresses."""
    who = world.member
    case = world.asked("水费怎么交", who)
    text = world.run(lambda conn: logged(conn, world.ids, "会费九元", member_id=who.id))
    for name, role in (("here", "agent"), ("local", "publisher"), ("head", "lead"), ("tan", "treasurer")):
        world.run(partial(_here, world, name, role))
    world.run(lambda conn: owed(conn, who.id))
    receipt = world.run(lambda conn: paid(conn, world.ids, who.id, 900))
    now = datetime.now(UTC)
    waiver = world.run(
        lambda conn: waivers.propose(
            conn, world.ids, who.id, first=MONTHS[2], last=MONTHS[2], actor="staff:he", now=now
        )
    )
    refund = world.run(lambda conn: doubted(conn, world.ids, who, receipt))
    batch = world.run(partial(_vouchers, world))
    export = world.run(partial(_export, world))
    saved = world.ids()
    world.run(
        lambda conn: conn.execute(
            saved_search.insert().values(id=saved, staff_id=_id(conn, "here"), name="x", query="q=x", created=now)
        )
    )
    notice = write(world.browser("local", "127.0.2.9"), "各支部开会").rpartition("/")[2]
    return {
        "/case/<number>": case.case_no,
        "/member/<id>": str(who.id),
        "/message/<id>": str(text),
        "/branches/<code>": "5301",
        "/staff/<name>": "here",
        "/bulk/<number>": notice,
        "/exports/<id>": str(export),
        "/log/saved/<id>": str(saved),
        "/import/<id>": "1",
        "/dues/receipts/<number>": receipt.number,
        "/dues/vouchers/<number>": batch,
        "/dues/refunds/<id>": str(refund),
        "/dues/waivers/<what>/<id>": f"waiver/{waiver.id}",
        "/dues/waivers/asked/<id>": str(waiver.id),
    }


def test_a_role_of_one_branch_reaches_nothing_of_another(world: World) -> None:
    """Whatever belongs to a branch is asked for by those of every role in the branch beside it: nothing is shown, and
    nothing in the database becomes another."""
    values, declared, asked = belongings(world), table(), set()
    for role in ROLES:
        name = f"beside-{role}"
        world.run(partial(_account, world, name, role))
        browser = world.browser(name, source(role))
        before = world.run(rows)
        for route in in_turn():
            front = max((each for each in values if route.rule.startswith(each)), key=len, default=None)
            if front is None or role not in declared[method_of(route), route.rule].split():
                continue
            asked.add(route.rule)
            path = route.rule.replace(front, front[: front.index("<")] + values[front])
            path = re.sub(r"<([^>]+)>", lambda found: _VALUES.get(found[1], "1"), path)
            page = browser.get("/account")
            form = re.search(r'name="form" value="([^"]+)"', page.body)
            sent = {"reason": "just looking", "text": "x", "number": "13800000077", "role": "agent", "branch": "5302"}
            answer = browser.post(path, sent | {"form": form[1] if form else "x"}) if route.post else browser.get(path)
            assert route.post or answer.status in (403, 404), (role, route.rule, answer.status)
            assert answer.status < 500, (role, route.rule)
            for secret in ("王玉兰", "水费怎么交", "会费九元", "各支部开会"):
                assert secret not in answer.body, (role, route.rule)
            assert world.run(rows) == before, (role, route.rule)
    with_parameter = {route.rule for route in in_turn() if "<" in route.rule}
    assert {rule for rule in with_parameter - asked if not rule.startswith(_OF_NO_BRANCH)} == set()


def _here(world: World, name: str, role: str, conn: Connection) -> int:
    return staff_member(conn, world.ids, name, role, branch="5301")


def _vouchers(world: World, conn: Connection) -> str:
    place = branches.by_code(conn, "5301")
    assert place is not None
    now = datetime.now(UTC)
    return vouchers.print_batch(
        conn,
        KEYS,
        world.ids,
        random.Random(1),
        branch_id=place.id,
        count=2,
        value=500,
        currency="CNY",
        actor="x",
        now=now,
    ).number


def _export(world: World, conn: Connection) -> int:
    """One that is ready, of a lead's."""
    now = datetime.now(UTC)
    who = Staff(id=_id(conn, "head"), name="head", language="zh", grants=())
    made = export_query.ask(conn, world.ids, who, "q=x", "csv", "why", now)
    export_query.written(conn, made, "none.csv", 1, now)
    return made


def _id(conn: Connection, name: str) -> int:
    found: int = conn.execute(select(staff.c.id).where(staff.c.name == name)).scalar_one()
    return found


def test_security_headers_are_on_every_answer(world: World) -> None:
    browser = world.browser("root", "127.0.2.2")
    for path in ("/account", "/nothing", "/static/mark.svg", "/staff", "/%ff", "/sign-in"):
        headers = browser.get(path).headers
        policy = headers["Content-Security-Policy"] or ""
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        for directive in ("base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'", "object-src 'none'"):
            assert directive in policy, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Server"] is None
        if not path.startswith("/static"):
            assert headers["Cache-Control"] == "no-store", path


def test_no_form_is_taken_without_its_token_or_from_another_site(world: World) -> None:
    browser = world.browser("one-admin", "127.0.2.1")
    for route in in_turn():
        if route.post and route.rule != "/import":
            browser.get("/account")
            assert browser.post(address(route), {"csrf": "x" * 32}).status == 403, route.rule
            browser.get("/account")
            foreign = browser.post(address(route), {}, {"Origin": "https://evil.example"})
            assert foreign.status == 403, route.rule
