"""What the affairs of money refuse is said in the reader's language, values and all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import affairs
from gateway.affairs import refusal as refusals
from gateway.console.dues import said
from gateway.console.language import Languages

TEXTS = Path(said.__file__).parents[1] / "translations"
FOLDER = Path(affairs.__path__[0])
MONEY = (
    *("assess_register", "assessing", "payments", "rates", "reconciliation"),
    *("refunds", "suspense", "vouchers", "waivers", "wallet_texts"),
)
# Said by a file on the command line, which no page shows.
FILES = ("class is missing", "approval is yes or no", "there is an upto", "there is no row", "all rows of a table")


def sentences(module: str) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
            yield node.args[0]


@pytest.mark.parametrize("module", MONEY)
def test_every_refusal_of_money_is_known_to_the_console(module: str) -> None:
    for sentence in sentences(module):
        assert isinstance(sentence, ast.Constant), f"{module}: {ast.unparse(sentence)} has its values in it"
        assert sentence.value in said.SENTENCES, f"{module}: {sentence.value!r}"


def test_what_a_table_of_rates_is_refused_for_is_known_to_the_console() -> None:
    known = [each.value for each in sentences("rate_files") if isinstance(each, ast.Constant)]
    assert len(known) > 8
    for sentence in known:
        assert sentence in said.SENTENCES or str(sentence).startswith(FILES), sentence


def test_a_state_is_said_in_words() -> None:
    languages = Languages([TEXTS])

    class Visit:
        def gettext(self, message: str, **values: object) -> str:
            return languages.gettext("zh", message, **values)

    refused = refusals.Refusal("this money is %(state)s already", state="returned")
    assert str(refused) == "this money is returned already"
    assert said.refusal(Visit(), refused) == "这笔钱已退，不能再处理"  # type: ignore[arg-type]
