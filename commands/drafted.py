"""What the commands about notices share: who asks, which notice they name, whether all that it reaches is theirs."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from commands.office import Office, office
from commands.registry import Kind, Parameter
from commands.voice import place as place_of
from gateway.affairs import roles
from gateway.affairs.notices import drafts
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import Notice, Person
from gateway.core.model import Member, Request
from gateway.core.text import fits_gsm7

WRITERS, APPROVERS = frozenset({"secretary", "publisher"}), frozenset({"approver"})
DRAFT = Parameter(name="draft", kind=Kind.REFERENCE)
_TITLE = 12  # characters of a text that stand for it


def place(at: Office) -> Place:
    return place_of(at.organisation, at.new_id)


def person(request: Request) -> Person:
    assert request.member is not None
    return Person(actor=f"member:{request.member.id}", phone=request.number)


def scope(conn: Connection, request: Request, wanted: Iterable[str]) -> tuple[str, ...]:
    assert request.member is not None
    today = office(request).today(request.now)
    held = roles.in_force(conn, member_id=request.member.id, today=today)
    paths = {each.path for each in held if each.role in wanted}
    return tuple(sorted(path for path in paths if not any(path != other and path.startswith(other) for other in paths)))


def reachable(conn: Connection, request: Request, wanted: Iterable[str]) -> Notice | None:
    """The notice somebody names, when all that it reaches is theirs; the same answer for none and for not theirs."""
    reference = str(request.arguments["draft"])
    if reference[:1] != "D" or not reference[1:].isdecimal():
        return None
    found = drafts.find(conn, int(reference[1:]))
    if found is None or not drafts.reaches(scope(conn, request, wanted), found.paths):
        return None
    return found


def named(at: Office, member: Member | None, language: str, code: str, found: Notice) -> str:
    """How to send a command about this notice, "" for whoever may not."""
    command = at.registry.get(code)
    if command is None or not command.allows(member):
        return ""
    return f"{command.word(language)}{'' if language == 'zh' else ' '}{found.reference}"


def title(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else text
    return line[:_TITLE]


def beginning(found: Notice, language: str) -> str:
    """The beginning of what it says; nothing of it where an English SMS could not carry it."""
    text = title(found.texts.get(language) or next(iter(found.texts.values())))
    return text if language == "zh" or fits_gsm7(text) else ""
