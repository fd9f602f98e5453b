"""One step of a USSD session: where an input leads, what is asked, done and shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from gateway.core import text as phone_text
from gateway.core.model import Ask, Channel, LogClass, Reply, Request, Told
from menus.needs import Command, Parameter, is_sealed, is_text, takes_zero, wants_code
from menus.pages import MOST, Page, pages
from menus.sessions import Answer, Choice, Confirmation, Languages, Menu, Place, Question, Resume, Session
from menus.tree import ROOT, Item, Option, Prompt
from menus.vendors import Profile
from menus.view import Joined, View, node_of

WRONG_IN_A_ROW = 3
WRITING = timedelta(minutes=10)  # how long the SMS that a session asked for is waited for
HELP, LANGUAGE = "0", "91"  # the two commands that every screen has a key for

BACK, HOME, MORE, LANGUAGES = "0", "00", "98", "99"

_STRICTNESS = (LogClass.A, LogClass.D, LogClass.B, LogClass.C)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a session is to show now, what goes beside it, and what the log should say."""

    text: str
    more: bool
    session: Session  # to be kept after the commit
    follow_up: Reply | None = None  # by SMS
    dialog: Ask | None = None  # what the next SMS of this number answers
    told: tuple[Told, ...] = ()  # what others are to hear
    node: str = ""  # where it stands: "8", "81.invitation", "81?", "82"
    typed: str = ""  # the class of the input: begin, path, digits, text, sealed, repeat, broken off
    units: int = 0
    command: str | None = None  # what was done
    error: str | None = None
    log_class: LogClass = LogClass.A


