"""Statements of banks: every way they write an amount, copies that overlap, and files that would harm their reader."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import statement_profiles
from config.statement_profiles import Profile
from gateway.affairs import statement_camt, statement_csv
from gateway.affairs.sheets import SheetProblem
from gateway.affairs.statement_lines import Line, Unreadable, amount, keys

PROFILE, PROBLEMS = statement_profiles.load()

HEAD = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
STATEMENT = "<Stmt><Id>1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>"
TAIL = "</Stmt></BkToCstmrStmt></Document>"
ONE = """<Ntry><Amt Ccy="EUR">9.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-11-23</Dt></BookgDt><ValDt><Dt>2026-11-24</Dt></ValDt><AcctSvcrRef>B1</AcctSvcrRef>
<NtryDtls><TxDtls><Refs><EndToEndId>E1</EndToEndId></Refs><Amt Ccy="EUR">9.00</Amt>
<RltdPties><Dbtr><Nm>Zhang</Nm></Dbtr></RltdPties>
<RmtInf><Ustrd>dues 4107</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"""
BATCH = """<Ntry><Amt Ccy="EUR">5.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><DtTm>2026-11-23T23:30:00+01:00</DtTm></BookgDt><AcctSvcrRef>B2</AcctSvcrRef><NtryDtls>
<TxDtls><Refs><AcctSvcrRef>B2a</AcctSvcrRef></Refs>
<AmtDtls><TxAmt><Amt Ccy="EUR">{0}</Amt></TxAmt></AmtDtls></TxDtls>
<TxDtls><Refs><AcctSvcrRef>B2b</AcctSvcrRef></Refs>
<AmtDtls><TxAmt><Amt Ccy="EUR">3.00</Amt></TxAmt></AmtDtls></TxDtls>
</NtryDtls></Ntry>"""
DEBIT = """<Ntry><Amt Ccy="EUR">4.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-11-23</Dt></BookgDt></Ntry>"""
ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<!DOCTYPE l [<!ENTITY l0 "lol">{ENTITIES}]><Document>&l9;</Document>'


def csv(tmp_path: Path, text: str, profile: Profile = PROFILE, encoding: str = "utf-8") -> list[Line]:
    path = tmp_path / "statement.csv"
    path.write_bytes(text.encode(encoding))
    return list(statement_csv.read(path, profile, "CNY", 2))


def camt(tmp_path: Path, *entries: str, iban: str | None = None, text: str | None = None) -> list[Line]:
    path = tmp_path / "statement.xml"
    path.write_text(text or HEAD + STATEMENT + "".join(entries) + TAIL, "utf-8")
    return list(statement_camt.read(path, "EUR", 2, iban))


# --- amounts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,250.00", ".", 125000),
        ("1.250,00", ",", 125000),
        ("-3", ".", -300),
        ("3.00-", ".", -300),
        ("(3.00)", ".", -300),
        ("−3.00", ".", -300),
        ("+5", ".", 500),
        ("¥12.5", ".", 1250),
        ("'12.50", ".", 1250),
        ("1 250.00", ".", 125000),
        ("９.00", ".", 900),
        (".5", ".", 50),
        ("12.3400", ".", 1234),
    ],
)
def test_amounts_as_banks_write_them(text: str, decimal: str, value: int) -> None:
    assert amount(text, decimal, 2) == value


@pytest.mark.parametrize("text", ["", "-", "x", "1.2.3", "1,25.00", "1.005", "=1+1", "1e9", "12345678901234", "1,2345"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(Unreadable):
        amount(text, ".", 2)


@given(st.integers(-(10**12), 10**12), st.sampled_from([".", ","]))
def test_an_amount_is_read_back(value: int, decimal: str) -> None:
    shown = f"{abs(value) // 100:,}.{abs(value) % 100:02d}"
    if decimal == ",":
        shown = shown.translate(str.maketrans(",.", ".,"))
    assert amount(("-" if value < 0 else "") + shown, decimal, 2) == value


# --- CSV ------------------------------------------------------------------------------------------------------

TWO = (
    '交易日期,交易流水号,交易金额,摘要,对方户名\n2026-11-23,A1,"1,250.00",会费 4107,张三\n2026-11-24,A2,-3.00,手续费,\n'
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_chinese_statement(tmp_path: Path, encoding: str) -> None:
    assert not PROBLEMS
    first, second = csv(tmp_path, TWO, encoding=encoding)
    assert (first.day, first.amount, first.reference) == (date(2026, 11, 23), 125000, "A1")
    assert (first.text, first.payer) == ("会费 4107", "张三")
    assert second.amount == -300


def test_credit_and_debit_columns_and_lines_before_the_titles(tmp_path: Path) -> None:
    path = tmp_path / "bank.toml"
    path.write_text(
        'date = "Day"\ndate_format = "%d.%m.%Y"\ncredit = "In"\ndebit = "Out"\ntext = "What"\ndecimal = ","\nskip = 2\n'
    )
    profile, problems = statement_profiles.load(path)
    assert not problems
    text = "Account;12\nOf;November\nDay;In;Out;What\n23.11.2026;1.250,00;;dues\n24.11.2026;;3,00;fee\n25.11.2026;;;\n"
    lines = csv(tmp_path, text, profile)
    assert [line.amount for line in lines] == [125000, -300, 0]
    assert [line.number for line in lines] == [4, 5, 6]
    assert lines[2].problem == "amount"


def test_what_is_wrong_with_a_row_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    text = "date,amount,currency,reference\n23.11.2026,1,CNY,a\n2026-11-23,1.001,CNY,b\n2026-11-23,1,USD,c\n"
    assert [line.problem for line in csv(tmp_path, text + "2026-11-23,1,CNY,d\n")] == [
        "date",
        "amount:decimals",
        "currency",
        None,
    ]


def test_a_formula_is_text(tmp_path: Path) -> None:
    lines = csv(tmp_path, 'date,amount,text,reference\n2026-11-23,1,"=HYPERLINK(""http://x"")","=""001"""\n')
    assert (lines[0].text, lines[0].reference) == ('=HYPERLINK("http://x")', "001")


