"""The second factor of those who may do much: a time-based code (RFC 6238), and printed recovery codes.

The secret is sealed with the installation's key; a recovery code is kept as a keyed hash and is good once, as is each
time-based code: who watches one being typed cannot use it again.
"""

from __future__ import annotations

import base64
import hmac
import random
import struct
from datetime import datetime
from hashlib import sha1
from typing import NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, func, select, update

from gateway.core.keys import Keys
from gateway.core.tables.staff import recovery_code, staff

STEP = 30  # seconds
DIGITS = 6
RECOVERY_CODES = 10
_SLACK = 1  # steps that a telephone's clock may be off
_SECRET = 20  # octets, as RFC 4226 asks for
_PURPOSE = "second factor"
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that look alike on paper


class State(NamedTuple):
    enrolled: bool
    recovery_left: int


def new_secret(random: random.Random) -> bytes:
    return random.randbytes(_SECRET)


def code_at(secret: bytes, step: int) -> str:
    """The code of one step of 30 seconds since 1970 (RFC 4226 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), sha1)
    offset = digest[-1] & 0xF
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(now: datetime) -> int:
    return int(now.timestamp()) // STEP


def matching_step(secret: bytes, typed: str, now: datetime, last: int | None) -> int | None:
    """The step that `typed` is the code of, later than the `last` one used; all are compared, at the same cost."""
    current, found = step_of(now), None
    for step in range(current - _SLACK, current + _SLACK + 1):
        same = hmac.compare_digest(code_at(secret, step).encode(), typed.encode("utf-8", "replace"))
        if same and (last is None or step > last):
            found = step
    return found


def address(secret: bytes, organisation: str, name: str) -> str:
    """What an authenticator app reads as a QR code."""
    issuer = quote(organisation, safe="")
    return f"otpauth://totp/{issuer}:{quote(name, safe='')}?secret={written(secret)}&issuer={issuer}"


def written(secret: bytes) -> str:
    """The secret for typing: base32, as apps take it."""
    return base64.b32encode(secret).decode().rstrip("=")


def state(conn: Connection, staff_id: int) -> State:
    enrolled = conn.scalar(select(staff.c.totp.is_not(None)).where(staff.c.id == staff_id))
    left = select(func.count()).where(recovery_code.c.staff_id == staff_id, recovery_code.c.used.is_(None))
    return State(bool(enrolled), conn.scalar(left) or 0)


def enrol(
    conn: Connection, keys: Keys, random: random.Random, staff_id: int, secret: bytes, typed: str, now: datetime
) -> tuple[str, ...] | None:
    """Keep the secret once its owner has shown a code of it; their recovery codes, told this one time. None: wrong."""
    step = matching_step(secret, typed, now, None)
    if step is None:
        return None
    sealed = keys.seal(_PURPOSE, secret)
    conn.execute(update(staff).where(staff.c.id == staff_id).values(totp=sealed, totp_last=step))
    return new_recovery_codes(conn, keys, random, staff_id)


def new_recovery_codes(conn: Connection, keys: Keys, random: random.Random, staff_id: int) -> tuple[str, ...]:
    """Ten new ones; those before are void."""
    conn.execute(recovery_code.delete().where(recovery_code.c.staff_id == staff_id))
    codes = tuple("".join(random.choices(_LETTERS, k=12)) for _ in range(RECOVERY_CODES))
    conn.execute(
        recovery_code.insert(), [{"code_hash": _hash(keys, staff_id, code), "staff_id": staff_id} for code in codes]
    )
    return tuple(f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes)


def passes(conn: Connection, keys: Keys, staff_id: int, typed: str, now: datetime) -> bool:
    """Whether `typed` is the code of this moment, or an unused recovery code; either is then spent."""
    typed = "".join(typed.split()).replace("-", "").upper()
    row = conn.execute(select(staff.c.totp, staff.c.totp_last).where(staff.c.id == staff_id)).first()
    if row is None or row.totp is None:
        return False
    if len(typed) == DIGITS:
        step = matching_step(keys.open(_PURPOSE, row.totp), typed, now, row.totp_last)
        if step is None:
            return False
        newer = staff.c.totp_last.is_(None) | (staff.c.totp_last < step)
        spent = update(staff).where(staff.c.id == staff_id, newer).values(totp_last=step)
        return conn.execute(spent).rowcount == 1
    unused = recovery_code.c.code_hash == _hash(keys, staff_id, typed), recovery_code.c.used.is_(None)
    return conn.execute(update(recovery_code).where(*unused).values(used=now)).rowcount == 1


def reset(conn: Connection, staff_id: int) -> None:
    """Take the second factor away; the next sign-in asks for a new one where the role wants it."""
    conn.execute(update(staff).where(staff.c.id == staff_id).values(totp=None, totp_last=None))
    conn.execute(recovery_code.delete().where(recovery_code.c.staff_id == staff_id))


def _hash(keys: Keys, staff_id: int, code: str) -> str:
    return keys.mac("recovery code", f"{staff_id} {code}")
