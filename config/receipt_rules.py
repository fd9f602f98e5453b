"""How the receipt texts of a wallet are read: rules as data, each tried on its own samples before it is believed.

A rule is a table of a TOML file: the whole text as one regular expression with named groups, and samples with what has
to be read from them. What a rule reads wrongly, two rules of a wallet read alike, or what takes too long, is told by
file, table and key, and the gateway does not start.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
import regex
from babel.numbers import get_currency_precision, is_currency

from config.table import Problem, Reader, Table, nearest

SHIPPED = Path(__file__).with_name("receipts")
LONGEST = 1000  # characters of a text that is looked at: seven parts
_TRIAL = 0.05  # seconds that one text may take at the start, where a bad rule is still only a mistake
_TIMEOUT = 0.02  # and later, in the database's thread
_WANTED = ("code", "amount", "balance")
_GROUPS = frozenset({*_WANTED, "payer", "name", "account", "day", "time", "fee", "reversed", "rest"})
_KEYS = ("code", "amount", "balance", "payer", "account", "fee", "reversed", "at")


class Kind(StrEnum):
    """What a text says has happened to the wallet."""

    RECEIVED = "received"  # money from a phone
    PAYBILL = "paybill"  # money with an account number
    SENT = "sent"  # money that left
    REVERSAL = "reversal"  # money that the provider took back


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one text says. Money is in minor units; `at` is the provider's time when the text has one."""

    rule: str
    kind: Kind
    code: str
    amount: int
    balance: int
    fee: int = 0
    payer: str | None = None  # E.164
    name: str | None = None
    account: str | None = None
    reversed: str | None = None  # the code of the transaction that was taken back
    at: datetime | None = None

    @property
    def before(self) -> int:
        """The wallet's balance before this."""
        if self.kind in (Kind.RECEIVED, Kind.PAYBILL):
            return self.balance - self.amount
        return self.balance + self.amount + self.fee


class Unreadable(Exception):
    """The regular expression fits, and what it found is no amount, number or time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str  # "mpesa.received-2024", as the console and the log call it
    file: Path
    provider: str
    country: str
    currency: str
    zone: ZoneInfo
    senders: frozenset[str]
    kind: Kind
    language: str
    version: str
    pattern: Any = field(repr=False, compare=False)
    day: str = ""
    time: str = ""

    def read(self, text: str, timeout: float = _TIMEOUT) -> Told | None:
        """What `text` says, None when this rule is not for it; `TimeoutError` when that took too long to find out."""
        found = self.pattern.fullmatch(plain(text), timeout=timeout)
        return None if found is None else self._told(found.groupdict())

    def _told(self, found: Mapping[str, str | None]) -> Told:
        def money(name: str) -> int:
            return minor(found[name] or "", self.currency)

        return Told(
            rule=self.name,
            kind=self.kind,
            code=(found["code"] or "").upper(),
            amount=money("amount"),
            balance=money("balance"),
            fee=money("fee") if found.get("fee") else 0,
            payer=_phone(payer, self.country) if (payer := found.get("payer")) else None,
            name=(found.get("name") or "").strip() or None,
            account=(found.get("account") or "").strip() or None,
            reversed=(found.get("reversed") or "").upper() or None,
            at=self._moment(found.get("day"), found.get("time")),
        )

    def _moment(self, day: str | None, time: str | None) -> datetime | None:
        if not day:
            return None
        said, written = (f"{day} {time}", f"{self.day} {self.time}") if time else (day, self.day)
        try:
            return datetime.strptime(said, written).replace(tzinfo=self.zone).astimezone(UTC)
        except ValueError:
            raise Unreadable(f"{said} is no time") from None


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules there are."""

    rules: tuple[Rule, ...] = ()

    @property
    def providers(self) -> frozenset[str]:
        return frozenset(rule.provider for rule in self.rules)

    @property
    def senders(self) -> frozenset[str]:
        """Every name that a wallet's texts come from, in capitals."""
        return frozenset(sender for rule in self.rules for sender in rule.senders)

    def of(self, provider: str) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.provider == provider)

    def currency(self, provider: str) -> str | None:
        return next((rule.currency for rule in self.of(provider)), None)

    def read(self, provider: str, text: str) -> Told | None:
        """What the first rule that fits reads; a rule that takes too long or reads nonsense does not fit."""
        if len(text) > LONGEST:
            return None
        for rule in self.of(provider):
            try:
                told = rule.read(text)
            except (TimeoutError, Unreadable):
                continue
            if told is not None:
                return told
        return None


