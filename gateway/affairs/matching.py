"""Whose money it is, by what the payer wrote: exactly, or not at all.

Somebody who typed an account number that is nobody's may have meant a neighbour: such money waits in suspense, and the
phone it came from is only a hint to who looks at it.
"""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import NamedTuple

import regex
from sqlalchemy import Connection, select

from gateway.affairs import paycodes
from gateway.core.tables.organisation import member, number

_WORD = regex.compile(r"[\p{L}\p{N}_/-]+")
_DAY = regex.compile(r"(19|20)\d\d((0[1-9]|1[0-2])([0-3]\d)?)?")  # 2026, 202611: a time, not a member
_MOST = 40  # words of a text that are looked at


class Found(NamedTuple):
    """The member, and by what; `hint` is whom the phone belongs to when the rest says nothing."""

    member_id: int | None = None
    by: str = ""  # account | phone | code | text
    hint: int | None = None


def find(
    conn: Connection, now: datetime, *, account: str | None = None, payer: str | None = None, text: str = ""
) -> Found:
    """The account number of a pay bill; without one a word of `text`; without any the phone it came from."""
    hint = _of_phone(conn, payer)
    if account is not None and account.strip():
        found = _of_word(conn, _plain(account), now)
        return Found(found, "account") if found is not None else Found(hint=hint)
    named = {
        found for word in words(text) if not _DAY.fullmatch(word) and (found := _of_word(conn, word, now)) is not None
    }
    if len(named) == 1:
        return Found(named.pop(), "text")
    if named:
        return Found(hint=hint)
    return Found(hint, "phone") if hint is not None else Found()


def spent(conn: Connection, member_id: int, written: str, now: datetime) -> None:
    """A pay code of this member that stands in what was written is used up."""
    for word in words(written):
        code = paycodes.find(conn, word, now) if len(word) == paycodes.DIGITS else None
        if code is not None and code.member_id == member_id:
            paycodes.use(conn, code.id, now)


def words(text: str) -> list[str]:
    """What may be a member number or a code in a purpose that somebody wrote."""
    return list(dict.fromkeys(_WORD.findall(_plain(text))))[:_MOST]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def _of_word(conn: Connection, word: str, now: datetime) -> int | None:
    """The member whose number this is, or whose pay code, which whoever brings the money may have been given."""
    if not word or len(word) > 40:
        return None
    found = conn.scalar(select(member.c.id).where(member.c.member_no == word))
    if found is not None or not (word.isascii() and word.isdecimal() and len(word) == paycodes.DIGITS):
        return found
    code = paycodes.find(conn, word, now)
    return code.member_id if code is not None and code.state == paycodes.OPEN else None


def _of_phone(conn: Connection, payer: str | None) -> int | None:
    if payer is None or not payer.startswith("+"):
        return None
    return conn.scalar(select(number.c.member_id).where(number.c.number == payer))
