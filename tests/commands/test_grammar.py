"""What texts mean: the examples of SERVICES 7.2, each as it stands there, and any text at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.grammar import CODE, Confirmed, Missing, Problem, Silent, Understood, described, parse
from commands.registry import Clash, Command, Confirm, Registry
from commands.standard import registry as standard
from config.model import Organisation
from gateway.core.model import Ask
from tests.commands.services import _command, everything

ALL = everything()
OURS = standard(Organisation(name="Anhe"))
LATER = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def understood(text: str, registry: Registry = ALL, dialog: Ask | None = None) -> tuple[str, Mapping[str, Any]]:
    found = parse(text, registry, dialog=dialog)
    assert isinstance(found, Understood), found
    return found.command.code, dict(found.arguments)


def problem(text: str, registry: Registry = ALL, dialog: Ask | None = None) -> Problem:
    found = parse(text, registry, dialog=dialog)
    assert isinstance(found, Problem), found
    return found


def suggested(text: str, registry: Registry = ALL) -> str | None:
    found = problem(text, registry)
    assert found.error == "E01", found
    return None if found.command is None else found.command.code


@pytest.mark.parametrize(
    "text",
    [
        "投票1203AC",
        "33 1203 A C",
        "３３　１２０３　ａ，ｃ",
        "TP1203ac",
        "Vote 1203: A, C.",
        "33 1203 AC",
        "“投票 1203 A C”",
    ],
)
def test_a_vote_in_every_spelling(text: str) -> None:
    assert understood(text) == ("33", {"ballot": "1203", "choice": ["A", "C"]})


@pytest.mark.parametrize(
    ("text", "code", "arguments"),
    [
        ("投票", "31", {}),
        ("交费9块5", "12", {"amount": 950}),
        ("12#9.5", "12", {"amount": 950}),
        ("12 9", "12", {"amount": 900}),
        ("交费九元", "12", {"amount": 900}),
        ("交费", "12", {}),
        ("签到482913", "44", {"code": "482913"}),
        ("44 482913", "44", {"code": "482913"}),
        ("到482913", "44", {"code": "482913"}),
        ("【绑定】83720156", "81", {"invitation": "83720156"}),
        ("81 8372 0156", "81", {"invitation": "83720156"}),
        ("查医保", "53", {"words": "查医保"}),
        ("53 医保 报销", "53", {"words": "医保 报销"}),
        ("FIND health card", "53", {"words": "health card"}),
        ("问 水费怎么交？", "71", {"question": "水费怎么交？"}),
        ("ASK how do I pay", "71", {"question": "how do I pay"}),
        ("问题很多怎么办", "71", {"question": "问题很多怎么办"}),
        ("咨询：<b>水费</b>，1=1；怎么交?", "71", {"question": "<b>水费</b>，1=1；怎么交?"}),
        ("71#水费", "71", {"question": "水费"}),
        ("71 #5 路车", "71", {"question": "#5 路车"}),
        ("【咨询】水费（上月）", "71", {"question": "水费（上月）"}),
        ("进度600481733", "62", {"case": "600481733"}),
        ("撤D418", "kill", {"draft": "D418"}),
        ("KILL D418", "kill", {"draft": "D418"}),
        ("24 03", "24", {"topic": "03"}),
        ("64 600481733 4 路修得不错!", "64", {"case": "600481733", "stars": 4, "text": "路修得不错!"}),
        ("收4107 9块", "collect", {"member": "4107", "amount": 900}),
        ("雨日8/20", "rain", {"day": "08-20"}),
        ("雨日8-20", "rain", {"day": "08-20"}),
        ("雨日0820", "rain", {"day": "08-20"}),
        ("雨日8月20日", "rain", {"day": "08-20"}),
        ("94 20-9", "94", {"hours": "20-9"}),
        ("语言中文", "91", {"language": "zh"}),
        ("lang EN", "91", {"language": "en"}),
        ("0 投票", "0", {"command": "31"}),
        ("help 71", "0", {"command": "71"}),
        ("帮助我", "0", {}),
        ("？", "0", {}),
        ("?", "0", {}),
        ("1", "11", {}),
        ("１", "11", {}),
        ("1️⃣", "11", {}),
        ("\u200b会\u202e费\ufeff", "11", {}),
        ("ｄｕｅｓ", "11", {}),
        ("会费。", "11", {}),
        ("\t会费\r\n", "11", {}),
    ],
)
def test_commands(text: str, code: str, arguments: dict[str, Any]) -> None:
    assert understood(text) == (code, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "td",
        "退订",
        "T",
        "stop.",
        "STOP",
        "Stop. Thank you",
        "不要再发",
        "quit",
        "END",
        "  ＳＴＯＰ！！",
        "退订谢谢",
        "TDING",
        "stop!",
        "STOP ALL",
        "退 订",
    ],
)
@pytest.mark.parametrize("registry", [ALL, OURS], ids=["all", "ours"])
def test_stop_in_every_spelling(text: str, registry: Registry) -> None:
    assert understood(text, registry) == ("92", {})


def test_stop_by_topic() -> None:
    assert understood("退订03") == ("92", {"topic": "03"})
    assert understood("td 03", OURS) == ("92", {"topic": "03"})


@pytest.mark.parametrize(
    "text",
    [
        "请不要再发了",
        "到了吗",
        "回家路上",
        "收不到短信",
        "转个话",
        "结婚要什么手续",
        "我今天去投票了",
        "TPX",
        "129",
        "I will STOP by",
    ],
)
def test_no_false_hits(text: str) -> None:
    assert suggested(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("voet 1203", "33"),
        ("voet", "31"),
        ("投标1203A", "33"),
        ("投標1203A", "33"),
        ("會費", "11"),
        ("huifei", "11"),
        ("DUSE", "11"),
        ("balanc", "11"),
        ("STOP sending me this", "92"),
        ("会费怎么交", "11"),
    ],
)
def test_slips_are_questions_only(text: str, code: str) -> None:
    assert suggested(text) == code


def test_cancel_with_nothing_to_cancel_may_mean_stop() -> None:
    assert suggested("CANCEL", OURS) == "92"
    assert understood("CANCEL") == ("65", {})


def test_a_suggestion_keeps_what_it_can_run() -> None:
    found = problem("交废 9")
    assert (found.command and found.command.code, found.word, dict(found.arguments)) == ("12", "交费", {"amount": 900})


def test_a_sealed_suggestion_keeps_nothing() -> None:
    found = problem("voet 1203 A C")
    assert found.withhold
    assert not found.arguments
    assert problem("BINDD 83720156", OURS).withhold


@pytest.mark.parametrize(
    ("text", "withheld"),
    [
        ("8372", True),
        ("83720156", True),
        ("8372 0156", True),
        ("837", False),
        ("837201567", False),
        ("abc 123456789012", True),
        ("abc 1234 5678 9012", True),
        ("hello there", False),
    ],
)
def test_what_may_be_a_secret_is_withheld(text: str, withheld: bool) -> None:
    assert problem(text, OURS).withhold is withheld


@pytest.mark.parametrize("text", ["👍", "🙏🙏🏽", ".", "。", "!!", "", "   ", "…", "\u200b", "#"])
def test_silence(text: str) -> None:
    assert isinstance(parse(text, OURS), Silent)


@pytest.mark.parametrize(
    "text", ["12 9.555", "12 -9", "12 5001", "12 0", "交费0.001", "15 4107 abc", "交费五千零一", "12 " + "9" * 40]
)
def test_bad_amounts(text: str) -> None:
    assert problem(text).error == "E11"


@pytest.mark.parametrize(
    "text",
    [
        "33 12",
        "33 1203 A1",
        "44 12345",
        "44 1234567",
        "BIND abc",
        "91 xx",
        "雨日13/20",
        "雨日2/30",
        "94 20",
        "KILL 418",
    ],
)
def test_what_does_not_fit_gets_an_example(text: str) -> None:
    assert problem(text).error == "E03"


def test_too_much_text() -> None:
    assert problem("71 " + "很" * 301).error == "E10"
    assert understood("71 " + "很" * 300)[0] == "71"


def test_what_is_missing_is_asked_for() -> None:
    for text, parameter in (("71", "question"), ("绑定", "invitation"), ("33 1203", "choice"), ("7", "question")):
        found = parse(text, ALL)
        assert isinstance(found, Missing)
        assert found.parameter.name == parameter


def test_the_echo_is_short_and_without_digits() -> None:
    for text in ("abcdefghij 123", "a1234567890", "没看懂的词语很长", "12345678901", "<script>alert(1)</script>"):
        heard = problem(text, OURS).heard
        assert len(heard) <= 6
        assert not any(char.isdigit() for char in heard)
    assert problem("<script>", OURS).heard == "script"


# --- dialogues --------------------------------------------------------------------------------------------------------

PAY = Ask(expires=LATER, choices={"1": ("17", {}), "A": ("13", {}), "Y": ("21", {}), "M": ("26", {})})
QUESTION = Ask(expires=LATER, command="71", parameter="question")
INVITATION = Ask(expires=LATER, command="81", parameter="invitation")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1", "17"),
        ("１。", "17"),
        ("a", "13"),
        ("是", "21"),
        ("属实", "21"),
        ("yes", "21"),
        ("m", "26"),
        ("2", "21"),  # no answer: the menu's
        ("11", "11"),  # a two-digit code wins
        ("0", "0"),
        ("HELP", "0"),
        ("帮助", "0"),
        ("STOP", "92"),
        ("END", "92"),
        ("会费", "11"),
    ],
)
def test_an_open_choice(text: str, code: str) -> None:
    assert understood(text, dialog=PAY)[0] == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("水费怎么交？", ("71", {"question": "水费怎么交？"})),
        ("会费怎么交", ("71", {"question": "会费怎么交"})),
        ("11月的会费怎么交", ("71", {"question": "11月的会费怎么交"})),
        ("查一下我的会费", ("71", {"question": "查一下我的会费"})),
        ("会费", ("11", {})),
        ("71 水费", ("71", {"question": "水费"})),
        ("问 水费", ("71", {"question": "水费"})),
        ("LANG en", ("91", {"language": "en"})),
        ("1", ("11", {})),
        ("退订", ("92", {})),
        ("0", ("0", {})),
    ],
)
def test_an_open_question(text: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert understood(text, dialog=QUESTION) == expected


def test_an_open_parameter() -> None:
    assert understood("8372 0156", dialog=INVITATION) == ("81", {"invitation": "83720156"})
    again = problem("8372", dialog=INVITATION)
    assert (again.error, again.keep, again.withhold) == ("E03", True, True)
    more = Ask(expires=LATER, command="33", parameter="choice", arguments={"ballot": "1203"})
    assert understood("a c", dialog=more) == ("33", {"ballot": "1203", "choice": ["A", "C"]})


def test_codes_confirm_with_and_without_a_dialogue() -> None:
    assert parse("Y 5830", ALL) == Confirmed(yes=True, code="5830")
    assert parse("是5830", ALL) == Confirmed(yes=True, code="5830")
    assert parse("Yes 5830. Thank you!", ALL) == Confirmed(yes=True, code="5830")
    assert parse("n 5830", ALL, dialog=PAY) == Confirmed(yes=False, code="5830")
    waiting = Ask(expires=LATER, command="81", parameter=CODE)
    assert parse("属实 5830", OURS, dialog=waiting) == Confirmed(yes=True, code="5830")
    for no_code in ("Y 583", "Y 5830123", "YES NO 5830"):
        assert not isinstance(parse(no_code, ALL), Confirmed)
    for text in ("Y", "5830"):
        half = problem(text, OURS, dialog=waiting)
        assert (half.error, half.word, half.keep, half.withhold) == ("E03", CODE, True, True)


def test_a_dialogue_of_a_command_that_is_gone_is_none() -> None:
    gone = Ask(expires=LATER, choices={"1": ("99", {})}, command="99", parameter="x")
    assert understood("1", dialog=gone)[0] == "11"
    assert problem("blah", dialog=gone).error == "E01"


def test_the_language_is_the_words() -> None:
    for text, language in (("DUES", "en"), ("会费", "zh"), ("HF", "zh"), ("11", None)):
        found = parse(text, ALL)
        assert isinstance(found, Understood)
        assert found.language == language
    assert parse("11", ALL, language="en").language == "en"  # type: ignore[union-attr]  # it is understood, as above


# --- any text ---------------------------------------------------------------------------------------------------------

WORDS = [*ALL.words, *ALL.stops]
TEXTS = st.one_of(
    st.text(alphabet=st.characters(), max_size=80),
    st.lists(
        st.one_of(
            st.sampled_from(WORDS), st.text(max_size=6), st.sampled_from(["1203", "9.5", "A", " ", "Y", "，", "D418"])
        ),
        max_size=5,
    ).map("".join),
)
DIALOGS = st.sampled_from([None, PAY, QUESTION, INVITATION, Ask(expires=LATER, command="81", parameter=CODE)])


@given(text=TEXTS, dialog=DIALOGS)
def test_any_text_means_one_thing(text: str, dialog: Ask | None) -> None:
    for registry in (ALL, OURS):
        found = parse(text, registry, dialog=dialog)
        assert found == parse(text, registry, dialog=dialog)
        assert described(found)
        if isinstance(found, Problem):
            assert len(found.heard) <= 6


@given(word=st.sampled_from(sorted(ALL.stops)), blanks=st.text(alphabet=" \t。.!，\u200b", max_size=4), dialog=DIALOGS)
def test_stop_always_works(word: str, blanks: str, dialog: Ask | None) -> None:
    assert understood(blanks + word.swapcase() + blanks, dialog=dialog) == ("92", {})


def test_lone_surrogates_and_long_texts() -> None:
    assert isinstance(parse("\ud800会费", OURS), Problem)
    assert isinstance(parse("\x00", OURS), Silent)
    assert problem("a" * 64_000, OURS).error == "E01"
    assert problem("'; DROP TABLE member; --", OURS).error == "E01"
    assert problem("9" * 64_000, OURS).withhold


# --- declarations -----------------------------------------------------------------------------------------------------


def test_clashes_are_refused() -> None:
    with pytest.raises(Clash, match="VOTE"):
        Registry([_command("31", "投票", "VOTE", ""), _command("35", "选举", "VOTE", "")])
    with pytest.raises(Clash, match="T"):
        Registry([_command("92", "退订", "STOP", "T", whole=True), _command("35", "天气", "T", "")])


def test_every_word_leads_to_its_command() -> None:
    for registry in (ALL, OURS):
        for command in registry:
            for word in [word for words in command.words.values() for word in words]:
                found = parse(word, registry)
                assert isinstance(found, Understood | Missing), word
                assert _named(found.command, word, registry) is command or len(_commands(word, registry)) > 1


def _commands(word: str, registry: Registry) -> tuple[Command, ...]:
    return (registry.words.get(word) or registry.stops[word]).commands


def _named(found: Command, word: str, registry: Registry) -> Command:
    assert found in _commands(word, registry)
    return found


def test_confirmed_commands_have_a_question() -> None:
    for command in OURS:
        assert (command.question is not None) == (command.confirm is Confirm.CODE)
