"""The desk and the log over real HTTP: what is handed on, merged, stopped, saved, exported, written down."""

from __future__ import annotations

import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from sqlalchemy import Connection, func, select, update

from gateway.affairs import alarming, branches, cases, consent, figures, roles, settings, staff, views
from gateway.console import saved_searches
from gateway.core.tables.desk import export_job, saved_search
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import audit, hotline_case
from tests.console.served import PHONE, Browser, Response, staff_member
from tests.console.world import World


def case_now(world: World, case: cases.Case) -> cases.Case:
    found = world.run(lambda conn: cases.by_id(conn, case.id))
    assert found is not None
    return found


def _form(page: Response) -> str:
    """The id that the answer of this page will have."""
    found = re.search(r'name="form" value="([^"]+)"', page.body)
    assert found is not None, page.text
    return found[1]


def opened(browser: Browser, case: cases.Case) -> Response:
    return browser.get(f"/case/{case.case_no}")


# --- the desk ------------------------------------------------------------------------------------------------------


def test_a_case_goes_to_another_unit_and_out_of_reach(fresh: World) -> None:
    case = fresh.asked("低保几时到账", fresh.member)
    wuli = fresh.browser("wuli")
    opened(wuli, case)
    missing = wuli.post(f"/case/{case.case_no}/forward", {"unit": "9999"}).headers["Location"]
    assert "没有这个编码" in wuli.get(missing).text
    assert wuli.post(f"/case/{case.case_no}/forward", {"unit": "5302", "note": "请你们答"}).status == 303
    assert wuli.get(f"/case/{case.case_no}").status == 404
    assert case.case_no not in wuli.get("/queue").body
    river = fresh.browser("river")
    assert case.case_no in river.get("/queue").body
    assert "→ 5302 Riverside: 请你们答" in opened(river, case).text
    assert "forward" in fresh.actions()


def test_a_case_goes_to_no_unit_that_was_not_clearly_meant(fresh: World) -> None:
    def township(conn: Connection) -> None:
        branches.add(conn, fresh.ids, code="5303", name="清水镇", parent_code="53")
        branches.add(conn, fresh.ids, code="530301", name="第一支部", parent_code="5303")
        branches.add(conn, fresh.ids, code="530201", name="第一支部", parent_code="5302")

    fresh.run(township)
    case = fresh.asked("低保几时到账", fresh.member)
    li = fresh.browser("li")
    opened(li, case)
    for unit in ("支部", "第一支部"):
        refused = li.post(f"/case/{case.case_no}/forward", {"unit": unit}).headers["Location"]
        assert "请写支部编码" in li.get(refused).text
    assert case_now(fresh, case).unit_path is None
    li.post(f"/case/{case.case_no}/forward", {"unit": "清水"})
    assert case_now(fresh, case).unit_path == "/53/5303/"
    opened(li, case)
    li.post(f"/case/{case.case_no}/forward", {"unit": "riverside"})
    assert case_now(fresh, case).unit_path == "/53/5302/"


def test_two_cases_of_a_phone_become_one(fresh: World) -> None:
    first, second, away = fresh.asked("一", fresh.member), fresh.asked("二", fresh.member), fresh.asked("三")
    li = fresh.browser("li")
    assert "并入本案" in opened(li, first).text
    li.post(f"/case/{first.case_no}/merge", {"other": second.case_no})
    assert case_now(fresh, second).merged_into == first.id
    page = opened(li, first)
    assert "二" in page.text
    assert first.case_no in opened(li, second).body
    for other in (away, first, second):  # of another phone, itself, and one that is closed already
        refused = li.post(f"/case/{first.case_no}/merge", {"other": other.case_no}).headers["Location"]
        assert "须为同一号码" in li.get(refused).text
    assert case_now(fresh, away).state == "open"
    assert case_now(fresh, first).merged_into is None