def test_a_file_without_an_amount_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SheetProblem, match="no column with an amount"):
        csv(tmp_path, "date,reference\n2026-11-23,a\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('amount = "A"', "date: is missing"),
        ('date = "D"', "amount: is missing"),
        ('date = "D"\namount = "A"\ndecimel = ","', "did you mean decimal?"),
        ("date = ", "cannot be read"),
    ],
)
def test_a_bad_profile_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bank.toml"
    path.write_text(text)
    assert any(says in str(problem) for problem in statement_profiles.load(path)[1])


# --- the same line in two files -------------------------------------------------------------------------------


def line(number: int, reference: str = "", minor: int = 100, text: str = "") -> Line:
    return Line(number=number, day=date(2026, 11, 23), amount=minor, reference=reference, text=text)


lines = st.builds(
    line, st.just(0), st.sampled_from(["", "a", "b"]), st.sampled_from([100, 200, -100]), st.sampled_from(["", "x"])
)


@given(st.lists(lines, max_size=12))
def test_every_line_is_itself_and_a_copy_is_the_same(found: list[Line]) -> None:
    first = [key for key, _ in keys(found)]
    assert len(set(first)) == len(first)
    assert sorted(first) == sorted(key for key, _ in keys(found[::-1]))


@given(st.lists(lines, max_size=8), st.lists(lines, max_size=8))
def test_a_longer_statement_holds_the_lines_of_the_shorter(days: list[Line], more: list[Line]) -> None:
    assert {key for key, _ in keys(days)} <= {key for key, _ in keys(days + more)}


# --- camt.053 -------------------------------------------------------------------------------------------------


def test_a_camt_statement(tmp_path: Path) -> None:
    first, second = camt(tmp_path, ONE, DEBIT, iban="DE02 1203 0000 0000 2020 51")
    assert (first.day, first.amount, first.reference, first.end_to_end) == (date(2026, 11, 23), 900, "B1", "E1")
    assert (first.text, first.payer, first.problem) == ("dues 4107", "Zhang", None)
    assert (second.amount, second.reference) == (-400, "")


def test_a_prefix_in_the_names_makes_no_difference(tmp_path: Path) -> None:
    text = HEAD.replace("xmlns=", "xmlns:c=") + STATEMENT + ONE + TAIL
    prefixed = text.replace("</", "</c:").replace("<", "<c:").replace("<c:/c:", "</c:")
    assert camt(tmp_path, text=prefixed) == camt(tmp_path, ONE)


def test_the_payments_of_a_batch_are_lines_when_they_add_up(tmp_path: Path) -> None:
    assert [(found.amount, found.reference) for found in camt(tmp_path, BATCH.format("2.00"))] == [
        (200, "B2a"),
        (300, "B2b"),
    ]
    (whole,) = camt(tmp_path, BATCH.format("1.99"))
    assert whole.amount == 500
    assert whole.at is not None
    assert whole.at.isoformat() == "2026-11-23T22:30:00+00:00"


def test_what_is_only_announced_is_no_line(tmp_path: Path) -> None:
    assert camt(tmp_path, ONE.replace("<Cd>BOOK</Cd>", "<Cd>PDNG</Cd>")) == []


def test_another_currency_is_told(tmp_path: Path) -> None:
    assert [found.problem for found in camt(tmp_path, ONE.replace("EUR", "USD"))] == ["currency"]


def test_another_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SheetProblem, match="not of DE99"):
        camt(tmp_path, ONE, iban="DE99")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "has a document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><Document/>', "has a document type"),
        ('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><x/>', "has a document type"),
        ("<Document>", "is no XML"),
        ("date,amount\n", "is no XML"),
        ("<Document/>", "holds no statement"),
        (HEAD + STATEMENT.replace("Stmt", "Rpt") + ONE + TAIL.replace("</Stmt>", "</Rpt>"), "camt.052"),
    ],
)
def test_harmful_and_other_files_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SheetProblem, match=says):
        camt(tmp_path, text=text)
