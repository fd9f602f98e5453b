"""Running a command of `muster` as a person does, and what it says."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from gateway.main import main

PASSWORD = "correct horse battery"


def muster(*arguments: str | Path, input: str | None = None) -> Result:  # noqa: A002  # click calls it so
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


def told(*arguments: str | Path, input: str | None = None) -> str:  # noqa: A002  # as above
    """What a command says when all is well."""
    ran = muster(*arguments, input=input)
    assert ran.exit_code == 0, ran.output
    return ran.output


def refused(*arguments: str | Path, input: str | None = None) -> str:  # noqa: A002  # as above
    """The one sentence of an error."""
    ran = muster(*arguments, input=input)
    assert ran.exit_code == 2, (ran.output, ran.exception)
    assert "Traceback" not in ran.output
    return ran.output