@pytest.mark.parametrize(
    "words",
    [
        "👍🏽 好的 \U0001f468\u200d\U0001f469\u200d\U0001f467",
        '<b>好</b><script>alert(1)</script> & "引号"',
        "مرحبا \u202eabc\u202c 你好",
        "第一行\n第二行",
    ],
)
def test_an_answer_goes_out_as_it_was_typed_and_stands_on_the_page_inertly(fresh: World, words: str) -> None:
    case = fresh.asked("低保几时到账", fresh.member)
    li = fresh.browser("li")
    li.post(f"/case/{case.case_no}/answer", {"form": _form(opened(li, case)), "text": words})
    sent = fresh.run(lambda conn: conn.scalar(select(message.c.text).where(message.c.direction == "out")))
    assert sent == f"【安河组织】{words}"
    page = opened(li, case).body
    assert "<script>alert" not in page
    assert "<b>好" not in page
    assert "\u202e" not in page


def test_who_was_not_looking_loses_the_case_and_not_the_text(fresh: World) -> None:
    case = fresh.asked("低保几时到账", fresh.member)
    li, wuli = fresh.browser("li"), fresh.browser("wuli")
    form = _form(opened(li, case))
    li.post(f"/case/{case.case_no}/claim", {})
    fresh.served.order("advance 700")  # the lease of ten minutes is over
    opened(wuli, case)
    assert wuli.post(f"/case/{case.case_no}/claim", {}).status == 303
    late = li.post(f"/case/{case.case_no}/answer", {"form": form, "text": "每月10日到账"})
    assert late.status == 409
    assert "每月10日到账" in late.body
    assert fresh.run(lambda conn: conn.scalar(select(message.c.id).where(message.c.direction == "out"))) is None
    answered = wuli.post(f"/case/{case.case_no}/answer", {"form": _form(opened(wuli, case)), "text": "十日"})
    assert answered.status == 303


def test_whom_a_colleague_has_overtaken_is_told_and_decides(fresh: World) -> None:
    """Both had the page open and neither had claimed the case, as without scripts."""
    case = fresh.asked("低保几时到账", fresh.member)
    li, wuli = fresh.browser("li"), fresh.browser("wuli")
    pages = {name: opened(browser, case) for name, browser in (("li", li), ("wuli", wuli))}
    first = {"form": _form(pages["li"]), "seen": "0", "text": "每月十日"}
    assert li.post(f"/case/{case.case_no}/answer", first).status == 303
    late = wuli.post(f"/case/{case.case_no}/answer", {"form": _form(pages["wuli"]), "seen": "0", "text": "也是十日"})
    assert late.status == 409
    assert "另一位同事已经答复" in late.text
    assert "每月十日" in late.text
    assert ">也是十日</textarea>" in late.body
    seen = re.search(r'name="seen" value="([^"]+)"', late.body)
    assert seen is not None
    again = {"form": _form(late), "seen": seen[1], "text": "带上身份证"}
    assert wuli.post(f"/case/{case.case_no}/answer", again).status == 303
    sent = fresh.run(lambda conn: conn.scalars(select(message.c.text).where(message.c.direction == "out")).all())
    assert sent == ["【安河组织】每月十日", "【安河组织】带上身份证"]


def test_an_answer_to_a_question_reaches_who_has_stopped_all_bulk(fresh: World) -> None:
    case = fresh.asked("低保几时到账", fresh.member)
    fresh.run(lambda conn: consent.stop(conn, fresh.ids, PHONE, how="STOP", now=datetime.now(UTC)))
    li = fresh.browser("li")
    page = opened(li, case)
    assert "已退订；对提问的答复照常发送" in page.text
    assert li.post(f"/case/{case.case_no}/answer", {"form": _form(page), "text": "十日"}).status == 303
    row = fresh.run(lambda conn: conn.execute(select(message).where(message.c.direction == "out")).one())
    assert (row.state, row.lane) == ("queued", 2)


def test_staff_stop_bulk_for_a_member_who_said_so_in_words(fresh: World) -> None:
    case = fresh.asked("请不要再发了", fresh.member)
    li = fresh.browser("li")
    opened(li, case)
    li.post(f"/case/{case.case_no}/opt-out", {})
    assert fresh.run(lambda conn: conn.scalar(select(number.c.opted_out).where(number.c.number == PHONE)))
    [how] = fresh.run(lambda conn: [step.how for step in consent.history(conn, PHONE)])
    assert how == "staff:li"
    assert "已退订" in opened(li, case).text


