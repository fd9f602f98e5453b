"""The pages of bulk notices as a plain HTTP client sees them: no script runs here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.affairs.notices import drafts
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice
from gateway.console.notices import MOST_UNREACHED
from gateway.core.engines import engine
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_list, notice_recipient, notice_strange
from gateway.core.tables.organisation import branch, member, number
from gateway.core.tables.staff import audit, staff
from tests.console.served import PHONE, Browser, Response, Served, people, staff_member

PAST = datetime.now(UTC) - timedelta(days=2)
ACTOR = "+8613800000099"


def a_crowd(conn: Connection, served: Served, count: int = 60) -> None:
    """More members than one person may write to alone."""
    home = conn.scalar(select(branch.c.id).where(branch.c.code == "5301"))
    for index in range(count):
        id_ = served.ids()
        values = {"member_no": f"C{index:04}", "branch_id": home, "name": "x", "language": "zh", "dues_class": "b"}
        conn.execute(insert(member), {"id": id_, "monthly_amount": 0, "created": PAST, **values})
        text = f"+861390000{index:04}"
        conn.execute(insert(number), {"number": text, "member_id": id_, "main": True, "bound": PAST})
    conn.execute(update(member).values(created=PAST))
    conn.execute(update(number).values(bound=PAST))


def writers(conn: Connection, served: Served) -> None:
    for name, role, where in (
        ("wen", "publisher", None),
        ("pi", "approver", None),
        ("pu", "approver", None),
        ("other", "approver", "5302"),
        ("local", "publisher", "5301"),
    ):
        staff_member(conn, served.ids, name, role, branch=where)
    conn.execute(update(staff).where(staff.c.name == "wen").values(phone=ACTOR))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("console")
    url = f"sqlite:///{folder}/muster.db"
    made = engine(url, create=True)
    METADATA.create_all(made)
    made.dispose()
    with Served(url) as running:
        running.run(lambda conn: people(conn, running.ids))
        running.run(lambda conn: writers(conn, running))
        running.run(lambda conn: a_crowd(conn, running))
        yield running


def write(browser: Browser, text: str, **values: str) -> str:
    """Fill in the composer; the address of the draft."""
    page = browser.get("/bulk/new")
    found = re.search(r'name="form" value="([^"]+)"', page.body)
    assert found is not None, page.text
    answer = browser.post("/bulk/new", {"form": found[1], "text_zh": text, "title": text[:12], **values})
    assert answer.status == 303, answer.text
    return str(answer.headers["Location"])


def approve(browser: Browser, at: str) -> None:
    """Press the button of the page as it is now."""
    found = re.search(r'name="submitted" value="([^"]+)"', browser.get(at).body)
    assert found is not None
    browser.post(f"{at}/approve", {"submitted": found[1]})


def upload(browser: Browser, content: bytes, *, title: str = "名单", **values: str) -> Response:
    """Fill in the composer with a list as a file, as a browser without scripts sends it."""
    page = browser.get("/bulk/new")
    found = re.search(r'name="form" value="([^"]+)"', page.body)
    assert found is not None, page.text
    fields = {"csrf": browser.csrf, "form": found[1], "text_zh": f"名单通知{title}", "title": title, **values}
    return browser.upload("/bulk/new", fields, content, name="list.csv")


def the(served: Served, address: str) -> Notice:
    number_ = int(address.partition("?")[0].rpartition("/")[2])
    found = served.run(lambda conn: drafts.find(conn, number_))
    assert found is not None
    return found


def test_from_the_composer_to_the_approval(served: Served) -> None:
    author, other = served.browser("wen"), served.browser("pi")
    at = write(author, "各支部周五到村部", emergency="1")
    page = author.get(at)
    assert "【安河组织】各支部周五到村部" in page.text
    assert "+86139****0000" in page.body
    assert "61" in page.text
    author.post(f"{at}/submit", {})
    assert the(served, at).state == "waiting"
    refused = author.post(f"{at}/approve", {})
    assert refused.status == 403
    approve(other, at)
    second = served.browser("pu")
    assert "批准" in second.get(at).text
    approve(second, at)
    found = the(served, at)
    assert found.state == "scheduled"
    done = served.run(
        lambda conn: [row.action for row in conn.execute(select(audit).where(audit.c.object == found.object))]
    )
    assert done == ["notice submitted", "notice approved", "notice approved"]


def test_whoever_read_another_wording_approves_nothing(served: Served) -> None:
    author, other = served.browser("wen"), served.browser("pi")
    at = write(author, "秋收互助组周三开会", emergency="1")
    author.get(at)
    author.post(f"{at}/submit", {})
    read = re.search(r'name="submitted" value="([^"]+)"', other.get(at).body)
    assert read is not None
    other.post(f"{at}/deny", {"reason": "日期不对"})
    number_ = at.partition("?")[0].rpartition("/")[2]
    form = re.search(r'name="form" value="([^"]+)"', author.get(f"/bulk/new?edit={number_}").body)
    assert form is not None
    values = {"form": form[1], "edited": number_, "text_zh": "秋收互助组周四开会", "title": "集合", "emergency": "1"}
    author.post("/bulk/new", values)
    author.get(at)
    author.post(f"{at}/submit", {})
    assert the(served, at).texts["zh"] == "秋收互助组周四开会"
    answer = other.post(f"{at}/approve", {"submitted": read[1]})
    assert str(answer.headers["Location"]).endswith("problem=state")
    assert the(served, at).state == "waiting"
    approve(other, at)
    approve(served.browser("pu"), at)
    assert the(served, at).state == "scheduled"


def test_a_double_click_is_one_notice(served: Served) -> None:
    author = served.browser("wen")
    page = author.get("/bulk/new")
    form = re.search(r'name="form" value="([^"]+)"', page.body)
    assert form is not None
    values = {"form": form[1], "text_zh": "只发一次", "title": "一次"}
    first, second = author.post("/bulk/new", values), author.post("/bulk/new", values)
    assert first.headers["Location"] == second.headers["Location"]
    at = str(first.headers["Location"])
    author.get(at)
    author.post(f"{at}/submit", {})
    author.post(f"{at}/submit", {})
    count = served.run(lambda conn: conn.scalar(select(func.count()).where(notice.c.title == "一次")))
    assert count == 1
    forged = author.post("/bulk/new", {"form": "5.abc", "text_zh": "x", "title": "x"})
    assert forged.status == 400


def test_the_counter_measures_the_form(served: Served) -> None:
    author = served.browser("wen")
    author.get("/bulk/new")
    said = author.post("/bulk/measure", {"text_zh": "明晚开会", "text_en": "Meeting", "title": "x"}).text
    assert "10 / 70 · UCS-2" in said
    assert "13 / 160 · GSM 03.38" in said
    assert "61" in said
    said = author.post("/bulk/measure", {"text_zh": "{who}", "title": "x"}).text
    assert "大括号" in said


def test_what_cannot_be_is_said_and_nothing_typed_is_lost(served: Served) -> None:
    author = served.browser("wen")
    page = author.get("/bulk/new")
    form = re.search(r'name="form" value="([^"]+)"', page.body)
    assert form is not None
    answer = author.post("/bulk/new", {"form": form[1], "text_zh": "{who}来", "title": "谁"})
    assert answer.status == 400
    assert "{who}来" in answer.text
    answer = author.post("/bulk/new", {"form": form[1], "text_zh": "x", "title": "x", "branch": "9999"})
    assert (answer.status, "没有这一个" in answer.text) == (400, True)


def test_a_secretary_reaches_their_own_branch_only(served: Served) -> None:
    secretary = served.browser("he")
    at = write(secretary, "本支部开会", branch="5301")
    assert the(served, at).paths == ("/53/5301/",)
    page = secretary.get("/bulk/new")
    form = re.search(r'name="form" value="([^"]+)"', page.body)
    assert form is not None
    answer = secretary.post("/bulk/new", {"form": form[1], "text_zh": "x", "title": "x", "branch": "5302"})
    assert answer.status == 400
    everywhere = write(served.browser("wen"), "全县的事")
    assert secretary.get(everywhere).status == 404
    assert served.browser("other").get(at).status == 404
    assert "全县的事" not in secretary.get("/bulk").text


@pytest.mark.parametrize("name", ["li", "root", "qian"])
def test_others_have_no_business_here(served: Served, name: str) -> None:
    assert served.browser(name).get("/bulk").status == 403


def test_a_list_is_read_and_strangers_are_told(served: Served) -> None:
    author = served.browser("wen")
    at = write(author, "名单通知", list=f"{PHONE}\r\nC0001\r\nnobody\r\nC0001")
    page = author.get(at)
    assert "1 行查无此人" in page.text
    found = the(served, at)
    lines = served.run(lambda conn: conn.scalar(select(func.count()).where(notice_list.c.notice_id == found.id)))
    assert lines == 3


def lines_of(served: Served, found: Notice) -> int:
    count = select(func.count()).where(notice_list.c.notice_id == found.id)
    return served.run(lambda conn: conn.scalar(count) or 0)


def test_changed_or_copied_a_list_stays_a_list(served: Served) -> None:
    """Whoever mends a word must not find that it goes to everybody."""
    author = served.browser("wen")
    at = write(author, "名单通知二", list="C0001\r\nC0002")
    for query in (f"edit={the(served, at).number}", f"copy={the(served, at).number}"):
        page = author.get(f"/bulk/new?{query}")
        form = re.search(r'name="form" value="([^"]+)"', page.body)
        listed = re.search(r'name="listed" value="(\d+)"', page.body)
        assert form is not None
        assert listed is not None
        fields = {"form": form[1], "listed": listed[1], "text_zh": "名单通知三", "title": "x"}
        if query.startswith("edit"):
            fields["edited"] = listed[1]
        answer = author.post("/bulk/new", fields)
        found = the(served, str(answer.headers["Location"]))
        assert found.audience.listed
        assert lines_of(served, found) == 2


def test_what_the_form_cannot_show_it_does_not_widen(served: Served) -> None:
    author = served.browser("wen")
    at = write(author, "两个支部")
    whom = Audience(paths=("/53/5301/", "/53/5302/"), roles=("secretary", "treasurer")).written()
    number_ = the(served, at).number
    served.run(lambda conn: conn.execute(update(notice).where(notice.c.number == number_).values(audience=whom)))
    answer = author.get(f"/bulk/new?copy={number_}")
    assert str(answer.headers["Location"]).endswith("problem=rich")


def test_a_try_goes_to_the_author_alone(served: Served) -> None:
    author = served.browser("wen")
    at = write(author, "先给我看看")
    author.get(at)
    answer = author.post(f"{at}/test", {})
    sent = served.run(lambda conn: conn.execute(select(message).where(message.c.number == ACTOR)).all())
    if sent:  # the link of this console takes the number
        assert [row.text for row in sent] == ["【安河组织】先给我看看"]
    else:
        assert "problem=link" in str(answer.headers["Location"])
    assert the(served, at).state == "draft"


def test_paused_resumed_cancelled(served: Served) -> None:
    author, other = served.browser("wen"), served.browser("pi")
    at = write(author, "停一停再发", start="2099-01-01T09:00")
    author.get(at)
    author.post(f"{at}/submit", {})
    approve(other, at)
    author.get(at)
    for what, state in (("pause", "paused"), ("pause", "paused"), ("resume", "scheduled"), ("kill", "killed")):
        author.post(f"{at}/{what}", {})
        assert the(served, at).state == state
    answer = author.post(f"{at}/resume", {})
    assert str(answer.headers["Location"]).endswith("problem=state")
    assert author.get(f"{at}/report").status == 200
    sheet = author.get(f"{at}/unreached.csv")
    assert sheet.headers["Content-Type"].startswith("text/csv")


def test_denied_it_goes_back_with_the_reason(served: Served) -> None:
    author, other = served.browser("wen"), served.browser("pi")
    at = write(author, "写错日期的")
    author.get(at)
    author.post(f"{at}/submit", {})
    other.get(at)
    other.post(f"{at}/deny", {"reason": "日期不对"})
    assert "日期不对" in author.get(at).text
    assert the(served, at).state == "draft"


def test_the_same_text_asks_to_be_sure(served: Served) -> None:
    author = served.browser("wen")
    for first in (True, False):
        at = write(author, "防汛值班安排")
        author.get(at)
        answer = author.post(f"{at}/submit", {})
        assert ("problem=same" in str(answer.headers["Location"])) is not first
    page = author.get(f"{at}?problem=same")
    assert 'name="repeat"' in page.body
    author.post(f"{at}/submit", {"repeat": "1"})
    assert the(served, at).state == "waiting"


def test_topics_and_groups(served: Served) -> None:
    author = served.browser("wen")
    author.get("/topics")
    answer = author.post(
        "/topics", {"number": "03", "name_zh": "农技", "name_en": "Farming", "windows": "2,5 8-11", "most": "2"}
    )
    assert answer.status == 303
    assert "周二、五 8-11" in author.get("/topics").text
    answer = author.post("/topics", {"number": "04", "name_zh": "天气", "windows": "9 8-11"})
    assert (answer.status, "写法：周二、五 8-11" in answer.text) == (400, True)
    local = served.browser("local")
    assert 'name="everyone"' not in local.get("/topics").body
    closes = local.post("/topics", {"number": "03", "name_zh": "农技", "closed": "1"})
    assert (closes.status, ">已停<" in author.get("/topics").body) == (403, False)
    author.get("/groups")
    answer = author.post("/groups", {"code": "flood", "name": "防汛队", "members": "C0001\nC0002\nX9"})
    assert "X9" in answer.text
    assert "FLOOD" in answer.text
    secretary = served.browser("he")
    secretary.get("/groups")
    answer = secretary.post("/groups", {"code": "flood", "members": "C0003"})
    assert answer.status == 400


SHEET = "姓名,手机\n甲,13900000001\n乙,1.39E+10\n丙,+86 139 0000 0002\n丁,087112345678\n戊,Z9999\n"


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_list_comes_as_a_file_and_what_is_nobody_is_reported(served: Served, encoding: str) -> None:
    author = served.browser("wen")
    answer = upload(author, SHEET.encode(encoding), title=f"名单 {encoding}")
    assert answer.status == 303, answer.text
    at = str(answer.headers["Location"])
    assert the(served, at).audience.listed
    page = author.get(at)
    assert "名单中有 3 行查无此人" in page.text
    assert "第 3 行： 1.39E+10 – 表格把号码变成了科学计数，请把该列设为文本" in page.text
    assert "第 6 行： Z9999 – 既不是手机号，也不是成员号" in page.text
    sheet = author.get(f"{at}/list.csv")
    assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert '"5","087112345678","座机，收不到短信"' in sheet.body
    assert served.browser("pi").get(f"{at}/list.csv").status == 403
    mine = (
        select(notice_list.c.number).where(notice_list.c.notice_id == the(served, at).id).order_by(notice_list.c.line)
    )
    assert served.run(lambda conn: list(conn.scalars(mine))) == ["+8613900000001", "+8613900000002"]
    assert author.post(f"{at}/submit", {"repeat": "1"}).status == 303
    left = select(func.count()).where(notice_strange.c.notice_id == the(served, at).id)
    assert served.run(lambda conn: conn.scalar(left)) == 0


def test_another_list_takes_the_place_of_the_first_and_no_list_is_lost_by_a_change(served: Served) -> None:
    author = served.browser("wen")
    at = str(upload(author, b"13900000001\n13900000002\n", title="first").headers["Location"])
    made = the(served, at)

    def listed() -> list[str | None]:
        mine = select(notice_list.c.number).where(notice_list.c.notice_id == made.id).order_by(notice_list.c.line)
        return served.run(lambda conn: list(conn.scalars(mine)))

    author.get(f"/bulk/new?edit={made.number}")
    write(author, "名单通知", edited=str(made.number), listed=str(made.number), title="kept")
    assert listed() == ["+8613900000001", "+8613900000002"]
    upload(author, b"13900000003\n", edited=str(made.number), title="other")
    assert listed() == ["+8613900000003"]


def test_a_file_that_is_no_list_is_refused_and_what_was_typed_stays(served: Served) -> None:
    answer = upload(served.browser("wen"), b"PK\x03\x04 a workbook", title="月底")
    assert answer.status == 400
    assert "请另存为CSV" in answer.text
    assert "月底" in answer.body
    assert "名单通知" in answer.body


def test_a_form_sent_twice_with_a_file_is_one_list(served: Served) -> None:
    author = served.browser("wen")
    page = author.get("/bulk/new")
    found = re.search(r'name="form" value="([^"]+)"', page.body)
    assert found is not None
    fields = {"csrf": author.csrf, "form": found[1], "text_zh": "两次", "title": "两次"}
    first, second = (author.upload("/bulk/new", fields, b"13900000001\n") for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    made = the(served, str(first.headers["Location"]))
    count = select(func.count()).where(notice_list.c.notice_id == made.id)
    assert served.run(lambda conn: conn.scalar(count)) == 1


def broken_off(served: Served, found: Notice) -> None:
    """What a kill in the middle of an upload leaves."""

    def work(conn: Connection) -> None:
        conn.execute(update(notice).where(notice.c.id == found.id).values(filling=1))
        conn.execute(delete(notice_list).where(notice_list.c.notice_id == found.id, notice_list.c.line > 1))

    served.run(work)


def test_a_list_that_was_broken_off_is_said_and_the_same_form_brings_it_anew(served: Served) -> None:
    author = served.browser("wen")
    page = author.get("/bulk/new")
    found = re.search(r'name="form" value="([^"]+)"', page.body)
    assert found is not None
    fields = {"csrf": author.csrf, "form": found[1], "text_zh": "断了的名单", "title": "断"}
    content = b"13900000001\n13900000002\n13900000003\n"
    at = str(author.upload("/bulk/new", fields, content).headers["Location"])
    broken_off(served, the(served, at))
    page = author.get(at)
    assert "名单还没有收全" in page.text
    assert f'action="{at}/submit"' not in page.body
    assert str(author.post(f"{at}/submit", {}).headers["Location"]).endswith("problem=list")
    number_ = the(served, at).number
    assert f'name="listed" value="{number_}">' in author.get(f"/bulk/new?edit={number_}").body  # not chosen beforehand
    for query, values in (("edit", {"edited": str(number_)}), ("copy", {"listed": str(number_)})):
        form = re.search(r'name="form" value="([^"]+)"', author.get(f"/bulk/new?{query}={number_}").body)
        assert form is not None
        answer = author.post("/bulk/new", {"form": form[1], "text_zh": "断了的名单", "title": "断", **values})
        assert (answer.status, "名单还没有收全" in answer.text) == (400, True)
    assert the(served, at).audience.listed
    author.get("/bulk")
    assert str(author.upload("/bulk/new", fields, content).headers["Location"]) == at
    assert (the(served, at).filling, lines_of(served, the(served, at))) == (None, 3)


def test_a_list_that_was_broken_off_is_brought_by_a_change(served: Served) -> None:
    author = served.browser("wen")
    at = str(upload(author, b"13900000001\n13900000002\n", title="broken").headers["Location"])
    made = the(served, at)
    broken_off(served, made)
    author.get(f"/bulk/new?edit={made.number}")
    assert upload(author, b"13900000003\n13900000004\n", edited=str(made.number), title="mended").status == 303
    assert (the(served, at).filling, lines_of(served, made)) == (None, 2)
    broken_off(served, made)
    # Chosen in the form, what has come so far stays beside what comes now.
    author.get(f"/bulk/new?edit={made.number}")
    more = {"edited": str(made.number), "listed": str(made.number), "title": "more"}
    assert upload(author, b"13900000005\n", **more).status == 303
    assert (the(served, at).filling, lines_of(served, made)) == (None, 2)


def test_of_more_people_than_the_sheet_for_a_visit_holds_it_says_so(served: Served) -> None:
    at = write(served.browser("wen"), "太多人没收到")
    made = the(served, at)

    def work(conn: Connection) -> None:
        row = {"notice_id": made.id, "language": "zh", "due": PAST, "state": "left", "reason": "locked"}
        conn.execute(insert(notice_recipient), [row | {"number": f"+8617{n:09}"} for n in range(MOST_UNREACHED + 1)])

    served.run(work)
    sheet = served.browser("pi").get(f"{at}/unreached.csv").body.splitlines()
    assert len(sheet) == MOST_UNREACHED + 3  # with its mark, its titles and the last line
    assert "未全部列出" in sheet[-1]
    served.run(lambda conn: conn.execute(delete(notice_recipient).where(notice_recipient.c.notice_id == made.id)))


def test_odd_numbers_in_a_form_are_nobody_and_nothing(served: Served) -> None:
    author = served.browser("wen")
    at = write(author, "怪号码", group="9" * 30, topic="8" * 30, hours="7" * 5000)
    assert the(served, at).audience == Audience()
    answer = author.post("/bulk/new", {"form": f"{'9' * 5000}.x", "text_zh": "x", "title": "x"})
    assert answer.status == 400


def test_names_stand_where_people_read(served: Served) -> None:
    author = served.browser("wen")
    at = write(author, "谁写的")
    assert "staff:" not in author.get(at).body
    assert re.search(r"起草.{0,60}wen|wen", author.get(at).text)
    assert "staff:" not in author.get("/bulk").body
