"""docs/command-line.md, made from the declarations. `python -m tests.reference` writes it; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

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


if __name__ == "__main__":
    (DOCS / "command-line.md").write_text(command_line_page(), "utf-8")
