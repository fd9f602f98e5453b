"""What is refused is said in the reader's language, values and all: by money, people, settings, imports and notices."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import commands
from gateway import affairs, console
from gateway.affairs import refusal as refusals
from gateway.affairs.declarations import DECLARED
from gateway.affairs.refusal import Refusal
from gateway.console import refusals as pages
from gateway.console import settings_query
from gateway.console.dues import said
from gateway.console.language import Languages
from gateway.console.notice_words import PROBLEMS
from gateway.console.words import WORDS

CONSOLE = Path(console.__path__[0])
FOLDER = Path(affairs.__path__[0])
COMMANDS = Path(commands.__path__[0])
MONEY = (
    *("assess_register", "assessing", "payments", "rates", "reconciliation"),
    *("refunds", "suspense", "vouchers", "waivers", "wallet_texts"),
)
# Said by a file on the command line, which no page shows.
FILES = ("class is missing", "approval is yes or no", "there is an upto", "there is no row", "all rows of a table")
# What the pages of people, settings, imports and the audit can meet; sheets give the file before the sentence.
PEOPLE = (
    *(FOLDER / f"{name}.py" for name in ("phones", "roles", "staff", "settings", "setting_values", "sheets")),
    *(CONSOLE / f"{name}.py" for name in ("audit_query", "member_work", "settings_pages", "staff_query", "welcome")),
    *(COMMANDS / f"{name}.py" for name in ("chosen", "lint", "registry", "texts")),
)
NOTICES = (*sorted((FOLDER / "notices").glob("*.py")), *sorted(CONSOLE.glob("notice*.py")))
RAISED = ("Refused", "Refusal", "SheetProblem", "Clash", "TextProblem")


class Reader:
    """A visit of somebody who reads Chinese."""

    languages = Languages([CONSOLE / "translations"])

    def gettext(self, message: str, **values: object) -> str:
        return self.languages.gettext("zh", message, **values)


def sentences(path: Path, *names: str) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node.args[1 if called == "SheetProblem" else 0]


@pytest.mark.parametrize("module", MONEY)
def test_every_refusal_of_money_is_known_to_the_console(module: str) -> None:
    for sentence in sentences(FOLDER / f"{module}.py", "Refused"):
        assert isinstance(sentence, ast.Constant), f"{module}: {ast.unparse(sentence)} has its values in it"
        assert sentence.value in said.SENTENCES, f"{module}: {sentence.value!r}"


def test_what_a_table_of_rates_is_refused_for_is_known_to_the_console() -> None:
    known = [each.value for each in sentences(FOLDER / "rate_files.py", "Refused") if isinstance(each, ast.Constant)]
    assert len(known) > 8
    for sentence in known:
        assert sentence in said.SENTENCES or str(sentence).startswith(FILES), sentence


@pytest.mark.parametrize("path", PEOPLE, ids=lambda path: path.stem)
def test_every_refusal_of_people_settings_and_imports_is_known_to_the_console(path: Path) -> None:
    found = 0
    for sentence in sentences(path, *RAISED):
        if isinstance(sentence, ast.Attribute | ast.Name):
            continue  # passed on from where it was made
        assert isinstance(sentence, ast.Constant), f"{path.name}: {ast.unparse(sentence)} has its values in it"
        if isinstance(sentence.value, int):
            continue  # a page that is not there or not for them: the status has words of its own
        assert sentence.value in (*pages.SENTENCES, *said.SENTENCES), f"{path.name}: {sentence.value!r}"
        found += 1
    assert found


def test_what_a_setting_may_be_is_known_to_the_console() -> None:
    source = (FOLDER / "setting_values.py").read_text("utf-8")
    shapes = re.findall(r'"(%\(name\)s [^"]+)"', source)
    assert len(shapes) > 10
    assert set(shapes) <= set(pages.SENTENCES)
    assert {each.unit for each in DECLARED if each.unit} <= set(pages.UNITS)
    assert set(settings_query.groups()) <= set(WORDS["settings"])


@pytest.mark.parametrize(
    "path",
    [*sorted((FOLDER / "notices").glob("*.py")), *sorted(CONSOLE.glob("notice*.py"))],
    ids=lambda path: path.stem,
)
def test_every_reason_against_a_notice_has_words(path: Path) -> None:
    for why in sentences(path, "Refused"):
        assert isinstance(why, ast.Constant)
        assert why.value in PROBLEMS or why.value == "unknown", why.value


@pytest.mark.parametrize("sentence", [*pages.SENTENCES, *said.SENTENCES, *said.STATES, *PROBLEMS.values()])
def test_every_refusal_is_chinese_on_a_chinese_page(sentence: str) -> None:
    spoken = Reader().gettext(sentence)
    if sentence == "%(error)s":  # the operating system's own words
        return
    assert re.search(r"[\u4e00-\u9fff]", spoken) or not re.search(r"[a-z]{3}", re.sub(r"%\(\w+\)s", "", spoken)), spoken


@pytest.mark.parametrize(
    ("refused", "spoken"),
    [
        (Refusal("this money is %(state)s already", state="returned"), "这笔钱已退，不能再处理"),
        (
            Refusal("%(role)s and %(other)s must be two people", role="treasurer", other="auditor"),
            "会计与审计不能由同一人担任",
        ),
        (
            Refusal("%(name)s is %(least)s to %(most)s %(unit)s", name="retention.texts", least=7, most=9, unit="days"),
            "retention.texts 须在 7 到 9 天之间",
        ),
        (
            Refusal("%(where)s: %(problem)s", where="texts.zh.a.b", problem=Refusal("the file is empty")),
            "texts.zh.a.b：文件是空的",
        ),
    ],
)
def test_values_that_are_our_words_are_said_in_words(refused: Refusal, spoken: str) -> None:
    assert pages.refusal(Reader(), refused) == spoken  # type: ignore[arg-type]  # what it needs of a visit


def test_a_refusal_is_kept_until_somebody_reads_it() -> None:
    refused = Refusal("there is no column %(name)s", name="phone")
    assert str(refused) == str(refusals.unpacked(refusals.packed(refused))) == "there is no column phone"
    assert pages.kept(Reader(), refusals.packed(refused)) == "没有 phone 列"  # type: ignore[arg-type]  # as above
    assert pages.kept(Reader(), "the file is empty") == "文件是空的"  # type: ignore[arg-type]  # as it was kept before
