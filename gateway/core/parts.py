"""Long inbound messages: parts wait encrypted and go in the transaction that joins them.

A joined message leaves its parts' fingerprints for a day, so that a part which the operator sends again is known. What
is not complete after a day is handed over as it is, and flagged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select, update

from gateway.core.keys import Keys
from gateway.core.model import Address, AddressKind, Coding, Inbound
from gateway.core.tables.messages import waiting_part
from gateway.core.text import decode_ucs2

PATIENCE = timedelta(hours=24)
_MISSING = "[…]"


def join(
    conn: Connection,
    keys: Keys,
    new_id: Callable[[], int],
    message: Inbound,
    fingerprint: int | None,
    now: datetime,
) -> Inbound | None:
    """The whole message when `message` is its last missing part; None while others are missing, or for a repeat."""
    fragment = message.part
    assert fragment is not None
    if fragment.total <= 1:
        return replace(message, part=None)
    key = (
        waiting_part.c.number == message.sender.text,
        waiting_part.c.own == message.recipient.text,
        waiting_part.c.reference == fragment.reference,
        waiting_part.c.bits == fragment.bits,
        waiting_part.c.total == fragment.total,
        waiting_part.c.link == message.link,
        waiting_part.c.at > now - PATIENCE,
    )
    found = conn.execute(select(waiting_part).where(*key)).all()
    mark = fingerprint or 0
    same = [row for row in found if row.part == fragment.number]
    if any(row.fingerprint == mark for row in same):
        return None
    if same or any(row.joined is not None for row in found):
        # The reference is used anew: what is left of the old message can never be completed.
        conn.execute(delete(waiting_part).where(*key))
        found = []
    others = {row.part: _opened(keys, row.content) for row in found}
    if len(others) < fragment.total - 1:
        _keep(conn, keys, new_id, message, mark, now)
        return None
    others[fragment.number] = _content(message)
    conn.execute(update(waiting_part).where(*key).values(content=b"", joined=message.id))
    _keep(conn, keys, new_id, message, mark, now, joined=message.id)
    return _joined(message, [others.get(number) for number in range(1, fragment.total + 1)])


def overdue(conn: Connection, keys: Keys, now: datetime, limit: int = 50) -> list[tuple[Inbound, list[int]]]:
    """Messages whose missing parts did not come in a day: the text there is, flagged; and what to `forget` when it is
    safe. Until then it comes again under the same id, so that nobody loses it and nobody has it twice."""
    rows = conn.execute(
        select(waiting_part).where(waiting_part.c.at <= now - PATIENCE).order_by(waiting_part.c.at).limit(limit * 10)
    ).all()
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.link, row.number, row.own, row.reference, row.bits, row.total), []).append(row)
    messages = []
    for group in list(groups.values())[:limit]:
        ids = [row.id for row in group]
        waiting = [row for row in group if row.joined is None]
        if not waiting:
            forget(conn, ids)
            continue
        contents: list[dict[str, Any] | None] = [None] * group[0].total
        for row in waiting:
            if 1 <= row.part <= row.total:
                contents[row.part - 1] = _opened(keys, row.content)
        first = waiting[0]
        shell = Inbound(
            id=first.id,
            link=first.link,
            sender=Address(kind=_kind(first.number), text=first.number),
            recipient=Address(kind=AddressKind.UNKNOWN, text=first.own),
            received=first.at,
            damaged=True,
        )
        messages.append((_joined(shell, contents), ids))
    return messages


def _kind(number: str) -> AddressKind:
    """Parts wait of phones and of wallets' providers, who have names."""
    return AddressKind.E164 if number.startswith("+") else AddressKind.ALPHANUMERIC


def forget(conn: Connection, ids: list[int]) -> None:
    conn.execute(delete(waiting_part).where(waiting_part.c.id.in_(ids)))


def _keep(
    conn: Connection,
    keys: Keys,
    new_id: Callable[[], int],
    message: Inbound,
    fingerprint: int,
    now: datetime,
    *,
    joined: int | None = None,
) -> None:
    fragment = message.part
    assert fragment is not None
    content = b"" if joined is not None else keys.seal("part", orjson.dumps(_content(message)))
    conn.execute(
        insert(waiting_part),
        {
            "id": new_id(),
            "link": message.link,
            "number": message.sender.text,
            "own": message.recipient.text,
            "reference": fragment.reference,
            "bits": fragment.bits,
            "total": fragment.total,
            "part": fragment.number,
            "content": content,
            "fingerprint": fingerprint,
            "joined": joined,
            "at": now,
        },
    )


def _content(message: Inbound) -> dict[str, Any]:
    """The text; of UCS-2 the octets too, because phones cut between the two halves of a surrogate pair."""
    octets = message.octets.hex() if message.coding is Coding.UCS2 else None
    return {"text": message.text, "damaged": message.damaged, "octets": octets}


def _opened(keys: Keys, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = (
        orjson.loads(keys.open("part", content)) if content else {"text": "", "damaged": True, "octets": None}
    )
    return found


def _joined(message: Inbound, contents: list[dict[str, Any] | None]) -> Inbound:
    if all(content is not None and content["octets"] for content in contents):
        octets = b"".join(bytes.fromhex(content["octets"]) for content in contents if content is not None)
        text, damaged = decode_ucs2(octets)
        return replace(message, text=text, part=None, damaged=damaged)
    texts = [content["text"] or "" if content is not None else _MISSING for content in contents]
    damaged = message.damaged or any(content is None or content["damaged"] for content in contents)
    return replace(message, text="".join(texts), part=None, damaged=damaged)
