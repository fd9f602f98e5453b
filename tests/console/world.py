"""A running console with people in it, for tests over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select

from gateway.affairs import cases
from gateway.core.engines import engine
from gateway.core.model import Member
from gateway.core.tables.everything import METADATA
from gateway.core.tables.staff import audit
from tests.console.served import Browser, Served, asked, logged, people

T = TypeVar("T")


class World:
    """A running console with people in it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.ids = served.ids
        self.member: Member = served.run(lambda conn: people(conn, served.ids))

    def run(self, work: Callable[[Connection], T]) -> T:
        return self.served.run(work)

    def browser(self, name: str | None = None, source: str = "127.0.0.1") -> Browser:
        return self.served.browser(name, source)

    def logged(self, text: str | None, **values: object) -> int:
        return self.run(lambda conn: logged(conn, self.ids, text, **values))

    def asked(self, text: str, who: Member | None = None, **values: Any) -> cases.Case:
        return self.run(lambda conn: asked(conn, self.ids, who, text, **values))

    def actions(self) -> list[str]:
        return self.run(lambda conn: list(conn.scalars(select(audit.c.action).order_by(audit.c.id))))


def served_on(folder: Path, **options: object) -> Served:
    url = f"sqlite:///{folder}/muster.db"
    made = engine(url, create=True)
    METADATA.create_all(made)
    made.dispose()
    return Served(url, **options)  # type: ignore[arg-type]  # passed through
