"""What is no longer kept is gone: from the tables, from the search, and from the file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, func, insert, select, update

from gateway.affairs import cases, chain, consent, members, retained, retention, settings, verifying
from gateway.core import audit, search
from gateway.core.engines import engine
from gateway.core.ids import Ids, first_of
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import bigram, message, message_day, part, quarantine, unindexed
from gateway.core.tables.organisation import consent as consents
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import case_entry, hotline_case
from tests.affairs.people import NOW, WANG, ZHANG, branch, person

ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)


def said(conn: Connection, text: str | None, ago: timedelta, *, indexed: bool = True, **values: Any) -> int:
    """A message of that age, in the log and in the search."""
    at = NOW - ago
    made = first_of(at) + said_so_far(conn)
    row = {
        "id": made, "direction": "in", "state": "received", "channel": "sms", "link": "mobile", "number": ZHANG,
        "at": at, "command": "0", "log_class": "A", "text": text,
    } | values  # fmt: skip
    conn.execute(insert(message), row)
    conn.execute(insert(unindexed), {"message_id": made})
    if indexed:
        search.index(conn)
    return made


def said_so_far(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(message)) or 0


def run(conn: Connection, now: datetime = NOW) -> list[str]:
    """All there is to do, step by step, as the timetable does it."""
    done = []
    while (found := retention.due(conn, now)) is not None:
        retention.erase(conn, *found, retention.Doing(new_id=Ids(now.timestamp), now=now, zone=ZONE))
        done.append(found[0])
        assert len(done) < 50
    return done


def texts(conn: Connection) -> dict[int, str | None]:
    return {row.id: row.text for row in conn.execute(select(message.c.id, message.c.text))}


def test_a_text_lasts_ninety_days_and_its_row_longer(conn: Connection) -> None:
    old, young = said(conn, "会费九元", 91 * DAY), said(conn, "会费三元", 89 * DAY)
    unread = said(conn, "还没有索引", 92 * DAY, indexed=False)
    run(conn)
    assert texts(conn) == {old: None, young: "会费三元", unread: None}
    assert set(conn.scalars(select(bigram.c.message_id))) == {young}
    assert list(conn.scalars(select(unindexed.c.message_id))) == []
    assert run(conn) == []


def test_the_days_are_the_organisations_choice(conn: Connection, ids: Ids) -> None:
    old, young = said(conn, "会费九元", 31 * DAY), said(conn, "会费三元", 29 * DAY)
    settings.change(conn, ids, "retention.texts", 30, actor="staff:li", now=NOW)
    run(conn)
    assert texts(conn) == {old: None, young: "会费三元"}


def test_more_than_a_chunk(conn: Connection) -> None:
    for each in range(retention.CHUNK + 20):
        said(conn, f"会费{each}", 91 * DAY, indexed=False)
    run(conn)
    assert set(texts(conn).values()) == {None}


def test_what_is_still_to_be_sent_keeps_its_text_until_it_has_gone(conn: Connection) -> None:
    waits = said(conn, "明天开会", 95 * DAY, direction="out", state="queued")
    later = said(conn, "会费九元", 94 * DAY)
    run(conn)
    assert texts(conn) == {waits: "明天开会", later: None}
    conn.execute(update(message).where(message.c.id == waits).values(state="delivered"))
    run(conn)
    assert texts(conn)[waits] is None


def test_after_more_than_a_year_only_counts_stay(conn: Connection) -> None:
    for _ in range(3):
        id_ = said(conn, None, 456 * DAY, command="11")
        conn.execute(
            insert(part),
            {"message_id": id_, "number": 1, "total": 1, "link": "mobile", "reference": 0, "state": "sent", "at": NOW},
        )
    kept = said(conn, None, 454 * DAY)
    run(conn)
    assert list(texts(conn)) == [kept]
    assert conn.scalar(select(func.count()).select_from(part)) == 0
    ((day, command, count),) = conn.execute(select(message_day.c.day, message_day.c.command, message_day.c.count))
    assert (day, command, count) == (f"{(NOW - 456 * DAY).astimezone(ZONE).date()}", "11", 3)
    said(conn, None, 456 * DAY, command="11")
    run(conn)
    assert conn.scalar(select(message_day.c.count)) == 4


def asked(conn: Connection, ids: Ids, keys: Keys, text: str, *, closed: timedelta | None) -> int:
    message_id = said(conn, None, 200 * DAY, log_class="D")
    made = cases.open(
        conn, ids, keys, number=ZHANG, member=None, language="zh", text=text, message_id=message_id, now=NOW - 200 * DAY
    )
    said(conn, "答复：" + text, 30 * DAY, direction="out", state="delivered", log_class="D", case_id=made.id)
    if closed is not None:
        conn.execute(
            update(hotline_case).where(hotline_case.c.id == made.id).values(state="closed", closed=NOW - closed)
        )
    return made.id


def test_a_case_is_kept_while_it_is_open_and_ninety_days_more(conn: Connection, ids: Ids, keys: Keys) -> None:
    over = asked(conn, ids, keys, "水费怎么交", closed=91 * DAY)
    recent = asked(conn, ids, keys, "医保怎么办", closed=89 * DAY)
    open_ = asked(conn, ids, keys, "路灯坏了", closed=None)
    run(conn)
    kept = {row.case_id: row.text for row in conn.execute(select(case_entry.c.case_id, case_entry.c.text))}
    assert kept == {over: "", recent: "医保怎么办", open_: "路灯坏了"}
    numbers = {row.id: row.number for row in conn.execute(select(hotline_case.c.id, hotline_case.c.number))}
    assert numbers == {over: "", recent: ZHANG, open_: ZHANG}
    answers = {row.case_id: row.text for row in conn.execute(select(message).where(message.c.case_id.is_not(None)))}
    assert answers == {over: None, recent: "答复：医保怎么办", open_: "答复：路灯坏了"}
    assert run(conn) == []


def test_a_phone_is_forgotten_a_month_after_it_was_unbound(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1001", branch(conn, ids))
    for phone in (ZHANG, WANG):
        members.bind(conn, phone, zhang, NOW - 100 * DAY)
        members.unbind(conn, phone, NOW - 31 * DAY)
    consent.stop(conn, ids, WANG, how="STOP", now=NOW - 40 * DAY)
    run(conn)
    assert list(conn.scalars(select(number.c.number))) == [WANG]  # its opt-out has to be honoured
    members.bind(conn, ZHANG, zhang, NOW)
    run(conn)
    assert set(conn.scalars(select(number.c.number))) == {WANG, ZHANG}


def test_a_consent_that_was_replaced_is_kept_for_half_a_year(conn: Connection, ids: Ids) -> None:
    def at(ago: timedelta) -> Callable[[], int]:
        return lambda: first_of(NOW - ago) + 1

    consent.start(conn, at(300 * DAY), ZHANG, how="import", now=NOW - 300 * DAY)
    consent.stop(conn, at(200 * DAY), ZHANG, how="STOP", now=NOW - 200 * DAY)
    consent.start(conn, at(190 * DAY), WANG, how="START", now=NOW - 190 * DAY)
    run(conn)
    left = conn.execute(select(consents.c.number, consents.c.how).order_by(consents.c.id))
    assert [(row.number, row.how) for row in left] == [(ZHANG, "STOP"), (WANG, "START")]
    consent.start(conn, ids, ZHANG, how="START", now=NOW)
    run(conn, NOW + DAY)
    assert [row.how for row in consent.history(conn, ZHANG)] == ["START"]


def test_what_went_is_told_by_day_for_a_month(conn: Connection) -> None:
    for ago in (91, 92, 500):
        said(conn, "你好", ago * DAY)
    run(conn)
    retained.looked(conn, NOW)
    today = f"{NOW.astimezone(ZONE).date()}"
    assert retained.last(conn) == retained.Retained(NOW, {today: {"texts": 3, "rows": 1}})
    said(conn, "你好", 91 * DAY)
    run(conn, NOW + DAY)
    assert list(retained.last(conn).taken) == [f"{(NOW + DAY).astimezone(ZONE).date()}", today]
    said(conn, "你好", 10 * DAY)
    run(conn, NOW + 85 * DAY)
    assert list(retained.last(conn).taken.values()) == [{"texts": 1}]
    assert run(conn, NOW + 85 * DAY) == []


def test_what_could_not_be_handled_is_kept_for_a_month(conn: Connection) -> None:
    for ago in (29, 31):
        row = {"message_id": ago, "link": "m", "number": ZHANG, "at": NOW - ago * DAY, "exception": "x", "octets": b"x"}
        conn.execute(insert(quarantine), row)
    run(conn)
    assert list(conn.scalars(select(quarantine.c.message_id))) == [29]


@pytest.mark.parametrize("case", [False, True])
def test_nothing_of_it_is_left_in_the_file(tmp_path: Path, ids: Ids, keys: Keys, case: bool) -> None:
    path = tmp_path / "muster.db"
    made = engine(f"sqlite:///{path}", create=True)
    METADATA.create_all(made)
    secret = "珍稀词组鳜鱼"
    with made.begin() as conn:
        if case:
            asked(conn, ids, keys, secret, closed=91 * DAY)
        else:
            said(conn, secret, 91 * DAY)
            said(conn, secret, 500 * DAY)
    with made.begin() as conn:
        assert run(conn) != []
    with made.connect() as conn:
        conn.exec_driver_sql("COMMIT")
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()
    octets = path.read_bytes()
    assert secret.encode() not in octets
    assert "鳜鱼".encode() not in octets


def test_the_audit_goes_after_three_years_by_whole_links_and_can_still_be_proved(conn: Connection, keys: Keys) -> None:
    later = NOW + 1300 * DAY

    def seen(at: datetime) -> None:
        row = {"actor": "staff:li", "action": "reveal", "object": "member:1", "reason": "why"}
        audit.record(conn, id=first_of(at) + 1, at=at, **row)

    seen(NOW)
    seen(NOW + 50 * DAY)
    made = chain.plan(conn, chain.Name.AUDIT, ZONE, NOW + 100 * DAY)
    assert made is not None
    assert chain.append(conn, keys, made, *chain.read(conn, made), NOW + 100 * DAY)
    seen(later - 10 * DAY)
    assert "audit" in run(conn, later)
    assert retained.last(conn).taken == {f"{later.astimezone(ZONE).date()}": {"audit": 2}}
    assert [entry.at for entry in audit.listing(conn)] == [later - 10 * DAY]
    assert verifying.verify(conn, keys).findings == ()
