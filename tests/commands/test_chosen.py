"""What an organisation makes of the commands: refused when it cannot be, left out when it no longer can."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from commands import chosen, lint, standard
from commands.chosen import Chosen
from commands.office import Office
from config.model import Organisation
from gateway.affairs import settings
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from tests.affairs.people import NOW

ORGANISATION = Organisation(name="Anhe")


def of(**values: Any) -> Chosen:
    choice = Chosen()
    for name, value in values.items():
        choice = chosen.with_change(choice, name.replace("__", "."), value)
    return choice


def office(keys: Keys, ids: Ids, choice: Chosen) -> Office:
    return chosen.office(ORGANISATION, keys, ids, choice)


def test_nothing_chosen_is_what_is_shipped(keys: Keys, ids: Ids) -> None:
    made = office(keys, ids, Chosen())
    assert [command.code for command in made.registry] == [each.code for each in standard.registry(ORGANISATION)]
    assert lint.problems(made.texts, made.registry) == []


def test_a_command_is_switched_off(keys: Keys, ids: Ids) -> None:
    assert "81" not in office(keys, ids, of(commands__off=("81",))).registry


@pytest.mark.parametrize("code", sorted(standard.ALWAYS))
def test_help_stop_and_start_stay(code: str, keys: Keys, ids: Ids) -> None:
    assert "cannot be switched off" in str(chosen.problem(ORGANISATION, of(commands__off=(code,))))
    assert code in office(keys, ids, of(commands__off=(code,))).registry


def test_words_of_its_own(keys: Keys, ids: Ids) -> None:
    choice = of(words__zh__11=("党费",), words__en__11=("fees",))
    assert chosen.problem(ORGANISATION, choice) is None
    registry = office(keys, ids, choice).registry
    assert registry.words["党费"].commands[0].code == "11"
    assert registry.words["FEES"].commands[0].code == "11"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("commands__off", ("19",), "no command 19"),
        ("words__zh__19", ("什么",), "no command 19"),
        ("words__zh__11", ("咨询",), "咨询"),
        ("words__en__11", ("STOP",), "STOP"),
        ("words__en__11", ("F",), "two letters"),
        ("words__en__11", ("11A",), "two letters"),
        ("words__zh__11", ("属实",), "answers a question"),
        ("texts__zh__dues__clear", "{month}" + "很" * 70, "units"),
        ("texts__zh__dues__clear", "去33投票", "names 33"),
        ("texts__zh__dues__clear", "{secret}", "no value secret"),
        ("texts__zh__dues__clear", "{month", "written"),
        ("texts__zh__dues__unclear", "好", "no such text"),
    ],
)
def test_what_cannot_be_is_refused_and_left_out(name: str, value: Any, says: str, keys: Keys, ids: Ids) -> None:
    choice = of(**{name: value}, words__zh__81=("加入组织",))
    assert says in str(chosen.problem(ORGANISATION, choice))
    made = office(keys, ids, choice)  # as after an upgrade that took the word
    assert "加入组织" in made.registry.words
    assert lint.problems(made.texts, made.registry) == []


def test_a_word_of_a_command_that_is_off_is_a_clash_all_the_same() -> None:
    assert chosen.problem(ORGANISATION, of(commands__off=("71",), words__zh__11=("咨询",))) is not None


def test_a_text_in_place_of_ours(keys: Keys, ids: Ids) -> None:
    choice = of(texts__zh__dues__clear="会费交到{month}，多谢！[hotline|电话{hotline}]")
    assert chosen.problem(ORGANISATION, choice) is None
    said = office(keys, ids, choice).say("dues.clear", "zh", None, month="8月")
    assert said == "会费交到8月，多谢！"
    assert office(keys, ids, choice).say("dues.clear", "en", None, month="2026-08").startswith("Your dues")


def test_it_is_read_from_the_settings(conn: Connection, ids: Ids) -> None:
    for name, value in (
        ("commands.off", ("81",)),
        ("words.en.11", ("fees",)),
        ("texts.zh.dues.clear", "谢谢"),
        ("limits.same", 7),
    ):
        settings.change(conn, ids, name, value, actor="staff:li", now=NOW)
    choice = chosen.chosen(settings.snapshot(conn), NOW)
    assert choice == of(commands__off=("81",), words__en__11=("FEES",), texts__zh__dues__clear="谢谢")
    assert chosen.with_change(choice, "texts.zh.dues.clear", None).texts == {"zh": {}}
