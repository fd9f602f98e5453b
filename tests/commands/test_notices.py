"""21 to 26 and 94 for members, 群发 批准 驳回 暂停 继续 撤 for staff in the field."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, insert, select, update

from commands.approving import announcements
from commands.noticing import answered
from gateway.affairs import consent, settings
from gateway.affairs.notices import approval, drafts, expansion, groups, questions, running, topics
from gateway.affairs.notices.audience import FEW, Audience
from gateway.affairs.notices.drafts import Person, Wording
from gateway.affairs.notices.handover import Handover
from gateway.core.keys import Keys
from gateway.core.model import Lane
from gateway.core.release import Wanted, release
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.organisation import consent as consents
from gateway.core.tables.organisation import member, number, role_grant
from smpp.submit import split
from tests.commands.people import NOW, NUMBER, Phone, join

SECRETARY, APPROVER = "+8613800000100", "+8613800000200"


@pytest.fixture
def phone(conn: Connection) -> Phone:
    """A member, and beside them a secretary, an approver and five more of the branch."""
    join(conn)
    made = Phone(conn)
    for index, text in enumerate((SECRETARY, APPROVER, *(f"+86138000003{n:02}" for n in range(5))), 2):
        values = {
            "member_no": f"5301020142{index:02}",
            "branch_id": 1,
            "name": "x",
            "language": "zh",
            "dues_class": "A",
        }
        conn.execute(insert(member), {"id": index, "language": "zh", "monthly_amount": 300, "created": NOW, **values})
        conn.execute(insert(number), {"number": text, "member_id": index, "main": True, "bound": NOW})
    for id_, role, who in ((1, "secretary", 2), (2, "approver", 3)):
        row = {"id": id_, "role": role, "member_id": who, "branch_id": 1, "granted_by": "test", "at": NOW}
        conn.execute(insert(role_grant), row)
    settings.change(conn, made.office.new_id, "approval.solo_limit", 3, actor="test", now=NOW - timedelta(days=1))
    return made


def of(phone: Phone, text: str) -> Phone:
    """Another phone at the same office."""
    return Phone(phone.conn, phone.office, text, phone.now)


def place(phone: Phone) -> approval.Place:
    from commands.voice import place as place_of

    return place_of(phone.office.organisation, phone.office.new_id)


def sent(phone: Phone, text: str, title: str = "防汛值班") -> int:
    """A notice that has reached everybody; its number."""
    conn, at = phone.conn, place(phone)
    said = Wording(title=title, texts={"zh": text}, audience=Audience())
    found = drafts.create(conn, at.new_id, said, Person(actor="staff:a"), phone.now)
    found = approval.submit(conn, at, found, Person(actor="staff:a"), phone.now)
    approval.approve(conn, at, found, Person(actor="staff:b"), phone.now)
    while expansion.step(conn, at, (("", "mobile"),)) is not None:
        pass
    running.start(conn, phone.now)
    hand_over(phone)
    return found.number


def hand_over(phone: Phone) -> list[str]:
    wanted = Wanted(slots=50, bulk=50, room=50, below=len(Lane))
    keys = Keys(bytes(range(32)))
    found = release(
        phone.conn, keys, "mobile", partial(split, long="udh16"), (), wanted, phone.now, Handover(place(phone))
    )
    return sorted({p.to for p in found.write})


# --- members ------------------------------------------------------------------------------------------------------


def test_nothing_yet(phone: Phone) -> None:
    assert phone.says("21") == "还没有发给您的通知。目录回26"
    assert phone.says("收到") == "还没有发给您的通知。目录回26"
    assert phone.says("25") == "没有更多内容。看菜单回0"


def test_read_again_and_confirm(phone: Phone) -> None:
    first = sent(phone, "防汛值班，每村两人，昼夜轮换。")
    phone.waits(hours=1)
    second = sent(phone, "医保缴费自八月二十日至九月三十日，村点可办。" * 4, "医保缴费")
    answer = phone.says("通知")
    assert answer is not None
    assert answer.startswith("1)8/18医保缴费 2)8/18防汛值班")
    page = phone.says("1")
    assert page is not None
    assert page.startswith("医保缴费自")
    assert "(1/3)" in page
    assert f"收到请回22 {second}" in page
    second_page = phone.says("M")
    assert "(2/3)" in (second_page or "")
    third_page = phone.says("更多")
    assert "(3/3)" in (third_page or "")
    whole = "".join(re.sub(r"\(\d/3\).*", "", text or "") for text in (page, second_page, third_page))
    assert whole == "医保缴费自八月二十日至九月三十日，村点可办。" * 4
    assert phone.says(f"22 {first}") == f"已登记您收到通知{first}。谢谢"
    assert phone.says("收到") == f"已登记您收到通知{second}。谢谢"
    seen = phone.conn.scalars(
        select(notice_recipient.c.number).where(notice_recipient.c.acknowledged.is_not(None)).distinct()
    )
    assert list(seen) == [NUMBER]
    assert phone.says("22 99999") == "还没有发给您的通知。目录回26"


def test_topics(phone: Phone) -> None:
    for code, zh, en, windows in (("03", "农技", "Farming", "2,5 8-11"), ("07", "招工", "Jobs", "")):
        topics.save(phone.conn, phone.office.new_id, number=code, names={"zh": zh, "en": en}, windows=windows)
    assert phone.says("目录") == "03农技07招工。订：回23加号，如23 03"
    assert phone.says("24") == "您没有订阅主题。目录回26"
    assert phone.says("23 03") == "已订03农技：每周二、五8-11时，每次不超2条。退订回24 03，全退回TD"
    assert phone.says("订阅") == "03农技07招工。回号码订阅"
    assert (phone.says("07") or "").startswith("已订07招工：不定期")
    assert phone.says("退03") == "已退03农技。其他订阅：07招工。全退回TD"
    assert phone.says("退订07") == "已退07招工。全退回TD"
    assert (phone.says("恢复07") or "").startswith("已订07招工")
    assert phone.says("23 99") == "没有这个主题。目录回26"
    kept = phone.conn.execute(select(consents.c.topic, consents.c.granted, consents.c.how)).all()
    assert [tuple(row) for row in kept][:3] == [("03", True, "SUB"), ("07", True, "SUB"), ("03", False, "UNSUB")]
    english = of(phone, NUMBER)
    english.says("91 EN")
    assert english.says("TOPICS") == "03 Farming 07 Jobs. Subscribe: 23 and number, e.g. 23 03"


def test_quiet_hours(phone: Phone) -> None:
    assert phone.says("94") == "21时至8时不发群发短信，紧急预警除外。改时间如回94 20-9"
    assert phone.says("免扰 20-9") == "20时至9时不发群发短信，紧急预警除外。改时间如回94 20-9"
    assert phone.says("94 0-0") == "全天都可收群发短信。设免扰时段如回94 20-9"
    row = phone.conn.execute(select(number).where(number.c.number == NUMBER)).one()
    assert (row.quiet_from, row.quiet_until) == (0, 0)


# --- staff --------------------------------------------------------------------------------------------------------


def test_from_a_draft_by_sms_to_its_end(phone: Phone) -> None:
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    assert secretary.says("群发 全体 明晚八点在村部开会") == "草稿D101：8人，0人不发，实发8人×1条。待审批，撤回：撤D101"
    told = announcements(phone.conn, place(phone), phone.office, phone.now)
    assert [(each.number, each.text) for each in told] == [
        (APPROVER, "D101待审批：8人，“明晚八点在村部开会”。批准回：批准D101")
    ]
    assert announcements(phone.conn, place(phone), phone.office, phone.now) == []
    question = approver.says("批准D101")
    assert question is not None
    code = re.search(r"Y (\d{4})", question)
    assert code is not None
    assert approver.last.reply is not None
    assert approver.last.reply.secret
    assert approver.says(f"Y {code[1]}") == "D101已批准，8/18 10:00起发给8人。暂停：暂停D101"
    while expansion.step(phone.conn, place(phone), (("", "mobile"),)) is not None:
        pass
    running.start(phone.conn, phone.now)
    assert approver.says("暂停D101") == "D101已暂停：已发0，未发8。继续回：继续D101"
    assert hand_over(phone) == []
    assert secretary.says("继续D101") == "D101继续发送：已发0，未发8。暂停：暂停D101"
    assert len(hand_over(phone)) == 8
    assert (secretary.says("KILL D101") or "").startswith("D101已作废")
    assert secretary.says("撤D101") is not None


def test_the_code_may_come_with_the_draft_s_number(phone: Phone) -> None:
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    secretary.says("群发 全体 明晚八点在村部开会")
    code = re.search(r"Y (\d{4})", approver.says("OK D101") or "")
    assert code is not None
    wrong = f"{(int(code[1]) + 1) % 10000:04}"
    assert (approver.says(f"批准D101 {wrong}") or "").startswith("码不对")
    assert approver.last.log_text is None or wrong not in approver.last.log_text
    assert (approver.says(f"批准D101 {code[1]}") or "").startswith("D101已批准")


def test_a_code_for_something_else_is_not_spent_by_an_approval(phone: Phone) -> None:
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    secretary.says("群发 全体 明晚八点在村部开会")
    secretary.says("群发 全体 后天上午打疫苗")
    code = re.search(r"Y (\d{4})", approver.says("OK D101") or "")
    assert code is not None
    assert approver.says(f"批准D102 {code[1]}") == "码不对或已过期，还可试2次。请核对后重发"
    assert set(phone.conn.scalars(select(notice.c.state))) == {drafts.WAITING}
    assert (approver.says(f"批准D101 {code[1]}") or "").startswith("D101已批准")


def test_a_code_is_for_the_text_that_was_shown(phone: Phone) -> None:
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    secretary.says("群发 全体 明晚八点在村部开会")
    code = re.search(r"Y (\d{4})", approver.says("OK D101") or "")
    assert code is not None
    at, author = place(phone), Person(actor="member:2", phone=SECRETARY)
    found = drafts.find(phone.conn, 101)
    assert found is not None
    approval.deny(phone.conn, at, found, Person(actor="staff:b"), "", phone.now)
    said = Wording(title="x", texts={"zh": "别的"}, audience=found.audience)
    changed = drafts.change(phone.conn, found.id, said)
    approval.submit(phone.conn, at, changed, author, phone.now + timedelta(minutes=1))
    assert approver.says(f"Y {code[1]}") == phone.office.say("confirm.nothing", "zh", None)
    found = drafts.find(phone.conn, 101)
    assert found is not None
    assert found.state == drafts.WAITING


def test_nobody_approves_their_own(phone: Phone) -> None:
    row = {"id": 3, "role": "secretary", "member_id": 3, "branch_id": 1, "granted_by": "test", "at": NOW}
    phone.conn.execute(insert(role_grant), row)
    approver = of(phone, APPROVER)
    approver.says("群发 全体 我自己写的")
    assert approver.says("批准D101") == "D101是您自己写的，须由另一人批准"


def test_a_small_one_wants_only_the_writer_s_code(phone: Phone) -> None:
    found = groups.save(
        phone.conn, phone.office.new_id, code="flood", name="防汛队", path="/530102017/", by="test", now=phone.now
    )
    groups.add(phone.conn, found, ["530102014204", "530102014205"])
    secretary = of(phone, SECRETARY)
    answer = secretary.says("BC FLOOD 现在到堤上集合")
    assert answer is not None
    assert answer.startswith("D101：2人，0人不发，实发2人×1条。发出回Y")
    code = re.search(r"Y (\d{4})", answer)
    assert code is not None
    assert (secretary.says(f"Y {code[1]}") or "").startswith("D101已批准")


def test_a_small_one_that_is_cancelled_before_its_code_comes_back_stays_so(phone: Phone) -> None:
    found = groups.save(phone.conn, phone.office.new_id, code="f", name="f", path="/530102017/", by="t", now=phone.now)
    groups.add(phone.conn, found, ["530102014204", "530102014205"])
    secretary = of(phone, SECRETARY)
    code = re.search(r"Y (\d{4})", secretary.says("BC F 现在到堤上集合") or "")
    assert code is not None
    secretary.says("撤D101")
    assert secretary.says(f"Y {code[1]}") == "D101不在待审批中"
    assert phone.conn.scalar(select(notice.c.state)) == drafts.KILLED


def test_denied_its_author_hears_why(phone: Phone) -> None:
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    secretary.says("群发 全体 后天八点开会")
    announcements(phone.conn, place(phone), phone.office, phone.now)
    assert approver.says("驳回D101 日期不对") == "D101已驳回，作者会看到"
    told = announcements(phone.conn, place(phone), phone.office, phone.now)
    assert [(each.number, each.text) for each in told] == [(SECRETARY, "D101未获批准：日期不对")]


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("群发 没有的组 开会", "没有可发的人，或没有这个组。组可写全体、支部码或组名"),
        ("群发 全体 {谁}开会", "内容里的大括号写法不对，没有群发"),
        ("暂停D999", "您不能使用此项。如有疑问请联系支部或回71"),
    ],
)
def test_what_cannot_be_is_said(phone: Phone, said: str, answer: str) -> None:
    assert of(phone, SECRETARY).says(said) == answer


def test_the_same_text_twice(phone: Phone) -> None:
    secretary = of(phone, SECRETARY)
    secretary.says("群发 全体 明晚八点开会")
    assert secretary.says("群发 全体 明晚 八点开会") == "相同内容刚群发过，没有再发"


def test_members_and_other_branches_may_not(phone: Phone) -> None:
    assert (phone.says("群发 全体 开会") or "").startswith("您不能使用此项")
    secretary = of(phone, SECRETARY)
    secretary.says("群发 全体 明晚八点开会")
    phone.conn.execute(update(role_grant).where(role_grant.c.role == "approver").values(until=date(2026, 1, 1)))
    assert (of(phone, APPROVER).says("批准D101") or "").startswith("您不能使用此项")
    assert phone.conn.scalar(select(notice.c.state)) == "waiting"


def crowd(phone: Phone, count: int = FEW) -> None:
    """So many more in the secretary's branch that they are not counted while the text is answered."""
    ids = range(1000, 1000 + count)
    values = {"branch_id": 1, "name": "x", "language": "zh", "dues_class": "A", "monthly_amount": 300, "created": NOW}
    phone.conn.execute(insert(member), [{"id": id_, "member_no": f"B{id_}", **values} for id_ in ids])
    rows = [{"number": f"+861390000{id_:04}", "member_id": id_, "main": True, "bound": NOW} for id_ in ids]
    phone.conn.execute(insert(number), rows)


