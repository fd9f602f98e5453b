"""What is open between us and a number: one dialogue each, kept as JSON until it expires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
from sqlalchemy import Connection, delete, insert, select

from gateway.core.lookup import Lookup
from gateway.core.model import Ask
from gateway.core.tables.messages import dialog
from gateway.core.tables.metadata import Time

_TIME = Time()
_open = Lookup(lambda among: select(dialog.c.number, dialog.c.content, dialog.c.expires).where(among(dialog.c.number)))


def by_numbers(conn: Connection, numbers: Sequence[str], now: datetime) -> dict[str, Ask]:
    """What is open for each of these numbers; nothing that has expired."""
    found = {}
    for number, content, until in _open(conn, list(numbers)):
        expires = _TIME.process_result_value(until, conn.dialect)
        if expires is not None and expires > now:
            found[number] = _read(content, expires)
    return found


def open(conn: Connection, number: str, ask: Ask) -> None:  # noqa: A001  # what it is called in the house
    """Ask this number something; what was open before is no longer."""
    save(conn, {number: ask})


def close(conn: Connection, number: str) -> None:
    save(conn, {number: None})


def save(conn: Connection, changes: Mapping[str, Ask | None]) -> None:
    """Open and close for many numbers at once."""
    if not changes:
        return
    conn.execute(delete(dialog).where(dialog.c.number.in_(list(changes))))
    rows = [
        {"number": number, "expires": ask.expires, "content": written(ask)}
        for number, ask in changes.items()
        if ask is not None
    ]
    if rows:
        conn.execute(insert(dialog), rows)


def forget(conn: Connection, before: datetime, limit: int = 500) -> int:
    """Erase dialogues that expired before then; how many it were."""
    old = select(dialog.c.number).where(dialog.c.expires < before).limit(limit)
    return conn.execute(delete(dialog).where(dialog.c.number.in_(old))).rowcount


def written(ask: Ask) -> str:
    """The dialogue as JSON, without its expiry, which has a column of its own."""
    content = {
        "choices": {typed: [code, dict(arguments)] for typed, (code, arguments) in ask.choices.items()},
        "command": ask.command,
        "parameter": ask.parameter,
        "arguments": dict(ask.arguments),
        "language": ask.language,
    }
    return orjson.dumps(content).decode()


def _read(content: str, expires: datetime) -> Ask:
    found = orjson.loads(content)
    return Ask(
        expires=expires,
        choices={typed: (code, arguments) for typed, (code, arguments) in found["choices"].items()},
        command=found["command"],
        parameter=found["parameter"],
        arguments=found["arguments"],
        language=found.get("language"),
    )
