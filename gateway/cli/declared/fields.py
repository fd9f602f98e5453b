"""A command whose options are the fields of a dataclass."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

import click


class FromFields(click.Command):
    """Its further options are the fields of the `Options` of a module, which is read only when it is asked for."""

    def __init__(self, *arguments: Any, options_of: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._options_of = options_of

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        made: list[click.Parameter] = [
            click.Option(
                [_option_name(field.name, switch=isinstance(field.default, bool))],
                default=field.default,
                show_default=field.default != "",
                help=field.metadata["help"],
            )
            for field in fields(import_module(self._options_of).Options)
        ]
        return [*super().get_params(ctx), *made]


def _option_name(field: str, *, switch: bool) -> str:
    name = field.replace("_", "-")
    return f"--{name}/--no-{name}" if switch else f"--{name}"