def test_canned_answers_stand_by_topic_in_the_member_s_language(fresh: World) -> None:
    now = datetime.now(UTC)

    def ready(conn: Connection) -> None:
        for name, text in (("zh.医保/补卡", "带身份证到村点补卡"), ("en.health/card", "At the village desk")):
            settings.change(conn, fresh.ids, f"canned.{name}", text, actor="test", now=now)

    fresh.run(ready)
    case = fresh.asked("医保卡丢了", fresh.member)
    li = fresh.browser("li")
    page = opened(li, case)
    assert "医保" in page.text
    assert "At the village desk" not in page.body
    drafted = li.get(f"/case/{case.case_no}?canned=%E5%8C%BB%E4%BF%9D%2F%E8%A1%A5%E5%8D%A1")
    assert drafted.status == 200
    assert ">带身份证到村点补卡</textarea>" in drafted.body


def test_clocks_stand_in_the_queue_in_words(fresh: World) -> None:
    now = datetime.now(UTC)
    late, soon = fresh.asked("一", fresh.member), fresh.asked("二", fresh.member)

    def wound(conn: Connection) -> None:
        for case, due, warns in ((late, -5, -10), (soon, 30, -1)):
            times = {"due": now + timedelta(minutes=due), "warns": now + timedelta(minutes=warns)}
            conn.execute(update(hotline_case).where(hotline_case.c.id == case.id).values(times))

    fresh.run(wound)
    body = fresh.browser("li").get("/queue").body
    assert body.count('class="clock late"') == 1
    assert body.count('class="clock soon"') == 1
    only = fresh.browser("li").get("/queue?tab=late").body
    assert late.case_no in only
    assert soon.case_no not in only


def test_a_thread_stands_in_the_operators_time(fresh: World) -> None:
    now = datetime.now(UTC)
    case = fresh.asked("第一句", fresh.member, ago=100)
    delayed = fresh.logged("更早的一句", sent_at=now - timedelta(hours=2), log_class="D", command="71")
    fresh.run(
        lambda conn: cases.ask_again(conn, fresh.ids, case, text="更早的一句", message_id=delayed, now=now)
    )  # fmt: skip
    body = opened(fresh.browser("li"), case).body
    assert body.index("更早的一句") < body.index("第一句")


# --- the log -------------------------------------------------------------------------------------------------------


def test_a_search_is_kept_by_its_owner_alone(fresh: World) -> None:
    fresh.logged("会费怎么交")
    li = fresh.browser("li")
    li.get("/log?q=%E4%BC%9A%E8%B4%B9")
    sent = {"name": "会费", "query": "q=%E4%BC%9A%E8%B4%B9&state=received&next=//evil.example"}
    assert li.post("/log/save", sent).headers["Location"] == "/log?q=%E4%BC%9A%E8%B4%B9&state=received"
    assert '<a href="/log?q=%E4%BC%9A%E8%B4%B9&amp;state=received">会费</a>' in li.get("/log").body
    zhao = fresh.browser("zhao")
    assert "/forget" not in zhao.get("/log").body
    id_ = fresh.run(lambda conn: conn.scalar(select(saved_search.c.id)))
    zhao.post(f"/log/saved/{id_}/forget", {})
    assert "/forget" in li.get("/log").body
    li.post(f"/log/saved/{id_}/forget", {})
    assert "/forget" not in li.get("/log").body


def test_errors_are_a_facet(fresh: World) -> None:
    fresh.logged("坏了", direction="out", state="failed", error="0x0000000B")
    fresh.logged("好的")
    found = fresh.browser("li").get("/log?error=0x0000000B")
    assert "坏了" in found.body
    assert "好的" not in found.body
    assert '<option value="0x0000000B" selected>' in found.body


def test_a_word_and_a_month_are_one_search(fresh: World) -> None:
    fresh.logged("会费 今天")
    browser = fresh.browser("li")
    today = datetime.now(UTC) + timedelta(hours=8)
    assert "会费 今天" in browser.get(f"/log?q=%E4%BC%9A%E8%B4%B9+{today:%Y-%m}").text
    assert "会费 今天" not in browser.get("/log?q=%E4%BC%9A%E8%B4%B9+2025-01").text


