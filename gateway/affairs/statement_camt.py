"""A bank's statement as camt.053 (ISO 20022): read by pycamt, behind a guard that lets no document type through.

A document type is how an XML file makes its reader expand a billion laughs or fetch what lies elsewhere, and no bank
needs one. pycamt reads amounts of details as they stand first, which may be those of another currency: where the
details of an entry do not add up to it, the entry counts as one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from gateway.affairs.sheets import SheetProblem
from gateway.affairs.statement_lines import Line, Unreadable, amount

MOST_OCTETS = 64 << 20
_LONGEST = 300


class _Forbidden(Exception):
    pass


def read(path: Path, currency: str, places: int, iban: str | None = None) -> Iterator[Line]:
    """Every booked line. With `iban` the statement must be that account's."""
    octets = _guarded(path)
    from pycamt.parser import Camt053ParseError, Camt053Parser

    parser = Camt053Parser(octets)
    parser.namespaces = {None: parser.tree.tag[1:].partition("}")[0]} if parser.tree.tag[:1] == "{" else {}
    try:
        found = parser.get_transactions()
        accounts = {info["IBAN"] for info in parser.get_statement_info()}
    except Camt053ParseError:
        raise SheetProblem(path, "this is no camt.053: it holds no statement") from None
    if iban is not None and accounts != {iban.replace(" ", "")}:
        raise SheetProblem(
            path, "this is the statement of %(found)s, not of %(iban)s", found=", ".join(map(str, accounts)), iban=iban
        )
    entries = [entry for statement in _all(parser.tree, "Stmt") for entry in _all(statement, "Ntry")]
    if found and not entries:
        raise SheetProblem(path, "this is a report of the day (camt.052); import the statement, camt.053")
    place = 0
    for number, entry in enumerate(entries, start=1):
        count = max(1, len(_all(entry, "TxDtls")))
        details, place = found[place : place + count], place + count
        yield from _lines(number, entry, details, currency, places)


def _lines(number: int, entry: Any, details: list[dict[str, Any]], currency: str, places: int) -> Iterator[Line]:
    try:
        if str(details[0].get("Status") or "BOOK") != "BOOK":
            return  # announced, not there yet
        if details[0].get("Currency") != currency:
            raise Unreadable("currency")
        total = amount(entry.findtext("{*}Amt") or "", ".", places)
        amounts = [_amount(detail, places) for detail in details]
        if (
            len(details) == 1
            or sum(amounts) != total
            or any(detail.get("CreditDebitIndicator") != details[0].get("CreditDebitIndicator") for detail in details)
        ):
            yield _line(number, {**details[0], "CreditDebitIndicator": entry.findtext("{*}CdtDbtInd")}, total)
            return
        references = [detail.findtext("{*}Refs/{*}AcctSvcrRef") for detail in _all(entry, "TxDtls")]
        for detail, part, own in zip(details, amounts, references, strict=True):
            yield _line(number, detail | ({"TransactionID": own} if own else {}), part)
    except Unreadable as error:
        yield Line(number=number, day=date.min, amount=0, problem=str(error))


def _line(number: int, said: dict[str, Any], minor: int) -> Line:
    debit = said.get("CreditDebitIndicator") == "DBIT"
    text = said.get("RemittanceInformationFull") or said.get("RemittanceInformation")
    structured = said.get("RemittanceInformation") if said.get("RemittanceInformationFull") else None
    texts = [text, structured if structured != text else None, said.get("AdditionalEntryInformation")]
    day, at = _moment(said.get("BookingDate") or said.get("ValueDate") or "")
    end_to_end = said.get("EndToEndId") or ""
    return Line(
        number=number,
        day=day,
        amount=-minor if debit else minor,
        reference=(said.get("TransactionID") or "")[:_LONGEST],
        end_to_end="" if end_to_end == "NOTPROVIDED" else end_to_end[:_LONGEST],
        text=" ".join(filter(None, texts))[:_LONGEST],
        payer=(said.get("CreditorName" if debit else "DebtorName") or "")[:_LONGEST],
        at=at,
    )


def _amount(detail: dict[str, Any], places: int) -> int:
    try:
        return amount(detail.get("Amount") or "", ".", places)
    except Unreadable:
        return -1  # adds up to nothing


def _moment(text: str) -> tuple[date, datetime | None]:
    """A day of the bank's, and the moment when it gives one."""
    try:
        if "T" not in text:
            return date.fromisoformat(text[:10]), None
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("date") from None
    return at.date(), at.astimezone(UTC) if at.tzinfo is not None else None


def _all(element: Any, name: str) -> list[Any]:
    return list(element.iter(f"{{*}}{name}"))


def _guarded(path: Path) -> bytes:
    """The file, if it is well-formed XML without a document type."""
    try:
        if path.stat().st_size > MOST_OCTETS:
            raise SheetProblem(
                path, "has more than %(most)s MiB; ask the bank for shorter statements", most=MOST_OCTETS >> 20
            )
        octets = path.read_bytes()
    except OSError as error:
        raise SheetProblem(path, "%(error)s", error=error.strerror) from None
    parser = expat.ParserCreate()

    def forbidden(*_: object) -> None:
        raise _Forbidden

    parser.StartDoctypeDeclHandler = forbidden
    parser.EntityDeclHandler = forbidden
    try:
        parser.Parse(octets, True)
    except _Forbidden:
        raise SheetProblem(path, "has a document type (DOCTYPE), which no bank's statement has") from None
    except expat.ExpatError as error:
        raise SheetProblem(path, "is no XML: %(error)s", error=error) from None
    return octets
