"""docs/command-line.md and docs/settings.md, made from the declarations. `python -m tests.reference` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gateway.affairs import settings
from gateway.affairs.declarations import DECLARED, Kind, Setting
from gateway.main import main

DOCS = Path(__file__).resolve().parent.parent / "docs"

_COMMAND_LINE = """\
# The command line

Made from the declarations by `python -m tests.reference`.

An error is one sentence on standard error that says what to do, with exit status 2. What is printed on standard output
is for people and scripts alike. `CONFIG` is the configuration file that `muster init` writes and
[configuration.md](configuration.md) explains. Files that Muster makes are for their owner alone.
"""


def command_line_page() -> str:
    return _COMMAND_LINE + "".join(_helps(main, ("muster",)))


def _helps(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(path), terminal_width=100, max_content_width=100)
    context.help_option_names = ["-h", "--help"]
    said = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"\n## {' '.join(path)}\n\n```text\n{said}\n```\n"
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _helps(below, (*path, name))


_SETTINGS = """\
# The settings

Made from the declarations by `python -m tests.reference`.

What the organisation decides while the gateway runs. `muster settings list CONFIG` prints them, `set` changes one,
`export` and `import` carry them to another gateway; the console has them under Settings. A change takes effect at once,
or at the moment given with `--from`; who changed what, when and why stays on record. What the machine needs before it
starts is in [configuration.md](configuration.md); one setting is in exactly one of the two.

"two" marks what takes a second person in the console. Lists have commas between. A name that ends in `.*` is a family:
`texts.zh.dues.clear` is one of `texts.*`.

| name | default | may be | |
|---|---|---|---|
"""


def settings_page() -> str:
    return _SETTINGS + "".join(_setting(each) for each in sorted(DECLARED, key=lambda each: each.name))


def _setting(each: Setting) -> str:
    default = settings.shown(each, each.default)
    cells = (
        f"`{each.name}`",
        f"`{default}`{' ' + each.unit if each.unit else ''}" if default else "none",
        _range(each) + (", two" if each.two else ""),
        each.en.replace("|", "\\|"),
    )
    return f"| {' | '.join(cells)} |\n"


def _range(each: Setting) -> str:
    match each.kind:
        case Kind.FLAG:
            return "on, off"
        case Kind.NUMBER:
            return f"{each.least} to {each.most}"
        case Kind.CHOICE:
            return ", ".join(each.choices)
        case Kind.TEXT:
            return f"text, {each.least} to {each.most} characters"
        case Kind.WORDS:
            return "list"
        case Kind.PREFIXES:
            return "prefixes, as in `+86, +882=0`"
        case Kind.HOURS:
            return "hours, as in `21-8`"
        case Kind.WEEK:
            return "days and times"
        case Kind.DATES:
            return "days, as in `2026-10-01/2026-10-07`"


if __name__ == "__main__":
    (DOCS / "command-line.md").write_text(command_line_page(), "utf-8")
    (DOCS / "settings.md").write_text(settings_page(), "utf-8")