def test_who_keeps_the_machine_running_reads_no_texts(fresh: World) -> None:
    id_ = fresh.logged("家里的事")
    root = fresh.browser("root")
    for path in ("/log", f"/message/{id_}", "/log?q=%E5%AE%B6%E9%87%8C"):
        assert "家里的事" not in root.get(path).text.replace("包含 家里", ""), path
    assert "不能看正文" in root.get("/log?q=%E5%AE%B6%E9%87%8C").text


def two_roles(world: World, name: str, whole: str, branch: str) -> Browser:
    """Somebody with one role for the whole and another for the first township."""

    def make(conn: Connection) -> None:
        id_ = staff_member(conn, world.ids, name, branch, branch="5301")
        now = datetime.now(UTC)
        roles.grant(conn, world.ids, whole, staff_id=id_, by="test", now=now, today=now.date())

    world.run(make)
    return world.browser(name)


def test_who_sees_the_log_of_the_whole_reads_the_texts_of_their_branch_only(fresh: World) -> None:
    ours = fresh.logged("家里的事")
    theirs = fresh.logged("河边的事", branch_path="/53/5302/")
    both = two_roles(fresh, "both", "admin", "agent")
    page = both.get("/log").text
    assert ("家里的事" in page, "河边的事" in page) == (True, False)
    assert "家里的事" in both.get(f"/message/{ours}").text
    assert "河边的事" not in both.get(f"/message/{theirs}").text
    assert f"/message/{theirs}" not in both.get("/log?q=%E6%B2%B3%E8%BE%B9").body


def test_a_text_of_a_case_is_read_for_a_reason_that_the_member_sees(fresh: World) -> None:
    case = fresh.asked("水费怎么交", fresh.member)
    id_ = fresh.run(lambda conn: conn.scalar(select(message.c.id)))
    fresh.run(lambda conn: conn.execute(update(message).values(case_id=case.id, text=None)))
    sun = fresh.browser("sun")
    assert "水费怎么交" not in sun.get(f"/message/{id_}").body
    assert "read=short" in sun.post(f"/message/{id_}/read", {"reason": "x"}).headers["Location"]
    assert sun.post(f"/message/{id_}/read", {"reason": "投诉核查"}).status == 303
    assert "水费怎么交" in sun.get(f"/message/{id_}").body
    assert "水费怎么交" not in sun.get("/log").body
    found = fresh.run(
        lambda conn: views.of_member(conn, fresh.member.id, [PHONE], datetime.now(UTC) - timedelta(days=30))
    )
    assert [(view.actor, view.action, view.reason) for view in found] == [("staff:sun", "read", "投诉核查")]
    assert fresh.browser("root").post(f"/message/{id_}/read", {"reason": "投诉核查"}).status == 403


def test_searches_and_opened_texts_are_written_down(fresh: World) -> None:
    id_ = fresh.logged("会费怎么交")
    li = fresh.browser("li")
    before = len(fresh.actions())
    li.get("/log")
    li.get("/log?q=%E4%BC%9A%E8%B4%B9", {"X-Live": "1", "HX-Request": "true"})
    assert len(fresh.actions()) == before
    li.get("/log?q=%E4%BC%9A%E8%B4%B9&state=received")
    li.get(f"/log?q={PHONE[1:]}")
    li.get(f"/message/{id_}")
    li.get("/queue?q=%E4%BC%9A%E8%B4%B9")
    rows = fresh.run(
        lambda conn: conn.execute(select(audit.c.action, audit.c.object, audit.c.reason).order_by(audit.c.id)).all()
    )
    assert [tuple(row) for row in rows[before:]] == [
        ("search", "log", "q=会费&state=received"),
        ("search", "log", "q=+86138****0007"),
        ("open", f"message:{id_}", None),
        ("search", "cases", "会费"),
    ]


# --- exports -------------------------------------------------------------------------------------------------------


