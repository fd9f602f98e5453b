"""What a text means: STOP first, then the open dialogue, then a command (SERVICES 7.2).

Pure: a text, the commands there are and what is open go in, one value comes out. Nothing here guesses an action: a
misspelt command is a question back. Free text is kept as sent; only matching looks at the normal form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commands.normal import behind, letters, normal, plain, says_nothing
from commands.parameters import BadAmount, Unreadable, is_numeral, read
from commands.privacy import withheld
from commands.registry import Command, Kind, Parameter, Registry, Word
from commands.suggest import is_han
from gateway.core.model import Ask, value

CODE = "code"  # the parameter of a dialogue that waits for a challenge code
YES = frozenset({"Y", "YES", "是", "是的", "属实", "S"})
NO = frozenset({"N", "NO", "否", "不是", "F"})
_POLITE = (" THANK YOU", " THANKS", " PLEASE", "谢谢")
_CONFIRMS = re.compile(rf"(?:{'|'.join(sorted(YES | NO, key=len, reverse=True))}) ?\d{{4,6}}(?!\d)")
_MAY_BE_CODE = re.compile(r"(?<!\d)\d{4,6}(?!\d)")
_ECHO = 6
_NOTHING: Mapping[str, Any] = {}


@value
class Understood:
    """A command with all it needs. `language` is the keyword's, when it has one."""

    command: Command
    arguments: Mapping[str, Any] = field(default_factory=dict)
    language: str | None = None


@value
class Missing:
    """A command that lacks `parameter`."""

    command: Command
    arguments: Mapping[str, Any]
    parameter: Parameter
    language: str | None = None


@value
class Confirmed:
    """`Y 5830` or `N 5830`: the answer to a challenge, whether a dialogue is open or not."""

    yes: bool
    code: str
    language: str | None = None


@value
class Problem:
    """What cannot be done as it was said.

    E01: not understood; `command` is the suggestion, shown as `word`, which `Y` runs with `arguments`.
    E03: `command` was meant and what is behind it does not fit. E10: too long. E11: a bad amount.
    `withhold`: the log keeps the length only. `keep`: the dialogue that is open stays open.
    """

    error: str
    command: Command | None = None
    word: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    parameter: Parameter | None = None
    heard: str = ""
    withhold: bool = False
    keep: bool = False
    language: str | None = None


@value
class Silent:
    """Nothing that wants an answer: emoji, a single punctuation mark."""


Parsed = Understood | Missing | Confirmed | Problem | Silent


def parse(text: str, registry: Registry, *, dialog: Ask | None = None, language: str | None = None) -> Parsed:
    """What `text` means while `dialog` is open; `language` is what to answer in when the words do not tell."""
    if dialog is None:
        plainly = registry.whole.get(text) or registry.whole.get(text.strip().upper())
        if plainly is not None:
            return Understood(command=plainly[0], arguments=_NOTHING, language=plainly[1] or language)
    said = normal(text)
    if not said or says_nothing(said):
        help_word = registry.words.get(plain(text).strip())
        if help_word is None:
            return Silent()
        return Understood(command=help_word.commands[0], language=help_word.language or language)
    return _Reading(text, said, registry, language).parse(dialog)


def described(parsed: Parsed) -> dict[str, Any]:
    """`parsed` as `muster explain command` shows it."""
    match parsed:
        case Understood():
            return {"code": parsed.command.code, "command": parsed.command.name, "arguments": dict(parsed.arguments)}
        case Missing():
            return {
                "code": parsed.command.code,
                "command": parsed.command.name,
                "arguments": dict(parsed.arguments),
                "missing": parsed.parameter.name,
            }
        case Confirmed():
            return {"code": "Y" if parsed.yes else "N", "command": "confirm", "arguments": {CODE: parsed.code}}
        case Problem():
            found: dict[str, Any] = {"error": parsed.error}
            if parsed.command is not None:
                found["suggestion" if parsed.error == "E01" else "code"] = parsed.command.code
            if parsed.word is not None:
                found["word"] = parsed.word
            return found | {"withhold": parsed.withhold}
        case Silent():
            return {"silent": True}


