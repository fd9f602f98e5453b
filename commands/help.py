"""0 HELP: what there is, put together from the commands that the reader may use; HELP 11 says how one works."""

from __future__ import annotations

from sqlalchemy import Connection

from commands.office import Office, office
from commands.registry import Command, Kind, Parameter
from gateway.core.model import Lane, Member, Reply, Request


def tell(conn: Connection, request: Request) -> Reply:
    at = office(request)
    command = at.registry.get(request.arguments.get("command") or "")
    if command is not None and command.allows(request.member):
        return at.reply(request, f"{command.name}.help", lane=Lane.CODE)
    return menu(at, request)


def menu(at: Office, request: Request) -> Reply:
    """The first digits for a member; for others the few commands there are for them."""
    language, member = request.language, request.member
    if member is None:
        return at.reply(request, "help.unbound", lane=Lane.CODE, services=at.services(language, None))
    return at.reply(request, "help.menu", lane=Lane.CODE, menu=_groups(at, language, member))


def _groups(at: Office, language: str, member: Member | None) -> str:
    """1会费7咨询8我的9设置: the first digits that lead somewhere."""
    names = at.texts.groups.get(language) or at.texts.groups[at.texts.languages[0]]
    digits = sorted(digit for digit, command in at.registry.roots.items() if command.allows(member))
    if language == "zh":
        return "".join(f"{digit}{names.get(digit, at.registry.roots[digit].word(language))}" for digit in digits)
    return " ".join(f"{digit} {names.get(digit, at.registry.roots[digit].word(language))}" for digit in digits)


HELP = Command(
    code="0",
    name="help",
    words={"zh": ("帮助", "菜单"), "en": ("HELP", "MENU", "INFO"), "pinyin": ("BZ", "CD", "?")},
    function=tell,
    parameters=(Parameter(name="command", kind=Kind.COMMAND, required=False),),
    public=True,
)
