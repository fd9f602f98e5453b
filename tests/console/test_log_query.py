"""Pages of the log: by key, by index, by windows; within somebody's branches and nowhere else."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from gateway.affairs import alarming
from gateway.console import board, log_counts, log_finding, log_query
from gateway.console.log_rows import Filter, Rows
from gateway.core import search
from gateway.core.engines import engine
from gateway.core.ids import Ids, first_of
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import message
from tests.console.served import PHONE, asked, logged, logged_at, people

COMMANDS = {"0": {"zh": "帮助", "en": "HELP"}, "11": {"zh": "会费", "en": "DUES"}, "E01": {}}
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def texts(rows: Rows) -> list[str | None]:
    return [row.text for row in rows.rows]


def look(conn: Connection, scope: tuple[str, ...] | None = None, before: int | None = None, **wishes: Any) -> Rows:
    return log_query.page(conn, Filter(**wishes), scope, before)


def understood(conn: Connection, words: str, branch: str = "") -> Filter:
    return log_query.understand(
        conn, words, Filter(), country="CN", today=date(2026, 11, 20), commands=COMMANDS, branch=branch
    )


def fill(conn: Connection, count: int, **values: object) -> list[int]:
    """Rows a second apart, the oldest first."""
    ids = [first_of(NOW + timedelta(seconds=second)) for second in range(count)]
    base = {
        "direction": "in", "state": "received", "channel": "sms", "link": "mobile", "number": PHONE, "at": NOW,
        "log_class": "A", "text": "DUES", "command": "11",
    } | values  # fmt: skip
    conn.execute(message.insert(), [base | {"id": id_} for id_ in ids])
    return ids


def test_pages_follow_each_other_without_a_gap_or_a_double(conn: Connection) -> None:
    ids = fill(conn, 120)
    seen: list[int] = []
    before = None
    for expected in (50, 50, 20):
        page = look(conn, before=before)
        assert len(page.rows) == expected
        seen += [row.id for row in page.rows]
        before = page.older
    assert before is None
    assert seen == ids[::-1]


def test_the_newest_arriving_meanwhile_moves_no_page(conn: Connection) -> None:
    ids = fill(conn, 60)
    first = look(conn)
    logged(conn, logged_at(NOW + timedelta(hours=1)), "later")
    assert [row.id for row in look(conn, before=first.older).rows] == ids[:10][::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("direction", "out"), ("state", "failed"), ("channel", "ussd"), ("link", "village"), ("command", "E01"),
        ("log_class", "B"),
    ],
)  # fmt: skip
def test_each_facet_narrows(conn: Connection, ids: Ids, name: str, value: str) -> None:
    logged(conn, ids, "other")
    logged(conn, ids, "wanted", **{name: value})
    wishes: dict[str, Any] = {name: value}
    assert texts(look(conn, **wishes)) == ["wanted"]
    assert len(look(conn).rows) == 2


def test_what_fits_is_counted_by_facet_and_within_reach(conn: Connection, ids: Ids) -> None:
    people(conn, ids)
    for number in range(7):
        logged(conn, ids, "水", link="village" if number < 2 else "mobile", command="11" if number else None)
    logged(conn, ids, "水", direction="out", state="failed")
    logged(conn, ids, "水", branch_path="/53/5302/", link="elsewhere")
    counts = log_counts.count(conn, Filter(), ("/53/5301/",), cases=())
    assert (counts.rows, counts.more) == (8, False)
    assert counts.by == {
        "direction": [("in", 7), ("out", 1)], "state": [("received", 7), ("failed", 1)],
        "link": [("mobile", 6), ("village", 2)], "command": [("11", 6), ("0", 1)], "channel": [("sms", 8)],
        "class": [("A", 8)],
    }  # fmt: skip
    narrowed = log_counts.count(conn, Filter(state="failed"), None, cases=())
    assert (narrowed.rows, narrowed.by["link"]) == (1, [("mobile", 1)])
    assert log_counts.count(conn, Filter(nothing=True), None, cases=()).by == {}


def test_counting_ends_after_so_many_rows_or_so_long(conn: Connection) -> None:
    fill(conn, log_counts.MOST + 60)
    counts = log_counts.count(conn, Filter(), None, cases=(), seconds=lambda: 0.0)
    assert (counts.rows, counts.more, counts.by["state"]) == (500, True, [("received", 500)])
    clock = itertools.count(0.0, log_counts.PATIENCE * 0.6)
    assert log_counts.count(conn, Filter(), None, cases=(), seconds=lambda: next(clock)).rows == 100


def test_times_are_ranges_of_the_key(conn: Connection) -> None:
    fill(conn, 100)
    page = look(conn, since=NOW + timedelta(seconds=10), until=NOW + timedelta(seconds=20))
    assert len(page.rows) == 10
    assert page.rows[-1].id == first_of(NOW + timedelta(seconds=10))


def test_a_subtree_is_a_facet_and_a_scope(conn: Connection, ids: Ids) -> None:
    people(conn, ids)
    logged(conn, ids, "first", branch_path="/53/5301/")
    logged(conn, ids, "second", branch_path="/53/5302/")
    logged(conn, ids, "nobody's", branch_path=None)
    assert texts(look(conn, branch="/53/5301/")) == ["first"]
    assert texts(look(conn, ("/53/5302/",))) == ["second"]
    assert texts(look(conn, ("/53/5301/", "/53/5302/"))) == ["second", "first"]
    assert texts(look(conn, ("/53/5301/",), branch="/53/5302/")) == []
    assert texts(look(conn, ())) == []
    assert len(look(conn).rows) == 3


def test_a_rare_wish_looks_back_in_windows_and_says_how_far(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_finding, "_WINDOWS", (10, 10, 10))
    monkeypatch.setattr(log_finding, "_PATIENCE", 60)
    ids = fill(conn, 100)
    logged(conn, logged_at(NOW + timedelta(seconds=5)), "rare", link="village")
    page = look(conn, link="village")
    assert page.rows == ()
    assert page.looked_back_to is not None
    pages = 1
    while page.older is not None and not page.rows:
        page = look(conn, before=page.older, link="village")
        pages += 1
    assert texts(page) == ["rare"]
    assert pages == 4
    assert page.rows[0].id in range(ids[5], ids[6])


def test_a_search_that_took_long_begins_no_further_window_and_goes_on_from_there(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_finding, "_WINDOWS", (10, 10, 10))
    monkeypatch.setattr(log_finding, "_PATIENCE", -1)
    ids = fill(conn, 25)
    conn.execute(update(message).where(message.c.id == ids[2]).values(command="E01"))
    first = look(conn, command="E01")
    assert (first.rows, first.older) == ((), ids[15])
    assert first.looked_back_to == NOW + timedelta(seconds=15)
    second = look(conn, command="E01", before=first.older)
    assert (second.rows, second.older) == ((), ids[5])
    third = look(conn, command="E01", before=second.older)
    assert ([row.id for row in third.rows], third.older) == ([ids[2]], None)


def test_the_moment_of_an_id_is_the_inverse_of_the_id_of_a_moment() -> None:
    assert log_query.moment(first_of(NOW) + 4711) == NOW


def test_text_is_found_with_other_wishes_and_across_candidates(
    conn: Connection, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CANDIDATES", 3)
    logged(conn, ids, "会费怎么交", link="village")
    for number in range(7):
        logged(conn, ids, f"会费 {number}")
    assert texts(look(conn, text="会费", link="village")) == ["会费怎么交"]
    assert len(look(conn, text="会费").rows) == 8
    assert texts(look(conn, text="费怎")) == ["会费怎么交"]
    assert texts(look(conn, ("/53/5302/",), text="会费")) == []


def test_a_commands_word_finds_its_masked_messages_too(conn: Connection, ids: Ids) -> None:
    logged(conn, ids, "会费*.**元未交", log_class="B", command="11", direction="out")
    logged(conn, ids, "请问会费怎么交", command="E01")
    logged(conn, ids, "帮助", command="0")
    found = log_query.page(conn, understood(conn, "会费"), None, None)
    assert texts(found) == ["请问会费怎么交", "会费*.**元未交"]


def _small(monkeypatch: pytest.MonkeyPatch, *, few: int = 20) -> None:
    """Every bound so narrow that a log of a hundred rows meets it."""
    monkeypatch.setattr(log_finding, "PAGE", 4)
    monkeypatch.setattr(log_finding, "_WINDOWS", (3, 7))
    monkeypatch.setattr(log_finding, "_PATIENCE", 60)
    monkeypatch.setattr(log_finding, "_FEW", few)
    monkeypatch.setattr(log_finding, "_STRETCHES", 2)
    monkeypatch.setattr(search, "CANDIDATES", 3)
    monkeypatch.setattr(search, "STRETCH", 5)
    monkeypatch.setattr(search, "_RARE", 2)


@pytest.mark.parametrize("few", [0, 25, 1000])
def test_whichever_way_it_is_looked_for_the_same_is_found(
    conn: Connection, ids: Ids, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    _small(monkeypatch, few=few)
    chance = random.Random(few)
    branches = (None, "/53/", "/53/5301/", "/53/5301/530101/", "/53/5302/", "/54/", "/53a/")
    kept = []
    for _ in range(150):
        text = "".join(chance.choices(("会费", "补助", "help", " ", "困难"), k=3))
        row = {
            "state": chance.choice(("delivered", "failed", "expired")), "link": chance.choice(("mobile", "village")),
            "command": chance.choice(("11", "0")), "branch_path": chance.choice(branches),
            "error": chance.choice((None, "0x8")), "direction": "out",
        }  # fmt: skip
        kept.append((logged(conn, ids, text, **row), text, row))
    for _ in range(60):
        scope = chance.choice((None, None, ("/53/5301/",), ("/53/5302/", "/54/"), ("/53/",)))
        wishes: dict[str, Any] = {
            name: value
            for name, values in {
                "state": ("failed", "delivered"), "link": ("village",), "command": ("11",), "error": ("0x8",),
                "branch": ("/53/5301/", "/53/5301/530101/", "/53/"), "text": ("会费", "费补", "helpp", "困难会费"),
            }.items()
            if chance.random() < 0.3
            for value in [chance.choice(values)]
        }  # fmt: skip
        expected = [id_ for id_, text, row in reversed(kept) if _fits(text, row, wishes, scope)]
        assert _all(conn, scope, wishes) == expected, (wishes, scope)


def _fits(text: str, row: Mapping[str, Any], wishes: Mapping[str, Any], scope: tuple[str, ...] | None) -> bool:
    path = row["branch_path"] or ""
    return (
        all(row[name] == value for name, value in wishes.items() if name in row)
        and (scope is None or any(path.startswith(root) for root in scope))
        and path.startswith(wishes.get("branch", ""))
        and search.matches(wishes.get("text", ""), text)
    )


def _all(conn: Connection, scope: tuple[str, ...] | None, wishes: Mapping[str, Any]) -> list[int]:
    """Page after page."""
    seen: list[int] = []
    found = look(conn, scope, **wishes)
    while True:
        seen += [row.id for row in found.rows]
        if found.older is None:
            return seen
        found = look(conn, scope, found.older, **wishes)


def test_two_searches_merge_without_a_gap_or_a_double(
    conn: Connection, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small(monkeypatch)
    wanted = []
    for number in range(60):
        by_word, by_command = number % 7 == 0, number % 5 == 0
        id_ = logged(conn, ids, "会费" if by_word else "费会 会 费", command="11" if by_command else "0")
        wanted += [id_] if by_word or by_command else []
    seen: list[int] = []
    before = None
    for _ in range(60):
        found = log_query.page(conn, understood(conn, "会费"), None, before)
        seen += [row.id for row in found.rows]
        before = found.older
        if before is None:
            break
    assert seen == wanted[::-1]


def test_the_text_of_a_case_or_a_sealed_one_is_not_found_and_not_shown(conn: Connection, ids: Ids) -> None:
    for log_class in "CD":
        logged(conn, ids, "会费秘密", log_class=log_class)
    assert look(conn, text="会费").rows == ()
    assert [log_query.shown_text(row) for row in look(conn).rows] == [None, None]


def test_the_texts_of_cases_are_found_and_shown_to_those_who_may_read_them(conn: Connection, ids: Ids) -> None:
    member = people(conn, ids)
    inside, nobodys = asked(conn, ids, member, "水费怎么交"), asked(conn, ids, None, "水费在哪里交")
    answer = logged(conn, ids, "【安河】水费到镇里交", log_class="D", direction="out", case_id=inside.id)
    conn.execute(message.update().where(message.c.log_class == "D", message.c.direction == "in").values(text=None))
    for case in (inside, nobodys):
        number = PHONE if case is inside else case.number
        conn.execute(message.update().where(message.c.number == number).values(case_id=case.id))
    everything = log_query.page(conn, Filter(text="水费"), None, None, cases=None)
    assert len(everything.rows) == 2
    mine = log_query.page(conn, Filter(text="水费"), None, None, cases=("/53/5301/",))
    assert [row.case_no for row in mine.rows] == [inside.case_no]
    assert log_query.page(conn, Filter(text="水费"), None, None).rows == ()
    assert log_query.page(conn, Filter(text="费"), None, None, cases=None).rows == ()
    all_rows = look(conn).rows
    shown = log_query.case_texts(conn, all_rows, ("/53/5301/",))
    assert sorted(shown.values()) == ["【安河】水费到镇里交", "水费怎么交"]
    assert shown[answer] == "【安河】水费到镇里交"
    assert len(log_query.case_texts(conn, all_rows, None)) == 3
    assert log_query.case_texts(conn, all_rows, ()) == {}


def test_words_are_understood_as_what_they_are(conn: Connection, ids: Ids) -> None:
    member = people(conn, ids)
    case = asked(conn, ids, member, "低保什么时候到账")
    logged(conn, ids, "code", number="10690001")
    assert understood(conn, "138 0000 0007").numbers == (PHONE,)
    assert understood(conn, "+86-13800000007").numbers == (PHONE,)
    assert understood(conn, "A1004").member_no == "A1004"
    assert understood(conn, "A1004").numbers == (PHONE,)
    assert understood(conn, case.case_no).case_id == case.id
    assert understood(conn, "e01").command == "E01"
    assert understood(conn, "10690001").numbers == ("10690001",)
    assert understood(conn, "1069").text == "1069"
    assert understood(conn, "水费").text == "水费"
    assert understood(conn, "dues").word_of == "11"
    assert understood(conn, "  ") == Filter()
    assert understood(conn, "", "5301").branch == "/53/5301/"
    assert understood(conn, "", "River").branch == "/53/5302/"
    assert understood(conn, "", "nowhere").nothing


@pytest.mark.parametrize("words", ["'; DROP TABLE message;--", "%", "_%_", '"', "\\", "\u202e会费", "9" * 100, "+"])
def test_odd_searches_are_only_searches(conn: Connection, ids: Ids, words: str) -> None:
    logged(conn, ids, "会费")
    found = log_query.page(conn, understood(conn, words, words), None, None)
    assert len(found.rows) <= 1
    assert len(look(conn).rows) == 1


def test_a_number_is_found_whole_only(conn: Connection, ids: Ids) -> None:
    """A search for a prefix would let anybody read the masked digits one by one."""
    logged(conn, ids, "DUES")
    for words in ("1380000", "13800000", "+861380000000", "0007"):
        assert understood(conn, words).numbers == ()


def test_one_message_is_shown_within_reach_only(conn: Connection, ids: Ids) -> None:
    member = people(conn, ids)
    id_ = logged(conn, ids, "DUES", member_id=member.id)
    logged(conn, ids, "reply", direction="out", answers=id_)
    logged(conn, ids, "elsewhere", branch_path="/53/5302/")
    found = log_query.detail(conn, id_, ("/53/5301/",))
    assert found is not None
    assert found.member_no == "A1004"
    assert found.branch_name == "5301 五里桥镇第一支部"
    assert [row.text for row in found.around] == ["DUES", "reply"]
    assert log_query.detail(conn, id_, ("/53/5302/",)) is None
    assert log_query.detail(conn, id_ + 12345, None) is None


@pytest.fixture
def sqlite() -> Iterator[Connection]:
    """A database whose plans can be asked for."""
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        yield conn
    made.dispose()


@pytest.mark.parametrize("wishes", [{}, {"numbers": (PHONE,)}, {"text": "会费"}, {"state": "failed"}], ids=str)
def test_no_page_of_a_large_log_scans_or_sorts_it(sqlite: Connection, wishes: dict[str, Any]) -> None:
    fill(sqlite, 300)
    sqlite.exec_driver_sql("ANALYZE")
    statements: list[tuple[str, Any]] = []

    @event.listens_for(sqlite, "before_cursor_execute")
    def keep(conn: object, cursor: object, statement: str, parameters: Any, context: object, many: bool) -> None:
        statements.append((statement, parameters))

    look(sqlite, **wishes)
    event.remove(sqlite, "before_cursor_execute", keep)
    assert statements
    for statement, parameters in statements:
        plan = [row[3] for row in sqlite.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        assert not any(step.startswith("SCAN message") and "INDEX" not in step for step in plan), (statement, plan)
        assert not any("TEMP B-TREE" in step for step in plan), (statement, plan)


@pytest.mark.parametrize("state", ["received", "failed"])
@pytest.mark.parametrize("scope", [None, ("/53/",)])
def test_a_window_of_a_large_log_reads_no_row_beyond_it(
    sqlite: Connection, monkeypatch: pytest.MonkeyPatch, scope: tuple[str, ...] | None, state: str
) -> None:
    """Nobody used the command; each row that is looked at costs some steps of SQLite's machine."""
    monkeypatch.setattr(log_finding, "_WINDOWS", (10, 10))
    monkeypatch.setattr(log_finding, "_FEW", 5)
    fill(sqlite, 5_000, state=state, branch_path="/53/5301/")
    steps = itertools.count()
    raw = sqlite.connection.driver_connection
    assert raw is not None
    raw.set_progress_handler(lambda: next(steps) and None, 10)
    page = look(sqlite, scope, state=state, command="94")
    raw.set_progress_handler(None, 0)
    assert (page.rows, page.looked_back_to is None) == ((), False)
    assert next(steps) < 500


def test_what_waits_is_counted_by_its_index_however_large_the_log(sqlite: Connection) -> None:
    """Asked every ten seconds and on each overview: walking ten million rows for it took the readers' time."""
    fill(sqlite, 300)
    sqlite.exec_driver_sql("ANALYZE")
    statements: list[tuple[str, Any]] = []

    @event.listens_for(sqlite, "before_cursor_execute")
    def keep(conn: object, cursor: object, statement: str, parameters: Any, context: object, many: bool) -> None:
        statements.append((statement, parameters))

    board.queues(sqlite, ["mobile", "village"])
    alarming.waiting_since(sqlite, ["mobile"], [0, 1, 2])
    event.remove(sqlite, "before_cursor_execute", keep)
    assert len(statements) > 10
    for statement, parameters in statements:
        plan = [row[3] for row in sqlite.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        read = [step for step in plan if step.split()[1] == "message"]
        assert read, plan
        assert all("ix_message_queue" in step or "ix_message_due" in step for step in read), (statement, plan)
