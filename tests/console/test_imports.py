"""Imports in the console: uploaded, checked, imported, reported and taken back, over real HTTP."""

from __future__ import annotations

import http.client
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.affairs import settings
from gateway.affairs.notices import drafts
from gateway.console import importer, imports
from gateway.console.front import LARGEST_UPLOAD
from gateway.core.tables.organisation import branch, member
from tests.console.served import Browser, Response, staff_member
from tests.console.world import World

TITLES = "编号,手机,支部编号,姓名,语言,类别,月会费\n"


def send(
    browser: Browser, what: str, content: bytes, *, name: str = "register.csv", csrf: str | None = None
) -> Response:
    browser.get("/import")
    return browser.upload(
        "/import", {"what": what} if csrf is None else {"what": what, "csrf": csrf}, content, name=name
    )


def uploaded(browser: Browser, what: str, text: str, encoding: str = "utf-8", name: str = "register.csv") -> str:
    answer = send(browser, what, text.encode(encoding), name=name)
    assert answer.status == 303, answer.text
    return answer.headers["Location"] or ""


def ended(browser: Browser, path: str) -> Response:
    """The page once the work is over."""
    for _ in range(300):
        page = browser.get(path)
        if "<progress" not in page.body:
            return page
        time.sleep(0.1)
    raise AssertionError("the import goes on and on")


def members(world: World) -> int:
    return world.run(lambda conn: conn.scalar(select(func.count()).select_from(member))) or 0


def test_a_register_is_checked_imported_and_taken_back(world: World) -> None:
    root = world.browser("root")
    rows = (
        "".join(f"M{n},138000001{n:02},5302,成员{n},zh,a,3\n" for n in range(20)) + "M99,13800000199,9999,王,zh,a,3\n"
    )
    path = uploaded(root, "members", TITLES + rows, "gb18030")
    page = root.get(path)
    assert "<option selected>gb18030</option>" in page.body
    assert '<option value="member_no" selected>成员编号 (member_no)</option>' in page.body
    assert "成员0" in page.text
    root.post(f"{path}/check", {})
    page = ended(root, path)
    assert members(world) == 1
    assert "尚未改动" in page.text
    assert "1 × 没有这个支部编号，请先导入支部" in page.text
    assert "M99" in page.text
    assert "22,M99,error,branch_code:unknown,未导入：没有这个支部编号，请先导入支部" in root.get(f"{path}/report").text
    root.get(path)
    root.post(f"{path}/apply", {})
    page = ended(root, path)
    assert members(world) == 21
    assert root.post(f"{path}/apply", {}).status == 303  # nothing happens twice
    assert members(world) == 21
    root.post(f"{path}/undo", {})
    page = ended(root, path)
    assert members(world) == 1
    assert "已撤回" in page.text
    assert root.post(f"{path}/undo", {}).status == 400


def test_what_the_columns_mean_is_the_persons_word(world: World) -> None:
    root = world.browser("root")
    path = uploaded(root, "branches", "甲,乙,丙\n5399,新支部,53\n")
    root.get(path)
    root.post(f"{path}/check", {})
    assert "没有 code 列" in ended(root, path).text
    root.post(f"{path}/check", {"column-0": "code", "column-1": "name", "column-2": "parent_code"})
    ended(root, path)
    root.post(f"{path}/apply", {})
    ended(root, path)
    assert world.run(lambda conn: conn.scalar(select(branch.c.path).where(branch.c.code == "5399"))) == "/53/5399/"


def test_letters_come_in_parts_and_none_is_left_out() -> None:
    job = importer.Job(
        7, "members", "m.csv", "done", "{}", '{"invited": 2500}', None, "x", datetime.now(UTC), 0, 0, None, None
    )
    assert imports.parts(job) == [(1, 1, 1000), (2, 1001, 2000), (3, 2001, 2500)]


def test_invitations_instead_of_phones(world: World) -> None:
    root = world.browser("root")
    path = uploaded(root, "members", TITLES + "M1,13800000101,5302,成员,zh,a,3\n")
    root.get(path)
    root.post(f"{path}/check", {"invite": "on"})
    ended(root, path)
    root.post(f"{path}/apply", {"invite": "on"})
    page = ended(root, path)
    assert "邀请函" in page.text
    letters = root.post(f"{path}/letters", {})
    assert letters.body.startswith("%PDF")
    assert root.post(f"{path}/letters", {"part": "2"}).status == 404
    assert "invitations printed" in world.actions()


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "文件是空的"), (b"PK\x03\x04", "Excel工作簿"), (b"\n\n", "文件是空的")]
)
def test_what_is_no_table_is_said_at_once(world: World, content: bytes, says: str) -> None:
    answer = send(world.browser("root"), "members", content)
    assert answer.status == 400
    assert says in answer.text


