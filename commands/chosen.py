"""What the organisation has made of the commands: those switched off, words of its own, texts in place of ours.

`problem` says why a choice cannot be, before it is stored; `office` joins what was chosen, leaving out what no longer
fits: after an upgrade a word may have become a command's, and the gateway must still start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from commands import lint, standard
from commands.grammar import NO, YES
from commands.normal import normal
from commands.office import Office
from commands.registry import Clash, Registry
from commands.texts import TextProblem, Texts
from config.model import LANGUAGES, Organisation
from gateway.affairs.refusal import Refusal
from gateway.affairs.settings import Snapshot
from gateway.affairs.wallets import Wallet
from gateway.core.keys import Keys

SPOKEN = (*LANGUAGES, "pinyin")  # what words may belong to
FAMILIES = ("commands.off", "words.", "texts.")  # of settings that this module judges

Words = Mapping[str, Mapping[str, tuple[str, ...]]]  # by code, then language


@dataclass(frozen=True, slots=True)
class Chosen:
    off: frozenset[str] = frozenset()
    words: Words = field(default_factory=dict)
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by language, then key


def chosen(taken: Snapshot, now: datetime) -> Chosen:
    """What holds at `now`."""
    words: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, value in taken.family("words.", now).items():
        language, _, code = name.partition(".")
        words.setdefault(code, {})[language] = tuple(map(_word, value))
    texts: dict[str, dict[str, str]] = {}
    for name, value in taken.family("texts.", now).items():
        language, _, key = name.partition(".")
        texts.setdefault(language, {})[key] = value
    return Chosen(frozenset(taken.value("commands.off", now)), words, texts)


def with_change(has: Chosen, name: str, value: Any) -> Chosen:
    """What would hold if the setting `name` were `value`; None is what we ship."""
    kind, _, rest = name.partition(".")
    language, _, key = rest.partition(".")
    if name == "commands.off":
        return replace(has, off=frozenset(value or ()))
    if kind == "words":
        own = {code: dict(words) for code, words in has.words.items()}
        own.setdefault(key, {})[language] = tuple(map(_word, value or ()))
        return replace(has, words=own)
    if kind == "texts":
        texts = {each: dict(of) for each, of in has.texts.items()}
        texts.setdefault(language, {})
        if value is None:
            texts[language].pop(key, None)
        else:
            texts[language][key] = value
        return replace(has, texts=texts)
    return has


def problem(organisation: Organisation, choice: Chosen) -> Refusal | None:
    """Why this cannot be; None when it can. All commands count: one that is off today may be on tomorrow."""
    shipped = standard.registry(organisation)
    if unknown := sorted(choice.off - {command.code for command in shipped}):
        return Refusal("there is no command %(code)s", code=unknown[0])
    if always := sorted(choice.off & standard.ALWAYS):
        return Refusal("%(code)s %(word)s cannot be switched off", code=always[0], word=shipped[always[0]].word("en"))
    if (wrong := next(_unusable(shipped, choice.words), None)) is not None:
        return wrong
    try:
        registry = standard.registry(organisation, words=choice.words)
        texts = Texts.load().replaced(choice.texts)
    except (Clash, TextProblem) as error:
        return error
    return next(_lint(texts, registry, choice.texts), None)


def office(
    organisation: Organisation,
    keys: Keys,
    new_id: Callable[[], int],
    choice: Chosen,
    *,
    wallets: tuple[Wallet, ...] = (),
    bank: str | None = None,
) -> Office:
    """The office of an organisation that has chosen so. What cannot be is left out."""
    usable = replace(choice, off=choice.off - standard.ALWAYS)
    if problem(organisation, replace(usable, off=frozenset())) is not None:
        usable = _without_what_clashes(organisation, usable)
    return Office(
        registry=standard.registry(organisation, off=usable.off, words=usable.words),
        texts=Texts.load().replaced(usable.texts),
        organisation=organisation,
        keys=keys,
        new_id=new_id,
        wallets=wallets,
        bank=bank,
    )


def _without_what_clashes(organisation: Organisation, choice: Chosen) -> Chosen:
    usable = Chosen()
    for name, value in _pieces(choice):
        wider = with_change(usable, name, value)
        if problem(organisation, wider) is None:
            usable = wider
    return replace(usable, off=choice.off)


def _pieces(choice: Chosen) -> Iterator[tuple[str, Any]]:
    for code, words in choice.words.items():
        for language, some in words.items():
            yield f"words.{language}.{code}", some
    for language, texts in choice.texts.items():
        for key, text in texts.items():
            yield f"texts.{language}.{key}", text


def _unusable(shipped: Registry, words: Words) -> Iterator[Refusal]:
    owners = {word: each.code for each in shipped for some in each.words.values() for word in some}
    for code, by_language in words.items():
        if code not in shipped:
            yield Refusal("there is no command %(code)s", code=code)
        for language, some in by_language.items():
            if language not in SPOKEN:
                yield Refusal("words belong to %(known)s, not to %(found)s", known=", ".join(SPOKEN), found=language)
            for word in some:
                if owners.setdefault(word, code) != code:
                    yield Refusal("%(word)s is a word of %(code)s", word=word, code=owners[word])
                if len(word) < 2 or not word.isalpha():
                    yield Refusal(
                        "%(word)s: a word has two letters or characters at least, and nothing else", word=word
                    )
                if word in YES | NO:
                    yield Refusal("%(word)s: this answers a question and can mean nothing else", word=word)


def _lint(texts: Texts, registry: Registry, own: Mapping[str, Mapping[str, str]]) -> Iterator[Refusal]:
    for language, keys in own.items():
        for key in keys:
            for each in lint.problems_of(texts, registry, language, key):
                yield Refusal("%(where)s: %(problem)s", where=f"texts.{language}.{key}", problem=each)


def _word(typed: str) -> str:
    return normal(typed).strip()
