"""Receipts as somebody may see them: those of branches within reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from gateway.affairs import receipts
from gateway.affairs.receipts import Receipt
from gateway.console.log_rows import within
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.organisation import branch, member

PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A receipt with the names of the day it is looked at."""

    receipt: Receipt
    member_no: str
    name: str
    branch: str
    branch_path: str


class Row(NamedTuple):
    """A line of the table to take away."""

    number: str
    at: datetime
    branch_code: str
    member_no: str
    amount: int
    method: str
    paid_to: int | None
    actor: str
    reversed: bool


def one(conn: Connection, scope: Sequence[str] | None, number: str) -> Found | None:
    """None when there is none, or not within reach."""
    found = _found(conn, scope, receipt.c.number == number)
    return found[0] if found else None


def listing(conn: Connection, scope: Sequence[str] | None, words: str, before: int | None) -> tuple[Found, ...]:
    """A page and one more, the newest first; `words` is the number of a receipt or of a member."""
    conditions: list[ColumnElement[bool]] = []
    if words:
        conditions.append((receipt.c.number == words) | (member.c.member_no == words))
    if before is not None:
        conditions.append(receipt.c.id < before)
    return _found(conn, scope, *conditions)


def _found(conn: Connection, scope: Sequence[str] | None, *conditions: ColumnElement[bool]) -> tuple[Found, ...]:
    query = (
        select(receipt.c.id, member.c.member_no, member.c.name, branch.c.name, branch.c.path)
        .join_from(receipt, member, member.c.id == receipt.c.member_id)
        .join(branch, branch.c.code == receipt.c.branch_code)
        .where(*conditions, *_reach(scope))
        .order_by(receipt.c.id.desc())
        .limit(PAGE + 1)
    )
    found = []
    for id_, member_no, name, branch_name, path in conn.execute(query).all():
        whole = receipts.by_id(conn, id_)
        assert whole is not None
        found.append(Found(receipt=whole, member_no=member_no, name=name, branch=branch_name, branch_path=path))
    return tuple(found)


def all_of(conn: Connection, scope: Sequence[str] | None, begin: datetime, end: datetime) -> Iterator[Row]:
    """Those of a span of time, in order, a thousand in memory."""
    back = txn.alias()
    reversed_ = (
        select(back.c.id).where(back.c.reverses == receipt.c.txn_id, back.c.state.in_(("pending", "posted"))).exists()
    )
    columns: tuple[ColumnElement[Any], ...] = (
        receipt.c.number, receipt.c.at, receipt.c.branch_code, member.c.member_no, receipt.c.amount, receipt.c.method,
        receipt.c.paid_to, receipt.c.actor, reversed_,
    )  # fmt: skip
    query = (
        select(*columns)
        .join_from(receipt, member, member.c.id == receipt.c.member_id)
        .join(branch, branch.c.code == receipt.c.branch_code)
        .where(receipt.c.at >= begin, receipt.c.at < end, *_reach(scope))
        .order_by(receipt.c.id)
        .execution_options(yield_per=1000)
    )
    for row in conn.execute(query):
        yield Row(*row)


def _reach(scope: Sequence[str] | None) -> tuple[ColumnElement[bool], ...]:
    return () if scope is None else (within(scope, branch.c.path),)
