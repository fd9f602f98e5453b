"""What staff do with the console, in a real browser: with a mouse, with keys, on a narrow screen, without scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from gateway.affairs import cases, figures
from gateway.core.model import Member
from gateway.core.tables.messages import message
from tests.browser.conftest import Opened
from tests.console.served import PHONE, Served, asked, logged, sent_part
from tests.console.test_show import HOSTILE

pytestmark = pytest.mark.browser


def came(served: Served, text: str | None, **values: object) -> int:
    """A message arrives: the row, and the hint that it is there."""
    id_ = served.run(lambda conn: logged(conn, served.ids, text, **values))
    served.order("wake messages")
    return id_


def question(served: Served, member: Member | None, text: str, language: str = "zh") -> cases.Case:
    case = served.run(lambda conn: asked(conn, served.ids, member, text, language=language))
    served.order("wake cases")
    return case


def live(page: Page) -> None:
    expect(page.locator(".live")).to_have_attribute("data-state", "on")


def test_a_message_appears_by_itself_and_keeps_the_place_of_the_reader(
    opened: Opened, served: Served, complaints: list[str]
) -> None:
    came(served, "first")
    page = opened("zhao")
    page.goto("/log")
    live(page)
    page.keyboard.press("j")
    chosen = page.locator("tr.current")
    expect(chosen).to_contain_text("first")
    id_ = came(served, "会费 second")
    expect(page.locator("tr[data-row]").first).to_contain_text("second")
    expect(chosen).to_contain_text("first")
    served.run(lambda conn: conn.execute(message.update().where(message.c.id == id_).values(state="quarantined")))
    served.order("wake messages")
    expect(page.locator("tr[data-row]").first).to_contain_text("已隔离")
    assert complaints == []


def test_the_list_is_walked_and_opened_by_keys(opened: Opened, served: Served) -> None:
    for number in range(3):
        came(served, f"text {number}")
    page = opened("zhao")
    page.goto("/log")
    for key, text in (("j", "text 2"), ("j", "text 1"), ("ArrowDown", "text 0"), ("j", "text 0"), ("k", "text 1")):
        page.keyboard.press(key)
        expect(page.locator("tr.current")).to_contain_text(text)
    page.keyboard.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    page.keyboard.type("j")  # in a field it is only a letter
    expect(page.locator("tr.current")).to_contain_text("text 1")
    page.keyboard.press("Escape")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/message/*")
    expect(page.locator(".bubble")).to_contain_text("text 2")


def test_a_search_leaves_an_address_that_can_be_passed_on(opened: Opened, served: Served) -> None:
    came(served, "请问会费怎么交")
    came(served, "别的")
    page = opened("zhao")
    page.goto("/log")
    page.fill("[data-search]", "会费")
    page.keyboard.press("Enter")
    page.wait_for_url("**/log?q=*")
    assert "state=" not in page.url
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.select_option("[name=direction]", "out")
    page.wait_for_url("**direction=out*")
    expect(page.locator(".empty")).to_be_visible()


def test_a_question_is_answered_while_its_length_is_counted(
    opened: Opened, served: Served, member: Member, complaints: list[str]
) -> None:
    page = opened("li")
    page.goto("/queue")
    live(page)
    expect(page.locator(".empty")).to_be_visible()
    case = question(served, member, "低保什么时候到账？")
    expect(page.locator("tr[data-row]")).to_contain_text("低保什么时候到账")
    expect(page.locator("nav .count")).to_have_text("1")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/case/{case.case_no}")
    page.keyboard.press("a")
    page.keyboard.type("每月10日")
    expect(page.locator("#counter")).to_contain_text("1 条短信 · 11 / 70 · UCS-2")
    page.fill("textarea[data-key=a]", "好" * 65)
    expect(page.locator("#counter b")).to_have_text("2 条短信")
    page.click("#counter summary")
    expect(page.locator(".preview").first).to_contain_text("【安河组织】")
    page.fill("textarea[data-key=a]", "每月10日到账。")
    page.dblclick("#answer button.main")
    page.wait_for_url(f"**/case/{case.case_no}#end")
    expect(page.locator(".thread .answer")).to_have_count(1)
    expect(page.locator(".thread .answer")).to_contain_text("排队中")
    expect(page.locator("nav .count")).to_have_text("")
    sent = served.run(lambda conn: conn.execute(select(message).where(message.c.direction == "out")).all())
    assert [row.text for row in sent] == ["【安河组织】每月10日到账。"]
    served.run(lambda conn: sent_part(conn, sent[0].id))
    served.run(lambda conn: conn.execute(message.update().where(message.c.id == sent[0].id).values(state="delivered")))
    served.order("wake messages")
    expect(page.locator(".thread .answer")).to_contain_text("已送达")
    assert complaints == []


def test_a_colleague_sees_who_is_at_a_case_without_reloading(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    li, wuli = opened("li"), opened("wuli")
    wuli.goto(f"/case/{case.case_no}")
    live(wuli)
    li.goto(f"/case/{case.case_no}")
    li.fill("textarea[data-key=a]", "我来")
    expect(wuli.locator(".notice")).to_contain_text("li 正在写答复")
    wuli.fill("textarea[data-key=a]", "我也写了")
    wuli.click("#answer button.main")
    expect(wuli.locator("[role=alert]")).to_contain_text("另一位同事")
    expect(wuli.locator("textarea[data-key=a]")).to_have_value("我也写了")


def test_what_is_being_written_survives_what_arrives(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "一")
    page = opened("li")
    page.goto(f"/case/{case.case_no}")
    live(page)
    page.fill("textarea[data-key=a]", "写到一半")
    served.run(
        lambda conn: cases.ask_again(conn, served.ids, case, text="再问一句", message_id=None, now=datetime.now(UTC))
    )
    served.order("wake cases")
    expect(page.locator(".thread")).to_contain_text("再问一句")
    expect(page.locator("textarea[data-key=a]")).to_have_value("写到一半")


def test_a_note_is_kept_by_keys_alone(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li")
    page.goto(f"/case/{case.case_no}")
    page.keyboard.press("n")
    page.keyboard.type("问过民政局了")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".thread .note")).to_contain_text("问过民政局了")


def test_a_number_is_shown_for_a_reason(opened: Opened, served: Served, member: Member) -> None:
    id_ = came(served, "DUES", member_id=member.id)
    page = opened("zhao")
    page.goto(f"/message/{id_}")
    assert PHONE not in page.content()
    page.click("#number summary")
    page.fill("#number [name=reason]", "成员来电核实")
    page.click("#number button")
    expect(page.locator("#number b")).to_have_text(PHONE)


def test_the_links_page_follows_the_links(opened: Opened, served: Served) -> None:
    page = opened("sun")
    page.goto("/links")
    live(page)
    expect(page.locator("tr[data-row]").first).to_contain_text("正常")
    served.order("link throttled")
    expect(page.locator("tr[data-row]").first).to_contain_text("被限速")


def test_a_table_that_was_unfolded_stays_so_while_its_chart_follows(opened: Opened, served: Served) -> None:
    page = opened()
    page.goto("/overview")
    live(page)
    chart = page.locator("figure.chart", has_text="今日各小时")
    chart.locator("summary").click()
    before = chart.element_handle()
    came(served, "会费")
    hour = figures.hour_of(datetime.now(UTC))
    served.run(lambda conn: figures.keep(conn, hour, figures.count(conn, hour, ZoneInfo("Asia/Shanghai"))))
    served.order("wake figures")
    expect(page.locator("dl.stats")).to_contain_text("1")
    page.wait_for_function("old => !old.isConnected", arg=before)
    expect(chart.locator("details")).to_have_attribute("open", "")
    expect(page.locator("figure.chart details[open]")).to_have_count(1)


def test_hostile_texts_run_nothing_and_turn_nothing(
    opened: Opened, served: Served, member: Member, complaints: list[str]
) -> None:
    for text in HOSTILE[:-1]:
        kept = "".join(letter if letter != "\0" and not "\ud800" <= letter <= "\udfff" else "\ufffd" for letter in text)
        came(served, kept)
    case = question(served, member, HOSTILE[2] + HOSTILE[12])
    page = opened("zhao")
    for path in ("/log", f"/case/{case.case_no}", "/queue"):
        page.goto(path)
        assert page.locator("main script, main img").count() == 0
        order = page.evaluate("getComputedStyle(document.querySelector('.said')).unicodeBidi")
        assert order in ("isolate", "isolate-override", "plaintext")
    assert complaints == []


def test_signing_out_elsewhere_ends_the_page_here(opened: Opened, served: Served) -> None:
    page = opened("li")
    page.goto("/log")
    live(page)
    other = page.context.new_page()
    other.goto("/links")
    other.click("form[action='/sign-out'] button")
    other.wait_for_url("**/sign-in")
    came(served, "not for you any more")
    page.wait_for_url("**/sign-in*", timeout=20_000)


def test_everything_works_without_scripts(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li", script=False)
    page.goto("/log")
    page.fill("[data-search]", case.case_no)
    page.click(".filters button.main")
    page.goto("/queue")
    page.click("a.over")
    page.fill("textarea[data-key=a]", "每月10日。")
    page.click("#answer button.main")
    expect(page.locator(".thread .answer")).to_contain_text("每月10日。")
    page.click("form[action='/language'] button")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("form[action='/sign-out'] button")
    expect(page.locator("h1")).to_have_text("Sign in")


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_no_page_is_wider_than_the_screen(
    opened: Opened, served: Served, member: Member, complaints: list[str], width: int
) -> None:
    case = question(served, member, "很长的问题" * 40)
    came(served, "x" * 400, number="+861380000000712", link="a-link-with-a-rather-long-name")
    id_ = came(served, "https://example.org/" + "path/" * 60, direction="out", state="sent", lane=1)
    served.run(lambda conn: sent_part(conn, id_, remote_id="0123456789abcdef" * 4, error="0x00000058 RTHROTTLED"))
    page = opened("zhao", width=width)
    for path in ("/queue", f"/case/{case.case_no}", "/log", f"/message/{id_}", "/links", "/log?from=2026-01-01"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_they_stand_on(opened: Opened, served: Served, member: Member, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5 to 1 for all text."""
    case = question(served, member, "低保")
    for state in ("received", "delivered", "failed", "unknown", "queued"):
        came(served, "text", state=state)
    page = opened("zhao")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
    for path in ("/queue", f"/case/{case.case_no}", "/log", "/links"):
        page.goto(path)
        assert page.evaluate(_CONTRAST) == [], path


_CONTRAST = """() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const part = value => { value /= 255; return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4; };
    return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] > .99) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const words = walker.currentNode.data.trim();
    if (!words || !element.getClientRects().length || element.closest('.hidden, noscript')) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) weak.push(`${element.className} ${words.slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
