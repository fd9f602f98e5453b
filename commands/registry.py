"""What a member may say: every command is declared once, and everything else is made from the declarations.

SMS lines, SMS dialogues, USSD paths, help texts, the documentation and the console's filters all read these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection

from commands.suggest import Suggestions
from gateway.affairs.refusal import Refusal
from gateway.core.model import LogClass, Member, Reply, Request

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
    MARKS = "marks"  # letters, one by one, or the codes of a voting card
    REFERENCE = "reference"  # a letter and digits: D418
    DATE = "date"  # "08-20"
    HOURS = "hours"  # "20-9"
    MONTHS = "months"  # how many: "3个月"
    WORD = "word"  # anything without a blank: a group's name
    NUMBERED = "numbered"  # a member number or the end of one, a pay code, a slip: digits, letters and dashes


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
    least: int = 1  # of an amount, in minor units
    most: int | None = 5000  # of an amount, in units of the currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before a command with `Confirm.CODE` is done: a text, and what the code will confirm.

    The text is given `{code}`; `arguments` are those the command's function gets when the code comes back.
    """

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    screen: str | None = None  # the same without a code, for a USSD session that needs none


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One service of the organisation. Texts are looked up as `NAME.*` in config/texts."""

    code: str  # "11"
    name: str  # "dues": its key in the texts
    words: Mapping[str, tuple[str, ...]]  # language or "pinyin" -> words, upper case, the first being the one shown
    function: Function
    parameters: tuple[Parameter, ...] = ()
    public: bool = False  # a number that is no member's may use it
    roles: frozenset[str] = frozenset()  # any of these; empty is every member
    confirm: Confirm = Confirm.NONE
    question: Callable[[Connection, Request], Question | Reply] | None = None  # with Confirm.CODE; a Reply refuses
    agreed: Function | None = None  # a code that it sent to somebody else came back: theirs is the right to say so
    denied: Function | None = None  # the code came back with an N
    again: Function | None = None  # a code that was answered before came back once more
    log_class: LogClass = LogClass.A
    reads: Read | None = None  # what it reads, for all senders of a batch at once, by number
    aside: bool = False  # left out first where there is no room to name all
    root: bool = False  # also reached by its first digit alone (1 -> 11)
    whole: bool = False  # its words count only as the whole message (STOP)
    direct: frozenset[str] = frozenset()  # one-character words that take free text right behind them

    @property
    def sealed(self) -> bool:
        """What is said to it is never written."""
        return self.log_class is LogClass.C

    @property
    def asks_code(self) -> bool:
        """A dialogue about it may wait for a code."""
        return self.confirm is Confirm.CODE or self.agreed is not None

    def allows(self, member: Member | None) -> bool:
        """Whether `member`, or somebody who is none, may use it."""
        if self.public:
            return True
        return member is not None and (not self.roles or not self.roles.isdisjoint(member.roles))

    def word(self, language: str) -> str:
        """The word it is shown by."""
        shown = self.words.get(language) or next(iter(self.words.values()), ())
        return shown[0] if shown else self.code


class Word(NamedTuple):
    """A keyword, the language it belongs to (None for digits), and the commands it may mean."""

    text: str
    language: str | None
    commands: tuple[Command, ...]


class Clash(Refusal, ValueError):
    """Two commands claim the same word, and nothing behind it could tell which is meant."""


class Registry:
    """The commands of this organisation; those switched off are not in it.

    What the grammar looks up is laid out here once: `words` for keywords at the front, `whole` for messages that
    are nothing but a keyword, `stops` for the words that end all bulk messages, `roots` for single digits.
    """

    def __init__(self, commands: Iterable[Command], *, decimals: int = 2) -> None:
        self.decimals = decimals  # of the currency
        self._commands = {command.code: command for command in commands}
        self.words: dict[str, Word] = {}
        self.stops: dict[str, Word] = {}
        self.roots: dict[str, Command] = {}
        for command in self._commands.values():
            self._learn(command.code, None, command, self.words)
            for language, words in command.words.items():
                for word in words:
                    spoken = "zh" if language == "pinyin" else language
                    self._learn(word, spoken, command, self.stops if command.whole else self.words)
            if command.root:
                self.roots[command.code[0]] = command
        if clash := self.stops.keys() & self.words.keys():
            raise Clash(
                "%(words)s: a word that ends all bulk messages can mean nothing else", words=", ".join(sorted(clash))
            )
        self.whole = {word.text: (word.commands[0], word.language) for word in self._ready()}
        self.longest = max((len(word) for word in self.words), default=0)
        self.suggestions = Suggestions((*self.words.values(), *self.stops.values()))

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __contains__(self, code: object) -> bool:
        return code in self._commands

    def __getitem__(self, code: str) -> Command:
        return self._commands[code]

    def get(self, code: str) -> Command | None:
        return self._commands.get(code)

    def _learn(self, text: str, language: str | None, command: Command, into: dict[str, Word]) -> None:
        known = into.get(text)
        if known is None:
            into[text] = Word(text, language, (command,))
        elif command not in known.commands:
            bare = [each for each in (*known.commands, command) if not each.parameters]
            if len(bare) != 1:  # 投票 alone lists the ballots, 投票1203A votes: one takes nothing, the other something
                raise Clash(
                    "%(word)s: a word of %(code)s and of %(other_code)s",
                    word=text,
                    code=known.commands[0].code,
                    other_code=command.code,
                )
            rest = [each for each in (*known.commands, command) if each.parameters]
            into[text] = Word(text, known.language, (*bare, *rest))

    def _ready(self) -> Iterator[Word]:
        """The keywords that say everything by themselves."""
        for word in (*self.words.values(), *self.stops.values()):
            if not any(parameter.required for parameter in word.commands[0].parameters):
                yield word
        for digit, command in self.roots.items():
            if digit not in self.words and not any(parameter.required for parameter in command.parameters):
                yield Word(digit, None, (command,))
