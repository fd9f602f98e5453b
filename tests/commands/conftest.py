"""Phones: of a member, of nobody, and of somebody who has an invitation."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.affairs import invitations
from tests.commands.people import NOW, STRANGER, Phone, join


@pytest.fixture
def member(conn: Connection) -> Phone:
    join(conn)
    return Phone(conn)


@pytest.fixture
def stranger(conn: Connection) -> Phone:
    return Phone(conn, number=STRANGER)


@pytest.fixture
def invited(conn: Connection) -> tuple[Phone, str]:
    join(conn, phone=None)
    phone = Phone(conn, number=STRANGER)
    return phone, invitations.create(conn, phone.office.keys, phone.random, [1], NOW)[1]