class Step:
    """A session while one input moves it."""

    def __init__(self, joined: Joined, conn: Connection, request: Request, profile: Profile, session: Session) -> None:
        self._joined, self._conn, self._request, self._profile = joined, conn, request, profile
        self._session = session
        self._tree = joined.tree
        self.stack: list[Place] = list(session.stack)
        self._view = View(joined, conn, request, profile, session.language)
        self.page = session.page
        self.wrong = 0
        self.typed = "text"
        self._note: str | None = None  # what stands above the screen: that was no item
        self._over: str | None = None  # the last words
        self._follow_up: Reply | None = None
        self._dialog: Ask | None = None
        self._told: tuple[Told, ...] = ()
        self._done: Command | None = None
        self._error: str | None = None

    def resume(self, unfinished: Session) -> None:
        """Offer to go on where the last session of this number broke off."""
        self._view.chosen = unfinished.language
        self._go([Resume(stack=unfinished.stack)])

    # --- what is seen ---------------------------------------------------------------------------------------------

    def screen(self, *, typed: str, mark: str | None) -> Screen:
        text = self._shown()
        more = self._over is None
        shown = self._view.log_class(self.stack[-1])
        log_class = shown if self._done is None else max(shown, self._done.log_class, key=_STRICTNESS.index)
        session = replace(
            self._session,
            seen=self._request.now,
            stack=tuple(self.stack) if more else (),
            page=self.page,
            wrong=self.wrong,
            language=self._view.chosen,
            typed=typed,
            mark=mark,
            screen=text,
            open=more,
            broken_off=False,
            log_class=log_class,
        )
        return Screen(
            text=text,
            more=more,
            session=session,
            follow_up=self._follow_up,
            dialog=self._dialog,
            told=self._told,
            node=node_of(self.stack[-1]) if more else "end",
            typed=self.typed,
            units=phone_text.units(text)[1],
            command=self._done.code if self._done else None,
            error=self._error,
            log_class=log_class,
        )

    def _shown(self) -> str:
        budget = self._profile.budget
        if self._over is not None:
            return pages(self._over, foot="", more="", budget=budget)[0].text
        found = self._pages()
        self.page = min(self.page, len(found) - 1)
        text = found[self.page].text
        if self._note is not None:
            noted = budget.shown(f"{self._note}\n{text}")
            text = noted if budget.fits(noted) else budget.shown(self._view.text("wrong_alone"))
        return text

    def _pages(self) -> tuple[Page, ...]:
        content = self._view.content(self.stack[-1], depth=len(self.stack))
        return pages(content.body, foot=content.foot, more=self._view.text("more"), budget=self._profile.budget)

    # --- what is typed --------------------------------------------------------------------------------------------

    def walk(self, tokens: list[str]) -> None:
        """Go where a dialled path leads, through what only reads; what changes something is asked for first."""
        for token in tokens:
            if not self._move(_normal(token), dialled=True) or self._over is not None:
                break
        self.wrong, self._note = 0, None

    def type(self, text: str) -> None:
        token = _normal(text)
        place = self.stack[-1]
        self.typed = "sealed" if getattr(place, "sealed", False) else "digits" if token.isdecimal() else "text"
        if not self._move(token, dialled=False):
            self.wrong = self._session.wrong + 1
            if self.wrong >= WRONG_IN_A_ROW:
                self._give_up()
            elif self._note is None:
                self._note = self._view.text("not_this" if isinstance(place, Question) else "wrong")

    def _move(self, token: str, *, dialled: bool) -> bool:
        """Follow one input; False when it led nowhere, or when a dialled path must stop here."""
        place = self.stack[-1]
        if token == HOME:
            self._go([Menu(node=ROOT)])
        elif token == BACK and not self._zero_answers(place):
            self._back()
        elif token == MORE:
            return self._more()
        elif token == LANGUAGES and not isinstance(place, Languages):
            self._go([*self.stack, Languages()])
        else:
            return self._choose(place, token, dialled=dialled)
        return True

    def _zero_answers(self, place: Place) -> bool:
        return isinstance(place, Question) and takes_zero(self._joined.parameter(place))

    def _choose(self, place: Place, token: str, *, dialled: bool) -> bool:
        match place:
            case Menu(node=name):
                node = self._tree.nodes[name]
                for item in self._view.items(node):
                    if item.digit == token:
                        return self._enter(item, dialled=dialled)
                if node.head is not None and name + token == node.head:
                    return True  # it is what the screen begins with
                return self._jump(token, dialled=dialled)
            case Question():
                return not dialled and self._fill(place, token)
            case Confirmation(command=code, arguments=arguments):
                return not dialled and token == "1" and self._do(code, arguments)
            case Answer(choices=choices):
                if (choice := choices.get(token)) is not None:
                    return not dialled and self._begin(choice.command, choice.arguments, dialled=False)
                return self._jump(token, dialled=dialled)
            case Languages():
                return not dialled and self._speak(token)
            case Resume(stack=stack):
                if token in ("1", "2"):
                    self._go(list(stack) if token == "1" else [Menu(node=ROOT)])
                return token in ("1", "2")

    def _go(self, stack: list[Place]) -> None:
        self.stack, self.page = stack, 0

    def _back(self) -> None:
        if len(self.stack) == 1:
            self._end(self._view.text("goodbye"))
        else:
            self._go(self.stack[:-1])

    def _more(self) -> bool:
        found = self._pages()
        if self.page + 1 >= len(found):
            return False
        if self.page + 1 < MOST:
            self.page += 1
            return True
        self._follow_up = Reply(text=found[self.page].rest, language=self._view.language)
        self._end(self._view.text("rest_by_sms"))
        return True

    def _jump(self, code: str, *, dialled: bool) -> bool:
        """A whole code, as an SMS has it, leads to its command from any screen."""
        ways = self._tree.ways(code) if len(code) > 1 else None
        if ways is None or not self._view.may(code):
            return False
        way, item = ways
        self._go([Menu(node=name) for name in way])
        return True if item is None else self._enter(item, dialled=dialled)

    def _enter(self, item: Item, *, dialled: bool) -> bool:
        if item.go is not None:
            self._go([*self.stack, Menu(node=item.go)])
            return True
        return self._begin(item.command or "", {}, dialled=dialled, item=item)

    def _begin(self, code: str, arguments: Mapping[str, Any], *, dialled: bool, item: Item | None = None) -> bool:
        """Ask for what is missing of a command, ask whether it is meant, or do it."""
        command = self._joined.registry.get(code)
        if command is None or not command.allows(self._request.member):
            return False
        for parameter in command.parameters:
            if parameter.required and parameter.name not in arguments:
                if is_text(parameter):
                    self._write_instead(command, parameter, arguments)
                    return True
                sealed = is_sealed(command)
                asked = Question(command=code, parameter=parameter.name, arguments=arguments, sealed=sealed)
                self._go([*self.stack, asked])
                return not dialled
        if item is None:
            _, item = self._tree.ways(code) or ((), None)
        only_reads = item is not None and (item.read or (item.asks and not arguments))
        # The operator's word for who is calling stands for a code, but it is asked all the same.
        vouched = wants_code(command) and self._request.trusted
        if not only_reads and (dialled or vouched or (item is not None and item.sure)):
            check = self._joined.conduct.asked(self._conn, command, self._view.asked(arguments)) if vouched else None
            if check is not None and check.error is not None:
                self._answered(command, check)
                return True
            text = "" if check is None else check.text
            place = Confirmation(command=code, arguments=arguments, sealed=is_sealed(command), text=text)
            self._go([*self.stack, place])
            return not dialled
        return self._do(code, arguments)

    def _write_instead(self, command: Command, parameter: Parameter, arguments: Mapping[str, Any]) -> None:
        """Free text is written as an SMS: no session lasts as long as it takes to type it on nine keys."""
        self._done = command
        by_sms = self._view.asked(arguments, Channel.SMS)
        self._follow_up = self._joined.conduct.reply(by_sms, f"{command.name}.{parameter.name}")
        self._dialog = Ask(
            expires=self._request.now + WRITING,
            command=command.code,
            parameter=parameter.name,
            arguments=arguments,
            language=by_sms.language,
        )
        self._end(self._view.text("write_by_sms"))

    def _fill(self, place: Question, token: str) -> bool:
        command = self._joined.registry.get(place.command)
        if command is None:
            return False
        parameter = self._joined.parameter(place)
        prompt = self._tree.prompts[place.command, place.parameter]
        option = _option(prompt, token)
        if option is None and prompt.options:
            return False
        value = self._joined.conduct.value(command, parameter, option.answer if option else token)
        if value is None:
            return False
        return self._begin(place.command, {**place.arguments, place.parameter: value}, dialled=False)

    def _do(self, code: str, arguments: Mapping[str, Any]) -> bool:
        command = self._joined.registry.get(code)
        if command is None:
            return False
        if wants_code(command) and not self._request.trusted:
            reply = self._joined.conduct.challenge(self._conn, command, self._view.asked(arguments))
            if reply.error is None:
                self._follow_up, self._dialog = reply, reply.ask
                self._end(self._view.text("code_by_sms"))
                return True
        else:
            reply = self._view.perform(code, arguments)
        self._answered(command, reply)
        return True

    def _answered(self, command: Command, reply: Reply) -> None:
        """Show what a command said, and stay when there is something to go on with: to read, to choose, to repair."""
        self._done, self._error, self._told = command, reply.error, reply.told
        # After an error the way back leads to the question, else to where it was asked for.
        gone = Confirmation if reply.error is not None else Question | Confirmation
        stack = [place for place in self.stack if not isinstance(place, gone)]
        _, item = self._tree.ways(command.code) or ((), None)
        ask = reply.ask
        if reply.error is None and ask is not None and self._wanted(ask):
            asked = Question(command=ask.command or "", parameter=ask.parameter or "", arguments=ask.arguments)
            self._go([*stack, asked])
            return
        choices = {
            typed: Choice(command=code, arguments=arguments)
            for typed, (code, arguments) in (ask.choices if ask else {}).items()
        }
        stays = reply.more or bool(choices) or reply.error is not None or item is None or item.read
        if stays or not self._profile.budget.fits(self._profile.budget.shown(reply.text)):
            self._go([*stack, Answer(command=command.code, text=reply.text, choices=choices)])
        else:
            self._dialog = ask
            self._end(reply.text)

    def _wanted(self, ask: Ask) -> bool:
        """Whether a command asks for one more parameter that there is a screen for."""
        return not ask.choices and (ask.command or "", ask.parameter or "") in self._tree.prompts

    def _speak(self, token: str) -> bool:
        """Change the language of the session, and of the number where there is a command for it."""
        chosen = {str(number): language for number, language in enumerate(self._tree.languages, 1)}.get(token)
        if chosen is None:
            return False
        self._view.chosen = chosen
        command = self._joined.registry.get(LANGUAGE)
        if command is not None and command.allows(self._request.member):
            for parameter in command.parameters:
                value = self._joined.conduct.value(command, parameter, chosen.upper())
                if value is not None:
                    self._view.perform(LANGUAGE, {parameter.name: value})
                    self._done = command
                    break
        self._go(self.stack[:-1])
        return True

    def _give_up(self) -> None:
        """Three wrong inputs in a row: whoever is lost here is better served by an SMS that can be read at leisure."""
        command = self._joined.registry.get(HELP)
        if command is None or not command.allows(self._request.member):
            self._end(self._view.text("wrong_thrice"))
            return
        by_sms = self._view.asked({}, Channel.SMS)
        self._follow_up = self._joined.conduct.perform(self._conn, command, by_sms)
        self._end(self._view.text("wrong_thrice_help"))

    def _end(self, text: str) -> None:
        self._over, self._note = text, None


def _normal(text: str) -> str:
    """What was meant: wide digits are digits, the `#` that sends is no part of it, a lone `*` or `#` asks for more."""
    token = unicodedata.normalize("NFKC", text).strip()
    if token in ("*", "#"):
        return MORE
    return token.rstrip("#").strip()


def _option(prompt: Prompt, token: str) -> Option | None:
    return next((option for option in prompt.options if option.digit == token), None)
