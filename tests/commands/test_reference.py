"""The reference in the documentation says what the declarations say."""

from __future__ import annotations

from pathlib import Path

from commands.reference import _parameter, reference
from tests.commands.people import TEXTS, an_office
from tests.commands.services import everything

PAGE = Path(__file__).parent.parent.parent / "docs" / "commands.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == reference(an_office().registry, TEXTS), "run: python -m commands.reference"


def test_every_kind_of_parameter_can_be_shown() -> None:
    for command in everything():
        assert all(_parameter(parameter) for parameter in command.parameters)
