"""Branches and members in the console: within one's branches, numbers masked, everything with a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, select, update

from gateway.affairs import branches, consent, members, roles, staff
from gateway.core import audit
from gateway.core.tables.organisation import branch, member, number
from tests.console.served import PHONE, Browser, logged, staff_member
from tests.console.world import World


def other_member(world: World, code: str = "5302", member_no: str = "B2002", name: str = "Ann Lee") -> int:
    def work(conn: Connection) -> int:
        made = world.ids()
        where = conn.scalar(select(branch.c.id).where(branch.c.code == code))
        conn.execute(
            member.insert().values(
                id=made, member_no=member_no, branch_id=where, name=name, language="en", dues_class="a",
                monthly_amount=900, created=datetime.now(UTC),
            )
        )  # fmt: skip
        return made

    return world.run(work)


def phone_of(page: str) -> str:
    found = re.search(r'name="phone" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def done(world: World, member_id: int) -> list[tuple[str, str, str | None]]:
    entries = world.run(lambda conn: audit.listing(conn, object=f"member:{member_id}"))
    return [(entry.actor, entry.action, entry.reason) for entry in entries]


def on(world: World, name: str = "root") -> tuple[Browser, str]:
    browser = world.browser(name)
    return browser, f"/member/{world.member.id}"


# --- the tree -----------------------------------------------------------------------------------------------------


def test_the_tree_opens_level_by_level(world: World) -> None:
    root = world.browser("root")
    first = root.get("/branches")
    assert "安河县" in first.text
    assert "五里桥镇" not in first.text
    below = root.get("/branches/53/below", {"HX-Request": "true"})
    assert "五里桥镇第一支部" in below.text
    assert "<html" not in below.body
    page = root.get("/branches/5301")
    assert "王玉兰" in page.text
    assert "…1004" in page.text


def test_a_long_level_comes_in_pages_with_and_without_scripts(world: World) -> None:
    def grow(conn: Connection) -> None:
        for each in range(250):
            branches.add(conn, world.ids, code=f"54{each:03}", name=f"第{each}组", parent_code="53")

    world.run(grow)
    root = world.browser("root")
    plain: dict[str, str] = {}
    for headers in (plain, {"HX-Request": "true"}):
        path, shown = "/branches/53", []
        while path:
            page = root.get(path, headers)
            shown.append(re.findall(r'<li><a href="/branches/(\d+)"', page.body))
            assert ("<html" in page.body) == (not headers)
            more = re.search(r'href="(/branches/53\?below=\d+)" rel="next"', page.body)
            path = more[1] if more else ""
        assert [len(each) for each in shown] == [100, 100, 52]
        assert list(chain(*shown)) == ["5301", "5302", *(f"54{each:03}" for each in range(250))]
    assert "回到开头" in root.get("/branches/53?below=54000").text


def test_a_branch_is_found_by_code_or_name_within_reach(world: World) -> None:
    root, he = world.browser("root"), world.browser("he")
    for words in ("riverside", "5302", "River"):
        found = root.get(f"/branches?q={words}").body
        assert re.findall(r'<li><a href="/branches/(\d+)"', found) == ["5302"], words
        assert "没有符合的支部" in he.get(f"/branches?q={words}").text
    assert "五里桥镇第一支部" in he.get(f"/branches?q={quote('五里桥')}").text
    assert "没有符合的支部" in root.get(f"/branches?q={quote('%')}").text


def test_a_secretary_sees_their_own_branch_only(world: World) -> None:
    stranger = other_member(world)
    he = world.browser("he")
    assert "五里桥镇第一支部" in he.get("/branches").text
    assert "Riverside" not in he.get("/branches").text
    assert he.get("/branches/5301").status == 200
    beyond = ("/branches/53", "/branches/5302", "/branches/53/below", f"/member/{stranger}", "/member/1", "/member/x")
    for path in beyond:
        assert he.get(path).status == 404, path
    assert "Ann Lee" not in he.get("/members?q=Ann").text
    page = he.get(f"/member/{world.member.id}")
    assert page.status == 200
    assert he.post(f"/member/{stranger}/bind", {"number": "13800000055", "reason": "came in"}).status == 404
    assert he.post(f"/member/{stranger}/invite", {}).status == 404
    assert world.run(lambda conn: members.numbers_of(conn, stranger)) == ()


@pytest.mark.parametrize("words", ["13800000007", "+8613800000007", "A1004", "1004", "王玉", "138 0000 0007"])
def test_a_member_is_found(world: World, words: str) -> None:
    other_member(world)
    answer = world.browser("root").get(f"/members?q={quote(words)}")
    assert answer.headers["Location"] == f"/member/{world.member.id}"


def test_a_name_is_found_in_any_case(world: World) -> None:
    ann = other_member(world)
    for words in ("ann lee", "LEE", "Ann"):
        assert world.browser("root").get(f"/members?q={quote(words)}").headers["Location"] == f"/member/{ann}"


@pytest.mark.parametrize("words", ["0007", "13800000", "100", "%", "_", "x'; DROP TABLE member;--"])
def test_part_of_a_number_finds_nobody(world: World, words: str) -> None:
    assert "王玉兰" not in world.browser("root").get(f"/members?q={quote(words)}").text


def test_pages_go_on(world: World) -> None:
    for each in range(51):
        other_member(world, member_no=f"C{each:04}", name=f"Name {each:04}")
    root = world.browser("root")
    first = root.get("/branches/5302")
    assert "Name 0049" in first.text
    assert "Name 0050" not in first.text
    more = re.search(r'href="(/branches/5302\?after=[^"]+)"', first.body)
    assert more is not None
    assert "Name 0050" in root.get(more[1]).text
    assert "只列出前50名" in root.get("/members?q=name").text
    assert "只列出" not in root.get("/members?q=name%20004").text


# --- one member ---------------------------------------------------------------------------------------------------


def test_no_page_holds_a_number_that_was_not_asked_for(world: World) -> None:
    world.logged("hello")
    root, path = on(world)
    for page in (path, "/members?q=王玉兰", "/branches/5301", "/members/stopped"):
        body = root.get(quote(page, safe="/?=")).body
        assert PHONE not in body, page
        assert PHONE[1:] not in body, page


def test_a_number_is_shown_for_a_reason_the_member_can_see(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "both", "secretary", branch="5301"))
    he, path = on(world, "he")
    he.get(path)
    assert he.post(f"{path}/number", {"reason": "call back"}).status == 403  # a secretary's role does not reveal

    def also_agent(conn: Connection) -> None:
        found = staff.find(conn, "both")
        where = branches.by_code(conn, "5301")
        assert found is not None
        assert where is not None
        now = datetime.now(UTC)
        roles.grant(
            conn, world.ids, "agent", staff_id=found.id, branch_id=where.id, by="test", now=now, today=now.date()
        )

    world.run(also_agent)
    both, path = on(world, "both")
    both.get(path)
    assert both.post(f"{path}/number", {"reason": "x"}).status == 400
    both.post(f"{path}/number", {"reason": "call back"})
    assert PHONE in both.get(path).body
    assert PHONE not in on(world, "root")[0].get(path).body
    assert done(world, world.member.id)[0] == ("staff:both", "reveal", "call back")


def test_a_phone_is_locked_and_unlocked_with_a_reason(world: World) -> None:
    he, path = on(world, "he")
    phone = phone_of(he.get(path).body)
    assert he.post(f"{path}/phone/lock", {"phone": phone, "reason": ""}).status == 400
    assert he.post(f"{path}/phone/lock", {"phone": phone, "reason": "lost on the bus"}).status == 303
    assert world.run(lambda conn: conn.scalar(select(number.c.locked))) is not None
    assert "lost on the bus" in he.get(path).text
    assert he.post(f"{path}/phone/unlock", {"phone": phone, "reason": "came in person"}).status == 303
    assert he.post(f"{path}/phone/unlock", {"phone": phone, "reason": "came in person"}).status == 400
    assert [entry[1] for entry in done(world, world.member.id)] == ["phone unlocked", "phone locked"]


def test_a_phone_is_unlinked_and_linked(world: World) -> None:
    he, path = on(world, "he")
    phone = phone_of(he.get(path).body)
    assert he.post(f"{path}/phone/unbind", {"phone": phone, "reason": "new number"}).status == 303
    assert world.run(lambda conn: members.numbers_of(conn, world.member.id)) == ()
    assert he.post(f"{path}/phone/unbind", {"phone": phone, "reason": "new number"}).status == 400
    he.get(path)
    assert he.post(f"{path}/bind", {"number": "12", "reason": "new number"}).status == 400
    assert he.post(f"{path}/bind", {"number": "138 0000 0077", "reason": "new number"}).status == 303
    (bound,) = world.run(lambda conn: members.numbers_of(conn, world.member.id))
    assert bound.number == "+8613800000077"
    assert world.run(lambda conn: consent.history(conn, bound.number))[0].how == "staff"
    other = other_member(world)
    root = world.browser("root")
    root.get(f"/member/{other}")
    taken = root.post(f"/member/{other}/bind", {"number": "13800000077", "reason": "new number"})
    assert "已绑定他人" in taken.text


def test_a_phone_of_somebody_else_cannot_be_named(world: World) -> None:
    other = other_member(world)
    root, path = on(world)
    phone = phone_of(root.get(path).body)
    for act in ("lock", "unbind", "main", "explode"):
        assert root.post(f"/member/{other}/phone/{act}", {"phone": phone, "reason": "because"}).status == 400
    assert root.post(f"{path}/phone/explode", {"phone": phone, "reason": "because"}).status == 400


def test_an_invitation_is_a_pdf_with_a_code_that_works_once(world: World) -> None:
    he, path = on(world, "he")
    he.get(path)
    letter = he.post(f"{path}/invite", {})
    assert letter.headers["Content-Type"] == "application/pdf"
    assert letter.body.startswith("%PDF")
    assert done(world, world.member.id)[0][1] == "invitation made"


def test_who_has_a_role_gets_another_phone_from_an_administrator_only(world: World) -> None:
    """Whose phone it is gives the orders: a secretary could else approve, with a second phone, what they wrote."""
    today = datetime.now(UTC).date()
    world.run(
        lambda conn: roles.grant(
            conn, world.ids, "approver", member_id=world.member.id, by="test", now=datetime.now(UTC), today=today
        )
    )
    he, path = on(world, "he")
    he.get(path)
    bound = he.post(f"{path}/bind", {"number": "138 0000 0077", "reason": "new number"})
    assert (bound.status, "138****0077" in he.get(path).text) == (400, False)
    assert he.post(f"{path}/invite", {}).status == 400
    assert done(world, world.member.id) == []
    root, path = on(world)
    root.get(path)
    assert root.post(f"{path}/bind", {"number": "138 0000 0077", "reason": "new number"}).status == 303


def test_roles_by_phone_are_the_administrators(world: World) -> None:
    he, path = on(world, "he")
    he.get(path)
    assert he.post(f"{path}/grant", {"role": "treasurer"}).status == 403
    root, path = on(world)
    root.get(path)
    assert root.post(f"{path}/grant", {"role": "treasurer", "until": "2099-01-01"}).status == 303
    page = root.get(path)
    assert "2099-01-01" in page.text
    assert root.post(f"{path}/grant", {"role": "auditor"}).status == 400
    assert root.post(f"{path}/grant", {"role": "agent", "until": "2020-01-01"}).status == 400
    grant = re.search(r'name="grant" value="(\d+)"', page.body)
    assert grant is not None
    assert root.post(f"{path}/revoke", {"grant": grant[1]}).status == 303
    assert root.post(f"{path}/revoke", {"grant": grant[1]}).status == 400


# --- who is not reached -------------------------------------------------------------------------------------------


def test_members_whom_a_full_stop_cuts_off_are_listed_to_their_branch(world: World) -> None:
    now = datetime.now(UTC)
    he = world.browser("he")
    assert "王玉兰" not in he.get("/members/stopped").text
    world.run(lambda conn: consent.stop(conn, world.ids, PHONE, how="STOP", now=now))
    assert "王玉兰" in he.get("/members/stopped").text
    world.run(lambda conn: staff_member(conn, world.ids, "riversec", "secretary", branch="5302"))
    assert "王玉兰" not in world.browser("riversec").get("/members/stopped").text
    world.run(lambda conn: members.bind(conn, "+8613800000088", world.member.id, now))
    assert "王玉兰" not in he.get("/members/stopped").text  # another phone of theirs is reached
    world.run(lambda conn: conn.execute(update(number).values(opted_out=True)))
    assert "王玉兰" in he.get("/members/stopped").text


def test_the_last_contact_is_a_month(world: World) -> None:
    world.run(lambda conn: logged(conn, world.ids, "hi"))
    page = world.browser("he").get(f"/member/{world.member.id}")
    assert f"{datetime.now(UTC):%Y-%m}" in page.text
