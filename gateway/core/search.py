"""Search in the log's texts, two characters at a time.

Most Chinese words have two characters, which no trigram index finds. So every text is cut into pairs of neighbours
("党费通知": 党费, 费通, 通知), filled in by a background indexer. A search walks the rarest pair's messages from the
newest down, asks for the other pairs there, and looks at the text itself last: neighbours of pairs need not be
neighbours.

Only texts of class A are ever indexed. A text and its pairs are erased in one transaction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, exists, func, literal, select, update

from gateway.core.engines import upsert
from gateway.core.model import LogClass
from gateway.core.tables.messages import bigram, message, unindexed

CHUNK = 32  # texts in one work of the indexer, some 15 ms
LEAST = 2  # characters of a search
_MOST_PAIRS = 8  # asked for in one search; the text itself is compared anyway
_RARE = 500  # how far a pair is counted to find the rarest
_INDEXED = 400  # characters of one text that are indexed: three long messages


def folded(text: str) -> str:
    """A text as it is compared: full and half width, case and line ends do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def pairs(text: str) -> set[str]:
    """Neighbours within the words of a text."""
    whole = folded(text[:_INDEXED]).replace("\0", "")
    return {whole[at : at + 2] for at in range(len(whole) - 1) if " " not in whole[at : at + 2]}


def index(conn: Connection, limit: int = CHUNK) -> int:
    """Take the next texts into the search; how many were waiting of at most `limit`."""
    ids = list(conn.scalars(select(unindexed.c.message_id).limit(limit)))
    if not ids:
        return 0
    texts = conn.execute(
        select(message.c.id, message.c.text).where(
            message.c.id.in_(ids), message.c.text.is_not(None), message.c.log_class == LogClass.A.value
        )
    )
    rows = [{"gram": pair, "message_id": row.id} for row in texts for pair in pairs(row.text)]
    if rows:
        rows.sort(key=lambda row: row["gram"])  # neighbours in the index are written together
        conn.execute(upsert(conn, bigram).on_conflict_do_nothing(), rows)
    conn.execute(delete(unindexed).where(unindexed.c.message_id.in_(ids)))
    return len(ids)


def erase(conn: Connection, ids: Sequence[int]) -> int:
    """Blank the texts of these messages and all that the search knows of them; how many had one."""
    texts = conn.execute(
        select(message.c.id, message.c.text).where(message.c.id.in_(ids), message.c.text.is_not(None))
    ).all()
    for row in texts:
        known = sorted(pairs(row.text))
        conn.execute(delete(bigram).where(bigram.c.gram.in_(known), bigram.c.message_id == row.id))
    conn.execute(delete(unindexed).where(unindexed.c.message_id.in_(ids)))
    conn.execute(update(message).where(message.c.id.in_(ids)).values(text=None, sealed=None))
    return len(texts)


def containing(conn: Connection, phrase: str) -> Select[int] | None:
    """Ids of messages that may contain `phrase`, to be narrowed, ordered and limited; None when it is too short.

    The caller compares the texts with `matches`, which alone knows that the pairs stand side by side.
    """
    wanted = sorted(pairs(phrase), key=lambda pair: (-len(pair.encode()), pair))[:_MOST_PAIRS]
    if not wanted:
        return None
    wanted.sort(key=lambda pair: _count(conn, pair))
    found = select(bigram.c.message_id).where(bigram.c.gram == wanted[0])
    for pair in wanted[1:]:
        other = bigram.alias()
        found = found.where(exists(literal(1)).where(other.c.gram == pair, other.c.message_id == bigram.c.message_id))
    return found


def matches(phrase: str, text: str | None) -> bool:
    return text is not None and folded(phrase) in folded(text)


def _count(conn: Connection, pair: str) -> int:
    some = select(literal(1)).select_from(bigram).where(bigram.c.gram == pair).limit(_RARE).subquery()
    return conn.execute(select(func.count()).select_from(some)).scalar_one()
