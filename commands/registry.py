"""What a member may say: every command is declared once, and everything else is made from the declarations.

SMS lines, SMS dialogues, USSD paths, help texts, the documentation and the console's filters all read these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy import Connection

from gateway.core.model import LogClass, Reply, Request

Function = Callable[[Connection, Request], Reply]
Read = Callable[[Connection, Sequence[Request]], Mapping[str, Any]]


class Kind(Enum):
    """What a parameter looks like; the grammar reads each, the dialogue asks for it, the docs name it."""

    DIGITS = "digits"  # `length` of them, or (least, most)
    NUMBER = "number"
    AMOUNT = "amount"  # minor units
    CHOICE = "choice"  # one of `choices`
    TEXT = "text"  # everything behind the keyword, as sent
    COMMAND = "command"  # the code of another command


class Confirm(Enum):
    NONE = "none"
    CODE = "code"  # sent to the bound number (DESIGN 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    kind: Kind
    required: bool = True
    length: tuple[int, int] = (1, 300)
    choices: Mapping[str, str] = field(default_factory=dict)  # as typed, upper case -> value
    sealed: bool = False  # never written, never asked for in an SMS dialogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One service of the organisation. Texts are looked up as `CODE.*` in config/texts."""

    code: str  # "11"
    name: str  # "dues": its key in the texts
    words: Mapping[str, tuple[str, ...]]  # language or "pinyin" -> words, upper case, the first being the one shown
    function: Function
    parameters: tuple[Parameter, ...] = ()
    public: bool = False  # a number that is no member's may use it
    roles: frozenset[str] = frozenset()  # any of these; empty is every member
    confirm: Confirm = Confirm.NONE
    log_class: LogClass = LogClass.A
    reads: Read | None = None  # what it reads, for all senders of a batch at once, by number
    root: bool = False  # also reached by its first digit alone (1 -> 11)
    whole: bool = False  # counts only as the whole message (STOP)


class Registry:
    """The commands of this organisation; those switched off are not in it."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = {command.code: command for command in commands}

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __contains__(self, code: str) -> bool:
        return code in self._commands

    def __getitem__(self, code: str) -> Command:
        return self._commands[code]

    def get(self, code: str) -> Command | None:
        return self._commands.get(code)
