from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select

from gateway.affairs import staff
from gateway.core import audit
from gateway.core.ids import Ids
from gateway.core.tables.staff import sign_in_link, staff_session
from tests.affairs.people import NOW


def _open_something(conn: Connection, account: int) -> None:
    later = NOW + timedelta(hours=1)
    conn.execute(
        staff_session.insert().values(
            token_hash=f"s{account}", staff_id=account, csrf="c", created=NOW, seen=NOW, expires=later
        )
    )
    conn.execute(sign_in_link.insert().values(token_hash=f"l{account}", staff_id=account, expires=later))


def _open_ones(conn: Connection) -> int:
    sessions = conn.execute(select(func.count()).select_from(staff_session)).scalar_one()
    return sessions + conn.execute(select(func.count()).select_from(sign_in_link)).scalar_one()


def test_accounts(conn: Connection, ids: Ids) -> None:
    root = staff.add(conn, ids, "root", password_hash="$argon2id$x", phone="+8613800000009", now=NOW)
    staff.add(conn, ids, "anna", language="en", now=NOW)
    assert [account.name for account in staff.everybody(conn)] == ["anna", "root"]
    found = staff.find(conn, "root")
    assert found == staff.Account(root, "root", "+8613800000009", None, True, False, False, NOW)
    assert staff.find(conn, "nobody") is None
    with pytest.raises(staff.Refused, match="already"):
        staff.add(conn, ids, "root", now=NOW)
    for name in ("", " x", "a\nb", "a\0"):
        with pytest.raises(staff.Refused, match="printable"):
            staff.add(conn, ids, name, now=NOW)


def test_a_new_password_and_a_shut_account_end_what_is_open(conn: Connection, ids: Ids) -> None:
    root, anna = (staff.add(conn, ids, name, now=NOW) for name in ("root", "anna"))
    _open_something(conn, root)
    _open_something(conn, anna)
    staff.set_password(conn, root, "$argon2id$y")
    assert _open_ones(conn) == 2
    staff.disable(conn, anna)
    assert _open_ones(conn) == 0
    found = staff.find(conn, "anna")
    assert found is not None
    assert found.disabled
    staff.enable(conn, anna)
    assert not staff.everybody(conn)[0].disabled


def test_the_audit_lists_the_newest_first(conn: Connection, ids: Ids) -> None:
    for index in range(3):
        audit.record(conn, id=ids(), at=NOW, actor="system", action=f"a{index}", object="case:7", reason=None)
    audit.record(conn, id=ids(), at=NOW, actor="staff:root", action="reveal", object="number:x", reason="call")
    newest = audit.listing(conn, limit=2)
    assert [entry.action for entry in newest] == ["reveal", "a2"]
    assert [entry.action for entry in audit.listing(conn, before=newest[-1].id)] == ["a1", "a0"]
    assert [entry.reason for entry in audit.listing(conn, object="number:x")] == ["call"]
    assert len(audit.listing(conn, actor="system")) == 3
