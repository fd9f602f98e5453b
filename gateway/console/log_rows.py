"""What the message log is narrowed to, and its rows as pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, false, or_, select

from gateway.affairs import branches
from gateway.core.ids import EPOCH, first_of
from gateway.core.tables.messages import message
from gateway.core.tables.staff import hotline_case

PAGE = 50
FACETS = ("direction", "channel", "link", "state", "command", "log_class", "error")  # columns with few values
TROUBLE = ("failed", "expired", "unknown", "cancelled", "quarantined")  # as the partial index has them
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the log is narrowed to; empty is no wish."""

    text: str = ""
    word_of: str = ""  # the command whose word `text` is: masked texts are in no index, their command is known
    numbers: tuple[str, ...] = ()
    member_no: str = ""
    case_id: int | None = None
    case_no: str = ""
    since: datetime | None = None
    until: datetime | None = None
    direction: str = ""
    channel: str = ""
    link: str = ""
    state: str = ""
    command: str = ""
    log_class: str = ""
    error: str = ""
    texts: bool = True  # whether texts may be read, and so looked into
    branch: str = ""  # its path
    branch_name: str = ""
    nothing: bool = False  # a wish that nothing can fulfil, such as an unknown branch

    @property
    def plain(self) -> bool:
        """Whether only times and branches are asked for."""
        return not any(getattr(self, name) for name in FACETS)

    @property
    def indexed(self) -> bool:
        """Whether what went wrong is asked for, which has an index of its own."""
        return bool(self.error) or self.state in TROUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: int
    at: datetime
    direction: str
    state: str
    channel: str
    link: str | None
    number: str
    own: str | None
    sent_at: datetime | None
    member_id: int | None
    branch_path: str | None
    command: str | None
    log_class: str
    text: str | None
    damaged: bool
    answers: int | None
    case_no: str | None
    lane: int | None
    not_before: datetime | None
    expires: datetime | None
    error: str | None
    actor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    rows: tuple[Row, ...] = ()
    older: int | None = None  # go on below this id
    looked_back_to: datetime | None = None  # set when the search stopped before the end


_CASE_NO = select(hotline_case.c.case_no).where(hotline_case.c.id == message.c.case_id).scalar_subquery()
_NAMES = tuple(Row.__dataclass_fields__)
COLUMNS = tuple(_CASE_NO.label("case_no") if name == "case_no" else message.c[name] for name in _NAMES)


def read(conn: Connection, query: Select[Any]) -> tuple[Row, ...]:
    return tuple(Row(**row._mapping) for row in conn.execute(query))


def shown_text(row: Row, case_texts: Mapping[int, str] = MappingProxyType({})) -> str | None:
    """What the log shows of a text: never a sealed one, and that of a case only from `case_texts`."""
    return row.text if row.log_class in ("A", "B") else case_texts.get(row.id)


def within(scope: Sequence[str], column: ColumnElement[Any] = message.c.branch_path) -> ColumnElement[bool]:
    """In one of these subtrees."""
    return or_(false(), *(branches.below(path, column) for path in scope))


def moment(id_: int) -> datetime:
    """When an id was made: the inverse of `ids.first_of`."""
    step = first_of(EPOCH.replace(second=1)) // 1000
    return EPOCH + (id_ // step) * _MILLISECOND
