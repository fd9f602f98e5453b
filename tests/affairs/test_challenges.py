from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from gateway.affairs import challenges
from gateway.affairs.challenges import Confirmed, Locked, Nothing, Wrong
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.organisation import challenge
from tests.affairs.people import LI, NOW, ZHANG

Issue = Callable[..., str]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def issue(conn: Connection, ids: Ids, keys: Keys) -> Issue:
    chance = random.Random(4)

    def issue(number: str = ZHANG, **others: Any) -> str:
        return challenges.issue(
            conn, ids, keys, chance, number, **{"action": "81", "arguments": {"to": "4107"}, "now": NOW, **others}
        )

    return issue


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10_000:04d}"


def test_the_right_code_confirms_once(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    assert len(code) == 4
    assert code.isdecimal()
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Confirmed("81", {"to": "4107"})
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Nothing()


def test_a_code_belongs_to_its_number(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    assert challenges.check(conn, keys, LI, code, NOW) == Nothing()


@pytest.mark.parametrize("life", [challenges.LIFE, timedelta(hours=24)])
def test_three_wrong_codes_lock_for_a_quarter_of_an_hour(
    conn: Connection, keys: Keys, issue: Issue, life: timedelta
) -> None:
    """And end the code, however long it would have lived: a guess every quarter of an hour for a day would find it."""
    code = issue(life=life)
    until = NOW + challenges.LOCK
    assert challenges.check(conn, keys, ZHANG, other(code), NOW) == Wrong(2)
    assert challenges.check(conn, keys, ZHANG, "", NOW) == Wrong(1)
    assert challenges.check(conn, keys, ZHANG, other(code), NOW) == Locked(until)
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Locked(until)
    assert challenges.locked(conn, ZHANG, until - MINUTE) == until
    assert challenges.locked(conn, ZHANG, until) is None
    assert challenges.check(conn, keys, ZHANG, code, until) == Nothing()


def test_a_new_code_gives_no_new_tries(conn: Connection, keys: Keys, issue: Issue) -> None:
    """Who forges a sender could else ask for code after code and guess each twice, for ever."""
    first = issue()
    assert challenges.check(conn, keys, ZHANG, other(first), NOW) == Wrong(2)
    assert challenges.check(conn, keys, ZHANG, other(first), NOW) == Wrong(1)
    second = issue(object="claim:17")
    third = issue(arguments={"to": "5000"})
    guess = next(f"{n:04d}" for n in range(4) if f"{n:04d}" not in (first, second, third))
    assert challenges.check(conn, keys, ZHANG, guess, NOW) == Locked(NOW + challenges.LOCK)


def test_the_right_code_forgives_the_wrong_ones(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    assert challenges.check(conn, keys, ZHANG, other(code), NOW) == Wrong(2)
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Confirmed("81", {"to": "4107"})
    code = issue()
    assert challenges.check(conn, keys, ZHANG, other(code), NOW) == Wrong(2)


def test_a_new_request_voids_the_old_code(conn: Connection, keys: Keys, issue: Issue) -> None:
    old, new = issue(), issue(arguments={"to": "5000"})
    assert old != new
    assert challenges.check(conn, keys, ZHANG, old, NOW) == Wrong(2)
    assert challenges.check(conn, keys, ZHANG, new, NOW) == Confirmed("81", {"to": "5000"})


def test_a_code_lasts_ten_minutes(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    assert challenges.check(conn, keys, ZHANG, code, NOW + 10 * MINUTE) == Nothing()
    code = issue(life=timedelta(hours=24))
    assert isinstance(challenges.check(conn, keys, ZHANG, code, NOW + 600 * MINUTE), Confirmed)


def test_a_no_voids_the_code(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    assert challenges.cancel(conn, ZHANG) is True
    assert challenges.cancel(conn, ZHANG) is False
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Nothing()


def test_the_database_holds_no_code_and_its_row_cannot_be_bent(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue()
    row = conn.execute(select(challenge)).one()
    assert code not in (row.code_hash, row.arguments, row.action)
    conn.execute(update(challenge).values(arguments='{"to":"6666"}'))
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Wrong(2)


def test_what_is_over_is_erased(conn: Connection, keys: Keys, issue: Issue) -> None:
    issue()
    code = issue(LI, now=NOW + timedelta(days=1))
    assert challenges.forget(conn, NOW + timedelta(days=1)) == 1
    assert isinstance(challenges.check(conn, keys, LI, code, NOW + timedelta(days=1)), Confirmed)


def test_a_code_about_something_lives_beside_others(conn: Connection, keys: Keys, issue: Issue) -> None:
    """A member who is to confirm cash within a day may bind, erase and ask for other codes in between."""
    cash = issue(action="COLLECT/", arguments={"claim": 7}, object="claim:7", life=24 * 60 * MINUTE)
    own = issue()
    assert cash != own
    assert challenges.check(conn, keys, ZHANG, own, NOW) == Confirmed("81", {"to": "4107"})
    assert challenges.check(conn, keys, ZHANG, cash, NOW + 23 * 60 * MINUTE) == Confirmed("COLLECT/", {"claim": 7})


def test_a_new_code_about_the_same_voids_the_old_one(conn: Connection, keys: Keys, issue: Issue) -> None:
    first, other_claim = issue(object="claim:7"), issue(object="claim:8")
    second = issue(object="claim:7")
    if first != second:
        assert challenges.check(conn, keys, ZHANG, first, NOW) == Wrong(2)
    assert isinstance(challenges.check(conn, keys, ZHANG, second, NOW), Confirmed)
    assert isinstance(challenges.check(conn, keys, ZHANG, other_claim, NOW), Confirmed)


def test_a_code_for_something_else_is_wrong_and_stays_good(conn: Connection, keys: Keys, issue: Issue) -> None:
    def approval(action: str, arguments: Mapping[str, Any]) -> bool:
        return action == "OK" and arguments["draft"] == "D101"

    code = issue(action="OK", arguments={"draft": "D102"})
    claim = issue(action="COLLECT/", arguments={"draft": "D101"}, object="claim:7")
    assert challenges.check(conn, keys, ZHANG, code, NOW, meant=approval) == Wrong(2)
    assert challenges.check(conn, keys, ZHANG, claim, NOW, meant=approval) == Wrong(1)
    assert challenges.check(conn, keys, ZHANG, claim, NOW) == Confirmed("COLLECT/", {"draft": "D101"})
    assert challenges.check(conn, keys, ZHANG, code, NOW) == Confirmed("OK", {"draft": "D102"})
    assert challenges.check(conn, keys, ZHANG, claim, NOW, meant=approval) == Nothing()
    own = issue(action="OK", arguments={"draft": "D101"})
    assert challenges.check(conn, keys, ZHANG, own, NOW, meant=approval) == Confirmed("OK", {"draft": "D101"})


def test_what_was_answered_is_known_again(conn: Connection, keys: Keys, issue: Issue) -> None:
    code = issue(object="claim:7", arguments={"claim": 7})
    assert isinstance(challenges.check(conn, keys, ZHANG, code, NOW), Confirmed)
    assert challenges.check(conn, keys, ZHANG, code, NOW + MINUTE) == challenges.Again("81", {"claim": 7})
    assert challenges.check(conn, keys, LI, code, NOW) == Nothing()
    assert challenges.check(conn, keys, ZHANG, code, NOW + 11 * MINUTE) == Nothing()


def test_open_codes_of_a_number_are_all_different(conn: Connection, keys: Keys, issue: Issue) -> None:
    codes = [issue(object=f"claim:{number}", arguments={"claim": number}) for number in range(300)]
    assert len(set(codes)) == 300


def test_wrong_tries_count_for_all_open_codes_together(conn: Connection, keys: Keys, issue: Issue) -> None:
    """Else each further claim would give a guesser three more tries."""
    codes = {issue(object="claim:7"), issue(object="claim:8"), issue()}
    wrong = next(code for code in ("0000", "0001", "0002", "0003") if code not in codes)
    assert challenges.check(conn, keys, ZHANG, wrong, NOW) == Wrong(2)
    issue(object="claim:9")
    assert challenges.check(conn, keys, ZHANG, wrong, NOW) == Wrong(1)
    assert challenges.check(conn, keys, ZHANG, wrong, NOW) == Locked(NOW + challenges.LOCK)
    assert challenges.check(conn, keys, ZHANG, next(iter(codes)), NOW + 2 * challenges.LOCK) == Nothing()
