"""Whose money it is, by what the payer wrote: exactly, or not at all.

Somebody who typed an account number that is nobody's may have meant a neighbour: such money waits in suspense, and the
phone it came from is only a hint to who looks at it.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import regex
from sqlalchemy import Connection, select

from gateway.core.tables.organisation import member, number

_WORD = regex.compile(r"[\p{L}\p{N}_/-]+")
_DAY = regex.compile(r"(19|20)\d\d((0[1-9]|1[0-2])([0-3]\d)?)?")  # 2026, 202611: a time, not a member
_MOST = 40  # words of a text that are looked at


class Found(NamedTuple):
    """The member, and by what; `hint` is whom the phone belongs to when the rest says nothing."""

    member_id: int | None = None
    by: str = ""  # account | phone | code | text
    hint: int | None = None


def find(conn: Connection, *, account: str | None = None, payer: str | None = None, text: str = "") -> Found:
    """The account number of a pay bill; without one a word of `text`; without any the phone it came from."""
    hint = _of_phone(conn, payer)
    if account is not None and account.strip():
        found = _of_word(conn, _plain(account))
        return Found(found, "account") if found is not None else Found(hint=hint)
    named = {found for word in words(text) if not _DAY.fullmatch(word) and (found := _of_word(conn, word)) is not None}
    if len(named) == 1:
        return Found(named.pop(), "text")
    if named:
        return Found(hint=hint)
    return Found(hint, "phone") if hint is not None else Found()


def words(text: str) -> list[str]:
    """What may be a member number or a code in a purpose that somebody wrote."""
    return list(dict.fromkeys(_WORD.findall(_plain(text))))[:_MOST]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _of_word(conn: Connection, word: str) -> int | None:
    """The member whose number this is, or whose pay code."""
    if not word or len(word) > 40:
        return None
    found = conn.scalar(select(member.c.id).where(member.c.member_no == word))
    return found if found is not None else _of_code(conn, word)


def _of_code(conn: Connection, word: str) -> int | None:
    return None


def _of_phone(conn: Connection, payer: str | None) -> int | None:
    if payer is None or not payer.startswith("+"):
        return None
    return conn.scalar(select(number.c.member_id).where(number.c.number == payer))
