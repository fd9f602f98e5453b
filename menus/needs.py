"""What the menus need of the commands, which they are handed and never import."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Protocol

from sqlalchemy import Connection

from gateway.core.model import LogClass, Member, Reply, Request


class Parameter(Protocol):
    """What the engine needs of a parameter."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Enum: ...
    @property
    def required(self) -> bool: ...
    @property
    def sealed(self) -> bool: ...
    @property
    def least(self) -> int: ...


class Command(Protocol):
    """What the engine needs of a command."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Iterable[Parameter]: ...
    @property
    def confirm(self) -> Enum: ...
    @property
    def log_class(self) -> LogClass: ...
    def allows(self, member: Member | None) -> bool: ...


class Registry(Protocol):
    """The commands there are."""

    def get(self, code: str) -> Command | None: ...


class Conduct(Protocol):
    """How a command is carried out and its parameters are read, for SMS and USSD alike."""

    def value(self, command: Any, parameter: Any, text: str) -> Any | None:
        """The value of `parameter` as somebody typed it, None when it is none."""

    def reply(self, request: Request, key: str, /) -> Reply:
        """One of the texts for members, in the language of `request`."""

    def asked(self, conn: Connection, command: Any, request: Request) -> Reply | None:
        """What to show before it is done, an error that refuses it, or None where it has nothing to ask."""

    def perform(self, conn: Connection, command: Any, request: Request) -> Reply:
        """Do it: `request.arguments` are complete, and who asked for it has confirmed it."""

    def challenge(self, conn: Connection, command: Any, request: Request) -> Reply:
        """The SMS with the code that confirms it, or the error that there can be none."""


def takes_zero(parameter: Parameter) -> bool:
    """Nothing at all is an answer, as to how much is left in the box: the way back is by `00` alone."""
    return bool(parameter.kind.value == "amount") and parameter.least == 0


def is_text(parameter: Parameter) -> bool:
    """It takes free text, which nobody types on nine keys while a session waits."""
    return bool(parameter.kind.value == "text")


def wants_code(command: Command) -> bool:
    """It is confirmed by a code, unless the operator vouches for who is calling."""
    return bool(command.confirm.value == "code")


def is_sealed(command: Command) -> bool:
    """What is answered on the way to it may never be written."""
    return command.log_class is LogClass.C or any(parameter.sealed for parameter in command.parameters)