def exported(world: World, state: str) -> int:
    """Wait for the export to be in `state`: it is written beside everything else."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        row = world.run(lambda conn: conn.execute(select(export_job.c.id, export_job.c.state)).first())
        if row is not None and row.state == state:
            return int(row.id)
        time.sleep(0.05)
    raise AssertionError(f"no export became {state}: {row}")


def test_an_export_is_masked_harmless_and_for_one_day(fresh: World) -> None:
    fresh.logged("=HYPERLINK(1)")
    fresh.logged("别的", state="quarantined")
    zhao = fresh.browser("zhao")
    zhao.get("/log")
    assert zhao.post("/exports/ask", {"query": "state=received", "form": "csv", "reason": "月报核对"}).status == 303
    id_ = exported(fresh, "ready")
    page = zhao.get("/exports")
    assert f"/exports/{id_}/file" in page.body
    got = zhao.get(f"/exports/{id_}/file")
    assert got.headers["Content-Disposition"].startswith("attachment")
    lines = list(csv.reader(io.StringIO(got.body.lstrip("\ufeff"))))
    assert "zhao" in lines[0][0]
    assert "月报核对" in lines[0][0]
    assert len(lines) == 3
    assert "+86138****0007" in got.body
    assert PHONE not in got.body
    assert "'=HYPERLINK(1)" in lines[2][-1]
    assert fresh.browser("sun").get(f"/exports/{id_}/file").status == 404
    assert fresh.browser("li").get(f"/exports/{id_}/file").status == 403
    fresh.served.order(f"advance {25 * 3600}")
    late = fresh.browser("zhao")
    assert late.get(f"/exports/{id_}/file").status == 404
    assert [a for a in fresh.actions() if "export" in a] == ["ask for an export", "fetch an export"]


def test_a_large_export_waits_for_a_second_person(fresh: World, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    fresh.run(lambda conn: settings.change(conn, fresh.ids, "exports.solo_limit", 1, actor="test", now=now))
    for text in ("一", "二"):
        fresh.logged(text)
    sun, zhao = fresh.browser("sun"), fresh.browser("zhao")
    sun.get("/log")
    sun.post("/exports/ask", {"query": "", "form": "xlsx", "reason": "年度审计"})
    id_ = exported(fresh, "asked")
    sun.get("/exports")
    assert sun.get(f"/exports/{id_}/file").status == 404
    assert sun.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 403
    zhao.get("/exports")
    assert zhao.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 303
    assert zhao.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 404
    assert zhao.get(f"/exports/{id_}/file").status == 404, "it is for who asked"
    assert sun.get(f"/exports/{id_}/file").status == 200
    rows = fresh.run(lambda conn: conn.scalar(select(func.max(export_job.c.rows))))
    assert rows == 2


def test_an_export_has_what_its_role_reaches_and_is_approved_by_who_reaches_as_far(fresh: World) -> None:
    now = datetime.now(UTC)
    fresh.run(lambda conn: settings.change(conn, fresh.ids, "exports.solo_limit", 0, actor="test", now=now))
    fresh.logged("家里的事")
    fresh.logged("河边的事", branch_path="/53/5302/")
    fresh.run(lambda conn: staff_member(conn, fresh.ids, "hua", "approver", branch="5302"))
    both, hua, zhao = two_roles(fresh, "both", "admin", "lead"), fresh.browser("hua"), fresh.browser("zhao")
    both.get("/log")
    both.post("/exports/ask", {"query": "", "form": "csv", "reason": "月报核对"})
    id_ = exported(fresh, "asked")
    page = hua.get("/exports")
    assert f"/exports/{id_}/decide" not in page.body
    assert hua.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 404
    zhao.get("/exports")
    assert zhao.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 303
    got = both.get(f"/exports/{id_}/file").body
    assert ("家里的事" in got, "河边的事" in got) == (True, False)


def test_nobody_approves_their_own(fresh: World) -> None:
    now = datetime.now(UTC)
    fresh.run(lambda conn: settings.change(conn, fresh.ids, "exports.solo_limit", 0, actor="test", now=now))
    fresh.logged("一")
    zhao = fresh.browser("zhao")
    zhao.get("/log")
    zhao.post("/exports/ask", {"query": "", "form": "xlsx", "reason": "月报核对"})
    id_ = exported(fresh, "asked")
    zhao.get("/exports")
    assert zhao.post(f"/exports/{id_}/decide", {"decision": "yes"}).status == 404
    assert zhao.post("/exports/ask", {"query": "", "form": "exe", "reason": "月报核对"}).status == 400


def test_the_workbook_opens(tmp_path: Path, fresh: World) -> None:
    fresh.logged("=1+1")
    zhao = fresh.browser("zhao")
    zhao.get("/log")
    zhao.post("/exports/ask", {"query": "", "form": "xlsx", "reason": "月报核对"})
    exported(fresh, "ready")
    [file] = (tmp_path / "exports").glob("*.xlsx")
    sheet = load_workbook(file).active
    assert sheet is not None
    assert sheet.cell(3, 10).value == "=1+1"
    assert sheet.cell(3, 10).data_type == "s"


# --- the overview and the alarms -----------------------------------------------------------------------------------


def test_the_overview_shows_today_in_figures_charts_and_tables(fresh: World) -> None:
    now = datetime.now(UTC)
    zone = ZoneInfo("Asia/Shanghai")
    fresh.logged("会费")
    fresh.logged("答", direction="out", state="delivered")
    fresh.logged("答", direction="out", state="failed", link="village")
    fresh.logged("通知", direction="out", state="queued", lane=4)
    hour = figures.hour_of(now)
    fresh.run(lambda conn: figures.keep(conn, hour, figures.count(conn, hour, zone)))
    page = fresh.browser("li").get("/overview")
    assert "今日去信 3" in page.text.replace("  ", " ") or "3 今日去信" in page.text
    assert "50 %" in page.text
    assert page.body.count('<figure class="chart">') == 8
    assert re.search(r"<title>\d\d mobile: 3</title>", page.body), "the messages of each link"
    assert re.search(r"<title>\d\d village: 1</title>", page.body)
    assert "<title>mobile 群发: 1</title>" in page.body, "what waits"
    assert "<title>village 信号: -87 dBm</title>" in page.body
    assert "看表格" in page.text
    assert "style=" not in page.body
    days = fresh.browser("li").get("/overview/days")
    assert f"{now.astimezone(zone):%Y-%m-%d}" in days.text
    assert days.body.count('<figure class="chart">') == 4
    assert f"<title>{now.astimezone(zone):%m-%d} 收到: 1</title>" in days.body
    assert fresh.browser("li").get("/overview/days?until=2025-01-31").status == 200
    assert fresh.browser("li").get("/overview/days?until=x").status == 200
    assert fresh.browser("he").get("/overview").status == 403


def test_one_search_too_many_is_not_kept_and_says_so(fresh: World) -> None:
    li = fresh.browser("li")
    who = fresh.run(lambda conn: staff.find(conn, "li"))
    assert who is not None
    row = {"staff_id": who.id, "query": "q=a", "created": datetime.now(UTC)}
    rows = [row | {"id": fresh.ids(), "name": f"n{count}"} for count in range(saved_searches.MOST)]
    fresh.run(lambda conn: conn.execute(saved_search.insert(), rows))
    li.get("/log?q=a")
    refused = li.post("/log/save", {"name": "mine", "query": "q=b"})
    assert "此搜索没有保存：您已有30个" in li.get(refused.headers["Location"]).text
    again = li.post("/log/save", {"name": "n7", "query": "q=b"})
    assert again.headers["Location"] == "/log?q=b", "the same name again takes no further place"


def test_what_a_search_finds_is_counted_for_whoever_asks_and_narrowed_by_a_count(fresh: World) -> None:
    for link in ("mobile", "village", "village"):
        fresh.logged("水费", link=link)
    fresh.logged("会费", link="mobile")
    zhao = fresh.browser("zhao")
    page = zhao.get("/log?q=%E6%B0%B4%E8%B4%B9")
    assert "统计符合的短信" in page.text
    assert "符合条件的" not in page.text
    counted = zhao.get("/log?q=%E6%B0%B4%E8%B4%B9&count=1")
    assert "符合条件的全部3条中" in counted.text
    assert "village 2 · mobile 1" in counted.text
    narrower = re.search(r'href="(/log\?[^"]*link=village[^"]*)"', counted.body)
    assert narrower is not None
    assert "符合条件的全部2条中" in zhao.get(unescape(narrower[1])).text


def test_an_alarm_is_said_in_the_language_of_whoever_reads_it(fresh: World) -> None:
    now, words = datetime.now(UTC), ("alarms.link_away", {"link": "mobile"})
    fresh.run(lambda conn: alarming.begin(conn, fresh.ids, "link", "mobile", "线路mobile中断", now, words=words))
    fresh.run(lambda conn: alarming.begin(conn, fresh.ids, "old", "", "从前的话", now))
    fresh.run(lambda conn: alarming.begin(conn, fresh.ids, "gone", "", "没有了的话", now, words=("alarms.x", {})))
    zhao = fresh.browser("zhao")
    english = {"Accept-Language": "en"}
    for page in ("/overview", "/alarms"):
        said = zhao.get(page, english).text
        assert "Link mobile has been down for more than 2 minutes" in said
        assert "线路mobile" not in said
        assert "从前的话" in said, "from before the words were kept"
        assert "没有了的话" in said, "a text that this version has no more"
        assert "线路mobile中断已超过2分钟" in zhao.get(page).text
    fresh.run(lambda conn: alarming.end(conn, "link", "mobile", now))
    assert "Link mobile has been down" in zhao.get("/alarms", english).text


def test_an_alarm_is_seen_to_by_one_person(fresh: World) -> None:
    now = datetime.now(UTC)
    fresh.run(lambda conn: alarming.begin(conn, fresh.ids, "link", "mobile", "线路mobile中断", now))
    zhao, li = fresh.browser("zhao"), fresh.browser("li")
    assert "线路mobile中断" in li.get("/overview").text
    assert "我来处理" not in li.get("/alarms").text
    assert "尚无人处理" in zhao.get("/alarms").text
    [alarm] = fresh.run(alarming.standing)
    assert li.post(f"/alarms/{alarm.id}/acknowledge", {"note": "x"}).status == 403
    zhao.get("/alarms")
    assert zhao.post(f"/alarms/{alarm.id}/acknowledge", {"note": "叫了运营商"}).status == 303
    assert "zhao 在处理" in zhao.get("/alarms").text
    assert "线路mobile中断" not in li.get("/overview").text
    fresh.run(lambda conn: alarming.end(conn, "link", "mobile", now))
    page = zhao.get("/alarms").text
    assert "目前一切正常" in page
    assert "叫了运营商" in page


# --- topics ---------------------------------------------------------------------------------------------------------


def test_questions_are_filed_and_the_queue_is_narrowed_by_topic(fresh: World) -> None:
    now = datetime.now(UTC)
    fresh.run(lambda conn: settings.change(conn, fresh.ids, "answers.topics", ("医保", "低保"), actor="t", now=now))
    health, other = fresh.asked("医保卡丢了", fresh.member), fresh.asked("别的事", None)
    li = fresh.browser("li")
    opened(li, health)
    assert li.post(f"/case/{health.case_no}/topic", {"topic": "医保"}).status == 303
    assert case_now(fresh, health).topic == "医保"
    assert li.post(f"/case/{health.case_no}/topic", {"topic": "没有"}).status == 404
    only = li.get("/queue?topic=%E5%8C%BB%E4%BF%9D").body
    assert health.case_no in only
    assert other.case_no not in only
    rest = li.get("/queue?topic=-").body
    assert other.case_no in rest
    assert health.case_no not in rest
    assert "file" in fresh.actions()
    assert li.post(f"/case/{health.case_no}/topic", {"topic": ""}).status == 303
    assert case_now(fresh, health).topic is None


def test_a_canned_answer_files_its_case(fresh: World) -> None:
    now = datetime.now(UTC)
    said = "带身份证到村点。"
    fresh.run(lambda conn: settings.change(conn, fresh.ids, "canned.zh.医保/补卡", said, actor="t", now=now))
    case = fresh.asked("医保卡丢了", fresh.member)
    li = fresh.browser("li")
    page = opened(li, case)
    form = re.search(r'name="form" value="([^"]+)"', page.body)
    assert form is not None
    assert li.post(f"/case/{case.case_no}/answer", {"form": form[1], "text": f"您好，{said}"}).status == 303
    assert case_now(fresh, case).topic == "医保"
