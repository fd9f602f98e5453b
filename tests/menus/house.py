"""A small organisation to dial into: commands as the registry declares them, and a book of what was done."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection

from commands.registry import Command, Confirm, Kind, Parameter, Registry
from gateway.core.model import Address, AddressKind, Ask, Channel, Event, Inbound, LogClass, Member, Reply, Request
from menus.engine import Engine
from menus.sessions import Sessions
from menus.step import Screen
from menus.tree import Tree, load
from menus.vendors import Profile

NOBODY = cast(Connection, None)  # these commands read nothing
START = datetime(2026, 8, 17, 9, 0, tzinfo=UTC)
NUMBER = "+8613800000007"
ROOT = "1会费 7咨询\n8我的 9设置\n99English 0退出"  # what MEMBER sees first
MEMBER = Member(
    id=1,
    member_no="530102014107",
    branch_id=1,
    branch_code="530102017",
    branch_name="安河村支部",
    branch_path="/530102017/",
    language="zh",
    dues_class="worker",
)


@dataclass(frozen=True)
class Organisation:
    ussd_code: str = "*123#"


@dataclass
class House:
    """The commands, and `done`: what was carried out, in order."""

    done: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    dues: str = "应交3个月9.00元"
    refuses: bool = False  # the invitation is wrong

    # --- Conduct --------------------------------------------------------------------------------------------------

    def value(self, command: Command, parameter: Parameter, text: str) -> Any | None:
        if parameter.kind is Kind.CHOICE:
            return parameter.choices.get(text)
        return text if text.isdecimal() and parameter.length[0] <= len(text) <= parameter.length[1] else None

    def reply(self, request: Request, key: str) -> Reply:
        assert key == "c71.question"
        return Reply(text="请回复您的问题", key=key)

    def asked(self, conn: Connection, command: Command, request: Request) -> Reply | None:
        return None

    def perform(self, conn: Connection, command: Command, request: Request) -> Reply:
        if self.refuses and command.confirm is Confirm.CODE:
            return Reply(text="码不对", error="E07")
        return command.function(conn, request)

    def challenge(self, conn: Connection, command: Command, request: Request) -> Reply:
        if self.refuses:
            return Reply(text="码不对", error="E07")
        self.done.append(("challenge " + command.code, dict(request.arguments)))
        ask = Ask(expires=request.now + timedelta(minutes=10), choices={"Y": (command.code, {})})
        return Reply(text="确认请回Y 5830", ask=ask, secret=True)

    # --- commands -------------------------------------------------------------------------------------------------

    def command(self, code: str, text: str | None = None, **settings: Any) -> Command:
        def function(conn: Connection, request: Request) -> Reply:
            self.done.append((code, dict(request.arguments)))
            return Reply(text=text if text is not None else self.dues)

        words: Mapping[str, tuple[str, ...]] = {"en": (f"WORD{code}",)}
        return Command(code=code, name=f"c{code}", words=words, function=function, **settings)

    def registry(self, *without: str) -> Registry:
        invitation = Parameter(name="invitation", kind=Kind.DIGITS, length=(8, 8), sealed=True)
        language = Parameter(name="language", kind=Kind.CHOICE, choices={"ZH": "zh", "EN": "en"})
        commands = [
            self.command("0", "帮助", public=True),
            self.command("11"),
            self.command("71", "收到", public=True, parameters=(Parameter(name="question", kind=Kind.TEXT),)),
            self.command(
                "81", "已绑定", public=True, confirm=Confirm.CODE, log_class=LogClass.C, parameters=(invitation,)
            ),
            self.command("82", "尾4107安河村支部"),
            self.command("91", "好", public=True, parameters=(language,)),
            self.command("92", "已停收", public=True),
            self.command("93", "已恢复", public=True),
        ]
        return Registry(command for command in commands if command.code not in without)


class Phone:
    """A handset on one link: it dials, types, hangs up, and the time passes."""

    def __init__(
        self,
        house: House | None = None,
        *,
        profile: Profile | None = None,
        member: Member | None = MEMBER,
        language: str = "zh",
        trusted: bool = False,
        registry: Registry | None = None,
        tree: Tree | None = None,
    ) -> None:
        self.house = house or House()
        self.sessions = Sessions()
        self.engine = Engine(
            tree or load(),
            registry or self.house.registry(),
            self.house,
            language="zh",
            profiles={"ussd": profile or Profile()},
        )
        self.now = START
        self.session = "s1"
        self.request = Request(
            number=NUMBER,
            member=member,
            language=language,
            channel=Channel.USSD,
            arguments={},
            now=START,
            organisation=Organisation(),
            random=random.Random(1),
            trusted=trusted,
        )

    def send(self, event: Event, text: str | None, *, mark: str | None = None, code: str | None = None) -> Screen:
        inbound = Inbound(
            id=1,
            link="ussd",
            sender=Address(kind=AddressKind.E164, text=NUMBER),
            recipient=Address(kind=AddressKind.SHORT, text="123"),
            received=self.now,
            channel=Channel.USSD,
            event=event,
            text=text,
            session=self.session,
            remote_id=mark,
            code=code,
        )
        request = replace(self.request, now=self.now)
        first = self.engine.answer(NOBODY, inbound, request, self.sessions)
        self.sessions.keep(first.session)
        return first

    def dial(self, text: str = "*123#") -> Screen:
        return self.send(Event.BEGIN, text)

    def type(self, text: str, **more: Any) -> Screen:
        return self.send(Event.CONTINUE, text, **more)

    def hang_up(self, event: Event = Event.ABORT) -> Screen:
        return self.send(event, None)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
