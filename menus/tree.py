"""The USSD tree as data: read from a file and checked as a whole before anybody dials."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from menus.pages import Budget

ROOT = "root"
DEPTH = 5  # screens below one another, the root being the first
TEXTS = frozenset(
    {
        *("back", "leave", "home", "more", "language", "which_language", "nothing", "goodbye"),
        *("wrong", "wrong_alone", "not_this", "wrong_thrice", "wrong_thrice_help", "rest_by_sms", "code_by_sms"),
        *("write_by_sms", "unfinished", "go_on", "start_over", "sure", "yes", "busy", "late"),
    }
)
_ROW = 20  # columns of a small display; a Chinese character takes two

Label = Mapping[str, str]  # language -> text


class MenuError(Exception):
    """The menu file is wrong; every problem is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A digit of a screen: it leads to a screen or does a command."""

    digit: str
    label: Label
    unbound: Label = field(default_factory=dict)  # what it is called for a number that is no member's
    go: str | None = None
    command: str | None = None
    read: bool = False  # its command changes nothing
    asks: bool = False  # said alone, its command changes nothing and asks what is wanted
    sure: Label = field(default_factory=dict)  # asked before it is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A screen: the answer of its `head` command, if it has one, above its items."""

    id: str
    head: str | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A digit that stands for an answer which would be long to type."""

    digit: str
    answer: str
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """How a parameter is asked for."""

    text: Label
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    languages: Mapping[str, str]
    texts: Mapping[str, Label]
    nodes: Mapping[str, Node]
    prompts: Mapping[tuple[str, str], Prompt]  # command and parameter

    def ways(self, command: str) -> tuple[tuple[str, ...], Item | None] | None:
        """The screens that lead to `command` and its item on the last, None where it is that screen's head."""
        return self._ways.get(command)

    _ways: dict[str, tuple[tuple[str, ...], Item | None]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for way in self._walk((ROOT,)):
            node = self.nodes[way[-1]]
            if node.head is not None:
                self._ways.setdefault(node.head, (way, None))
            for item in node.items:
                if item.command is not None:
                    self._ways.setdefault(item.command, (way, item))

    def _walk(self, way: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield way
        for item in self.nodes[way[-1]].items:
            if item.go is not None and item.go in self.nodes and item.go not in way:
                yield from self._walk((*way, item.go))


def load(path: Path | None = None, *, budget: Budget | None = None) -> Tree:
    """The tree of `path`, or the one that comes with Muster; raises MenuError with all that is wrong."""
    name = str(path) if path is not None else "main.toml"
    try:
        text = path.read_text("utf-8") if path is not None else files("menus").joinpath(name).read_text("utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MenuError(f"{name}: {error}") from error
    problems: list[str] = []
    tree = _tree(content, problems)
    if not problems:
        problems += _check(tree, budget or Budget())
    if problems:
        raise MenuError("\n".join(f"{name}: {problem}" for problem in problems))
    return tree


def item_line(item: Item | Option, language: str, *, bound: bool = True) -> str:
    """ "1会费" but "1 Dues": a digit and a word of Latin letters need a blank between them."""
    label = item.label
    if isinstance(item, Item) and not bound and item.unbound:
        label = item.unbound
    text = label[language]
    return f"{item.digit} {text}" if text[0].isascii() and text[0].isalnum() else f"{item.digit}{text}"


def rows(lines: Iterable[str]) -> str:
    """Items one below the other, two in a row where both are short: a small display has some four rows."""
    found: list[list[str]] = []
    for line in lines:
        if found and len(found[-1]) == 1 and _columns(found[-1][0]) + 1 + _columns(line) <= _ROW:
            found[-1].append(line)
        else:
            found.append([line])
    return "\n".join(" ".join(row) for row in found)


def _columns(text: str) -> int:
    return sum(1 if character.isascii() else 2 for character in text)


# --- reading ------------------------------------------------------------------------------------------------------


class _Table:
    """A table of the file; what nobody asked for by the end is a mistake."""

    def __init__(self, where: str, content: Any, problems: list[str]) -> None:
        self._where, self._problems = where, problems
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            problems.append(f"{where}: must be a table")

    def take(self, key: str, kind: type, default: Any = None, *, needed: bool = False) -> Any:
        value = self._content.pop(key, None)
        if value is None:
            if needed:
                self._problems.append(f"{self._where}: {key}: is missing")
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self._problems.append(f"{self._where}: {key}: is not a {kind.__name__}")
            return default
        return value

    def label(self, key: str, languages: Mapping[str, str], *, needed: bool = False) -> Label:
        value: dict[str, Any] = self.take(key, dict, {}, needed=needed)
        if value and set(value) != set(languages):
            self._problems.append(f"{self._where}: {key}: must be written in {', '.join(languages)} and nothing else")
        for language, text in value.items():
            if not isinstance(text, str) or not text.strip():
                self._problems.append(f"{self._where}: {key}: {language}: must be a text")
        return value

    def digit(self) -> str:
        digit = self.take("digit", int, 0, needed=True)
        if not 1 <= digit <= 9:
            self._problems.append(f"{self._where}: digit: must be 1 to 9, 0 being the way back")
        return str(digit)

    def tables(self, key: str) -> Iterator[_Table]:
        for number, content in enumerate(self.take(key, list, []), 1):
            yield _Table(f"{self._where}: {key} {number}", content, self._problems)

    def named(self) -> Iterator[tuple[str, _Table]]:
        for key in list(self._content):
            yield key, _Table(f"{self._where}.{key}", self._content.pop(key), self._problems)

    def table(self, key: str) -> _Table:
        return _Table(f"{self._where}.{key}" if self._where else key, self._content.pop(key, {}), self._problems)

    def labels(self, languages: Mapping[str, str]) -> dict[str, Label]:
        return {key: self.label(key, languages) for key in list(self._content)}

    def end(self) -> None:
        self._problems += [f"{self._where}: {key}: no such setting".lstrip(": ") for key in self._content]


def _tree(content: dict[str, Any], problems: list[str]) -> Tree:
    file = _Table("", content, problems)
    languages = {str(key): str(value) for key, value in file.take("languages", dict, {}, needed=True).items()}
    texts = file.table("texts").labels(languages)
    problems += [f"texts: {key}: is missing" for key in sorted(TEXTS - set(texts))]
    problems += [f"texts: {key}: no such text" for key in sorted(set(texts) - TEXTS)]
    nodes = {name: _node(name, table, languages) for name, table in file.table("screens").named()}
    if ROOT not in nodes:
        problems.append(f"screens: {ROOT}: is missing")
        nodes[ROOT] = Node(id=ROOT)
    prompts = {
        (command, parameter): _prompt(table, languages)
        for command, parameters in file.table("questions").named()
        for parameter, table in parameters.named()
    }
    file.end()
    return Tree(languages=languages, texts=texts, nodes=nodes, prompts=prompts)


def _node(name: str, table: _Table, languages: Mapping[str, str]) -> Node:
    items = []
    for entry in table.tables("items"):
        items.append(
            Item(
                digit=entry.digit(),
                label=entry.label("label", languages, needed=True),
                unbound=entry.label("unbound", languages),
                go=entry.take("go", str),
                command=entry.take("command", str),
                read=entry.take("read", bool, False),
                asks=entry.take("asks", bool, False),
                sure=entry.label("sure", languages),
            )
        )
        entry.end()
    node = Node(id=name, head=table.take("head", str), items=tuple(items))
    table.end()
    return node


def _prompt(table: _Table, languages: Mapping[str, str]) -> Prompt:
    options = []
    for entry in table.tables("choices"):
        options.append(
            Option(
                digit=entry.digit(),
                answer=entry.take("answer", str, "", needed=True),
                label=entry.label("label", languages, needed=True),
            )
        )
        entry.end()
    prompt = Prompt(text=table.label("text", languages, needed=True), options=tuple(options))
    table.end()
    return prompt


# --- checking -----------------------------------------------------------------------------------------------------


def _check(tree: Tree, budget: Budget) -> Iterator[str]:
    reached = {node for way in tree._walk((ROOT,)) for node in way}
    for node in tree.nodes.values():
        yield from _check_node(tree, node)
        if node.id not in reached:
            yield f"screens.{node.id}: nothing leads here"
    for way in tree._walk((ROOT,)):
        if len(way) > DEPTH:
            yield f"screens.{way[-1]}: is {len(way)} screens deep, {DEPTH} is the most"
    for where, language, screen in _screens(tree):
        if not budget.fits(screen):
            yield f"{where}: {language}: does not fit one screen"


def _check_node(tree: Tree, node: Node) -> Iterator[str]:
    where = f"screens.{node.id}"
    if node.head is None and not node.items:
        yield f"{where}: has nothing to show"
    digits = [item.digit for item in node.items]
    for digit in sorted({digit for digit in digits if digits.count(digit) > 1}):
        yield f"{where}: digit {digit} stands for two items"
    prefix = "" if node.id == ROOT else node.id
    for item in node.items:
        if (item.go is None) == (item.command is None):
            yield f"{where}: digit {item.digit}: must either go to a screen or do a command"
        if item.go is not None and item.go not in tree.nodes:
            yield f"{where}: digit {item.digit}: there is no screen {item.go}"
        target = item.go or item.command or ""
        if target.isdigit() and target != prefix + item.digit:
            yield f"{where}: digit {item.digit}: leads to {target}, but its code is {prefix}{item.digit}"
        if item.command is not None and node.head == item.command:
            yield f"{where}: digit {item.digit}: is the head of this screen as well"


def _screens(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Every screen that is made of this file alone, with its footer, as long as it can be."""
    for language in tree.languages:
        texts = {key: label[language] for key, label in tree.texts.items()}
        foot = f"{texts['back']} {texts['home']}"
        for key, text in texts.items():
            yield f"texts.{key}", language, text
        for node in tree.nodes.values():
            footer = f"{texts['language']} {texts['leave']}" if node.id == ROOT else foot
            for bound in (True, False):
                lines = [item_line(item, language, bound=bound) for item in node.items]
                yield f"screens.{node.id}", language, f"{rows(lines)}\n{footer}"
            for item in node.items:
                where, title = f"screens.{node.id}: digit {item.digit}", item.label[language]
                sure = item.sure[language] if item.sure else texts["sure"].format(title=title)
                yield where, language, f"{sure}\n{texts['yes']}\n{foot}"
                unfinished = texts["unfinished"].format(title=title)
                yield where, language, f"{unfinished}\n{texts['go_on']}\n{texts['start_over']}"
        for (command, parameter), prompt in tree.prompts.items():
            lines = [item_line(option, language) for option in prompt.options]
            screen = "\n".join(filter(None, (texts["not_this"], prompt.text[language], rows(lines), foot)))
            yield f"questions.{command}.{parameter}", language, screen
