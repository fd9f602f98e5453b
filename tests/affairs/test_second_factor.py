"""The second factor: RFC 6238's own vectors, each code once, recovery codes once."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from gateway.affairs import second_factor, staff
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.staff import recovery_code
from gateway.core.tables.staff import staff as accounts
from tests.affairs.people import NOW

SECRET = b"12345678901234567890"
STEP = timedelta(seconds=second_factor.STEP)


@pytest.mark.parametrize(  # RFC 6238, appendix B, the last six of eight digits
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_of_the_rfc(seconds: int, code: str) -> None:
    assert second_factor.code_at(SECRET, seconds // 30) == code


@given(st.binary(min_size=20, max_size=20), st.integers(10**9, 4 * 10**9))
def test_another_implementation_makes_the_same_codes(secret: bytes, seconds: int) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    other = TOTP(secret, 6, SHA1(), 30).generate(int(now.timestamp())).decode()  # what the RFC asks for
    assert second_factor.code_at(secret, second_factor.step_of(now)) == other


@pytest.fixture
def li(conn: Connection, ids: Ids) -> int:
    return staff.add(conn, ids, "li", now=NOW)


def code(now: datetime) -> str:
    return second_factor.code_at(SECRET, second_factor.step_of(now))


def enrol(conn: Connection, keys: Keys, person: int) -> tuple[str, ...]:
    made = second_factor.enrol(conn, keys, random.Random(person), person, SECRET, code(NOW), NOW)
    assert made is not None
    return made


def test_a_wrong_code_enrols_nobody(conn: Connection, keys: Keys, li: int) -> None:
    assert second_factor.enrol(conn, keys, random.Random(1), li, SECRET, "000000", NOW) is None
    assert second_factor.state(conn, li) == (False, 0)
    assert not second_factor.passes(conn, keys, li, code(NOW), NOW)


def test_each_code_is_good_once(conn: Connection, keys: Keys, li: int) -> None:
    enrol(conn, keys, li)
    assert not second_factor.passes(conn, keys, li, code(NOW), NOW)  # enrolling has used it
    later = NOW + STEP
    assert not second_factor.passes(conn, keys, li, "000000", later)
    assert second_factor.passes(conn, keys, li, f" {code(later)[:3]} {code(later)[3:]} ", later)
    assert not second_factor.passes(conn, keys, li, code(later), later)


def test_a_clock_may_be_half_a_minute_off(conn: Connection, keys: Keys, li: int) -> None:
    enrol(conn, keys, li)
    later = NOW + 10 * STEP
    assert not second_factor.passes(conn, keys, li, code(later + 2 * STEP), later)
    assert not second_factor.passes(conn, keys, li, code(later - 2 * STEP), later)
    assert second_factor.passes(conn, keys, li, code(later - STEP), later)
    assert second_factor.passes(conn, keys, li, code(later + STEP), later)
    assert not second_factor.passes(conn, keys, li, code(later), later)  # older than the one used last


def test_a_recovery_code_is_good_once_and_for_its_owner(conn: Connection, keys: Keys, ids: Ids, li: int) -> None:
    first, second, *_ = enrol(conn, keys, li)
    wang = staff.add(conn, ids, "wang", now=NOW)
    enrol(conn, keys, wang)
    assert not second_factor.passes(conn, keys, wang, first, NOW)
    assert second_factor.passes(conn, keys, li, first.lower(), NOW)
    assert not second_factor.passes(conn, keys, li, first, NOW)
    assert second_factor.state(conn, li) == (True, second_factor.RECOVERY_CODES - 1)
    second_factor.new_recovery_codes(conn, keys, random.Random(2), li)
    assert not second_factor.passes(conn, keys, li, second, NOW)


def test_neither_secret_nor_codes_can_be_read_in_the_database(conn: Connection, keys: Keys, li: int) -> None:
    codes = enrol(conn, keys, li)
    sealed = conn.scalar(select(accounts.c.totp))
    assert sealed is not None
    assert SECRET not in sealed
    kept = set(conn.scalars(select(recovery_code.c.code_hash)))
    assert not kept & {each.replace("-", "") for each in codes}


def test_reset(conn: Connection, keys: Keys, li: int) -> None:
    codes = enrol(conn, keys, li)
    second_factor.reset(conn, li)
    assert second_factor.state(conn, li) == (False, 0)
    assert not second_factor.passes(conn, keys, li, codes[0], NOW)


def test_what_an_app_reads() -> None:
    address = second_factor.address(SECRET, "安河 & Co", "li:1")
    assert address.startswith(
        "otpauth://totp/%E5%AE%89%E6%B2%B3%20%26%20Co:li%3A1?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    )
