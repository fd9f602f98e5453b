"""What a role may see and do in the console, and where (SERVICES 5.2, DESIGN 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The administrator keeps the machine running and has no business in members' questions.
MAY: Mapping[str, frozenset[str]] = {
    "log": frozenset({"agent", "lead", "auditor", "admin"}),
    "texts": frozenset({"agent", "lead", "auditor"}),
    "export": frozenset({"lead", "auditor"}),
    "exports": frozenset({"lead", "auditor", "approver"}),
    "approve export": frozenset({"lead", "approver"}),
    "overview": frozenset({"agent", "lead", "auditor", "admin", "approver", "publisher", "finance"}),
    "alarms": frozenset({"lead", "admin"}),
    "queue": frozenset({"agent", "lead", "secretary"}),
    "case": frozenset({"agent", "lead", "secretary"}),
    "answer": frozenset({"agent", "lead"}),
    "take over": frozenset({"lead"}),
    "reveal": frozenset({"agent", "lead", "auditor"}),
    "notices": frozenset({"publisher", "secretary", "approver", "auditor"}),
    "write notices": frozenset({"publisher", "secretary"}),
    "approve notices": frozenset({"approver"}),
    "stop notices": frozenset({"publisher", "secretary", "approver"}),
    "topics": frozenset({"publisher"}),
    "staff": frozenset({"admin"}),
    "settings": frozenset({"admin", "lead", "auditor", "publisher", "finance"}),
    "set": frozenset({"admin"}),
    "members": frozenset({"admin", "secretary"}),
    "audit": frozenset({"auditor"}),
    "import": frozenset({"admin"}),
    # Sums of dues; then who paid what, which a secretary has no need of; what belongs to no branch; and what moves it.
    "dues": frozenset({"treasurer", "finance", "secretary", "auditor"}),
    "dues detail": frozenset({"treasurer", "finance", "auditor"}),
    "dues whole": frozenset({"finance", "auditor"}),
    "dues finance": frozenset({"finance"}),
    "dues branch": frozenset({"treasurer", "finance"}),
    "dues waivers": frozenset({"secretary", "finance", "auditor"}),
    "dues waive": frozenset({"secretary", "finance"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role within a branch and everything below it; `path` "" is the whole organisation."""

    role: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Somebody who is signed in."""

    id: int
    name: str
    language: str | None
    grants: tuple[Grant, ...]
    must_enrol: bool = False  # a role of theirs wants a second factor, and they have none yet

    @property
    def actor(self) -> str:
        """As the audit and the log name them."""
        return f"staff:{self.name}"

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(sorted({grant.role for grant in self.grants}))

    def may(self, permission: str | None) -> bool:
        return not permission or any(grant.role in MAY[permission] for grant in self.grants)

    def scope(self, permission: str) -> tuple[str, ...] | None:
        """The branch paths this permission reaches; None is everywhere, empty is nowhere."""
        paths = {grant.path for grant in self.grants if grant.role in MAY[permission]}
        if "" in paths:
            return None
        return tuple(
            sorted(path for path in paths if not any(path != other and path.startswith(other) for other in paths))
        )

    def reaches(self, permission: str, path: str | None) -> bool:
        """Whether something of branch `path` is within reach; what belongs to no branch needs the whole."""
        scope = self.scope(permission)
        return scope is None or (path is not None and any(path.startswith(root) for root in scope))
