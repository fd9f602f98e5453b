"""What every command may turn to: the commands there are, the texts, the organisation, its keys and ids.

Commands find it as `request.desk`. It also carries commands out for USSD, where the menu has asked for everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from commands import shown
from commands.grammar import CODE
from commands.normal import normal
from commands.parameters import Unreadable, read
from commands.registry import Command, Kind, Parameter, Question, Registry
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs import cases, challenges
from gateway.affairs.books import Books
from gateway.affairs.dues import month_of
from gateway.affairs.members import Sender
from gateway.affairs.wallets import Wallet
from gateway.core.keys import Keys
from gateway.core.model import Ask, Coding, Lane, Member, Reply, Request, Told
from gateway.core.text import units

LIFE = timedelta(minutes=10)  # of a dialogue
OTHERS = "/"  # behind a command's code: the challenge went to somebody else than who gave the command
SIGNATURE = {Coding.UCS2: 7, Coding.GSM7: 16}  # the widest there may be
SEGMENT = {Coding.UCS2: 70, Coding.GSM7: 160}


@dataclass(frozen=True, slots=True)
class Office:
    """`new_id` makes ids; `keys` are the installation's; `bank` is where arrives what treasurers hand on."""

    registry: Registry
    texts: Texts
    organisation: Organisation
    keys: Keys
    new_id: Callable[[], int]
    wallets: tuple[Wallet, ...] = ()  # those that members can pay from
    bank: str | None = None
    zone: ZoneInfo = field(init=False)
    books: Books = field(init=False)  # what booking takes

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone", ZoneInfo(self.organisation.time_zone))
        object.__setattr__(self, "books", Books(self.organisation, self.keys, self.new_id, self.bank))

    # --- saying -------------------------------------------------------------------------------------------------

    def say(self, key: str, language: str, member: Member | None, /, **values: Any) -> str:
        """The text for this reader: no piece of it names a command that is not there or not allowed to them."""

        def may(code: str) -> bool:
            command = self.registry.get(code)
            return command is not None and command.allows(member)

        values["hotline"], values["ussd"] = self.organisation.hotline, self.organisation.ussd_code
        return self.texts.template(key, language).render(values, may)

    def reply(
        self, request: Request, key: str, /, *, lane: Lane = Lane.ANSWER, case: int | None = None, **values: Any
    ) -> Reply:
        text = self.say(key, request.language, request.member, **values)
        return Reply(text=text, key=key, lane=lane, case=case, language=request.language)

    def error(self, request: Request, error: str, key: str | None = None, /, **values: Any) -> Reply:
        """One of E01 to E11; `key` when it has several wordings."""
        key = f"errors.{key or error}"
        text = self.say(key, request.language, request.member, **values)
        return Reply(text=text, key=key, error=error, language=request.language)

    def example(self, command: Command, language: str, member: Member | None) -> str:
        """One worked example of the command."""
        return self.say(f"{command.name}.example", language, member)

    def fits(self, text: str) -> bool:
        """Whether it stays in one segment behind the widest signature."""
        coding, count = units(text)
        return count + SIGNATURE[coding] <= SEGMENT[coding]

    def money(self, minor: int, language: str) -> str:
        return shown.money(minor, self.organisation.currency, language)

    # --- time ---------------------------------------------------------------------------------------------------

    def today(self, now: datetime) -> date:
        return _day(now, self.zone)

    def month(self, now: datetime) -> int:
        """The month here, 202609."""
        return month_of(self.today(now))

    # --- doing --------------------------------------------------------------------------------------------------

    def value(self, command: Command, parameter: Parameter, text: str) -> Any | None:
        """The value of `parameter` as somebody typed it, None when it is none."""
        if parameter.kind is Kind.TEXT:
            free = text.strip()
            return free if 0 < len(free) <= parameter.length[1] else None
        try:
            value, rest = read(parameter, normal(text), True, self.registry)
        except Unreadable:
            return None
        return value if not rest.strip() else None

    def refused(self, command: Command, request: Request) -> Reply | None:
        """E02 or E04, the same whether the right is missing or the object."""
        if command.allows(request.member):
            return None
        if request.member is not None:
            return self.error(request, "E04")
        return self.error(request, "E02", services=self.services(request.language, None))

    def perform(self, conn: Connection, command: Command, request: Request) -> Reply:
        """Do it: `request.arguments` are complete, and who asked for it has confirmed it."""
        if (refused := self.refused(command, request)) is not None:
            return refused
        if command.question is not None:
            question = command.question(conn, request)
            if isinstance(question, Reply):
                return question
            request = replace(request, arguments=question.arguments)
        return self.run(conn, command, request)

    def run(self, conn: Connection, command: Command, request: Request) -> Reply:
        """The command's function, with what it reads when nobody has read it for a whole batch before."""
        if command.reads is not None and request.read is None:
            request = replace(request, read=command.reads(conn, (request,)).get(request.number))
        return command.function(conn, request)

    def open_case(
        self, conn: Connection, request: Request, text: str, *, kind: str = "ask", digit: int = cases.HOTLINE
    ) -> cases.Case:
        """What was asked is put before staff; see `cases.open`."""
        return cases.open(
            conn,
            self.new_id,
            self.keys,
            number=request.number,
            member=request.member,
            language=request.language,
            text=text,
            message_id=request.message or None,
            now=request.now,
            kind=kind,
            digit=digit,
        )

    def challenge(self, conn: Connection, command: Command, request: Request) -> Reply:
        """The SMS with the code that confirms it, or the error that there can be none."""
        if (refused := self.refused(command, request)) is not None:
            return refused
        if (locked := self.locked(conn, request)) is not None:
            return locked
        assert command.question is not None, f"{command.code} wants a code and has no question"
        question = command.question(conn, request)
        if isinstance(question, Reply):
            return question
        return self._ask(conn, command, request, question)

    def asked(self, conn: Connection, command: Command, request: Request) -> Reply | None:
        """What a USSD session shows before it does a command whose question has a screen; None without one.

        A reply with an error refuses.
        """
        if (refused := self.refused(command, request)) is not None:
            return refused
        question = command.question(conn, request) if command.question is not None else None
        if isinstance(question, Question):
            return None if question.screen is None else self.reply(request, question.screen, **question.values)
        return question

    def tell(
        self, to: Sender, key: str, /, *, lane: Lane = Lane.NOTICE, case: int | None = None, **values: Any
    ) -> Told:
        """A text to somebody else, in their language; it names what they may use."""
        language = to.language or self.organisation.language
        text = self.say(key, language, to.member, **values)
        return Told(number=to.number, text=text, language=language, member=to.member, lane=lane, case=case)

    def ask_other(
        self,
        conn: Connection,
        to: Sender,
        key: str,
        /,
        *,
        request: Request,
        action: str,
        object: str,  # noqa: A002  # what it is about, "claim:17"
        arguments: Mapping[str, Any],
        life: timedelta,
        **values: Any,
    ) -> Told:
        """A text with a code to somebody else, whose Y does the command's `agreed` and whose N its `denied`."""
        code = challenges.issue(
            conn,
            self.new_id,
            self.keys,
            request.random,
            to.number,
            action=f"{action}{OTHERS}",
            arguments=arguments,
            now=request.now,
            life=life,
            object=object,
        )
        told = self.tell(to, key, lane=Lane.CODE, code=code, **values)
        expires = request.now + life
        ask = Ask(expires=expires, command=action, parameter=CODE, language=told.language)
        return replace(told, secret=True, ask=ask, expires=expires)

    def locked(self, conn: Connection, request: Request) -> Reply | None:
        """E08 while too many wrong codes have locked this number."""
        until = challenges.locked(conn, request.number, request.now)
        return None if until is None else self.wait(request, until)

    def wait(self, request: Request, until: datetime) -> Reply:
        """E08 with the minutes that are left, or until tomorrow."""
        minutes = max(1, -((request.now - until) // timedelta(minutes=1)))
        if minutes > 60:
            return self.error(request, "E08", "E08_day")
        return self.error(request, "E08", minutes=minutes)

    def services(self, language: str, member: Member | None) -> str:
        """What this reader may use, by code and word, as much of it as a text can hold: 0帮助 71咨询 TD退订."""
        named = [command for command in self.registry if command.allows(member) and not command.whole]
        stops = [command for command in self.registry if command.whole and command.allows(member)]
        between = " " if language == "zh" else ", "
        last = [self._named(command, language) for command in stops]
        found: list[Command] = []
        for command in sorted(named, key=lambda each: (each.aside, each.code)):
            longer = [*found, command]
            limit = len(self.texts.widest.get(language, {}).get("services", "")) or 40
            if len(between.join([*(self._named(each, language) for each in longer), *last])) > limit:
                break
            found = longer
        found.sort(key=lambda each: each.code)
        return between.join([*(self._named(each, language) for each in found), *last])

    def _named(self, command: Command, language: str) -> str:
        if language == "zh":
            return f"{command.words['pinyin'][0] if command.whole else command.code}{command.word(language)}"
        return command.word(language) if command.whole else f"{command.code} {command.word(language)}"

    def _ask(self, conn: Connection, command: Command, request: Request, question: Question) -> Reply:
        code = challenges.issue(
            conn,
            self.new_id,
            self.keys,
            request.random,
            request.number,
            action=command.code,
            arguments=question.arguments,
            now=request.now,
        )
        text = self.say(question.key, request.language, request.member, code=code, **question.values)
        expires = request.now + challenges.LIFE
        ask = Ask(expires=expires, command=command.code, parameter=CODE, language=request.language)
        return Reply(text=text, key=question.key, lane=Lane.CODE, ask=ask, secret=True, language=request.language)


@lru_cache(maxsize=16)
def _day(now: datetime, zone: ZoneInfo) -> date:
    """All messages of a batch have the same moment."""
    return now.astimezone(zone).date()


def office(request: Request) -> Office:
    """The office of a request."""
    found = request.desk
    assert isinstance(found, Office)
    return found
