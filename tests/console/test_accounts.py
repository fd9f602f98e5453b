"""One's own account and those of others, over real HTTP: second factor, recovery codes, sessions, roles."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, update

from gateway.affairs import roles, second_factor, settings, staff
from gateway.core.tables.organisation import role_grant
from gateway.core.tables.staff import audit
from gateway.core.tables.staff import staff as accounts
from tests.console.served import PASSWORD, Browser, Response, link_for, staff_member
from tests.console.world import World


def required(world: World) -> None:
    """As it is shipped: who may do much needs a second factor."""
    world.run(
        lambda conn: settings.change(
            conn, world.ids, "staff.second_factor", None, actor="system:test", now=datetime.now(UTC)
        )
    )


def secret_of(page: Response) -> bytes:
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", page.body)
    assert found is not None
    return base64.b32decode(found[1].replace(" ", ""))


def code(secret: bytes, *, later: int = 0) -> str:
    return second_factor.code_at(secret, second_factor.step_of(datetime.now(UTC)) + later)


def enrolled(world: World, name: str) -> tuple[bytes, list[str], Browser]:
    browser = world.browser(name)
    page = browser.get("/account/second")
    secret = secret_of(page)
    sealed = re.search(r'name="sealed" value="([^"]+)"', page.body)
    assert sealed is not None
    printed = browser.post("/account/second", {"sealed": sealed[1], "code": code(secret)})
    codes = re.findall(r"<code>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})</code>", printed.body)
    assert len(codes) == second_factor.RECOVERY_CODES
    return secret, codes, browser


def step(world: World, name: str, typed: str) -> tuple[Browser, Response]:
    """Password, then a code."""
    browser = world.browser()
    asked = browser.sign_in(name)
    assert asked.status == 200, asked.text
    pending = re.search(r'name="pending" value="([^"]+)"', asked.body)
    assert pending is not None
    return browser, browser.post("/sign-in/second", {"pending": pending[1], "code": typed, "next": "/links"})


# --- the second factor --------------------------------------------------------------------------------------------


def test_who_may_do_much_enrols_before_anything_else(world: World) -> None:
    required(world)
    lead = world.browser("zhao")
    for path in ("/", "/queue", "/log", "/account", "/links"):
        answer = lead.get(path)
        assert (answer.status, answer.headers["Location"]) == (303, "/account/second"), path
    agent = world.browser("li")
    assert agent.get("/queue").status == 200
    secret, codes, browser = enrolled(world, "zhao")
    assert browser.get("/queue").status == 200
    assert second_factor.written(secret) not in browser.get("/account").body
    assert not any(each in browser.get("/account").body for each in codes)


def test_a_role_given_later_asks_for_it_in_a_running_session(world: World) -> None:
    required(world)
    agent = world.browser("li")
    assert agent.get("/queue").status == 200
    li = world.run(lambda conn: staff.find(conn, "li"))
    assert li is not None
    now = datetime.now(UTC)
    world.run(
        lambda conn: roles.grant(conn, world.ids, "lead", staff_id=li.id, by="staff:root", now=now, today=now.date())
    )
    assert agent.get("/queue").headers["Location"] == "/account/second"


def test_signing_in_takes_password_and_code(world: World) -> None:
    secret, _, _ = enrolled(world, "zhao")
    browser, answer = step(world, "zhao", code(secret, later=1))
    assert (answer.status, answer.headers["Location"]) == (303, "/links")
    assert browser.get("/queue").status == 200


def test_the_password_alone_opens_nothing(world: World) -> None:
    enrolled(world, "zhao")
    browser = world.browser()
    browser.sign_in("zhao")
    assert "muster" not in browser.cookies
    assert browser.get("/queue").status == 303


def test_a_code_works_once_and_a_wrong_one_never(world: World) -> None:
    secret, _, _ = enrolled(world, "zhao")
    assert step(world, "zhao", code(secret))[1].status == 403  # enrolling has used it
    assert step(world, "zhao", "000000")[1].status == 403
    assert step(world, "zhao", code(secret, later=1))[1].status == 303
    assert step(world, "zhao", code(secret, later=1))[1].status == 403


def test_a_recovery_code_signs_in_once(world: World) -> None:
    _, codes, _ = enrolled(world, "zhao")
    assert step(world, "zhao", codes[0])[1].status == 303
    assert step(world, "zhao", codes[0])[1].status == 403


def test_wrong_codes_lock_the_account(world: World) -> None:
    secret, _, _ = enrolled(world, "zhao")
    browser = world.browser()
    asked = browser.sign_in("zhao")
    pending = re.search(r'name="pending" value="([^"]+)"', asked.body)
    assert pending is not None
    for _ in range(5):
        assert browser.post("/sign-in/second", {"pending": pending[1], "code": "000000"}).status == 403
    right = browser.post("/sign-in/second", {"pending": pending[1], "code": code(secret, later=1)})
    assert right.status == 403
    assert world.browser().sign_in("zhao").status == 403


def test_what_follows_the_password_is_of_this_browser_and_of_these_minutes(world: World) -> None:
    secret, _, _ = enrolled(world, "zhao")
    first = world.browser()
    pending = re.search(r'name="pending" value="([^"]+)"', first.sign_in("zhao").body)
    assert pending is not None
    other = world.browser()
    other.get("/sign-in")
    stolen = other.post("/sign-in/second", {"pending": pending[1], "code": code(secret, later=1)})
    assert stolen.status == 403
    world.served.order("advance 301")
    late = first.post("/sign-in/second", {"pending": pending[1], "code": code(secret, later=11)})
    assert late.status == 403
    assert "muster" not in first.cookies
    forged = world.browser()
    forged.get("/sign-in")
    assert forged.post("/sign-in/second", {"pending": "1.99999999999.x", "code": "000000"}).status == 403


def test_a_link_still_asks_for_the_code(world: World) -> None:
    secret, _, _ = enrolled(world, "zhao")
    link = world.run(lambda conn: link_for(conn, "zhao"))
    browser = world.browser()
    asked = browser.get(link)
    assert asked.status == 200
    assert "muster" not in browser.cookies
    pending = re.search(r'name="pending" value="([^"]+)"', asked.body)
    assert pending is not None
    assert browser.post("/sign-in/second", {"pending": pending[1], "code": code(secret, later=1)}).status == 303
    assert browser.get("/queue").status == 200


def test_enrolment_of_somebody_else_cannot_be_used(world: World) -> None:
    li, wuli = world.browser("li"), world.browser("wuli")
    page = li.get("/account/second")
    sealed = re.search(r'name="sealed" value="([^"]+)"', page.body)
    assert sealed is not None
    wuli.get("/account/second")
    answer = wuli.post("/account/second", {"sealed": sealed[1], "code": code(secret_of(page))})
    assert answer.headers["Location"] == "/account/second"
    assert wuli.post("/account/second", {"sealed": "AAAA", "code": "1"}).status == 303


def test_enrolling_turns_the_session_and_ends_the_others(world: World) -> None:
    other = world.browser("zhao")
    assert other.get("/queue").status == 200
    before = world.browser("zhao")
    token = before.cookies["muster"]
    _, _, browser = enrolled(world, "zhao")
    assert browser.cookies["muster"] != token
    assert other.get("/queue").status == 303
    assert before.get("/queue").status == 303


def test_new_recovery_codes_and_removal_want_a_code(world: World) -> None:
    secret, codes, browser = enrolled(world, "zhao")
    browser.get("/account")
    assert browser.post("/account/codes", {"code": "000000"}).status == 400
    fresh = browser.post("/account/codes", {"code": code(secret, later=1)})
    assert "-" in fresh.body
    assert codes[0] not in fresh.body
    browser.get("/account")
    assert browser.post("/account/remove", {"code": codes[1]}).status == 400  # void since then
    new = re.findall(r"<code>([0-9A-Z-]{14})</code>", fresh.body)
    assert browser.post("/account/remove", {"code": new[0]}).headers["Location"] == "/account"
    assert world.browser().sign_in("zhao").status == 303


# --- password and sessions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wrong", "four words of my own"),
        (PASSWORD, "short"),
        (PASSWORD, "1234567890"),
        (PASSWORD, "aaaaaaaaaaaa"),
        (PASSWORD, "mr zhao is here"),
        (PASSWORD, "for 安河县组织部 only"),
        (PASSWORD, "i like Muster a lot"),
        (PASSWORD, "x" * 257),
    ],
)
def test_a_password_that_will_not_do(world: World, old: str, new: str) -> None:
    browser = world.browser("zhao")
    browser.get("/account")
    assert browser.post("/account/password", {"password": old, "new": new}).status == 400
    assert world.browser().sign_in("zhao").status == 303


def test_a_new_password_ends_the_other_sessions_and_turns_this_one(world: World) -> None:
    other, browser = world.browser("zhao"), world.browser("zhao")
    before = browser.cookies["muster"]
    browser.get("/account")
    done = browser.post("/account/password", {"password": PASSWORD, "new": "four words of my own"})
    assert done.status == 303
    assert browser.cookies["muster"] != before
    assert browser.get("/account").status == 200
    assert other.get("/account").status == 303
    assert world.browser().sign_in("zhao").status == 403
    assert world.browser().sign_in("zhao", "four words of my own").status == 303


def test_one_ends_ones_own_sessions_and_nobody_elses(world: World) -> None:
    first, second, wuli = world.browser("li"), world.browser("li"), world.browser("wuli")
    page = first.get("/account")
    assert "127.0.0.1" in page.text
    (reference,) = re.findall(r'name="session" value="([^"]+)"', page.body)
    assert second.cookies["muster"] not in page.body
    wuli.get("/account")
    wuli.post("/account/session/end", {"session": reference})
    assert second.get("/account").status == 200
    first.post("/account/session/end", {"session": reference})
    assert second.get("/account").status == 303
    third = world.browser("li")
    first.get("/account")
    first.post("/account/session/others", {})
    assert third.get("/account").status == 303
    assert first.get("/account").status == 200


# --- the accounts of others ---------------------------------------------------------------------------------------


def reasons(world: World, action: str) -> list[str | None]:
    return world.run(lambda conn: list(conn.scalars(select(audit.c.reason).where(audit.c.action == action))))


def test_an_account_from_its_making_to_its_end(world: World) -> None:
    root = world.browser("root")
    root.get("/staff")
    made = root.post("/staff", {"name": "chen", "phone": "13800000099"})
    link = re.search(r"/sign-in/link/\S+?(?=<)", made.body)
    assert link is not None
    root.get("/staff/chen")
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert root.post("/staff/chen/grant", {"role": "agent", "branch": "5301", "until": until}).status == 303
    assert reasons(world, "role granted") == [f"agent in 5301 until {until}"]
    assert until in root.get("/staff/chen").text
    chen = world.browser()
    assert chen.get(link[0]).status == 303
    assert chen.get("/queue").status == 200
    page = root.get("/staff/chen")
    grant = re.search(r'name="grant" value="(\d+)"', page.body)
    assert grant is not None
    assert root.post("/staff/chen/revoke", {"grant": grant[1]}).status == 303
    assert chen.get("/queue").status == 303  # to sign in again
    assert root.post("/staff/chen/disable", {}).status == 303
    assert chen.get("/account").status == 303
    assert root.post("/staff/chen/enable", {}).status == 303
    assert chen.get("/account").status == 303


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"role": "auditor"}, "不能由同一人担任"),
        ({"role": "king"}, "没有角色 king"),
        ({"role": "agent", "branch": "99"}, "没有编号为 99 的支部"),
        ({"role": "agent", "until": "2020-01-01"}, "已过"),
        ({"role": "agent", "until": "soon"}, ""),
    ],
)
def test_roles_that_cannot_be_given(world: World, fields: dict[str, str], says: str) -> None:
    root = world.browser("root")
    root.get("/staff/qian")
    answer = root.post("/staff/qian/grant", fields)
    assert answer.status == 400
    assert says in answer.text
    assert reasons(world, "role granted") == []


def test_nobody_gives_themselves_a_role_or_switches_themselves_off(world: World) -> None:
    root = world.browser("root")
    root.get("/staff/root")
    assert "须由他人授予" in root.post("/staff/root/grant", {"role": "lead"}).text
    assert root.post("/staff/root/disable", {}).status == 400
    assert root.post("/staff/root/second", {}).status == 400
    assert root.get("/staff").status == 200


def test_who_may_more_or_less_than_before_signs_in_anew(world: World) -> None:
    root, li = world.browser("root"), world.browser("li")
    stolen = dict(li.cookies)
    root.get("/staff/li")
    assert root.post("/staff/li/grant", {"role": "lead", "branch": "5301"}).status == 303
    assert li.get("/queue").headers["Location"].startswith("/sign-in")
    assert li.sign_in("li").status == 303
    assert li.get("/queue").status == 200
    li.cookies.update(stolen)
    assert li.get("/queue").status == 303
    assert root.get("/staff").status == 200  # who gave it stays


def test_a_role_ends_with_its_last_day_in_the_middle_of_a_session(world: World) -> None:
    li = world.browser("li")
    assert li.get("/queue").status == 200
    yesterday = (datetime.now(UTC) - timedelta(days=2)).date()
    mine = select(accounts.c.id).where(accounts.c.name == "li").scalar_subquery()
    world.run(
        lambda conn: conn.execute(role_grant.update().where(role_grant.c.staff_id == mine).values(until=yesterday))
    )
    assert li.get("/queue").status == 403


def test_the_last_administrator_stays_one(world: World) -> None:
    root = world.browser("root")
    page = root.get("/staff/root")
    grant = re.search(r'name="grant" value="(\d+)"', page.body)
    assert grant is not None
    answer = root.post("/staff/root/revoke", {"grant": grant[1]})
    assert answer.status == 400
    assert "最后一名管理员" in answer.text
    world.run(lambda conn: staff_member(conn, world.ids, "ma", "admin"))
    assert root.post("/staff/root/revoke", {"grant": grant[1]}).status == 303
    assert root.get("/staff").status == 303


def test_an_administrator_of_a_branch_gives_roles_there_only(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "town", "admin", branch="5301"))
    town = world.browser("town")
    town.get("/staff")
    town.post("/staff", {"name": "fresh"})
    assert town.post("/staff/fresh/grant", {"role": "agent", "branch": "5302"}).status == 400
    assert town.post("/staff/fresh/grant", {"role": "agent"}).status == 400
    assert town.post("/staff/qian/grant", {"role": "agent", "branch": "5301"}).status == 404
    assert town.post("/staff/fresh/grant", {"role": "agent", "branch": "5301"}).status == 303


def test_a_lost_second_factor_is_reset_by_somebody_else(world: World) -> None:
    _, _, browser = enrolled(world, "zhao")
    root = world.browser("root")
    root.get("/staff/zhao")
    assert root.post("/staff/zhao/second", {}).status == 303
    assert browser.get("/queue").status == 303
    assert world.browser().sign_in("zhao").status == 303

    def secrets(conn: Connection) -> list[bytes | None]:
        return list(conn.scalars(select(accounts.c.totp).where(accounts.c.name == "zhao")))

    assert world.run(secrets) == [None]


def test_a_locked_account_is_opened_again(world: World) -> None:
    late = datetime.now(UTC) + timedelta(minutes=10)
    world.run(lambda conn: conn.execute(update(accounts).where(accounts.c.name == "li").values(locked_until=late)))
    assert world.browser().sign_in("li").status == 403
    root = world.browser("root")
    root.get("/staff/li")
    root.post("/staff/li/enable", {})
    assert world.browser().sign_in("li").status == 303


def test_an_administrator_of_a_branch_sees_who_has_a_role_there_or_none_yet(world: World) -> None:
    def more(conn: Connection) -> None:
        staff_member(conn, world.ids, "town", "admin", branch="5301")
        staff_member(conn, world.ids, "near", "agent", branch="5301")
        staff_member(conn, world.ids, "far", "agent", branch="5302")

    world.run(more)
    root, town = world.browser("root"), world.browser("town")
    root.get("/staff")
    root.post("/staff", {"name": "fresh"})
    listed = town.get("/staff").body
    assert {name for name in ("near", "far", "fresh", "root") if f"/staff/{name}" in listed} == {"near", "fresh"}
    assert {name: town.get(f"/staff/{name}").status for name in ("near", "fresh", "far", "root")} == {
        "near": 200, "fresh": 200, "far": 404, "root": 404
    }  # fmt: skip
    everybody = root.get("/staff").body
    assert all(f"/staff/{name}" in everybody for name in ("near", "far", "fresh", "town"))


def test_an_administrator_of_a_branch_takes_over_no_account_of_the_whole(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "town", "admin", branch="5301"))
    town = world.browser("town")
    for name in ("root", "zhao", "river"):
        for what in ("link", "disable", "enable", "second"):
            town.get("/staff")
            answer = town.post(f"/staff/{name}/{what}", {})
            assert answer.status == 404, (name, what)
            assert "/sign-in/link/" not in answer.body
    town.get("/staff/wuli")
    assert "/sign-in/link/" in town.post("/staff/wuli/link", {}).body
    town.get("/settings/limits.same")
    assert town.post("/settings/limits.same", {"value": "7"}).status == 403
    assert town.post("/settings/accept", {"proposal": "1"}).status == 403


def test_signing_out_clears_what_the_browser_kept(world: World) -> None:
    browser = world.browser("li")
    browser.get("/account")
    answer = browser.post("/sign-out", {})
    assert '"storage"' in (answer.headers["Clear-Site-Data"] or "")
    assert browser.get("/account").status == 303


def test_others_cannot_be_made_by_further_fields(world: World) -> None:
    """What a form does not ask for is not written, however it is called."""
    root = world.browser("root")
    root.get("/staff")
    root.post(
        "/staff", {"name": "chen", "password_hash": "x", "disabled": "1", "totp": "x", "id": "7", "role": "admin"}
    )

    def row(conn: Connection) -> tuple[object, ...]:
        return tuple(
            conn.execute(
                select(accounts.c.password_hash, accounts.c.disabled, accounts.c.totp).where(accounts.c.name == "chen")
            ).one()
        )

    assert world.run(row) == (None, False, None)
    chen = world.run(lambda conn: staff.find(conn, "chen"))
    assert chen is not None
    assert world.run(lambda conn: roles.in_force(conn, staff_id=chen.id, today=datetime.now(UTC).date())) == ()