def counted(phone: Phone) -> list[tuple[str, str]]:
    """What those hear who wait for figures."""
    told = []
    for question in questions.waiting(phone.conn):
        figures = questions.figures(phone.conn, place(phone), question, phone.now)
        told += answered(phone.conn, place(phone), phone.office, question, figures, phone.now)
    return [(each.number, each.text) for each in told]


def test_of_many_the_figures_follow(phone: Phone) -> None:
    """The answer waits for no count, the approvers hear of it when it is counted, each question is answered once."""
    crowd(phone)
    secretary, approver = of(phone, SECRETARY), of(phone, APPROVER)
    answer = secretary.says("群发 全体 明晚八点开会")
    assert answer == "草稿D101已收，正在统计人数，稍后短信告知。撤回：撤D101"
    assert announcements(phone.conn, place(phone), phone.office, phone.now) == []
    assert (approver.says("批准D101") or "") == "D101不在待审批中"
    (asked,) = questions.waiting(phone.conn)
    waits = "草稿D101：1008人，0人不发，实发1008人×1条。待审批，撤回：撤D101"
    assert counted(phone) == [(SECRETARY, waits)]
    figures = questions.figures(phone.conn, place(phone), asked, phone.now)
    assert answered(phone.conn, place(phone), phone.office, asked, figures, phone.now) == []
    assert len(announcements(phone.conn, place(phone), phone.office, phone.now)) == 1
    code = re.search(r"Y (\d{4})", approver.says("批准D101") or "")
    assert code is not None
    assert (approver.says(f"Y {code[1]}") or "").startswith("D101已批准")
    while expansion.step(phone.conn, place(phone), (("", "mobile"),)) is not None:
        pass
    running.start(phone.conn, phone.now)
    hand_over(phone)
    assert secretary.says("暂停D101") == "D101已暂停。发了多少，稍后短信告知。继续回：继续D101"
    assert counted(phone) == [(SECRETARY, "D101已暂停：已发0，未发1008。继续回：继续D101")]
    assert secretary.says("继续D101") == "D101继续发送。发了多少，稍后短信告知。暂停：暂停D101"
    assert approver.says("撤D101") == "D101已作废，其余不再发送。发了多少，稍后短信告知"
    assert counted(phone) == [(number, "D101已作废：已发0，其余1008不再发送") for number in (SECRETARY, APPROVER)]
    assert questions.waiting(phone.conn) == ()


