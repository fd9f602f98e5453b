"""What is wrong with the texts: each must stay in one segment, and none may name a command that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from commands.office import SEGMENT, SIGNATURE
from commands.registry import Command, Registry
from commands.texts import Named, Template, Texts, is_code
from gateway.affairs.refusal import Refusal
from gateway.core.text import units

# What a reader would take for a command: a code of two digits, a digit to send back, a word in capitals.
_CODE = re.compile(r"(?<![\d.,*#])[1-9]\d(?![\d.,*#位]|\d*个|分钟|小时|-digit| hours)")
_DIGIT = re.compile(r"(?:回|: )(\d)(?![\d.位])")
_WORD = re.compile(r"[A-Z]{2,}")
_NO_COMMANDS = frozenset({"SMS", "USSD", "SIM", "ID", "PIN", "CNY"})
_TENS = frozenset(f"{ten}0" for ten in range(1, 10))


def problems(texts: Texts, registry: Registry) -> list[str]:
    """One sentence for each problem; none when the texts may be used."""
    return [
        f"texts: {language}: {key}: {problem}"
        for language in texts.languages
        for key in texts.keys(language)
        for problem in _problems(texts, registry, language, key)
    ]


def problems_of(texts: Texts, registry: Registry, language: str, key: str) -> Iterator[Refusal]:
    """What is wrong with one text."""
    yield from _problems(texts, registry, language, key)


def named(text: str) -> frozenset[str]:
    """The codes, digits and words in `text` that a reader would take for commands."""
    codes = {code for code in _CODE.findall(text) if code not in _TENS}
    return frozenset(codes | set(_DIGIT.findall(text)) | set(_WORD.findall(text)) - _NO_COMMANDS)


def may_be_named(command: Command) -> frozenset[str]:
    """What a text that is only shown where `command` is may say of it."""
    words = {word for words in command.words.values() for word in words}
    words |= {typed for parameter in command.parameters for typed in parameter.choices}
    return frozenset({command.code, command.code[0]} | words if command.root else {command.code} | words)


def _problems(texts: Texts, registry: Registry, language: str, key: str) -> Iterator[Refusal]:
    template, widest = texts.template(key, language), texts.widest[language]
    if lacking := sorted(template.values - widest.keys()):
        yield Refusal("no widest value is declared for %(names)s", names=", ".join(lacking))
        return
    coding, count = units(template.render(_values(template, widest), lambda code: True))
    limit = SEGMENT[coding] - SIGNATURE[coding]
    if count > limit:
        yield Refusal(
            "%(count)s units with its widest values, %(limit)s fit beside a signature", count=count, limit=limit
        )
    if template.gsm and coding.value != "gsm7":
        yield Refusal("a widest value that GSM 03.38 cannot carry makes every character twice as dear")
    yield from _strangers(template, registry, key.partition(".")[0])


def _values(template: Template, widest: dict[str, str]) -> dict[str, Named]:
    return {name: Named(widest[name], widest[name]) for name in template.values}


def _strangers(template: Template, registry: Registry, table: str) -> Iterator[Refusal]:
    """Commands named where they may be missing; HELP is everywhere, and a command's own texts may speak of it."""
    own = frozenset().union(*(may_be_named(each) for each in registry if each.name == table or each.code == "0"))
    for condition, parts in template.pieces:
        allowed = own
        if condition is not None and is_code(condition):
            command = registry.get(condition)
            allowed = own | (may_be_named(command) if command is not None else {condition})
        said = " ".join(literal for literal, _ in parts)
        for stranger in sorted(named(said) - allowed):
            yield Refusal("names %(word)s where it may not be there; write [%(word)s|...]", word=stranger)
