"""Rules that read the texts of wallets: tried on their samples before they are believed, and never for long."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.load import ConfigError
from config.load import load as load_configuration
from config.receipt_rules import LONGEST, SHIPPED, Kind, Unreadable, load, minor, plain

RULES, PROBLEMS = load()
TEXT = (
    "TJF987E58C Confirmed.You have received Ksh{amount} from Person 3 0712000003 on 15/10/24 at 12:16 PM  "
    "New M-PESA balance is Ksh{balance}."
)
TWIN = """
[twin]
kind = "sent"
language = "en"
version = "1"
regex = '(?P<code>[A-Z0-9]+) .* Ksh(?P<amount>[0-9.]+) from .* balance is Ksh(?P<balance>[0-9.]+)\\.'
[[twin.samples]]
text = "TJF987E58D Confirmed. You have Ksh1.00 from P balance is Ksh1.00."
code = "TJF987E58D"
amount = 100
balance = 100
"""
KENYA = '[organisation]\nname = "Kisumu"\ncountry = "KE"\ncurrency = "KES"\nlanguage = "en"\n'


def test_the_shipped_rules_read_their_samples() -> None:
    assert not PROBLEMS
    assert {"mpesa", "airtel-ke", "airtel-cd"} <= RULES.providers


def test_each_kind_of_text_is_read() -> None:
    told = RULES.read("mpesa", TEXT.format(amount="300.00", balance="123.12"))
    assert told is not None
    assert (told.rule, told.kind, told.code) == ("mpesa.received-2024", Kind.RECEIVED, "TJF987E58C")
    assert (told.amount, told.balance, told.before) == (30000, 12312, -17688)
    assert told.payer == "+254712000003"
    assert told.at == datetime(2024, 10, 15, 9, 16, tzinfo=UTC)
    reversal = RULES.read(
        "mpesa",
        "TI27ZWJC3B  confirmed. Reversal of transaction TI26ZVL0L8 has been successfully reversed  on 2/9/25  at "
        "8:31 AM and Ksh100.00 is debited from your M-PESA account. New M-PESA account balance is Ksh1,758.00.",
    )
    assert reversal is not None
    assert (reversal.kind, reversal.reversed, reversal.before) == (Kind.REVERSAL, "TI26ZVL0L8", 185800)


@pytest.mark.parametrize(
    "text",
    [
        "You have won Ksh1,000,000! Call 0712000003",
        "Look: " + TEXT.format(amount="300.00", balance="123.12"),
        TEXT.format(amount="300.005", balance="123.12"),
        TEXT.format(amount="300.00", balance="123.12").replace("15/10/24", "35/10/24"),
        "x" * (LONGEST + 1),
        "",
    ],
)
def test_what_no_rule_reads_is_nothing(text: str) -> None:
    assert RULES.read("mpesa", text) is None


def test_another_wallet_s_text_is_nothing() -> None:
    assert RULES.read("airtel-ke", TEXT.format(amount="300.00", balance="123.12")) is None


@given(amount=st.integers(1, 10**9), before=st.integers(0, 10**9), odd=st.sampled_from([" ", "\n", "\r\n", "  ", "\t"]))
def test_amount_and_balance_are_read_back(amount: int, before: int, odd: str) -> None:
    def shown(value: int) -> str:
        return f"{value // 100:,}.{value % 100:02d}"

    text = TEXT.format(amount=shown(amount), balance=shown(before + amount)).replace(" ", odd)
    told = RULES.read("mpesa", text)
    assert told is not None
    assert (told.amount, told.before) == (amount, before)


@settings(max_examples=300)
@given(
    base=st.sampled_from([TEXT.format(amount="300.00", balance="123.12"), "Trans. ID: 1402 You have received 1Ksh"]),
    piece=st.text(alphabet="0123456789,. KshAZ\n", max_size=30),
    at=st.integers(0, 150),
    times=st.integers(1, 40),
)
def test_no_text_is_looked_at_for_long(base: str, piece: str, at: int, times: int) -> None:
    """Whatever is put into it: one rule may take its 20 ms, and hardly any does."""
    text = base[:at] + piece * times + base[at:]
    start = time.process_time()
    for provider in RULES.providers:
        told = RULES.read(provider, text)
        assert told is None or told.amount >= 0
    assert time.process_time() - start < 0.02 * len(RULES.rules) + 0.1


@pytest.mark.parametrize(
    ("text", "currency", "value"),
    [("2,500.00", "KES", 250000), ("1235", "KES", 123500), ("1000.0000", "CDF", 100000), ("500", "UGX", 500)],
)
def test_amounts(text: str, currency: str, value: int) -> None:
    assert minor(text, currency) == value


@pytest.mark.parametrize("text", ["", "1.005", "-5", "1e3", "٣", "1234567890123", ".5x"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(Unreadable):
        minor(text, "KES")


def test_blanks_do_not_matter() -> None:
    assert plain(" a\r\n b\t c ") == "a b c"


# --- bad rules ------------------------------------------------------------------------------------------------


@pytest.fixture
def spoilt(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """What is told of the shipped M-Pesa rules after one change."""

    def change(old: str, new: str) -> list[str]:
        text = (SHIPPED / "mpesa.toml").read_text("utf-8")
        assert old in text
        path = tmp_path / "mpesa.toml"
        path.write_text(text.replace(old, new, 1), "utf-8")
        _, problems = load(tmp_path)
        return [str(problem).removeprefix(f"{path}: ") for problem in problems]

    return change


def test_a_rule_that_reads_its_sample_wrongly_is_told(spoilt: Callable[[str, str], list[str]]) -> None:
    assert spoilt("amount = 250000", "amount = 250001") == [
        "[received]: samples: sample 1: amount is read as 250000, not 250001"
    ]


def test_a_rule_that_does_not_read_its_sample_is_told(spoilt: Callable[[str, str], list[str]]) -> None:
    assert spoilt('text = "TJF987E58C Confirmed.', 'text = "TJF987E58C Bestaetigt.') == [
        "[received-2024]: samples: sample 1: the rule does not read it"
    ]


def test_a_rule_without_samples_is_told(spoilt: Callable[[str, str], list[str]]) -> None:
    told = spoilt("[[reversal.samples]]", "[[sent.samples]]")
    assert any(line.startswith("[reversal]: samples: is missing") for line in told)


def test_a_rule_that_takes_for_ever_is_told(spoilt: Callable[[str, str], list[str]]) -> None:
    told = spoilt(r"(?P<account>.{1,40}?)", r"(?P<account>(?:(?:[^!]|.)+)+)")
    assert any("takes more than 50 ms" in line for line in told)


def test_two_rules_that_read_the_same_differently_are_told(spoilt: Callable[[str, str], list[str]]) -> None:
    twin = TWIN + "\n[reversal]\n"
    told = spoilt("[reversal]\n", twin)
    assert any("[twin] reads it too, as sent" in line for line in told)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(?P<balance>", "(?P<rest2>", "there is no group rest2"),
        ("(?P<code>[A-Z0-9]{8,12})", "([A-Z0-9]{8,12})", "has no group code"),
        ("(?P<code>[A-Z0-9]{8,12})", "(?P<code>[A-Z0-9]{8,12}", "is no regular expression"),
        ('day = "%d/%m/%y"\n', "", "day: is missing"),
        ('kind = "received"', 'kind = "recieved"', "did you mean received?"),
        ('currency = "KES"', 'currency = "KSH"', "no currency has the code"),
        ('time_zone = "Africa/Nairobi"', 'time_zone = "Africa/Nairobbi"', "did you mean Africa/Nairobi?"),
        ('senders = ["MPESA", "M-PESA"]', "senders = []", "names nobody"),
        ('code = "BI94HR849"\n', "", "says not what its code is"),
        ('version = "2014"', 'version = "2014"\nverzion = "1"', "did you mean version?"),
    ],
)
def test_every_mistake_is_told(old: str, new: str, says: str, spoilt: Callable[[str, str], list[str]]) -> None:
    assert any(says in line for line in spoilt(old, new))


# --- the configuration ----------------------------------------------------------------------------------------


def refused(tmp_path: Path, text: str) -> str:
    (tmp_path / "muster.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load_configuration(tmp_path / "muster.toml", environment={})
    return str(raised.value)


def test_a_wallet_on_a_modem(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text(
        KENYA + '[modem.till]\ndevice = "/dev/ttyUSB0"\nwallet = "mpesa"\nopening_balance = "1,250.00"\n', "utf-8"
    )
    modem = load_configuration(tmp_path / "muster.toml", environment={}).modem["till"]
    assert (modem.wallet, modem.opening_balance) == ("mpesa", 125000)


def test_a_wallet_that_cannot_be_read_or_counts_otherwise(tmp_path: Path) -> None:
    modem = '[modem.till]\ndevice = "/dev/ttyUSB0"\nwallet = "{}"\n'
    assert "no rules read the texts of 'mpeza'; there is airtel-cd" in refused(tmp_path, KENYA + modem.format("mpeza"))
    china = '[organisation]\nname = "Anhe"\n'
    assert "counts in KES, the organisation in CNY" in refused(tmp_path, china + modem.format("mpesa"))
    twice = modem.format("mpesa") + modem.format("mpesa").replace("till", "desk").replace("USB0", "USB1")
    assert "is that of [modem.till]; a wallet has one SIM" in refused(tmp_path, KENYA + twice)
    assert "is of no use without wallet" in refused(
        tmp_path, KENYA + '[modem.till]\ndevice = "/dev/ttyUSB0"\nopening_balance = "1.00"\n'
    )


def test_a_rule_of_one_s_own_that_fails_stops_the_start(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(SHIPPED / "mpesa.toml", own / "mpesa.toml")
    text = (own / "mpesa.toml").read_text("utf-8")
    (own / "mpesa.toml").write_text(text.replace("balance = 250900", "balance = 250901"), "utf-8")
    told = refused(tmp_path, KENYA + '[receipts]\nfolder = "own"\n')
    assert told == f"{own / 'mpesa.toml'}: [received]: samples: sample 1: balance is read as 250900, not 250901"
    assert "there is no folder" in refused(tmp_path, KENYA + '[receipts]\nfolder = "nowhere"\n')
