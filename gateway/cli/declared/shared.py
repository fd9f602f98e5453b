"""What the commands have in common: their arguments, and the line that a secret comes in by."""

from __future__ import annotations

import sys
from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)
CONFIG = click.argument("config", type=FILE)


def password_line() -> str:
    """A secret from standard input, where no list of processes shows it."""
    return sys.stdin.readline().rstrip("\r\n")
