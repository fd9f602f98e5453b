"""What a place in the menus looks like: for this sender, in their language, on this channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from gateway.core import text as phone_text
from gateway.core.model import Channel, LogClass, Reply, Request
from menus.needs import Conduct, Parameter, Registry, takes_zero
from menus.sessions import Answer, Confirmation, Languages, Menu, Place, Question, Resume
from menus.tree import ROOT, Item, Node, Tree, item_line, rows
from menus.vendors import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What all sessions share."""

    tree: Tree
    registry: Registry
    conduct: Conduct
    language: str  # of whoever has chosen none

    def parameter(self, place: Question) -> Parameter:
        """What a screen asks for."""
        command = self.registry.get(place.command)
        assert command is not None, "a session does not outlive its commands"
        return next(each for each in command.parameters if each.name == place.parameter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    body: str
    foot: str = ""


class View:
    """The menus as one sender sees them; `chosen` is the language of the session, if one was chosen in it."""

    def __init__(
        self, joined: Joined, conn: Connection, request: Request, profile: Profile, chosen: str | None
    ) -> None:
        self._joined, self._conn, self._request, self._profile = joined, conn, request, profile
        self.chosen = chosen

    def content(self, place: Place, *, depth: int) -> Content:
        back = self.text("back") if depth < 3 else f"{self.text('back')} {self.text('home')}"
        match place:
            case Menu(node=name):
                node = self._joined.tree.nodes[name]
                body = rows(self.line(item) for item in self.items(node))
                if node.head is not None and (head := self.head(node.head)):
                    body = f"{head}\n{body}" if body else head
                if name == ROOT:
                    other = self.text("language") if len(self._joined.tree.languages) > 1 else ""
                    return Content(body=body or self.text("nothing"), foot=f"{other} {self.text('leave')}".strip())
                return Content(body=body or self.text("nothing"), foot=back)
            case Question(command=code, parameter=name):
                if takes_zero(self._joined.parameter(place)):
                    back = self.text("home")
                prompt = self._joined.tree.prompts[code, name]
                options = rows(item_line(option, self.language) for option in prompt.options)
                return Content(body="\n".join(filter(None, (prompt.text[self.language], options))), foot=back)
            case Confirmation(command=code, text=text):
                _, item = self._joined.tree.ways(code) or ((), None)
                if text:
                    asked = text
                elif item is not None and item.sure:
                    asked = item.sure[self.language]
                else:
                    asked = self.text("sure").format(title=self.title(place))
                return Content(body=f"{asked}\n{self.text('yes')}", foot=back)
            case Answer(text=text):
                return Content(body=text, foot=back)
            case Languages():
                names = [f"{n}{name}" if name[0] > "z" else f"{n} {name}" for n, name in self.names()]
                return Content(body=f"{self.text('which_language')}\n{rows(names)}", foot=back)
            case Resume(stack=stack):
                asked = self.text("unfinished").format(title=self.title(stack[-1]))
                return Content(body=f"{asked}\n{self.text('go_on')}\n{self.text('start_over')}")

    def log_class(self, place: Place) -> LogClass:
        """How much of what `place` shows may be written down: as much as of the command whose answer it is."""
        match place:
            case Menu(node=name):
                code = self._joined.tree.nodes[name].head
            case Question(command=code) | Confirmation(command=code) | Answer(command=code):
                pass
            case _:
                code = None
        command = self._joined.registry.get(code) if code is not None else None
        return LogClass.A if command is None else command.log_class

    def text(self, key: str) -> str:
        return self._joined.tree.texts[key][self.language]

    @property
    def language(self) -> str:
        languages = self._joined.tree.languages
        wanted = self.chosen or self._request.language
        if wanted not in languages:
            wanted = self._joined.language
        if not self._profile.budget.ucs2_ok and not phone_text.fits_gsm7(self._joined.tree.texts["back"][wanted]):
            return next(
                (each for each in languages if phone_text.fits_gsm7(self._joined.tree.texts["back"][each])), wanted
            )
        return wanted

    def names(self) -> list[tuple[int, str]]:
        return list(enumerate(self._joined.tree.languages.values(), 1))

    def line(self, item: Item) -> str:
        return item_line(item, self.language, bound=self._request.member is not None)

    def title(self, place: Place) -> str:
        """What a place is called where it is spoken of: the item that leads to it."""
        wanted = node_of(place).partition(".")[0].rstrip("?")
        for node in self._joined.tree.nodes.values():
            for item in node.items:
                if wanted in (item.go, item.command):
                    return item.label[self.language]
        ways = self._joined.tree.ways(wanted)
        return self.title(Menu(node=ways[0][-1])) if ways and ways[0][-1] != wanted else wanted

    def items(self, node: Node) -> list[Item]:
        """The items of a screen that there are and that this sender may use."""
        return [item for item in node.items if self.leads(item)]

    def leads(self, item: Item) -> bool:
        if item.command is not None:
            return self.may(item.command)
        node = self._joined.tree.nodes[item.go or ROOT]
        return (node.head is not None and self.may(node.head)) or any(self.leads(each) for each in node.items)

    def may(self, code: str) -> bool:
        command = self._joined.registry.get(code)
        return command is not None and command.allows(self._request.member)

    def head(self, code: str) -> str:
        """The answer of the command that a screen begins with; it only reads."""
        return self.perform(code, {}).text if self.may(code) else ""

    def asked(self, arguments: Mapping[str, Any], channel: Channel = Channel.USSD) -> Request:
        """The request a command is given."""
        return replace(self._request, arguments=arguments, language=self.language, channel=channel)

    def perform(self, code: str, arguments: Mapping[str, Any]) -> Reply:
        command = self._joined.registry.get(code)
        assert command is not None
        return self._joined.conduct.perform(self._conn, command, self.asked(arguments))


def node_of(place: Place) -> str:
    match place:
        case Menu(node=name):
            return name
        case Question(command=code, parameter=name):
            return f"{code}.{name}"
        case Confirmation(command=code):
            return f"{code}?"
        case Answer(command=code):
            return code
        case Languages():
            return "99"
        case Resume():
            return "resume"