def test_what_cannot_be_is_said_when_it_is_counted(phone: Phone) -> None:
    crowd(phone)
    secretary = of(phone, SECRETARY)
    secretary.says("群发 全体 明晚八点开会")
    phone.conn.execute(update(number).values(opted_out=True))
    assert counted(phone) == [(SECRETARY, "没有可发的人，或没有这个组。组可写全体、支部码或组名")]
    phone.conn.execute(update(number).values(opted_out=False))
    secretary.says("群发 全体 后天八点开会")
    secretary.says("撤D102")
    assert counted(phone) == []
    secretary.says("群发 全体 大后天八点开会")
    assert len(counted(phone)) == 1
    assert secretary.says("群发 全体 大后天 八点开会") == "相同内容刚群发过，没有再发"


def test_what_was_written_anew_while_it_was_counted_is_counted_again(phone: Phone) -> None:
    """The figures that its author reads are those of what waits for approval."""
    crowd(phone)
    of(phone, SECRETARY).says("群发 全体 明晚八点开会")
    (asked,) = questions.waiting(phone.conn)
    figures = questions.figures(phone.conn, place(phone), asked, phone.now)
    found = drafts.get(phone.conn, asked.notice_id)
    said = Wording(title="x", texts={"zh": "明晚八点开会" * 20}, audience=found.audience)
    drafts.change(phone.conn, found.id, said)
    assert answered(phone.conn, place(phone), phone.office, asked, figures, phone.now) == []
    assert phone.conn.scalar(select(notice.c.state)) == drafts.DRAFT
    ((_, text),) = counted(phone)
    assert "实发1008人×2条。待审批" in text