@dataclass(frozen=True, slots=True)
class _Reading:
    """One text while it is being read."""

    text: str
    said: str  # in normal form
    registry: Registry
    language: str | None

    def parse(self, dialog: Ask | None) -> Parsed:
        if (stop := self._stop()) is not None:
            return stop
        front = self._front()
        meant = None if front is None else self._command(*front)
        coded = front is not None and (front[0].text.isdecimal() or front[0].commands[0].code == "0")
        if coded and isinstance(meant, Understood | Missing):
            return meant  # a two-digit code wins over a dialogue, and HELP leaves it
        if dialog is not None and (answer := self._answer(dialog, meant)) is not None:
            return answer
        if (confirmed := self._confirmed()) is not None:
            return confirmed
        if meant is not None:
            return meant
        if len(self.said) == 1 and self.said.isdecimal():
            return self._digit(self.said)
        return self._unknown(dialog)

    def _stop(self) -> Parsed | None:
        """Only the whole message says STOP; "Stop. Thank you" is one."""
        said, stops = self.said, self.registry.stops
        word = stops.get(said) or stops.get(said.replace(" ", ""))
        if word is None:
            word = stops.get(_blunt(said))
        if word is not None:
            return Understood(command=word.commands[0], language=word.language or self.language)
        topic = said[-2:]
        word = stops.get(said[:-2].rstrip()) if len(topic) == 2 and topic.isdecimal() else None
        if word is None or not word.commands[0].parameters:
            return None
        command = word.commands[0]
        return Understood(
            command=command, arguments={command.parameters[0].name: topic}, language=word.language or self.language
        )

    def _front(self) -> tuple[Word, int] | None:
        """The longest keyword the text begins with, and its length."""
        said, words = self.said, self.registry.words
        for length in range(min(self.registry.longest, len(said)), 0, -1):
            word = words.get(said[:length])
            if word is not None and _ends(word, said[length : length + 2]):
                return word, length
        return None

    def _command(self, word: Word, length: int) -> Parsed:
        """The one of the word's commands that what is behind it fits."""
        missing: Missing | None = None
        bad: type[Unreadable] = Unreadable
        for command in word.commands:
            try:
                filled = self._fill(command, word, length)
            except _TooLong:
                return self._problem("E10", command=command)
            except Unreadable as problem:
                bad = type(problem)
                continue
            if isinstance(filled, Understood):
                return filled
            missing = missing or filled
        if missing is not None:
            return missing
        return self._misfit(word, length, amount=bad is BadAmount)

    def _fill(self, command: Command, word: Word, length: int) -> Understood | Missing:
        """Read the command's parameters from what stands behind `length`; `Unreadable` when they do not fit."""
        rest = self.said[length:].lstrip()
        language = word.language or self.language
        if word.text in command.direct and self.said[length : length + 1] not in ("", " "):
            rest, free = "", self.text.strip()  # 问题很多怎么办 loses nothing
        else:
            free = None
        return self._take(command, command.parameters, {}, rest, language, free=free)

    def _take(
        self,
        command: Command,
        parameters: tuple[Parameter, ...],
        known: Mapping[str, Any],
        rest: str,
        language: str | None,
        *,
        free: str | None = None,
    ) -> Understood | Missing:
        arguments = dict(known)
        for index, parameter in enumerate(parameters):
            if parameter.name in arguments:
                continue
            if parameter.kind is Kind.TEXT:
                if free is None and rest:
                    free = behind(self.text, self.said[: len(self.said) - len(rest)])
                if free:
                    if len(free) > parameter.length[1]:
                        raise _TooLong
                    arguments[parameter.name], rest = free, ""
                    continue
            elif rest:
                try:
                    value, rest = read(parameter, rest, index == len(parameters) - 1, self.registry)
                except BadAmount:
                    raise
                except Unreadable:
                    if parameter.required:
                        raise
                else:
                    arguments[parameter.name], rest = value, rest.lstrip()
                    continue
            if parameter.required:
                return Missing(command=command, arguments=arguments, parameter=parameter, language=language)
        if rest and command.code != "0":  # HELP always works, whatever is behind it
            raise Unreadable
        return Understood(command=command, arguments=arguments, language=language)

    def _misfit(self, word: Word, length: int, *, amount: bool) -> Problem:
        """A keyword, and behind it what its command does not take: a slip, or a sentence that begins so."""
        command, rest = word.commands[-1], self.said[length:]
        joined = not word.text.isdecimal() and is_han(word.text[-1]) and is_han(rest[:1])
        prose = len(rest.split()) > 1 and not any(char.isdecimal() for char in rest)
        if amount and (not joined or is_numeral(rest[0])):
            return self._problem("E11", command=command)
        if not command.parameters or joined or (prose and not word.text.isdecimal()):
            shown = word.text if not word.text.isdecimal() else word.commands[0].word(self.language or "")
            return self._problem("E01", command=word.commands[0], word=shown, sealed=_sealed(word))
        return self._problem("E03", command=command)

    def _answer(self, dialog: Ask, meant: Parsed | None) -> Parsed | None:
        """What the text answers to the open question; None when it is none."""
        command = self.registry.get(dialog.command) if dialog.command is not None else None
        if command is not None and dialog.parameter == CODE and command.asks_code:
            return self._confirmed() or self._half_confirmed(command)
        if (chosen := self._chosen(dialog)) is not None:
            return chosen
        if command is None or dialog.parameter is None:
            return None
        place = next((at for at, each in enumerate(command.parameters) if each.name == dialog.parameter), None)
        if place is None:
            return None
        wanted = command.parameters[place]
        if isinstance(meant, Understood | Missing) and _leaves(meant, wanted, command):
            return meant
        if wanted.kind is Kind.TEXT and len(self.said) == 1 and self.said.isdecimal():
            return None  # no question is one digit; the menu's is
        try:
            return self._take(
                command,
                command.parameters[place:],
                dialog.arguments,
                self.said,
                self.language,
                free=self.text.strip() if wanted.kind is Kind.TEXT else None,
            )
        except _TooLong:
            return self._problem("E10", command=command, keep=True)
        except BadAmount:
            return self._problem("E11", command=command, parameter=wanted, keep=True)
        except Unreadable:
            return None

    def _chosen(self, dialog: Ask) -> Parsed | None:
        choices = dialog.choices
        key = self.said if self.said in choices else "Y" if self.said in YES else "N" if self.said in NO else ""
        if key not in choices:
            return None
        code, arguments = choices[key]
        command = self.registry.get(code)
        if command is None:
            return None
        return self._take(command, command.parameters, arguments, "", self.language)

    def _confirmed(self) -> Confirmed | None:
        said = _blunt(self.said)
        end = len(said)
        while end and said[end - 1].isdecimal():
            end -= 1
        word, code = said[:end].strip(), said[end:]
        if not 4 <= len(code) <= 6 or word not in YES | NO:
            return None
        return Confirmed(yes=word in YES, code=code, language=self.language)

    def _half_confirmed(self, command: Command) -> Problem | None:
        """A Y without its code, or a code without its Y."""
        bare = self.said.isdecimal() and 4 <= len(self.said) <= 6
        if not bare and self.said not in YES | NO:
            return None
        return Problem(error="E03", command=command, word=CODE, withhold=True, keep=True, language=self.language)

    def _digit(self, digit: str) -> Parsed:
        """One digit is the menu's: its first item, or the menu itself where there is none."""
        command = self.registry.roots.get(digit)
        if command is None and digit not in self.registry.words:
            command = self.registry.get("0")
        if command is None:
            return self._problem("E01")
        try:
            return self._take(command, command.parameters, {}, "", self.language)
        except Unreadable:
            return self._problem("E03", command=command)

    def _unknown(self, dialog: Ask | None) -> Problem:
        wanted = self.registry.get(dialog.command) if dialog is not None and dialog.command is not None else None
        if dialog is not None and wanted is not None and dialog.parameter is not None:
            asked = next((each for each in wanted.parameters if each.name == dialog.parameter), None)
            if asked is not None and not dialog.choices:
                return self._problem("E03", command=wanted, parameter=asked, keep=True)
        near = self.registry.suggestions.nearest(self.said) or self._begun()
        awaited = dialog is not None and dialog.parameter == CODE and _MAY_BE_CODE.search(self.said) is not None
        if near is None or awaited:
            return self._problem("E01", keep=dialog is not None, sealed=awaited)
        word, length = near
        corrected = self._command(word, length)
        arguments = corrected.arguments if isinstance(corrected, Understood) else _NOTHING
        command = corrected.command if isinstance(corrected, Understood | Missing) else word.commands[0]
        return self._problem(
            "E01", command=command, word=word.text, arguments=arguments, language=word.language, sealed=_sealed(word)
        )

    def _begun(self) -> tuple[Word, int] | None:
        """A sentence that begins with STOP is a question, not a STOP; CANCEL may mean it too."""
        said, stops = self.said, self.registry.stops
        if said == "CANCEL" and stops:
            return next(iter(stops.values())), len(said)
        for length in range(min(len(said), 12), 1, -1):
            word = stops.get(said[:length])
            if word is not None and _ends(word, said[length : length + 2]):
                return word, length
        return None

    def _problem(
        self,
        error: str,
        *,
        command: Command | None = None,
        word: str | None = None,
        arguments: Mapping[str, Any] = _NOTHING,
        parameter: Parameter | None = None,
        keep: bool = False,
        sealed: bool = False,
        language: str | None = None,
    ) -> Problem:
        sealed = sealed or (command is not None and command.sealed)
        return Problem(
            error=error,
            command=command,
            word=word,
            arguments=_NOTHING if sealed else arguments,
            parameter=parameter,
            heard=letters(self.text, _ECHO) if error == "E01" else "",
            withhold=sealed or withheld(self.said) or _CONFIRMS.match(self.said) is not None,
            keep=keep,
            language=language or self.language,
        )


