"""Writing down who has looked at what: searches and opened texts leave a row of the audit, pages that refresh none."""

from __future__ import annotations

from sqlalchemy import Connection

from gateway.console.web import Visit
from gateway.core import audit


async def noted(visit: Visit, action: str, about: str, reason: str | None = None) -> None:
    """`action` is what was done to `about`, "message:123"; `reason` what was asked for."""
    if visit.request.getHeader("x-live") is None:
        await visit.console.database.run(_record, visit, action, about, reason)


def _record(conn: Connection, visit: Visit, action: str, about: str, reason: str | None) -> None:
    audit.record(
        conn, id=visit.console.ids(), at=visit.now, actor=visit.who.actor, action=action, object=about, reason=reason
    )
