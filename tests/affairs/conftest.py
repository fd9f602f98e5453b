"""The organisation of the tests about notices."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from gateway.affairs import settings
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from tests.affairs.noticing import NOW, House


@pytest.fixture
def house(conn: Connection, ids: Ids, keys: Keys) -> House:
    settings.change(conn, ids, "approval.solo_limit", 2, actor="test", now=NOW - timedelta(days=1))
    return House(conn, ids, keys)
