"""Errors of the command line: one sentence that says what to do, and exit status 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


class Problem(click.ClickException):
    """What went wrong and what to do about it, in the exception's text."""

    exit_code = 2


class Group(click.Group):
    """Commands whose known errors are said in a sentence; our own bugs keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        with said_plainly():
            return super().invoke(ctx)


@contextmanager
def said_plainly() -> Iterator[None]:
    """Turn every error that a person can mend into a `Problem`."""
    try:
        yield
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if (sentence := sentence_of(error)) is None:
            raise
        raise Problem(sentence) from error


def sentence_of(error: Exception) -> str | None:
    """What to tell a person of `error`; None when it is a bug of ours."""
    from sqlalchemy.exc import DBAPIError
    from twisted.internet.error import CannotListenError

    from config.load import ConfigError
    from gateway.affairs.refusal import Refusal
    from gateway.core.engines import DatabaseProblem
    from gateway.core.keys import KeyProblem

    if isinstance(error, Refusal | ConfigError | DatabaseProblem | KeyProblem):
        return str(error)
    if isinstance(error, DBAPIError):
        reason = str(error.orig).strip().splitlines() or [type(error).__name__]
        return f"the database refused: {reason[0]}; see that it runs and that [database] url is right"
    if isinstance(error, CannotListenError):
        reason = getattr(error.socketError, "strerror", None) or error.socketError
        here = f"{error.interface or '*'}:{error.port}"
        return f"cannot listen on {here}: {reason}; see [console] and [api] listen, for a simulator --port"
    if isinstance(error, OSError) and error.strerror:
        where = error.filename2 or error.filename
        return f"{where}: {error.strerror}" if where else error.strerror
    return None