class _TooLong(Unreadable):
    """More free text than the command takes."""


def _ends(word: Word, rest: str) -> bool:
    """Whether a keyword may end before `rest`: TPX is no TP, 129 no 12, and 到了吗 no 到."""
    following = rest[:1]
    if following in ("", " "):
        return True
    last = word.text[-1]
    if last.isdecimal():
        return not following.isdecimal()
    if not is_han(last):
        return not following.isalpha() or is_han(following)
    if len(word.text) > 1 or following.isdecimal():
        return True
    draft = following.isascii() and following.isalpha() and rest[1:2].isdecimal()
    return draft or any(word.text in command.direct for command in word.commands)


def _leaves(meant: Understood | Missing, wanted: Parameter, asking: Command) -> bool:
    """Whether a command in words leaves a dialogue that waits for `wanted`; a question may begin with any word."""
    if wanted.kind is not Kind.TEXT or meant.command is asking:
        return True
    return not any(parameter.kind is Kind.TEXT for parameter in meant.command.parameters)


def _blunt(said: str) -> str:
    """`said` without its thanks."""
    for polite in _POLITE:
        if said.endswith(polite):
            return said.removesuffix(polite).rstrip(" .")
    return said


def _sealed(word: Word) -> bool:
    return any(command.sealed for command in word.commands)
