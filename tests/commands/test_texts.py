"""What members read: in one segment, of nothing that is not there, and in figures they know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import combinations
from typing import Any

import pytest

from commands import shown
from commands.lint import may_be_named, named, problems
from commands.office import SEGMENT, SIGNATURE
from commands.standard import ALWAYS
from commands.texts import Named, TextProblem, Texts
from gateway.core.model import Coding, Member
from gateway.core.text import units
from tests.commands.people import TEXTS, a_member, an_office

OFFICE = an_office()
OPTIONAL = sorted(command.code for command in OFFICE.registry if command.code not in ALWAYS)
SUBSETS = [set(off) for count in range(3) for off in combinations(OPTIONAL, count)] + [set(OPTIONAL)]


def test_the_texts_that_come_along_are_right() -> None:
    assert problems(TEXTS, OFFICE.registry) == []


def _with(table: str, key: str, text: str) -> Texts:
    made: dict[str, Mapping[str, Any]] = {
        language: {table: {key: text}, "widest": TEXTS.widest[language]} for language in ("zh",)
    }
    return Texts(made)


@pytest.mark.parametrize(
    ("table", "text", "wrong"),
    [
        ("errors", "很" * 64, "64 units with its widest values, 63 fit"),
        ("errors", "a" * 145, "145 units with its widest values, 144 fit"),
        ("errors", "很" * 57 + "{code}{code}", "65 units"),
        ("errors", "{nonsense}", "no widest value is declared for nonsense"),
        ("dues", "欠会费。交费回12", "names 12"),
        ("dues", "欠会费[12|。交费回12]", None),
        ("dues", "欠会费[12|。交费回13]", "names 13"),
        ("dues", "改设置回9", "names 9"),
        ("dues", "send VOTE", "names VOTE"),
        ("dues", "再回11或DUES，菜单回0，退订回[92|TD]", None),
        ("bind", "如81 83720156，共8位，15分钟内，24小时", None),
    ],
)
def test_the_lint_finds(table: str, text: str, wrong: str | None) -> None:
    found = problems(_with(table, "x", text), OFFICE.registry)
    if wrong is None:
        assert found == []
    else:
        assert any(wrong in problem for problem in found), found


@pytest.mark.parametrize("source", ["[71 text]", "[71|text", "{", "{not a name}", "[|x]"])
def test_a_text_that_cannot_be_read_says_where(source: str) -> None:
    with pytest.raises(TextProblem, match=r"zh: errors\.x"):
        _with("errors", "x", source)


def test_languages_say_the_same() -> None:
    with pytest.raises(TextProblem, match=r"en: a\.two: is missing"):
        Texts({"zh": {"a": {"one": "x", "two": "y"}}, "en": {"a": {"one": "x"}}})
    with pytest.raises(TextProblem, match=r"en: a\.one: has other values"):
        Texts({"zh": {"a": {"one": "{x}"}}, "en": {"a": {"one": "{y}"}}})


@pytest.mark.parametrize("off", SUBSETS, ids=lambda off: "-".join(sorted(off)) or "none")
@pytest.mark.parametrize("member", [None, a_member()], ids=["stranger", "member"])
def test_no_text_names_a_command_that_is_not_there(off: set[str], member: Member | None) -> None:
    office = an_office(off=off, ussd_code="", hotline="")
    allowed = frozenset().union(*(may_be_named(each) for each in office.registry if each.allows(member)))
    tables = {command.name: command for command in OFFICE.registry}
    for language in TEXTS.languages:
        for key in TEXTS.keys(language):
            own = tables.get(key.partition(".")[0])
            if own is not None and own.code in off:
                continue  # its own texts are only said where it is
            values = dict.fromkeys(TEXTS.template(key, language).values - {"hotline", "ussd"}, "")
            text = office.say(key, language, member, **values)
            speaks_of = may_be_named(own) if own is not None else frozenset()
            assert named(text) <= allowed | speaks_of, key
        assert named(office.services(language, member)) <= allowed | {code for code in allowed if code.isdecimal()}


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_widest_signature_leaves_room(language: str) -> None:
    signature = {"zh": "【安河县组织】", "en": "[Anhe] "}[language]
    coding, count = units(signature)
    assert count <= SIGNATURE[coding]
    assert SEGMENT[coding] == {Coding.UCS2: 70, Coding.GSM7: 160}[coding]


def test_a_name_in_english_is_as_it_sounds_or_its_code() -> None:
    branch = Named("安河村支部", "530102017")
    values: dict[str, Any] = {"branch": branch, "tail": "4107", "code": "2281"}
    assert "安河村支部" in TEXTS("bind.check", "zh", **values)
    english = TEXTS("bind.check", "en", **values)
    assert "An He Cun Zhi Bu" in english
    assert units(english)[0] is Coding.GSM7
    for name, spelled in (("Riverside", True), ("ሐበሻ", True), ("安河村支部", False)):
        text = TEXTS("bind.check", "en", **values | {"branch": Named(name, "530102017", spelled)})
        assert ("530102017" in text) == (name != "Riverside")


def test_a_long_name_is_cut() -> None:
    text = TEXTS("bind.done", "zh", branch=Named("很" * 50, "1"), tail="4107")
    assert OFFICE.fits(text)
    assert "很.." in text


@pytest.mark.parametrize(
    ("minor", "currency", "language", "text"),
    [
        (900, "CNY", "zh", "9.00元"),
        (900, "CNY", "en", "9.00 CNY"),
        (5, "CNY", "zh", "0.05元"),
        (900, "UGX", "en", "900 UGX"),
        (900, "KES", "zh", "9.00 KES"),
        (-100, "CNY", "zh", "-1.00元"),
    ],
)
def test_money(minor: int, currency: str, language: str, text: str) -> None:
    assert shown.money(minor, currency, language) == text


def test_months_and_times() -> None:
    assert shown.month(202608, "zh", 202608) == "8月"
    assert shown.month(202512, "zh", 202608) == "2025年12月"
    assert shown.month(202608, "en", 202608) == "2026-08"
    at = datetime(2026, 8, 20, 19, 30)  # noqa: DTZ001  # a clock on the wall
    assert shown.moment(at, "zh") == "8/20 19:30"
    assert shown.moment(at, "en") == "08-20 19:30"
