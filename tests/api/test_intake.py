"""What the intake does in the database, on each engine, and what it does when the database does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from config.model import ApiKey
from gateway.affairs import destinations, settings
from gateway.api import intake, submission
from gateway.api.accounts import Accounts, Daily, sent_since
from gateway.api.intake import MOST_WAITING, Answer, Intake
from gateway.api.messages import standing
from gateway.api.submission import Message
from gateway.core.database import Inline
from gateway.core.ids import Ids
from gateway.core.model import Busy, NotTaken
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import callback, idempotency
from tests.affairs import people

NOW = datetime(2026, 8, 17, 9, 0, tzinfo=UTC)
TO, GONE = "+8613800000007", "+8613800000008"


class Door:
    """An intake over a database whose works run at once."""

    def __init__(self, database: Any, ids: Ids) -> None:
        self.clock = Clock()
        self.intake = Intake(
            database,
            self.clock,
            route=lambda to: "wire" if to.startswith("+86") else None,
            new_id=ids,
            now=lambda: NOW,
            zone=ZoneInfo("Asia/Shanghai"),
        )

    def submit(self, *asked: Message, account: str = "agriculture", **more: Any) -> Deferred[Answer]:
        return self.intake.submit(account, asked, listed=more.pop("listed", True), **more)

    def answers(self, *submitted: Deferred[Answer]) -> list[Answer]:
        """What came back, after the reactor has had its turn."""
        found: list[Answer] = []
        for done in submitted:
            done.addCallback(found.append)
        self.clock.advance(0)
        return found


@pytest.fixture
def door(conn: Connection, ids: Ids) -> Door:
    conn.execute(insert(number), {"number": GONE, "opted_out": True})
    conn.commit()
    return Door(Inline(conn), ids)


def limit(conn: Connection, ids: Ids, **written: Any) -> None:
    for name, value in written.items():
        settings.change(conn, ids, f"destinations.{name}", value, actor="test", now=NOW - timedelta(days=1))
    conn.commit()


def count(conn: Connection, table: Any) -> int:
    return conn.scalar(select(func.count()).select_from(table)) or 0


def test_requests_of_one_turn_share_a_transaction(door: Door, conn: Connection) -> None:
    waiting = [door.submit(Message(TO, str(n))) for n in range(5)]
    assert count(conn, message) == 0
    conn.rollback()
    assert [answer.status for answer in door.answers(*waiting)] == [202] * 5
    assert count(conn, message) == 5
    assert door.intake.waiting == 0


def test_who_opted_out_is_left_out_of_everything(door: Door, conn: Connection) -> None:
    url = "https://example.org/"
    (answer,) = door.answers(door.submit(Message(TO, "x", callback=url), Message(GONE, "x", callback=url)))
    assert answer.queued == 1
    assert b'"opted_out"' in answer.body
    assert count(conn, message) == 1
    assert count(conn, callback) == 1


def test_two_equal_requests_at_once_are_one(door: Door, conn: Connection) -> None:
    same: dict[str, Any] = {"key": "k", "digest": b"d"}
    first, second, other = door.answers(
        door.submit(Message(TO, "x"), **same),
        door.submit(Message(TO, "x"), **same),
        door.submit(Message(TO, "y"), key="k", digest=b"e"),
    )
    assert (first.body, first.queued, second.body, second.queued) == (first.body, 1, first.body, 0)
    assert other.status == 422
    assert count(conn, message) == 1


def test_a_repeat_days_later_is_a_new_one(door: Door, conn: Connection) -> None:
    door.answers(door.submit(Message(TO, "x"), key="k", digest=b"d"))
    assert intake.forget(conn, NOW) == 0
    assert intake.forget(conn, NOW + timedelta(seconds=1)) == 1
    assert count(conn, idempotency) == 0
    conn.commit()
    door.answers(door.submit(Message(TO, "x"), key="k", digest=b"d"))
    assert count(conn, message) == 2


def test_a_refusal_is_repeated_too(door: Door) -> None:
    first, second = door.answers(
        door.submit(Message(GONE, "x"), listed=False, key="k", digest=b"d"),
        door.submit(Message(GONE, "x"), listed=False, key="k", digest=b"d"),
    )
    assert first == second
    assert first.status == 409


def test_only_the_sender_can_look(door: Door, conn: Connection) -> None:
    door.answers(door.submit(Message(TO, "x")))
    id_ = conn.scalar(select(message.c.id))
    assert id_ is not None
    found = standing(conn, "agriculture", id_)
    assert found is not None
    assert (found["state"], found["parts"]) == ("queued", [])
    assert standing(conn, "others", id_) is None


def test_a_day_is_counted_from_the_log(door: Door, conn: Connection, ids: Ids) -> None:
    door.answers(door.submit(Message(TO, "x"), Message(TO, "y")), door.submit(Message(TO, "z"), account="others"))
    assert sent_since(conn, ["agriculture"], datetime.now(UTC) - timedelta(hours=1)) == {"agriculture": 2}
    assert sent_since(conn, ["agriculture"], datetime.now(UTC) + timedelta(hours=1)) == {}


# --- without a database -------------------------------------------------------------------------------------------


class Stub:
    """A database that does as it is told."""

    waiting = 0

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self.works: list[int] = []

    def run(self, work: Any, batch: Any, now: Any, today: Any) -> Deferred[Any]:
        self.works.append(len(batch))
        done: Deferred[Any] = Deferred()
        try:
            done.callback(self._run(batch))
        except Exception as problem:
            done.errback(problem)
        return done


def test_when_the_disk_is_full_nobody_is_told_otherwise(ids: Ids) -> None:
    def full(batch: Any) -> Any:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    stub = Stub(full)
    door = Door(stub, ids)
    failures: list[Any] = []
    for _ in range(3):
        door.submit(Message(TO, "x")).addErrback(failures.append)
    door.clock.advance(0)
    assert [failure.type for failure in failures] == [NotTaken] * 3
    assert stub.works == [3]
    assert door.intake.waiting == 0


def test_one_bad_request_does_not_take_the_others_with_it(ids: Ids) -> None:
    def choosy(batch: Any) -> Any:
        if any(submission.outbounds[0].text == "bad" for submission in batch):
            raise ValueError("no")
        return [Answer(202, b"{}", 1) for _ in batch]

    door = Door(Stub(choosy), ids)
    failures: list[Any] = []
    good = [door.submit(Message(TO, "x")), door.submit(Message(TO, "y"))]
    door.submit(Message(TO, "bad")).addErrback(failures.append)
    assert len(door.answers(*good)) == 2
    assert [failure.type for failure in failures] == [NotTaken]
    assert door.intake.waiting == 0


def test_too_much_is_told_to_come_again(ids: Ids) -> None:
    stub = Stub(lambda batch: [Answer(202, b"{}", 1) for _ in batch])
    door = Door(stub, ids)
    for _ in range(MOST_WAITING // 1000):
        door.submit(*[Message(TO, "x")] * 1000)
    with pytest.raises(Busy):
        door.submit(Message(TO, "x"))
    door.clock.advance(0)
    assert door.intake.waiting == 0
    assert stub.works == [1] * 5  # a work holds a thousand messages
    stub.waiting = MOST_WAITING + 1
    with pytest.raises(Busy):
        door.submit(Message(TO, "x"))


def test_the_day_turns_at_midnight_here() -> None:
    now = [datetime(2026, 8, 17, 15, 59, tzinfo=UTC)]
    daily = Daily(ZoneInfo("Asia/Shanghai"), lambda: now[0])
    account = ApiKey(name="a", key="k", per_day=2)
    daily.restore({"a": 1})
    assert daily.begun() == datetime(2026, 8, 16, 16, tzinfo=UTC)
    assert daily.take(account, 1)
    assert not daily.take(account, 1)
    assert daily.seconds_left() == 61
    daily.give_back(account, 1)
    assert daily.take(account, 1)
    now[0] += timedelta(minutes=1)
    assert daily.take(account, 2)
    assert not daily.take(account, 1)
    assert daily.take(replace(account, per_day=0), 10**9)


def test_keys_are_found_by_the_whole_of_them() -> None:
    accounts = Accounts([ApiKey(name="a", key="secret"), ApiKey(name="b", key="ключ")])
    found = accounts.of(b"Bearer secret")
    assert found is not None
    assert found.name == "a"
    assert accounts.of("bearer ключ".encode()) is not None
    for wrong in (None, b"", b"Bearer", b"Bearer ", b"Basic secret", b"secret", b"Bearer secre", b"Bearer secrets"):
        assert accounts.of(wrong) is None


def test_the_usual_message_takes_no_detour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_slowly", None)
    account = ApiKey(name="a", key="k")
    found, listed = submission.read(b'[{"to":"+8613800000007","text":"x"}]', account, "CN", NOW)
    assert (found, listed) == ([Message(TO, "x", expires=NOW + submission.LIFE)], True)


def test_a_budget_of_a_prefix_is_for_a_day_and_for_all_requests(door: Door, conn: Connection, ids: Ids) -> None:
    limit(conn, ids, budgets=("+8613=2", "+8615=0"))
    first = door.submit(*(Message(f"+861390000000{n}", "x") for n in range(3)))
    second = door.submit(Message("+8615000000001", "x"), listed=False)
    other = door.submit(Message("+8618000000001", "x"), listed=False)
    answers = door.answers(first, second, other)
    listed = orjson.loads(answers[0].body)["messages"]
    assert [each.get("error") for each in listed] == [None, None, "budget"]
    assert [answer.status for answer in answers] == [202, 409, 202]
    assert orjson.loads(answers[1].body)["error"]["code"] == "budget"
    assert count(conn, message) == 3
    today = NOW.date()
    assert destinations.refused(conn, today) == (("budget", "+8613", 2, 1), ("budget", "+8615", 0, 1))
    assert destinations.refused(conn, today + timedelta(days=1)) == ()


def test_numbers_in_a_row_are_refused_unless_they_are_members(door: Door, conn: Connection, ids: Ids) -> None:
    """Codes asked for by who owns the numbers: the sign of it is that they lie side by side."""
    limit(conn, ids, adjacent=3)
    id_ = people.person(conn, ids, "A0001", people.branch(conn, ids, "530102"))
    conn.execute(insert(number), {"number": "+8613800000019", "member_id": id_, "main": True})
    conn.commit()
    strangers = [Message(f"+86138000000{n}", "x") for n in range(10, 15)]
    (answer,) = door.answers(door.submit(*strangers, Message("+8613800000019", "x"), Message("+8613900000010", "x")))
    found = [each.get("error") for each in orjson.loads(answer.body)["messages"]]
    assert found == [None, None, None, "adjacent", "adjacent", None, None]
    assert destinations.refused(conn, NOW.date()) == (("adjacent", "+8613800000xxx", 3, 2),)
    assert destinations.forget(conn, NOW + timedelta(days=7)) == 0
    assert destinations.forget(conn, NOW + timedelta(days=8)) == 2
