"""Search in the log's texts, two characters at a time.

Most Chinese words have two characters, which no trigram index finds. So every text is cut into pairs of neighbours
("党费通知": 党费, 费通, 通知), filled in by a background indexer. A search walks the rarest pair's messages from the
newest down in stretches, asks for the other pairs there, and looks at the text itself last: neighbours of pairs need
not be neighbours.

Only texts of class A are ever indexed. A text and its pairs are erased in one transaction.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, func, literal, select, update

from gateway.core.engines import upsert
from gateway.core.model import LogClass
from gateway.core.tables.messages import bigram, message, unindexed

CHUNK = 32  # texts in one work of the indexer, some 15 ms
LEAST = 2  # characters of a search
CANDIDATES = 1_000  # texts compared after one stretch
STRETCH = 7_000  # texts with the rarest pair that one stretch looks at
_MOST_PAIRS = 8  # asked for in one search; the text itself is compared anyway
_RARE = 500  # texts, all of which can be looked at
_COMMON = 3_000  # texts, from which on pairs need not be told apart
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


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a phrase is looked for by. Texts are compared with `matches`: pairs need not stand side by side."""

    wanted: tuple[str, ...]  # the rarest first
    rare: bool  # whether the first is in so few texts that all of them can be looked at

    def having(self, id_: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """That the message `id_` has them all: a look each, which no planner takes for a join of two large sets."""
        return [_has(pair, id_) for pair in self.wanted]


def looked_for(conn: Connection, phrase: str) -> Pairs | None:
    """None when the phrase is too short."""
    wanted = sorted(pairs(phrase), key=lambda pair: (-len(pair.encode()), pair))[:_MOST_PAIRS]
    if not wanted:
        return None
    counts = {pair: _count(conn, pair, _RARE) for pair in wanted}
    rare = min(counts.values()) < _RARE
    if not rare and len(wanted) > 1:
        counts = {pair: _count(conn, pair, _COMMON) for pair in wanted}
    return Pairs(tuple(sorted(wanted, key=lambda pair: counts[pair])), rare)


def stretch(conn: Connection, looked: Pairs, below: int, floor: int) -> tuple[list[int], int | None]:
    """Messages that may have the phrase, the newest first, and where to look on; None at the end.

    Looks at so many texts with the rarest pair only, however many or few have the others too.
    """
    first, *others = looked.wanted
    near = (
        select(bigram.c.message_id)
        .where(bigram.c.gram == first, bigram.c.message_id < below, bigram.c.message_id >= floor)
        .order_by(bigram.c.message_id.desc())
        .limit(STRETCH if others else CANDIDATES)
        .subquery()
    )
    if not others:
        found = list(conn.scalars(select(near.c.message_id)))
        return found, found[-1] if len(found) == CANDIDATES else None
    having = [_has(pair, near.c.message_id) for pair in others]
    found = list(conn.scalars(select(near.c.message_id).where(*having).limit(CANDIDATES)))
    if len(found) == CANDIDATES:
        return found, found[-1]
    count, lowest = conn.execute(select(func.count(), func.min(near.c.message_id))).one()
    return found, lowest if count == STRETCH else None


def _has(pair: str, id_: ColumnElement[int]) -> ColumnElement[bool]:
    other = bigram.alias()
    one = select(literal(1)).where(other.c.gram == pair, other.c.message_id == id_)
    return one.scalar_subquery() == 1


def matches(phrase: str, text: str | None) -> bool:
    return text is not None and folded(phrase) in folded(text)


def _count(conn: Connection, pair: str, most: int) -> int:
    some = select(literal(1)).select_from(bigram).where(bigram.c.gram == pair).limit(most).subquery()
    return conn.execute(select(func.count()).select_from(some)).scalar_one()