def plain(text: str) -> str:
    """Blanks, line ends and the like as one blank each: where they stand differs from phone to phone."""
    return " ".join(text[:LONGEST].split())


def minor(text: str, currency: str) -> int:
    """2,500.00 as an int of minor units. More decimals than the currency has must be noughts."""
    places: int = get_currency_precision(currency)
    whole, _, decimals = text.replace(",", "").partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(whole) <= 12) or (
        decimals and not (decimals.isascii() and decimals.isdecimal())
    ):
        raise Unreadable(f"{text!r} is no amount")
    if decimals[places:].strip("0"):
        raise Unreadable(f"{text!r} has more decimals than {currency}")
    return int(whole) * int(10**places) + int((decimals + "0" * places)[:places] or 0)


def _phone(text: str, country: str) -> str:
    """254712345678 and 0712345678 as E.164; providers leave the plus out."""
    for written, region in ((text, country), (f"+{text.lstrip('+')}", None)):
        try:
            number = phonenumbers.parse(written, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    raise Unreadable(f"{text!r} is no phone number")


# --- reading the files ----------------------------------------------------------------------------------------


def load(own: Path | None = None, shipped: Path = SHIPPED) -> tuple[Rules, tuple[Problem, ...]]:
    """The rules that come with Muster, and those of the folder `own`; one of the same name takes the other's place."""
    rules: dict[str, Rule] = {}
    problems: list[Problem] = []
    for folder in filter(None, (shipped, own)):
        for path in sorted(folder.glob("*.toml")):
            found, wrong = _file(path, path.stat().st_mtime_ns)
            problems += wrong
            rules |= {rule.name: rule for rule in found}
    return Rules(tuple(rules.values())), tuple(problems)


@lru_cache(maxsize=64)
def _file(path: Path, changed: int) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    reader = Reader(path, {})
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return (), (Problem(path, "", "", f"cannot be read: {error}"),)
    rules = _rules(path, Table(reader, "", values))
    return tuple(rules) if not reader.problems else (), tuple(reader.problems)


def _rules(path: Path, top: Table) -> list[Rule]:
    provider = top.text("provider", pattern="[a-z0-9][a-z0-9-]{0,31}", wants='a name as in "mpesa"')
    country = top.text("country", pattern="[A-Z]{2}", wants='two letters as in "KE"')
    currency = top.text("currency", pattern="[A-Z]{3}", wants='three letters as in "KES"')
    if currency and not is_currency(currency):
        top.problem("currency", f"no currency has the code {currency!r}")
        currency = "XXX"
    zone = top.text("time_zone")
    if zone and zone not in available_timezones():
        top.problem("time_zone", f"there is no {zone!r}" + nearest(zone, available_timezones()))
        zone = ""
    senders = top.texts("senders", pattern=r".{1,20}", wants="a sender of at most 20 characters")
    if not senders:
        top.problem("senders", "names nobody; it lists who the wallet's texts come from")
    common = {
        "file": path,
        "provider": provider,
        "country": country,
        "currency": currency or "XXX",
        "zone": ZoneInfo(zone or "UTC"),
        "senders": frozenset(sender.upper() for sender in senders),
    }
    samples: list[tuple[Table, Rule, list[Any]]] = []
    for name, table in _tables(top):
        rule = _rule(f"{provider}.{name}", table, common)
        found = table.any("samples")
        table.done()
        if rule is None:
            continue
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            table.problem("samples", "is missing; a rule is tried on at least one [[...samples]] before it is believed")
            continue
        samples.append((table, rule, found))
    rules = [rule for _, rule, _ in samples]
    for table, rule, found in samples:
        for number, sample in enumerate(found, start=1):
            _try(table, rule, number, sample, [other for other in rules if other is not rule])
    return rules


def _tables(top: Table) -> Iterable[tuple[str, Table]]:
    known = {"provider", "country", "currency", "time_zone", "senders"}
    for name in [key for key in top.all() if key not in known]:
        if isinstance(top.any(name), dict):
            yield name, top.table(name)
        else:
            top.problem(name, "there is no such setting" + nearest(name, known))


def _rule(name: str, table: Table, common: Mapping[str, Any]) -> Rule | None:
    kind = table.choice("kind", "received", tuple(Kind))
    language = table.text("language", pattern="[a-z]{2}", wants='two letters as in "en"')
    version = table.text("version", longest=40)
    expression = table.text("regex", longest=2000)
    day, time = table.text("day", ""), table.text("time", "")
    if not expression:
        return None
    try:
        pattern = regex.compile(expression, regex.VERSION1)
    except regex.error as error:
        table.problem("regex", f"is no regular expression: {error}")
        return None
    groups = set(pattern.groupindex)
    if unknown := sorted(groups - _GROUPS):
        table.problem("regex", f"there is no group {unknown[0]}" + nearest(unknown[0], _GROUPS))
    for wanted in (*_WANTED, *(("reversed",) if kind == Kind.REVERSAL else ())):
        if wanted not in groups:
            table.problem("regex", f"has no group {wanted}")
            return None
    if "day" in groups and not day:
        table.problem("day", 'is missing; it says how the day is written, as in "%d/%m/%y"')
        return None
    if "time" in groups and not time:
        table.problem("time", 'is missing; it says how the time is written, as in "%I:%M %p"')
        return None
    return Rule(
        name=name, kind=Kind(kind), language=language, version=version, pattern=pattern, day=day, time=time, **common
    )


def _try(table: Table, rule: Rule, number: int, sample: Mapping[str, Any], others: Iterable[Rule]) -> None:
    """One sample against its rule, against the other rules, and cut and repeated against the clock."""
    where = f"sample {number}"
    text = sample.get("text")
    if not isinstance(text, str) or (unknown := sorted(sample.keys() - {"text", *_KEYS})):
        what = "has no text" if not isinstance(text, str) else f"there is no {unknown[0]}"
        table.problem("samples", f"{where}: {what}")
        return
    try:
        told = rule.read(text, _TRIAL)
        for other in others:
            if other.kind is not rule.kind and _quietly(other, text) is not None:
                table.problem("samples", f"{where}: [{other.name.partition('.')[2]}] reads it too, as {other.kind}")
        for twisted in _twisted(text):
            rule.pattern.fullmatch(twisted, timeout=_TRIAL)
    except TimeoutError:
        table.problem("regex", f"takes more than {_TRIAL * 1000:g} ms on {where}, cut or repeated; make it simpler")
        return
    except Unreadable as error:
        table.problem("samples", f"{where}: {error}")
        return
    if told is None:
        table.problem("samples", f"{where}: the rule does not read it")
        return
    for key in ("code", "amount", "balance"):
        if key not in sample:
            table.problem("samples", f"{where}: says not what its {key} is")
    for key, wanted in sample.items():
        if key != "text" and getattr(told, key) != wanted:
            table.problem("samples", f"{where}: {key} is read as {getattr(told, key)}, not {wanted}")


def _quietly(rule: Rule, text: str) -> Told | None:
    try:
        return rule.read(text, _TRIAL)
    except Unreadable:
        return None


def _twisted(text: str) -> Iterable[str]:
    """What makes a careless expression try for ever: the end missing, pieces many times over, long runs."""
    text = plain(text)
    yield text[:-1] + "\x00"
    yield text[:-1] * 3 + "\x00"
    for length in (1, 3, 10):
        for start in range(0, len(text), max(1, len(text) // 12)):
            piece = text[start : start + length]
            yield plain(text[:start] + piece * (200 // max(1, len(piece))) + text[start:]) + "\x00"


def believed(rules: Rules, provider: str, sender: str) -> bool:
    """Whether `sender` is who this wallet's texts come from."""
    return any(sender.upper() in rule.senders for rule in rules.of(provider))
