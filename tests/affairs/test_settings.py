"""What the organisation decides: in force from a moment on, seen by every connection, changed by two persons."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from gateway.affairs import settings
from gateway.affairs.declarations import DECLARED, Setting
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.everything import METADATA
from tests.affairs.people import NOW

DAY = timedelta(days=1)


def put(conn: Connection, ids: Ids, name: str, value: Any, *, now: datetime = NOW, **others: Any) -> int:
    return settings.change(conn, ids, name, value, actor="staff:li", now=now, **others)


@pytest.mark.parametrize("declaration", DECLARED, ids=lambda each: each.name)
def test_what_is_shipped_is_allowed_and_reads_back(declaration: Setting) -> None:
    assert declaration.zh
    assert declaration.en
    if not declaration.family:
        settings.check(declaration, declaration.default)
        typed = settings.shown(declaration, declaration.default)
        assert settings.read(declaration.name, typed) == declaration.default


def test_no_setting_is_declared_twice() -> None:
    assert len({each.name for each in DECLARED}) == len(DECLARED)


def test_the_default_holds_until_a_change_does(conn: Connection, ids: Ids) -> None:
    assert settings.value(conn, "retention.texts", NOW) == 90
    put(conn, ids, "retention.texts", 30, valid_from=NOW + DAY)
    assert settings.value(conn, "retention.texts", NOW) == 90
    assert settings.value(conn, "retention.texts", NOW + DAY) == 30
    put(conn, ids, "retention.texts", 60)
    assert settings.value(conn, "retention.texts", NOW) == 60
    assert settings.value(conn, "retention.texts", NOW + DAY) == 30
    put(conn, ids, "retention.texts", None, valid_from=NOW + 2 * DAY, now=NOW + DAY)
    assert settings.value(conn, "retention.texts", NOW + 2 * DAY) == 90


def test_a_change_is_not_dated_back(conn: Connection, ids: Ids) -> None:
    with pytest.raises(settings.Refused, match="dated back"):
        put(conn, ids, "retention.texts", 30, valid_from=NOW - DAY)


def test_a_change_is_audited(conn: Connection, ids: Ids) -> None:
    put(conn, ids, "limits.same", 7, reason="many ask the same")
    (entry,) = audit.listing(conn, object="setting:limits.same")
    assert (entry.actor, entry.action) == ("staff:li", "setting changed")
    assert entry.reason == "5 -> 7: many ask the same"
    (change,) = settings.history(conn, "limits.same")
    assert (change.value, change.actor, change.reason) == (7, "staff:li", "many ask the same")


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("retention.texts", " 30 ", 30),
        ("commands.off", "81， 91", ("81", "91")),
        ("commands.off", "", ()),
        ("quiet.hours", "20-9", "20-9"),
        ("quiet.hours", "", ""),
        ("hours.office", "1-5  08:00-12:00 ; 6 09:00-12:00", "1-5 08:00-12:00; 6 09:00-12:00"),
        ("hours.closed", "2026-10-01/2026-10-07, 2027-01-01", ("2026-10-01/2026-10-07", "2027-01-01")),
        ("texts.zh.dues.clear", "会费已清", "会费已清"),
        ("words.en.11", "FEES", ("FEES",)),
    ],
)
def test_values_as_people_type_them(name: str, typed: str, value: Any) -> None:
    assert settings.read(name, typed) == value
    assert settings.read(name, settings.shown(settings.declared(name), value)) == value


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("retention.texts", "soon", "whole number"),
        ("retention.texts", "6", "7 to 365 days"),
        ("quiet.hours", "25-8", "21-8"),
        ("hours.office", "1-5 12:00-09:00", "09:00-12:00"),
        ("hours.office", "8 09:00-12:00", "09:00-12:00"),
        ("hours.closed", "2026-02-30", "2026-10-01"),
        ("hours.closed", "2026-10-07/2026-10-01", "2026-10-01"),
        ("texts.zh.dues.clear", "", "1 to 400"),
        ("texts.fr.dues.clear", "bon", "no setting"),
        ("nothing.at.all", "1", "no setting"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(name: str, typed: str, says: str) -> None:
    with pytest.raises(settings.Refused, match=says):
        settings.read(name, typed)


def test_a_family_has_the_members_that_are_set(conn: Connection, ids: Ids) -> None:
    put(conn, ids, "canned.zh.医保", "请到村点办理")
    put(conn, ids, "canned.en.health", "Please come to the village desk")
    put(conn, ids, "canned.zh.旧的", "不用了")
    put(conn, ids, "canned.zh.旧的", None, now=NOW + DAY)
    assert settings.family(conn, "canned.zh.", NOW + DAY) == {"医保": "请到村点办理"}
    assert settings.family(conn, "canned.", NOW + DAY).keys() == {"zh.医保", "en.health"}


def test_two_persons(conn: Connection, ids: Ids) -> None:
    first = settings.propose(conn, ids, "retention.texts", 30, actor="staff:li", now=NOW)
    second = settings.propose(conn, ids, "retention.texts", 45, actor="staff:li", now=NOW, reason="less is enough")
    assert [each.id for each in settings.proposals(conn)] == [second]
    assert settings.value(conn, "retention.texts", NOW) == 90
    with pytest.raises(settings.Refused, match="decided already"):
        settings.decide(conn, ids, first, accepted=True, actor="staff:wang", now=NOW)
    with pytest.raises(settings.Refused, match="somebody else"):
        settings.decide(conn, ids, second, accepted=True, actor="staff:li", now=NOW)
    settings.decide(conn, ids, second, accepted=True, actor="staff:wang", now=NOW + DAY)
    assert settings.value(conn, "retention.texts", NOW + DAY) == 45
    (change,) = settings.history(conn, "retention.texts")
    assert (change.actor, change.second, change.reason) == ("staff:li", "staff:wang", "less is enough")
    assert settings.proposals(conn) == ()


def test_a_proposal_that_was_turned_down_changes_nothing(conn: Connection, ids: Ids) -> None:
    made = settings.propose(conn, ids, "retention.texts", 30, actor="staff:li", now=NOW)
    settings.decide(conn, ids, made, accepted=False, actor="staff:li", now=NOW)  # its own author may withdraw it
    assert settings.value(conn, "retention.texts", NOW) == 90
    assert settings.proposals(conn) == ()


def test_a_transaction_asks_once(conn: Connection, ids: Ids) -> None:
    put(conn, ids, "limits.same", 7)
    conn.commit()
    asked: list[str] = []
    event.listen(
        conn, "before_cursor_execute", lambda *told: asked.append(told[2]) if told[2].startswith("SELECT") else None
    )
    with conn.begin():
        assert [settings.value(conn, name, NOW) for name in ("limits.same", "limits.errors")] == [7, 3]
    first = len(asked)
    for _ in range(3):
        with conn.begin():
            assert settings.value(conn, "limits.same", NOW) == 7
            assert settings.value(conn, "retention.texts", NOW) == 90
    assert len(asked) == first + 3  # the version, once a transaction; no row again


def test_another_connection_sees_the_change_with_its_next_transaction(database_url: str, ids: Ids) -> None:
    made = engine(database_url)
    with made.connect() as one, made.connect() as other:
        with other.begin():
            assert settings.value(other, "limits.same", NOW) == 5
        with one.begin():
            put(one, ids, "limits.same", 7)
        with other.begin():
            assert settings.value(other, "limits.same", NOW) == 7
    made.dispose()


def test_what_is_rolled_back_was_never_so(conn: Connection, ids: Ids) -> None:
    turn = conn.begin()
    put(conn, ids, "limits.same", 7)
    assert settings.value(conn, "limits.same", NOW) == 7
    turn.rollback()
    with conn.begin():
        assert settings.value(conn, "limits.same", NOW) == 5


_CHANGE = st.tuples(st.integers(0, 10), st.integers(0, 10), st.one_of(st.none(), st.integers(2, 20)))


@given(st.lists(_CHANGE, max_size=8))
def test_a_moment_has_the_last_change_that_begins_before_it(changes: list[tuple[int, int, int | None]]) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    ids = Ids()
    known: list[tuple[datetime, int | None]] = []
    with made.connect() as conn:
        for day, ahead, value in sorted(changes, key=lambda change: change[0]):
            now = NOW + day * DAY
            put(conn, ids, "limits.same", value, now=now, valid_from=now + ahead * DAY)
            known.append((now + ahead * DAY, value))
        for day in range(21):
            moment = NOW + day * DAY
            begun = [(begins, at) for at, (begins, _) in enumerate(known) if begins <= moment]
            wanted = known[max(begun)[1]][1] if begun else None
            assert settings.value(conn, "limits.same", moment) == (5 if wanted is None else wanted)
    made.dispose()


def test_what_differs_is_exported(conn: Connection, ids: Ids) -> None:
    put(conn, ids, "limits.same", 7)
    put(conn, ids, "limits.errors", 4)
    put(conn, ids, "limits.errors", None, now=NOW + DAY)
    put(conn, ids, "words.zh.11", ("党费",))
    assert dict(settings.exported(conn, NOW + DAY)) == {"limits.same": 7, "words.zh.11": ("党费",)}