def test_an_upload_needs_our_form_a_session_and_the_role(world: World) -> None:
    root = world.browser("root")
    assert send(root, "members", b"x,y\n", csrf="wrong").status == 403
    assert send(world.browser(), "members", b"x,y\n").status in (303, 403)
    assert send(world.browser("li"), "members", b"x,y\n").status == 403
    world.run(lambda conn: staff_member(conn, world.ids, "town", "admin", branch="5301"))
    assert send(world.browser("town"), "members", b"x,y\n").status == 403


@pytest.mark.parametrize("separator", ["\n", "\r\n", " "])
def test_a_register_of_megabytes_arrives_whole(world: World, tmp_path: Path, separator: str) -> None:
    root = world.browser("root")
    rows = separator.join(f"M{n},,5302,成员{n},zh,a,3" for n in range(200_000))
    path = uploaded(root, "members", TITLES + rows)
    kept = tmp_path / "imports" / f"{path.rpartition('/')[2]}.csv"
    assert kept.read_bytes() == (TITLES + rows).encode()


def test_a_file_beyond_all_measure_is_turned_away(world: World) -> None:
    root = world.browser("root")
    root.get("/import")
    connection = http.client.HTTPConnection("127.0.0.1", root.port, timeout=30)
    cookies = "; ".join(f"{key}={value}" for key, value in root.cookies.items())
    connection.putrequest("POST", "/import")
    connection.putheader("Cookie", cookies)
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(LARGEST_UPLOAD + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_large_body_for_another_page_stays_refused(world: World) -> None:
    root = world.browser("root")
    connection = http.client.HTTPConnection("127.0.0.1", root.port, timeout=30)
    connection.putrequest("POST", "/language")
    connection.putheader("Cookie", "; ".join(f"{key}={value}" for key, value in root.cookies.items()))
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", "100000")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_the_page_shows_cells_inertly(world: World) -> None:
    root = world.browser("root")
    path = uploaded(root, "members", TITLES + "<script>alert(1)</script>,,5302,x,zh,a,3\n")
    body = root.get(path).body
    assert "<script>alert" not in body
    assert re.search("&lt;script&gt;alert", body)


def test_a_job_goes_with_its_files_when_it_cannot_be_undone_any_more(world: World) -> None:
    root = world.browser("root")
    path = uploaded(root, "members", TITLES + "M1,13800000101,5302,成员,zh,a,3\n")
    root.get(path)
    root.post(f"{path}/check", {})
    ended(root, path)
    root.post(f"{path}/apply", {})
    ended(root, path)
    now = datetime.now(UTC)
    assert world.run(lambda conn: importer.forget_jobs(conn, now + importer.KEPT - timedelta(hours=1))) == 0
    later = now + importer.KEPT + timedelta(hours=1)
    assert world.run(lambda conn: importer.forget_jobs(conn, later)) == 0  # what could be undone goes first
    while world.run(lambda conn: importer.forget(conn, later)):
        pass
    assert world.run(lambda conn: importer.forget_jobs(conn, later)) == 1
    assert root.get(path).status == 404
    assert "import members" in world.actions()


def test_those_who_were_linked_are_greeted_once_somebody_agrees(world: World) -> None:
    world.run(lambda conn: settings.change(conn, world.ids, "approval.solo_limit", 0, actor="x", now=datetime.now(UTC)))
    root = world.browser("root")
    rows = "M1,13800000101,5302,甲,zh,a,3\nM2,13800000102,5302,乙,en,a,3\n"
    path = uploaded(root, "members", TITLES + rows, name=f"{'a register of this year ' * 3}.csv")
    root.get(path)
    assert root.post(f"{path}/welcome", {}).status == 400
    root.post(f"{path}/check", {})
    ended(root, path)
    root.post(f"{path}/apply", {})
    ended(root, path)
    for _ in range(2):
        root.get(path)
        assert root.post(f"{path}/welcome", {}).status == 303
    assert "提交审批" in root.get(path).text
    (made,) = world.run(drafts.listing)
    assert (made.state, made.author, made.funnel.left) == ("waiting", "staff:root", 2)
    assert "回错" in made.texts["zh"]
    assert "WRONG" in made.texts["en"]
    assert "TD" in made.texts["zh"]
