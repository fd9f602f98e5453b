"""Two Chinese characters find a text; a sealed or erased one is found nowhere, not even in the file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from gateway.core import search
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import bigram, message, unindexed


def keep(conn: Connection, ids: Ids, text: str | None, log_class: str = "A") -> int:
    id_ = ids()
    conn.execute(
        message.insert().values(
            id=id_, direction="in", state="received", channel="sms", number="+8613800000007", at=datetime.now(UTC),
            log_class=log_class, text=text,
        )
    )  # fmt: skip
    conn.execute(unindexed.insert().values(message_id=id_))
    return id_


def found(conn: Connection, phrase: str) -> list[int]:
    looked = search.looked_for(conn, phrase)
    if looked is None:
        return []
    ids, further = search.stretch(conn, looked, 1 << 62, 0)
    assert further is None
    rows = conn.execute(select(message.c.id, message.c.text).where(message.c.id.in_(ids)).order_by(message.c.id))
    return [row.id for row in rows if search.matches(phrase, row.text)]


def test_two_characters_find_a_text(conn: Connection, ids: Ids) -> None:
    first = keep(conn, ids, "请问会费怎么交")
    keep(conn, ids, "会议费用")  # holds 会 and 费, side by side nowhere
    rare = keep(conn, ids, "鳜鱼养殖")
    assert search.index(conn) == 3
    assert found(conn, "会费") == [first]
    assert found(conn, "鳜鱼") == [rare]
    assert found(conn, "费会") == []


def test_width_case_and_blanks_do_not_matter(conn: Connection, ids: Ids) -> None:
    id_ = keep(conn, ids, "ＤＵＥＳ  for\r\nWang 王玉兰")
    search.index(conn)
    for phrase in ("dues", "DUES for", "wang 王玉", "for Wang"):
        assert found(conn, phrase) == [id_], phrase


def test_the_pairs_of_a_phrase_must_stand_side_by_side(conn: Connection, ids: Ids) -> None:
    keep(conn, ids, "困难的补助，难补，补助困难")  # has 困难, 难补 and 补助 but never 困难补助
    search.index(conn)
    assert found(conn, "困难补助") == []


def test_sealed_masked_and_case_texts_are_never_indexed(conn: Connection, ids: Ids) -> None:
    for log_class in "BCD":
        keep(conn, ids, "秘密内容", log_class)
    keep(conn, ids, None)
    assert search.index(conn) == 4
    assert conn.execute(select(func.count()).select_from(bigram)).scalar() == 0
    assert conn.execute(select(func.count()).select_from(unindexed)).scalar() == 0


def test_the_indexer_works_in_chunks_and_may_run_again(conn: Connection, ids: Ids) -> None:
    kept = [keep(conn, ids, f"第{number}条通知") for number in range(5)]
    assert [search.index(conn, 2) for _ in range(4)] == [2, 2, 1, 0]
    conn.execute(unindexed.insert().values(message_id=kept[0]))  # as after a lost COMMIT
    search.index(conn)
    assert found(conn, "通知") == kept


def test_one_character_finds_nothing_instead_of_everything(conn: Connection, ids: Ids) -> None:
    keep(conn, ids, "会费")
    search.index(conn)
    assert search.looked_for(conn, "会") is None
    assert search.looked_for(conn, " ") is None


def test_erasing_takes_the_text_and_its_pairs(conn: Connection, ids: Ids) -> None:
    gone, kept = keep(conn, ids, "会费九元"), keep(conn, ids, "会费十元")
    search.index(conn)
    assert search.erase(conn, [gone]) == 1
    assert found(conn, "会费") == [kept]
    assert list(conn.scalars(select(bigram.c.gram).where(bigram.c.message_id == gone))) == []
    assert conn.execute(select(message.c.text).where(message.c.id == gone)).scalar() is None


def test_a_text_erased_before_it_was_indexed_stays_out(conn: Connection, ids: Ids) -> None:
    gone = keep(conn, ids, "会费九元")
    search.erase(conn, [gone])
    assert search.index(conn) == 0
    assert found(conn, "会费") == []


def test_an_erased_text_is_nowhere_in_the_file(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / "muster.db"
    made = engine(f"sqlite:///{path}", create=True)
    METADATA.create_all(made)
    secret = "珍稀词组鳜鱼"
    with made.begin() as conn:
        id_ = keep(conn, ids, secret)
        search.index(conn)
    with made.begin() as conn:
        search.erase(conn, [id_])
    with made.connect() as conn:
        conn.exec_driver_sql("COMMIT")
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    made.dispose()
    octets = path.read_bytes()
    assert secret.encode() not in octets
    assert "鳜鱼".encode() not in octets


@given(st.text(max_size=40), st.integers(0, 38), st.integers(2, 10))
def test_every_stretch_of_a_text_has_its_pairs_in_the_index(text: str, start: int, length: int) -> None:
    whole = search.folded(text)
    piece = whole[start : start + length]
    if piece.strip() == piece and search.matches(piece, text):
        assert search.pairs(piece) <= search.pairs(whole)


@pytest.mark.parametrize("text", ["", "a", "\0\0", "\u202e", "👨‍👩‍👧", "'; DROP TABLE bigram;--"])
def test_odd_texts_are_indexed_like_others(conn: Connection, ids: Ids, text: str) -> None:
    id_ = keep(conn, ids, text.replace("\0", "\ufffd"))
    search.index(conn)
    assert search.erase(conn, [id_]) == 1
    assert conn.execute(select(func.count()).select_from(bigram)).scalar() == 0
