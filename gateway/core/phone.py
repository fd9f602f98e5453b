"""Phone numbers: whatever a register, a person or an operator writes becomes E.164, or a reason why not."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from gateway.core.model import Address, AddressKind

MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)  # some countries do not tell them apart
FIXED = (PhoneNumberType.FIXED_LINE,)
INTERNATIONAL, NATIONAL, NETWORK, SUBSCRIBER, ALPHANUMERIC, ABBREVIATED = range(1, 7)  # type of number, 23.040 9.1.2.5
PRIVATE = 9  # numbering plan
SHORTEST = 7  # digits of an E.164 number; a shorter one is a service's


class Reason(StrEnum):
    """Why a register's phone is not taken."""

    MISSING = "missing"
    MANGLED = "mangled"  # a spreadsheet made 1.38E+10 of it
    IMPOSSIBLE = "impossible"
    LANDLINE = "landline"
    OTHER = "not_mobile"  # a toll-free, premium or other service number


def e164(text: str, country: str) -> str | None:
    """Return the mobile number a person wrote, as seen from `country`, or None when it is none.

    Foreign numbers count in their + or international form, in ranges that our tables do not know too. Where a
    country's mobile numbers look like its landlines they all count.
    """
    known = _known(text, country, national=True)
    if known is not None:
        return known
    number = _parsed(_written(text), country)
    if number is None:
        return None
    kind = phonenumbers.number_type(number)
    if kind in MOBILE or (kind == PhoneNumberType.UNKNOWN and _may_be_mobile_abroad(number, country)):
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return None


def why_not(text: str, country: str) -> Reason | None:
    """Return why `e164` finds no number in `text`, None when it does."""
    if e164(text, country) is not None:
        return None
    written = _written(text)
    if not written:
        return Reason.MISSING
    if re.fullmatch(r"[\d.,]+E[+-]?\d+", written, re.IGNORECASE):
        return Reason.MANGLED
    number = _parsed(written, country)
    if number is None or not phonenumbers.is_valid_number(number):
        return Reason.IMPOSSIBLE
    return Reason.LANDLINE if phonenumbers.number_type(number) in FIXED else Reason.OTHER


def address(text: str, country: str, ton: int | None = None, npi: int | None = None) -> Address:
    """Return who an operator means, `ton` being the type of number it gave; `country` is where the link is.

    A private numbering plan knows no E.164. Lenient where `e164` is strict: a number in use is a number, even in a
    range that is newer than our tables.
    """
    if npi == PRIVATE:
        ton = NETWORK
    if ton is None or ton <= NATIONAL:
        known = _known(text, country, national=ton != INTERNATIONAL)
        if known is not None:
            return Address(kind=AddressKind.E164, text=known)
    return _address(text, country, ton)


@lru_cache(maxsize=4096)
def _address(text: str, country: str, ton: int | None) -> Address:
    written = _written(text)
    digits = written.removeprefix("+")
    if not written:
        return Address(kind=AddressKind.UNKNOWN, text="")
    if ton == ALPHANUMERIC or not re.fullmatch(r"[\d *#().-]+", digits):
        return Address(kind=AddressKind.ALPHANUMERIC, text=text.strip())
    digits = re.sub(r"\D", "", digits)
    if ton not in (NETWORK, SUBSCRIBER, ABBREVIATED) and len(digits) >= SHORTEST:
        number = _meant(digits, country, international=written[0] == "+" or ton == INTERNATIONAL)
        if number is not None:
            return Address(kind=AddressKind.E164, text=phonenumbers.format_number(number, PhoneNumberFormat.E164))
    return Address(kind=AddressKind.SHORT if digits else AddressKind.UNKNOWN, text=text.strip())


def _meant(digits: str, country: str, *, international: bool) -> PhoneNumber | None:
    """Return the first reading of `digits` that is a number: operators leave out the + and the type of number."""
    abroad = _parsed("+" + digits.removeprefix("00"), country)
    home = _parsed(digits, country)
    readings = (abroad, home) if international else (home, abroad)
    for number in readings:
        if number is not None and phonenumbers.is_valid_number(number):
            return number
    if international and abroad is not None and phonenumbers.is_possible_number(abroad):
        return abroad
    return None


def _may_be_mobile_abroad(number: PhoneNumber, country: str) -> bool:
    """Whether it has the length of a mobile number of another country."""
    if number.country_code == phonenumbers.country_code_for_region(country):
        return False
    length = phonenumbers.is_possible_number_for_type_with_reason(number, PhoneNumberType.MOBILE)
    return bool(length == phonenumbers.ValidationResult.IS_POSSIBLE)


def mask(number: str) -> str:
    """Return `number` as staff and logs may see it: +86138****0007. Short codes and names are nobody's secret."""
    if len(number) > 8 and number.removeprefix("+").isdecimal():
        return f"{number[:-8]}****{number[-4:]}"
    return f"****{number[-2:]}" if number.startswith("+") else number


def _written(text: str) -> str:
    """Return `text` without what spreadsheets and keyboards add: wide digits, a leading apostrophe, a trailing .0"""
    text = unicodedata.normalize("NFKC", text).strip().removeprefix("'")
    return re.sub(r"(?<=\d)\.0+\Z", "", text)


def _parsed(text: str, country: str) -> PhoneNumber | None:
    if re.search(r"[^\W\d_]", text):  # phonenumbers would read letters as keys, or as an extension
        return None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    return None if number.extension else number


def _known(text: str, country: str, *, national: bool) -> str | None:
    """Return at once what is plainly a mobile number of `country`: phonenumbers takes 100 microseconds for each."""
    code, pattern = _mobile(country)
    found = pattern.fullmatch(text)
    if found is None or (found[1] is None and not national):
        return None
    return code + found[2]


@lru_cache
def _mobile(country: str) -> tuple[str, re.Pattern[str]]:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if metadata is None:
        raise ValueError(f"no country has the code {country!r}")
    pattern = metadata.mobile.national_number_pattern if metadata.mobile else None
    national = f"(?:{pattern})" if pattern and pattern != "NA" else "(?!)"
    return f"+{metadata.country_code}", re.compile(
        rf"(\+{metadata.country_code}|{metadata.country_code})?({national})", re.ASCII
    )
