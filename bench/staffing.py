"""Staff of a benchmark: accounts without a second factor, and browsers that are signed in as them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection

from gateway.affairs import settings
from gateway.core.ids import Ids
from tests.console.served import Browser, staff_member

TOWNSHIP, BRANCH = "/53/5303/", "/53/5303/5303007/"


def staff(conn: Connection, names: Mapping[str, str | None], role: str = "agent") -> None:
    """By name, the path of the branch whose messages and cases they see; None is everywhere."""
    ids = Ids()
    settings.change(conn, ids, "staff.second_factor", (), actor="system:bench", now=datetime.now(UTC))
    for name, path in names.items():
        code = path.strip("/").rpartition("/")[2] if path else None
        staff_member(conn, ids, name, role, branch=code)


def browser(port: int, name: str) -> Browser:
    made = Browser(port)
    if made.sign_in(name).status != 303:
        raise RuntimeError(f"{name} cannot sign in")
    return made
