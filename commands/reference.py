"""The command reference of the documentation, written from the declarations and the texts.

`python -m commands.reference > docs/commands.md`; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from commands.registry import Command, Confirm, Kind, Parameter, Registry
from commands.standard import registry
from commands.texts import Template, Texts
from config.model import Organisation

_KINDS = {
    Kind.NUMBER: "number",
    Kind.AMOUNT: "amount",
    Kind.TEXT: "text",
    Kind.COMMAND: "code or word",
    Kind.MARKS: "letters",
    Kind.REFERENCE: "letter and digits",
    Kind.WORD: "word",
    Kind.DATE: "date",
    Kind.HOURS: "hours",
    Kind.MONTHS: "months",
    Kind.NUMBERED: "number or letters",
}
_LOG = {
    "A": "text, 90 days",
    "B": "with amounts, codes and member numbers masked",
    "C": "command and result only",
    "D": "in the case",
}


def reference(commands: Registry, texts: Texts) -> str:
    """The page, in Markdown."""
    return "\n".join(_lines(commands, texts)) + "\n"


def _lines(commands: Registry, texts: Texts) -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "What members may send. Written from `commands/` and `config/texts/` by `python -m commands.reference`."
    yield ""
    yield "A code is also the USSD path: `91` is `*123*9*1#`. In the replies, `{name}` is a value and `[71|...]` is"
    yield "only said where command 71 exists, is switched on and is allowed for the reader."
    for command in sorted(commands, key=lambda command: command.code):
        yield from _command(command, texts)
    yield from _errors(texts)


def _command(command: Command, texts: Texts) -> Iterator[str]:
    yield ""
    yield f"## {command.code} {texts.template(f'{command.name}.title', 'en').source}"
    yield ""
    words = "; ".join(f"{language}: {' '.join(spoken)}" for language, spoken in command.words.items())
    also = f", or `{command.code[0]}` alone" if command.root else ""
    yield f"- Words: {words}"
    yield f"- Send: `{' '.join((command.code, *map(_parameter, command.parameters)))}`{also}"
    yield f"- For: {'everybody' if command.public else ', '.join(sorted(command.roles)) or 'members'}"
    if command.confirm is Confirm.CODE:
        yield "- Confirmed by a code that is sent to the number"
    yield f"- Kept in the log: {_LOG[command.log_class.value]}"
    yield from _replies(texts, command.name, leave={"title", "example"})


def _parameter(parameter: Parameter) -> str:
    least, most = parameter.length
    match parameter.kind:
        case Kind.DIGITS:
            shown = f"{least} digits" if least == most else f"{least} to {most} digits"
        case Kind.CHOICE:
            shown = " or ".join(dict.fromkeys(parameter.choices.values()))
        case kind:
            shown = _KINDS[kind]
    return f"<{parameter.name}: {shown}>" if parameter.required else f"[{parameter.name}: {shown}]"


def _errors(texts: Texts) -> Iterator[str]:
    yield ""
    yield "## Errors and confirmations"
    yield from _replies(texts, "errors")
    yield from _rows(texts, "confirm", frozenset())


def _replies(texts: Texts, table: str, leave: set[str] | frozenset[str] = frozenset()) -> Iterator[str]:
    yield ""
    yield "| Text | Chinese | English |"
    yield "|---|---|---|"
    yield from _rows(texts, table, leave)


def _rows(texts: Texts, table: str, leave: set[str] | frozenset[str]) -> Iterator[str]:
    for key in texts.keys("zh"):
        named, _, name = key.partition(".")
        if named == table and name not in leave:
            yield f"| `{name}` | {_cell(texts.template(key, 'zh'))} | {_cell(texts.template(key, 'en'))} |"


def _cell(template: Template) -> str:
    return template.source.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference(registry(Organisation(name="")), Texts.load()))
