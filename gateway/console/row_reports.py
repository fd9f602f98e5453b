"""What became of the rows of a file, as sentences: on pages, in the files staff take away, on the command line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TextIO

from gateway.affairs.sheets import private_file
from gateway.console.language import N_, Languages
from gateway.console.templates import FOLDER
from gateway.console.words import WORDS

Gettext = Callable[[str], str]
Words = Mapping[str, str]
EXPLANATION = N_("explanation")
IMPORTED, ASSESSED, STATED = WORDS["row"], WORDS["outcome"], WORDS["statement"]  # what outcomes are called
# A test finds every code of an affair that is not here. A number may stand behind a code, with a space between.
REASONS = {
    "unreadable": N_("the row cannot be read as cells; a quotation mark in it is not closed"),
    "too_many_cells": N_("more cells than columns; put a cell that holds the separator in quotation marks"),
    "damaged": N_("characters are damaged; save the file again as UTF-8, or choose its encoding"),
    "code:missing": N_("the code of the branch is missing"),
    "code:unreadable": N_("the code of a branch is 1 to 20 letters of the alphabet, digits or hyphens"),
    "code:earlier_in_file": N_("this code stands further up in the file already"),
    "parent_code:unknown": N_("there is no branch with the code of the one above; bring that one in too"),
    "parent_code:cycle": N_("the branch would stand below itself; correct the code of the one above"),
    "parent_code:too_deep": N_("the branch would stand more than 16 levels down"),
    "name:missing": N_("the name is missing"),
    "name:too_long": N_("the name is longer than 60 characters"),
    "member_no:missing": N_("the member number is missing"),
    "member_no:mangled": N_(
        "a spreadsheet made a power of ten (1.01E+05) of the member number; format the column as text and save again"
    ),
    "member_no:unreadable": N_("a member number is 1 to 32 letters, digits, dots, hyphens, slashes or underscores"),
    "member_no:earlier_in_file": N_("this member number stands further up in the file already"),
    "member_no:unknown": N_("the register has no such member"),
    "branch_code:missing": N_("the code of the branch is missing"),
    "branch_code:unknown": N_("there is no branch with this code; import the branches first"),
    "language:unknown": N_("the language is zh or en, or left empty"),
    "dues_class:unreadable": N_("the dues class is longer than 60 characters or holds what cannot be printed"),
    "monthly_amount:missing": N_("the monthly amount is missing; write 0 for who pays nothing"),
    "monthly_amount:unreadable": N_("the monthly amount is no amount; write it as 3 or 3.50"),
    "monthly_amount:too_precise": N_("the monthly amount has more decimals than the currency"),
    "joined:unreadable": N_("the day of joining cannot be read and was left out; write it as 2026-09-30"),
    "paid_to:unreadable": N_("the month paid to cannot be read; write it as 2026-09"),
    "paid_to:out_of_range": N_("the month paid to is more than five years away"),
    "phone:missing": N_("the phone number is missing"),
    "phone:mangled": N_(
        "phone not linked: a spreadsheet made a power of ten (1.38E+10) of it; format the column as text and save again"
    ),
    "phone:impossible": N_("phone not linked: there can be no such number; digits may be missing"),
    "phone:landline": N_("phone not linked: this is a landline, which gets no SMS"),
    "phone:not_mobile": N_("phone not linked: this is no mobile number"),
    "phone:earlier_in_file": N_("phone not linked: it stands further up in the file for somebody else"),
    "phone:said_wrong_number": N_("phone not linked: its owner has said that it is not this member's; ask the member"),
    "phone:has_another": N_("phone not linked: the member has another one; change it on the member's page"),
    "phone:bound_to_another": N_("phone not linked: it is another member's; unlink it there first if that is wrong"),
    "class:missing": N_("the dues class is missing"),
    "class:unknown": N_("the table of rates has no such class"),
    "base:missing": N_("this class is assessed by its base (income), which is missing"),
    "base:not_wanted": N_("this class has no base (income); give an amount, or neither"),
    "base:too_large": N_("the base (income) is beyond the table of rates"),
    "base:too_precise": N_("the base (income) has more decimals than the currency"),
    "base:unreadable": N_("the base (income) is no amount; write it as 3000 or 3000.50"),
    "amount:missing": N_("this class has no amount of its own; give one"),
    "amount:too_small": N_("the amount is smaller than the class allows"),
    "amount:too_large": N_("the amount is larger than the class allows"),
    "amount:too_precise": N_("the amount has more decimals than the currency"),
    "amount:unreadable": N_("the amount is no amount; write it as 3 or 3.50"),
    "amount:and_base": N_("both a base and an amount are given; give one of them"),
    "from:unreadable": N_("the day from which it counts cannot be read; write it as 2026-09-30"),
    "from:other_year": N_("the day from which it counts is not in the year that is assessed"),
    "approval:needed": N_("proposed: it counts once the level above has agreed"),
    "date": N_("the day cannot be read; say in the profile how the bank writes days"),
    "currency": N_("the line is in another currency than the books"),
    "amount": N_("the amount cannot be read; say in the profile how the bank writes amounts"),
    "amount:decimals": N_("the amount has more decimals than the currency"),
    "amount:nothing": N_("the line moves no money"),
    "receipt": N_("a member's dues, receipt %(number)s"),
    "remittance": N_("what a treasurer has handed on, number %(number)s"),
    "vouchers": N_("a branch has paid for vouchers of batch %(number)s"),
    "wallet": N_("money of a wallet on its way to the bank; finance says which"),
}


def reader(languages: Languages, language: str) -> Gettext:
    """What a reader of `language` reads with."""

    def gettext(message: str) -> str:
        return languages.gettext(language, message)

    return gettext


def console_reader(language: str) -> Gettext:
    """The same from the console's own catalogs, for the command line."""
    return reader(Languages([FOLDER / "translations"]), language)


def reason(gettext: Gettext, code: str) -> str:
    what, _, number = code.partition(" ")
    if what not in REASONS:
        return code
    return gettext(REASONS[what]) % {"number": number} if number else gettext(REASONS[what])


def explained(gettext: Gettext, words: Words, outcome: str, code: str) -> str:
    """What became of a row and why, as one sentence."""
    said = gettext(words[outcome])
    return gettext("%(outcome)s: %(reason)s") % {"outcome": said, "reason": reason(gettext, code)} if code else said


def explain_rows(rows: Iterable[Sequence[str]], target: TextIO, gettext: Gettext, words: Words) -> None:
    """Write a row report again, with a column in the reader's words beside that of the codes."""
    rows, writer = iter(rows), csv.writer(target, lineterminator="\n")
    writer.writerow([*next(rows, ()), gettext(EXPLANATION)])
    writer.writerows([*row, explained(gettext, words, *row[-2:])] for row in rows)


def explain_file(source: Path, target: IO[bytes], gettext: Gettext) -> None:
    """The report of an import as a file to take away."""
    text = io.TextIOWrapper(target, "utf-8-sig", newline="")
    with source.open(encoding="utf-8-sig", newline="") as file:
        explain_rows(csv.reader(file), text, gettext, IMPORTED)
    text.detach()  # written out; the file stays open


def explain_in_place(report: Path, gettext: Gettext, words: Words) -> None:
    whole = report.with_name(f"{report.name}.new")
    with report.open(encoding="utf-8-sig", newline="") as file, private_file(whole) as target:
        explain_rows(csv.reader(file), target, gettext, words)
    whole.replace(report)
