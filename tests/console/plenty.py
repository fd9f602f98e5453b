"""Much of everything: a county after years, put into its tables in a few seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from gateway.affairs import branches, settings
from gateway.core.ids import Ids
from gateway.core.model import Member
from gateway.core.tables.desk import alarm, saved_search
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient, topic
from gateway.core.tables.organisation import branch, member, number, obligation, role_grant
from gateway.core.tables.settings import setting
from gateway.core.tables.staff import audit, case_entry, hotline_case, staff
from tests.console import money
from tests.console.served import PHONE, Served, asked
from tests.console.test_notices import writers

NOW = datetime.now(UTC)
LONG = "请问低保什么时候到账？我家里三口人，身份证和户口本都已经交到村里了，村里说要等县里批。" * 4
MEMBERS, BRANCHES, CASES, SAID, NOTICES, STAFF, AUDIT, MANY = 20_000, 5_000, 2_000, 400, 300, 200, 5_000, 200


def fill(served: Served, who: Member, conn: Connection) -> dict[str, str]:
    """The addresses that have an id in them, filled in by `test_look.PAGES`."""
    ids = served.ids
    writers(conn, served)
    money.officers(conn, ids)
    home = _organisation(conn, ids)
    case = _hotline(conn, ids, who)
    sent = _notices(conn, ids, home)
    _settings_and_staff(conn, ids)
    receipt = _money(conn, ids, who)
    row = conn.scalar(select(message.c.id).where(message.c.number == PHONE).limit(1))
    return {
        "case": case,
        "message": str(row),
        "member": str(who.id),
        "receipt": receipt,
        "notice": str(sent),
    }


def _many(conn: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    conn.execute(insert(table), list(rows))


def _organisation(conn: Connection, ids: Ids) -> tuple[int, ...]:
    """Townships beside each other, members in all of them, groups of them, and the imports that brought them."""
    above = branches.by_code(conn, "53")
    first = branches.by_code(conn, "5301")
    assert above is not None
    assert first is not None
    made: list[dict[str, Any]] = [
        {"id": ids(), "code": f"53{1000 + at}", "name": f"安河县第{at}乡镇联合支部委员会"} for at in range(BRANCHES)
    ]
    _many(conn, branch, ({**each, "parent_id": above.id, "path": f"/53/{each['code']}/"} for each in made))
    homes = (first.id, *(each["id"] for each in made))
    people = [ids() for _ in range(MEMBERS)]
    values = {"language": "zh", "dues_class": "farmer", "monthly_amount": 100, "created": NOW - timedelta(days=9)}
    where = [homes[0] if at % 2 else homes[at % len(homes)] for at in range(MEMBERS)]
    _many(
        conn,
        member,
        (
            {**values, "id": id_, "member_no": f"M{at:06}", "branch_id": where[at], "name": f"欧阳王玉兰花{at}"}
            for at, id_ in enumerate(people)
        ),
    )
    stopped = {"main": True, "bound": values["created"], "opted_out": True}
    _many(conn, number, ({**stopped, "number": f"+8613{at:09}", "member_id": id_} for at, id_ in enumerate(people)))
    groups, belongs = METADATA.tables["audience_group"], METADATA.tables["group_member"]
    teams = [ids() for _ in range(MANY)]
    common = {"path": "/53/5301/", "made_by": "staff:he", "at": NOW}
    _many(
        conn,
        groups,
        ({**common, "id": id_, "code": f"G{at}", "name": f"第{at}组护林员"} for at, id_ in enumerate(teams)),
    )
    _many(conn, belongs, ({"group_id": id_, "member_id": each} for id_ in teams for each in people[:20]))
    job = {
        "what": "members",
        "file": "成员名册.csv",
        "state": "done",
        "options": "{}",
        "actor": "staff:root",
        "at": NOW,
    }
    _many(conn, METADATA.tables["import_job"], ({**job, "id": ids()} for _ in range(MANY)))
    return homes


def _hotline(conn: Connection, ids: Ids, who: Member) -> str:
    """A queue of a thousand, one case in which hundreds of texts were written, and a long log."""
    texts = {"direction": "in", "state": "received", "channel": "sms", "link": "mobile", "log_class": "A", "at": NOW}
    common = {**texts, "number": PHONE, "command": "11", "member_id": who.id, "branch_path": who.branch_path}
    _many(conn, message, ({**common, "id": ids(), "text": LONG} for _ in range(5_000)))
    found = asked(conn, ids, who, LONG)
    entry = {"case_id": found.id, "at": NOW, "text": LONG, "message_id": None, "author": None, "staff_id": None}
    _many(
        conn, case_entry, ({**entry, "id": ids(), "kind": ("question", "answer", "note")[at % 3]} for at in range(SAID))
    )
    values = {"kind": "question", "language": "zh", "opened": NOW, "changed": NOW, "branch_path": "/53/5301/"}
    rows = [(ids(), f"8{at:08}", ("open", "answered", "closed", "open")[at % 4]) for at in range(CASES)]
    _many(
        conn,
        hotline_case,
        (
            {
                **values,
                "id": id_,
                "case_no": no,
                "state": state,
                "number": PHONE if at < 100 else "+8613900000008",
                "member_id": who.id,
                "kind": "call" if at % 8 == 3 else "question",
                "due": NOW - timedelta(hours=at % 4),
            }
            for at, (id_, no, state) in enumerate(rows)
        ),
    )
    _many(conn, case_entry, ({**entry, "id": ids(), "case_id": id_, "kind": "question"} for id_, _, _ in rows))
    for at in range(MANY):
        name = f"canned.zh.第{at % 20}类/答复{at}"
        settings.change(conn, ids, name, LONG[:60], actor="test", now=NOW)
    trouble = {"kind": "link", "said": "线路mobile中断已超过2分钟，请查看", "began": NOW}
    _many(conn, alarm, ({**trouble, "id": ids(), "subject": str(at)} for at in range(60)))
    _many(conn, alarm, ({**trouble, "id": ids(), "subject": str(at), "ended": NOW} for at in range(MANY)))
    zhao = conn.scalar(select(staff.c.id).where(staff.c.name == "zhao"))
    asks = {
        "staff_id": zhao,
        "query": "q=1",
        "form": "xlsx",
        "reason": "月报核对",
        "state": "ready",
        "rows": 9,
        "at": NOW,
    }
    _many(conn, METADATA.tables["export_job"], ({**asks, "id": ids(), "ready": NOW} for _ in range(MANY)))
    kept = {"staff_id": zhao, "query": "state=failed", "created": NOW}
    _many(conn, saved_search, ({**kept, "id": ids(), "name": f"失败的{at}"} for at in range(30)))
    return found.case_no


def _notices(conn: Connection, ids: Ids, homes: tuple[int, ...]) -> int:
    """Three hundred notices, of which the last has reached nobody in any branch; and all topics that there can be."""
    values = {
        "texts": json.dumps({"zh": LONG[:60]}),
        "audience": "{}",
        "paths": '["/"]',
        "author": "staff:wen",
        "created": NOW,
        "submitted": NOW,
        "approved": NOW,
        "starts": NOW,
        "expires": NOW,
        "text_hash": "x",
        "frozen": True,
    }
    rows = [ids() for _ in range(NOTICES)]
    states = ("waiting", "running", "done")
    _many(
        conn,
        notice,
        (
            {**values, "id": id_, "number": 101 + at, "title": f"第{at}次会议通知", "state": states[at % 3]}
            for at, id_ in enumerate(rows)
        ),
    )
    lost = {"notice_id": rows[-1], "language": "zh", "due": NOW, "state": "left", "reason": "locked"}
    _many(
        conn,
        notice_recipient,
        ({**lost, "number": f"+8613{at:09}", "branch_id": homes[at % len(homes)]} for at in range(2_000)),
    )
    topics = (
        {"id": ids(), "number": at, "names": json.dumps({"zh": f"手机报{at}", "en": f"News {at}"})}
        for at in range(1, 100)
    )
    _many(conn, topic, topics)
    return 101 + NOTICES - 1


def _settings_and_staff(conn: Connection, ids: Ids) -> None:
    """Accounts by the hundred, a person with many roles, an audit of thousands, a setting changed again and again."""
    people = [ids() for _ in range(STAFF)]
    _many(conn, staff, ({"id": id_, "name": f"staff{at:03}", "created": NOW} for at, id_ in enumerate(people)))
    grant = {"granted_by": "staff:root", "at": NOW, "role": "agent", "member_id": None}
    home = conn.scalar(select(branch.c.id).where(branch.c.code == "5301"))
    _many(conn, role_grant, ({**grant, "id": ids(), "staff_id": id_, "branch_id": home} for id_ in people))
    done = {"at": NOW, "actor": "staff:zhao", "action": "reveal", "reason": LONG[:100]}
    rows = ("member:A1004", f"number:{PHONE}", "case:800000001")
    _many(conn, audit, ({**done, "id": ids(), "object": rows[at % 3]} for at in range(AUDIT)))
    changed = {"name": "limits.same", "actor": "staff:root", "reason": LONG[:60], "at": NOW}
    _many(
        conn,
        setting,
        (
            {**changed, "id": ids(), "value": str(at % 9 + 1), "valid_from": NOW - timedelta(days=at)}
            for at in range(MANY)
        ),
    )


def _money(conn: Connection, ids: Callable[[], int], who: Member) -> str:
    """Dues of everybody, receipts, money that nobody knows for whom, waivers and refunds that wait."""
    people = [row.id for row in conn.execute(select(member.c.id).where(member.c.id != who.id).limit(5_000))]
    _many(conn, obligation, ({"member_id": id_, "month": money.MONTHS[0], "amount": 100} for id_ in people))
    money.owed(conn, who.id)
    for at in range(120):
        money.lost(conn, ids, key=str(at), said=LONG)
        money.paid(conn, ids, people[at], 100)
    receipt = money.paid(conn, ids, who.id, 900)
    waiver = {"first": money.MONTHS[0], "last": money.MONTHS[1], "state": "proposed", "actor": "staff:tan", "at": NOW}
    _many(conn, METADATA.tables["waiver"], ({**waiver, "id": ids(), "member_id": id_} for id_ in people[:MANY]))
    return receipt.number
