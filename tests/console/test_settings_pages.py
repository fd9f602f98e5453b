"""Settings in the console: seen by some, changed by administrators, by two of them where it matters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.affairs import settings
from gateway.affairs.declarations import DECLARED
from gateway.console import settings_query
from tests.console.served import Response, staff_member
from tests.console.world import World


def value(world: World, name: str, *, ahead: timedelta = timedelta(seconds=1)) -> Any:
    return world.run(lambda conn: settings.value(conn, name, datetime.now(UTC) + ahead))


def test_every_setting_is_on_a_page(world: World) -> None:
    root = world.browser("root")
    for group in settings_query.groups():
        page = root.get(f"/settings?group={group}")
        assert page.status == 200
        for each in DECLARED:
            if settings_query.group_of(each.name) == group and not each.family:
                assert each.zh in page.text
                assert root.get(f"/settings/{each.name}").status == 200
    assert "texts.zh.dues.clear" in root.get("/settings?group=texts&q=dues.clear").text
    assert root.get("/settings?group=nothing").status == 404
    assert root.get("/settings/nothing.at.all").status == 404


def test_a_change_counts_at_once_and_is_told_with_its_reason(world: World) -> None:
    root = world.browser("root")
    root.get("/settings/limits.same")
    assert root.post("/settings/limits.same", {"value": "7", "reason": "many ask"}).status == 303
    assert value(world, "limits.same") == 7
    page = root.get("/settings/limits.same")
    assert " root " in page.text
    assert "many ask" in page.text
    root.post("/settings/limits.same", {"value": "7", "shipped": "1"})
    assert value(world, "limits.same") == 5


def test_a_change_for_another_day(world: World) -> None:
    root = world.browser("root")
    root.get("/settings/limits.same")
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    assert root.post("/settings/limits.same", {"value": "7", "from": day}).status == 303
    assert value(world, "limits.same") == 5
    assert value(world, "limits.same", ahead=timedelta(days=10)) == 7
    assert root.post("/settings/limits.same", {"value": "7", "from": "2020-01-01"}).status == 400
    assert root.post("/settings/limits.same", {"value": "7", "from": "soon"}).status == 400


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("limits.same", "700", "须在 2 到 20 之间"),
        ("commands.off", "92", "不能停用"),
        ("words.zh.11", "咨询", "“咨询”已是命令 71 的词"),
        ("texts.zh.dues.clear", "去33投票", "提到了读者可能没有的命令 33"),
    ],
)
def test_what_cannot_be_is_refused_and_what_was_typed_stays(world: World, name: str, typed: str, says: str) -> None:
    root = world.browser("root")
    root.get(f"/settings/{name}")
    answer = root.post(f"/settings/{name}", {"value": typed})
    assert answer.status == 400
    assert says in answer.text
    assert typed in answer.body
    assert world.run(lambda conn: settings.history(conn, name)) == ()


def test_two_persons(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "ma", "admin"))
    root, ma = world.browser("root"), world.browser("ma")
    root.get("/settings/retention.texts")
    assert root.post("/settings/retention.texts", {"value": "30"}).headers["Location"].endswith("?waits=1")
    assert value(world, "retention.texts") == 90
    page = root.get("/settings")
    proposal = re.search(r'name="proposal" value="(\d+)"', page.body)
    assert proposal is not None
    own = root.post("/settings/accept", {"proposal": proposal[1]})
    assert own.status == 400
    assert value(world, "retention.texts") == 90
    ma.get("/settings")
    assert ma.post("/settings/accept", {"proposal": proposal[1]}).status == 303
    assert value(world, "retention.texts") == 30
    assert ma.post("/settings/accept", {"proposal": proposal[1]}).status == 400
    ma.get("/settings/retention.texts")
    ma.post("/settings/retention.texts", {"value": "40"})
    other = re.search(r'name="proposal" value="(\d+)"', root.get("/settings").body)
    assert other is not None
    assert root.post("/settings/refuse", {"proposal": other[1]}).status == 303
    assert value(world, "retention.texts") == 30


def seen(page: Response) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page.body)
    assert found is not None
    return found[1]


def test_a_page_that_has_grown_old_overwrites_nothing(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "ma", "admin"))
    root, ma = world.browser("root"), world.browser("ma")
    old = seen(root.get("/settings/limits.same"))
    assert ma.post("/settings/limits.same", {"value": "7", "seen": seen(ma.get("/settings/limits.same"))}).status == 303
    answer = root.post("/settings/limits.same", {"value": "9", "seen": old})
    assert answer.status == 400
    assert "limits.same 刚刚已被他人更改" in answer.text
    assert "现在的值： 7" in answer.text
    assert value(world, "limits.same") == 7
    assert root.post("/settings/limits.same", {"value": "9", "seen": seen(answer)}).status == 303
    assert value(world, "limits.same") == 9


def test_a_proposal_of_somebody_else_is_seen_before_it_is_replaced(world: World) -> None:
    world.run(lambda conn: staff_member(conn, world.ids, "ma", "admin"))
    root, ma = world.browser("root"), world.browser("ma")
    old = seen(root.get("/settings/retention.texts"))
    ma.get("/settings/retention.texts")
    assert ma.post("/settings/retention.texts", {"value": "30", "seen": old}).status == 303
    answer = root.post("/settings/retention.texts", {"value": "40", "seen": old})
    assert answer.status == 400
    assert "等待第二人确认： 30" in answer.text
    (waiting,) = world.run(settings.proposals)
    assert (waiting.value, waiting.actor) == (30, "staff:ma")


def test_others_look_and_change_nothing(world: World) -> None:
    lead = world.browser("zhao")
    page = lead.get("/settings/limits.same")
    assert page.status == 200
    assert 'name="value"' not in page.body
    assert lead.post("/settings/limits.same", {"value": "7"}).status == 403
    assert world.browser("li").get("/settings").status == 403
