"""Waivers, tables of rates and the assessment of a year: who decides, what is tried first, what is kept."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, select, update

from gateway.core.tables.dues import assessment
from gateway.core.tables.organisation import member, obligation
from tests.console.money import THIS_YEAR, neighbour
from tests.console.test_dues import form_of
from tests.console.test_dues import world as world
from tests.console.world import World


def test_a_waiver_is_decided_by_another_person_within_reach(world: World) -> None:
    he, wu = world.browser("he"), world.browser("wu")
    he.get("/dues/waivers")
    form = form_of(he, "/dues/waivers/propose")
    first, last = f"{THIS_YEAR}-05", f"{THIS_YEAR}-06"
    fields = {"form": form, "member": "A1004", "first": first, "last": last, "note": "ask the branch"}
    for _ in range(2):
        assert he.post("/dues/waivers/propose", fields).status == 303
    assert he.post("/dues/waivers/propose", fields | {"first": "May"}).status == 409
    world.run(lambda conn: neighbour(conn, world.ids))
    assert "没有这个成员号" in he.post("/dues/waivers/propose", fields | {"member": "B2001"}).text
    page = wu.get("/dues/waivers")
    (id_,) = re.findall(r"/dues/waivers/waiver/(\d+)/approve", page.body)
    form = form_of(wu, f"/dues/waivers/waiver/{id_}/approve")
    he.get("/dues/waivers")
    own = re.search(r'name="form" value="([^"]+)"', he.last.body if he.last else "")
    assert he.post(f"/dues/waivers/waiver/{id_}/approve", {"form": own[1] if own else ""}).status == 409
    assert world.browser("sun").post(f"/dues/waivers/waiver/{id_}/approve", {"form": form}).status == 403
    assert wu.post(f"/dues/waivers/waiver/{id_}/approve", {"form": form}).status == 303
    owed_ = select(obligation.c.amount).where(obligation.c.month.in_([THIS_YEAR * 100 + 5, THIS_YEAR * 100 + 6]))
    assert world.run(lambda conn: list(conn.scalars(owed_))) == [0, 0]
    assert "waiver approve" in world.actions()


def test_a_new_table_of_rates_is_checked_and_stored(world: World) -> None:
    wu = world.browser("wu")
    page = wu.get("/dues/rates")
    assert "农民" in page.text
    text = wu.get("/dues/rates.toml").body
    new = text.replace("valid_from = 2009-01-01", f"valid_from = {THIS_YEAR + 1}-01-01")
    assert new != text
    wrong = wu.post("/dues/rates", {"table": new.replace("least = 0.20", "least = 9999", 1)})
    assert wrong.status == 409
    assert "9999" in wrong.body, "what was typed is not lost"
    for _ in range(2):
        assert wu.post("/dues/rates", {"table": new}).status == 303
    assert f"{THIS_YEAR + 1}-01-01" in wu.get("/dues/rates").text
    assert world.actions().count("rates stored") == 1
    tan = world.browser("tan")
    assert tan.get("/dues/rates").status == 200
    assert tan.post("/dues/rates", {"table": new}).status == 403


def test_a_year_is_tried_and_then_assessed(world: World) -> None:
    def classes(conn: Connection) -> None:
        conn.execute(update(member).values(dues_class="farmer", monthly_amount=50))
        conn.execute(obligation.delete())

    world.run(classes)
    wu = world.browser("wu")

    def outcome(how: str) -> str:
        wu.get("/dues/rates")
        assert wu.post("/dues/rates/assess", {"year": str(THIS_YEAR), "how": how}).status == 303
        for _ in range(200):
            page = wu.get("/dues/rates").text
            if "正在核定" not in page:
                return page
        raise AssertionError("it does not come to an end")

    assert "未作任何更改" in outcome("try")
    rows = select(assessment.c["class"], assessment.c.amount)
    assert world.run(lambda conn: conn.execute(rows).all()) == []
    assert "已核定" in outcome("assess")
    assert [tuple(row) for row in world.run(lambda conn: conn.execute(rows).all())] == [("farmer", 50)]
    assert f"assess {THIS_YEAR}" in world.actions()
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/assess", {"year": "2001", "how": "assess"}).status == 409
    tan = world.browser("tan")
    tan.get("/dues/rates")
    assert tan.post("/dues/rates/assess", {"year": str(THIS_YEAR), "how": "assess"}).status == 403


def test_a_year_is_assessed_by_a_file_of_incomes_that_is_kept_nowhere(world: World, tmp_path: Path) -> None:
    world.run(lambda conn: conn.execute(obligation.delete()))
    wages = "编号,类别,工资\nA1004,wage,4321.09\nA9999,wage,4000\n".encode("gb18030")
    rows = select(assessment.c["class"], assessment.c.amount)
    year = str(THIS_YEAR)
    wu, other = world.browser("wu"), world.browser("zheng")

    def over() -> str:
        for _ in range(200):
            page = wu.get("/dues/rates").text
            if "正在核定" not in page:
                return page
        raise AssertionError("it does not come to an end")

    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409  # which file?
    assert wu.upload("/dues/rates/file", {"year": year, "how": "try"}, b"name\nx\n").status == 409
    assert "wages.csv" not in wu.get("/dues/rates").text
    answer = wu.upload("/dues/rates/file", {"year": year, "how": "try"}, wages, name="wages.csv")
    assert answer.status == 303
    page = over()
    assert "未作任何更改" in page
    assert f"按已试算的 wages.csv 核定 {year} 年" in page
    assert "A9999" in page
    assert "名册中没有这名成员" in page
    assert "A9999" not in world.browser("tan").get("/dues/rates").text  # who sees one branch, sees not others' members
    assert world.run(lambda conn: conn.execute(rows).all()) == []
    report = wu.get("/dues/rates/report").body
    assert report.splitlines()[1:] == [
        "2,A1004,created,,新核定",
        "3,A9999,error,member_no:unknown,未核定：名册中没有这名成员",
    ]
    other.get("/dues/rates")
    assert "wages.csv 核定" not in other.get("/dues/rates").text
    assert other.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 303
    assert "已核定" in over()
    ((name, amount),) = world.run(lambda conn: conn.execute(rows).all())
    assert (name, amount) == ("wage", 4321)
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409  # it is forgotten
    assert f"assess {THIS_YEAR}" in world.actions()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"4321.09" not in stored
    tan = world.browser("tan")
    tan.get("/dues/rates")
    assert tan.post("/dues/rates/file", {"year": year, "how": "try"}).status == 403
    assert tan.get("/dues/rates/report").status == 403