def test_few_left_of_many_wait_for_a_second_person_all_the_same(phone: Phone) -> None:
    """Nobody was asked for the code that a small one wants."""
    crowd(phone)
    phone.conn.execute(update(number).where(number.c.number != SECRETARY).values(opted_out=True))
    secretary = of(phone, SECRETARY)
    secretary.says("群发 全体 明晚八点开会")
    counted(phone)
    assert phone.conn.scalar(select(notice.c.state)) == drafts.WAITING


def test_a_small_group_is_counted_at_once_in_a_large_branch(phone: Phone) -> None:
    crowd(phone)
    found = groups.save(phone.conn, phone.office.new_id, code="f", name="f", path="/530102017/", by="t", now=phone.now)
    groups.add(phone.conn, found, ["530102014204", "530102014205", "B1001", "B1002"])
    answer = of(phone, SECRETARY).says("BC F 现在到堤上集合")
    assert answer == "草稿D101：4人，0人不发，实发4人×1条。待审批，撤回：撤D101"


def test_a_stop_is_counted_out(phone: Phone) -> None:
    consent.stop(phone.conn, phone.office.new_id, NUMBER, how="STOP", now=NOW)
    answer = of(phone, SECRETARY).says("群发 全体 明晚八点开会")
    assert answer == "草稿D101：8人，1人不发，实发7人×1条。待审批，撤回：撤D101"
    assert phone.conn.scalar(select(message.c.id)) is None
