"""The pages of a case over real HTTP: how an answer goes out, once, and who holds the case meanwhile."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, update

from gateway.affairs import cases
from gateway.console import case_query
from gateway.core.tables.messages import message
from gateway.core.tables.staff import case_entry, hotline_case, staff
from tests.console.served import PHONE
from tests.console.world import World


def form_id(page: str) -> str:
    found = re.search(r'name="form" value="([0-9a-f.]+)"', page)
    assert found
    return found[1]


def test_an_answer_goes_out_as_an_sms_in_the_same_transaction(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    browser = fresh.browser("li")
    page = browser.get(f"/case/{case.case_no}")
    assert "低保什么时候到账" in page.body
    fields = {"form": form_id(page.body), "text": "每月10日。\r\n祝好"}
    assert browser.post(f"/case/{case.case_no}/answer", fields).status == 303
    assert browser.post(f"/case/{case.case_no}/answer", fields).status == 303  # the double click
    rows = fresh.run(lambda conn: conn.execute(select(message).where(message.c.direction == "out")).all())
    assert len(rows) == 1
    row = rows[0]
    assert row.text == "【安河组织】每月10日。\n祝好"
    assert (row.number, row.link, row.lane, row.state, row.log_class) == (PHONE, "mobile", 2, "queued", "D")
    assert (row.case_id, row.actor, row.branch_path) == (case.id, "staff:li", "/53/5301/")
    assert str(row.id) == fields["form"].partition(".")[0]
    changed = fresh.run(lambda conn: cases.by_id(conn, case.id))
    assert changed is not None
    assert changed.state == "answered"
    assert fresh.actions()[-1] == "answer"
    assert "每月10日" in browser.get(f"/case/{case.case_no}").body
    assert case.case_no in browser.get("/queue?tab=answered").body
    assert case.case_no not in browser.get("/queue").body


def test_the_id_of_an_answer_cannot_be_chosen(fresh: World) -> None:
    """An id from the far future would be the newest for ever."""
    case, other = fresh.asked("一", fresh.member), fresh.asked("二", fresh.member)
    browser = fresh.browser("li")
    form = form_id(browser.get(f"/case/{case.case_no}").body)
    id_, _, proof = form.partition(".")
    elsewhere = form_id(browser.get(f"/case/{other.case_no}").body)
    for chosen in (
        "",
        "77",
        f"{2**63 - 1}.{proof}",
        f"{2**63}.{proof}",
        f"{id_}.",
        elsewhere,
        f"{int(id_) + 1}.{proof}",
    ):
        answer = browser.post(f"/case/{case.case_no}/answer", {"form": chosen, "text": "x"})
        assert answer.status == 400, chosen
    assert fresh.browser("zhao").get("/queue").status == 200
    zhao = fresh.browser("zhao")
    zhao.get(f"/case/{case.case_no}")
    assert zhao.post(f"/case/{case.case_no}/answer", {"form": form, "text": "x"}).status == 400
    assert browser.post(f"/case/{case.case_no}/answer", {"form": form, "text": "x"}).status == 303


def test_two_people_do_not_answer_the_same_question(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    li, wuli = fresh.browser("li"), fresh.browser("wuli")
    page = wuli.get(f"/case/{case.case_no}")
    li.get(f"/case/{case.case_no}")
    assert li.post(f"/case/{case.case_no}/claim", {}).headers["Location"] == f"/case/{case.case_no}"
    assert "li" in wuli.get("/queue").text
    assert "problem=claimed" in wuli.post(f"/case/{case.case_no}/claim", {}).headers["Location"]
    late = wuli.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "我写了很久的答复"})
    assert late.status == 409
    assert "我写了很久的答复" in late.body  # what was typed is not lost
    assert fresh.run(lambda conn: conn.execute(select(func.count()).select_from(case_entry)).scalar()) == 1
    fresh.served.order("advance 601")  # the lease is over
    page = wuli.get(f"/case/{case.case_no}")
    answer = wuli.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "答复"})
    assert answer.status == 303


def test_a_lead_takes_a_case_over(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    fresh.run(lambda conn: conn.execute(update(staff).where(staff.c.name == "li").values(language="en")))
    li, zhao = fresh.browser("li"), fresh.browser("zhao")
    li.get(f"/case/{case.case_no}")
    li.post(f"/case/{case.case_no}/claim", {})
    assert "接管" in zhao.get(f"/case/{case.case_no}").text
    assert zhao.post(f"/case/{case.case_no}/claim", {}).headers["Location"] == f"/case/{case.case_no}"
    assert "zhao is at this case" in li.get(f"/case/{case.case_no}").text


def test_writing_keeps_the_case_and_counts_in_the_real_coding(fresh: World) -> None:
    zh = fresh.asked("低保什么时候到账", fresh.member)
    en = fresh.asked("How do I pay", None, language="en")
    browser = fresh.browser("li")
    browser.get("/queue")

    def counted(case: cases.Case, text: str) -> str:
        return browser.post(f"/case/{case.case_no}/measure", {"text": text}, {"HX-Request": "true"}).text

    assert counted(zh, "好" * 64).startswith("1 条短信 · 70 / 70 · UCS-2")
    assert counted(zh, "好" * 65).startswith("2 条短信 · 71 / 132 · UCS-2")
    assert counted(en, "a" * 154).startswith("1 条短信 · 160 / 160 · GSM 03.38")
    assert counted(en, "a" * 155).startswith("2 条短信 · 161 / 304 · GSM 03.38")
    assert counted(en, "€" * 77).startswith("1 条短信 · 160 / 160")
    assert "去掉这些字符" in counted(en, "it’s open")
    assert "太长" in counted(zh, "好" * 701)
    assert "签名" in counted(zh, "  ")
    assert "没有这个页面" in browser.post("/case/123/measure", {"text": "x"}, {"HX-Request": "true"}).text
    claimed = fresh.run(lambda conn: cases.by_id(conn, zh.id))
    assert claimed is not None
    assert claimed.claimed_by is not None


def test_notes_stay_inside_and_cases_close_and_open_again(fresh: World) -> None:
    case = fresh.asked("低保什么时候到账", fresh.member)
    browser = fresh.browser("li")
    browser.get(f"/case/{case.case_no}")
    browser.post(f"/case/{case.case_no}/note", {"text": "问过民政局了"})
    page = browser.get(f"/case/{case.case_no}")
    open_form = form_id(page.body)
    assert "问过民政局了" in page.body
    assert "problem=empty" in browser.post(f"/case/{case.case_no}/note", {"text": " "}).headers["Location"]
    browser.post(f"/case/{case.case_no}/close", {"reason": "重复"})
    page = browser.get(f"/case/{case.case_no}")
    assert "已办结" in page.text
    assert 'name="text" rows="4"' not in page.body
    assert case.case_no in browser.get("/queue?tab=closed").body
    answer = browser.post(f"/case/{case.case_no}/answer", {"form": open_form, "text": "太迟"})
    assert answer.status == 409
    browser.post(f"/case/{case.case_no}/reopen", {})
    assert case.case_no in browser.get("/queue").body
    browser.post(f"/case/{case.case_no}/close", {"reason": "重复"})
    fresh.served.order("advance 21600")
    browser = fresh.browser("li")
    browser.get("/queue")
    fresh.run(lambda conn: conn.execute(update(hotline_case).values(closed=datetime(2026, 1, 1, tzinfo=UTC))))
    assert "problem=old" in browser.post(f"/case/{case.case_no}/reopen", {}).headers["Location"]
    sent = fresh.run(lambda conn: conn.execute(select(func.count()).where(message.c.direction == "out")).scalar())
    assert sent == 0


def test_no_link_for_a_number_says_so_and_keeps_the_text(fresh: World) -> None:
    case = fresh.asked("Habari", None, language="en")
    fresh.run(lambda conn: conn.execute(update(hotline_case).values(number="+254712345678")))
    fresh.run(lambda conn: conn.execute(update(message).values(link="gone")))
    browser = fresh.browser("li")
    page = browser.get(f"/case/{case.case_no}")
    answer = browser.post(f"/case/{case.case_no}/answer", {"form": form_id(page.body), "text": "Jibu letu"})
    assert answer.status == 409
    assert "Jibu letu" in answer.body
    assert "目前没有线路" in answer.text


def test_the_queue_is_the_oldest_first_in_pages(fresh: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(case_query.PAGE + 3):
        fresh.asked(f"第{number}个问题", fresh.member, ago=1000 - number)
    browser = fresh.browser("li")
    first = browser.get("/queue")
    numbers = re.findall(r"第(\d+)个问题", first.body)
    assert numbers == [str(number) for number in range(case_query.PAGE)]
    following = re.search(r'href="(/queue\?after=\d+)"', first.body)
    assert following
    second = browser.get(following[1])
    assert re.findall(r"第(\d+)个问题", second.body) == ["50", "51", "52"]
    assert ">53<" in browser.get("/links").body.replace("\n", "").replace(" ", "")
    assert browser.get("/queue?tab=nonsense").status == 404
    assert browser.get("/queue?after=x").status == 200


def test_cases_are_found_by_words_and_by_number(fresh: World) -> None:
    case = fresh.asked("水渠什么时候修", fresh.member)
    fresh.asked("别的", fresh.member)
    browser = fresh.browser("wuli")
    found = browser.get("/queue?q=%E6%B0%B4%E6%B8%A0")
    assert "水渠什么时候修" in found.body
    assert "别的" not in found.body
    assert "待答复" in found.text
    assert browser.get(f"/queue?q={case.case_no}").headers["Location"] == f"/case/{case.case_no}"
    assert "水渠" not in fresh.browser("river").get(f"/queue?q={case.case_no}").text
    assert "没有符合的内容" in browser.get("/queue?q=%25").text
