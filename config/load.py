"""Read a configuration file whole, or say everything that is wrong with it: by file, table, key and reason."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import phonenumbers
from babel.numbers import is_currency
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from config import endpoint, receipt_rules, statement_profiles
from config.model import (
    LANGUAGES,
    Alarms,
    Api,
    ApiKey,
    Bank,
    Callbacks,
    Console,
    Database,
    Gateway,
    ModemLink,
    Organisation,
    Provider,
    Receipts,
    Security,
    SmppLink,
    UssdHttp,
)
from config.table import Problem, Reader, Table, nearest

USSD_PROFILES = ("its", "tata", "6d", "mica")
MESSAGE_IDS = ("exact", "int", "hex>dec", "dec>hex", "strip")
USSD_VENDORS = ("africastalking",)
PERMISSIONS = ("send", "notices", "approve")

_CONSOLE, _API = Console(), Api()  # for what they are when the file is silent
_E164 = r"\+[1-9]\d{6,14}"
_PREFIX = r"\+\d{1,15}"
_NETWORK = r"[0-9a-fA-F:.]+(/\d{1,3})?"


class ConfigError(Exception):
    """The configuration cannot be used; every line says what to change."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load(path: Path, *, environment: Mapping[str, str] = os.environ) -> Gateway:
    """Return the configuration in `path`; raise `ConfigError` with every problem when there is one."""
    reader = Reader(path, environment)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError((Problem(path, "", "", f"cannot be read: {error.strerror}"),)) from None
    except UnicodeDecodeError:
        raise ConfigError((Problem(path, "", "", "is not UTF-8"),)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((Problem(path, "", "", f"is not TOML: {error}"),)) from None
    gateway = _gateway(Table(reader, "", values))
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return gateway


def _gateway(top: Table) -> Gateway:
    organisation = _organisation(top.table("organisation"))
    smpp = {name: _smpp(name, table) for name, table in top.table("smpp").tables()}
    modem = {name: _modem(name, table, organisation) for name, table in top.table("modem").tables()}
    _once(top, smpp, modem)
    receipts = _receipts(top.table("receipts"))
    _wallets(top, modem, receipts, organisation)
    gateway = Gateway(
        path=top.reader.file.absolute(),
        organisation=organisation,
        security=_security(top.table("security")),
        database=_database(top.table("database")),
        console=_console(top.table("console")),
        api=_api(top.table("api")),
        smpp=smpp,
        modem=modem,
        receipts=receipts,
        bank={name: _bank(name, table) for name, table in top.table("bank").tables()},
        ussd_http={name: _ussd_http(name, table) for name, table in top.table("ussd_http").tables()},
        providers={name: _provider(name, table) for name, table in top.table("providers").tables()},
        callbacks=_callbacks(top.table("callbacks")),
        alarms=_alarms(top.table("alarms")),
    )
    _callable(top, gateway)
    if gateway.console.listen == gateway.api.listen:
        top.reader.problem("api", "listen", "is the console's; each needs its own")
    if gateway.callbacks.listen in (gateway.console.listen, gateway.api.listen):
        top.reader.problem("callbacks", "listen", "is taken; leave it out and they come in where the API listens")
    top.done()
    return gateway


def _organisation(table: Table) -> Organisation:
    language = table.choice("language", "zh", LANGUAGES)
    country = table.text("country", "CN", pattern="[A-Z]{2}", wants='two letters as in "CN"')
    if country not in phonenumbers.SUPPORTED_REGIONS:
        table.problem("country", f"no country has the code {country!r}")
    currency = table.text("currency", "CNY", pattern="[A-Z]{3}", wants='three letters as in "CNY"')
    if not is_currency(currency):
        table.problem("currency", f"no currency has the code {currency!r}")
    time_zone = table.text("time_zone", "Asia/Shanghai")
    zones = available_timezones()
    if time_zone not in zones:
        table.problem("time_zone", f"there is no {time_zone!r}" + nearest(time_zone, zones))
    organisation = Organisation(
        name=table.text("name", longest=120),
        signature=_signature(table, language),
        country=country,
        currency=currency,
        time_zone=time_zone,
        language=language,
        ussd_code=table.text("ussd_code", "", pattern=r"\*\d{1,6}(\*\d{1,6})*#", wants='a code as in "*123#"'),
        hotline=table.text("hotline", "", pattern=r"\+?[\d -]{3,20}", wants="a number that people can dial"),
    )
    table.done()
    return organisation


def _signature(table: Table, language: str) -> Mapping[str, str]:
    """A text is the signature in the organisation's language, a table has one for each."""
    if not isinstance(table.any("signature"), dict):
        signature = table.text("signature", "", longest=60)
        return {language: signature} if signature else {}
    languages = table.table("signature")
    signatures = {code: languages.text(code, "", longest=60) for code in LANGUAGES}
    languages.done()
    return {code: signature for code, signature in signatures.items() if signature}


def _security(table: Table) -> Security:
    path = table.reader.path(table.text("key_file", "muster.key"))
    if path.is_dir():
        table.problem("key_file", f"{path} is a folder")
    elif not path.parent.is_dir():
        table.problem("key_file", f"the folder {path.parent} does not exist")
    table.done()
    return Security(key_file=path)


def _database(table: Table) -> Database:
    """Check the kind; a relative SQLite path starts at the configuration's folder."""
    text = table.secret("url", "sqlite:///muster.db", longest=2000)
    table.done()
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        table.problem("url", "is sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return Database(url="")
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if not url.database or url.database == ":memory:":
            table.problem("url", "names no file, and a database in memory would forget everything")
        else:
            path = table.reader.path(url.database)
            if not path.parent.is_dir():
                table.problem("url", f"the folder {path.parent} does not exist")
            url = url.set(database=str(path))
    elif url.drivername != "postgresql+psycopg":
        near = "; write postgresql+psycopg://" if url.drivername.startswith("postgres") else ""
        table.problem("url", f"{url.drivername} is neither sqlite nor postgresql+psycopg{near}")
    elif not url.database:
        table.problem("url", "names no database")
    return Database(url=url.render_as_string(hide_password=False))


def _console(table: Table) -> Console:
    listen, proxies = _listen(table, _CONSOLE.listen)
    public_url = table.text("public_url", _CONSOLE.public_url).rstrip("/")
    table.done()
    try:
        parts = urlsplit(public_url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.path or parts.query)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        table.problem("public_url", 'is what the browser shows, as in "https://muster.example.org"')
    return Console(listen=listen, public_url=public_url, trusted_proxies=proxies)


def _api(table: Table) -> Api:
    listen, proxies = _listen(table, _API.listen)
    keys: dict[str, ApiKey] = {}
    named = table.table("keys")
    for name, key in _keys(named):
        keys[name] = key
        if any(other.key == key.key for other in keys.values() if other.name != name) and key.key:
            named.problem(name, "another system has the same key")
    table.done()
    return Api(listen=listen, trusted_proxies=proxies, keys=keys)


def _keys(table: Table) -> list[tuple[str, ApiKey]]:
    """A text is a key that may send; a table says more."""
    rule: dict[str, Any] = {"pattern": r"[\x21-\x7e]{16,}", "wants": "16 or more letters, digits and signs"}
    keys = []
    for name in table.names():
        if not isinstance(table.any(name), dict):
            keys.append((name, ApiKey(name=name, key=table.text(name, **rule))))
            continue
        more = table.table(name)
        may = more.texts("may", pattern="|".join(PERMISSIONS), wants=f"one of {', '.join(PERMISSIONS)}")
        key = ApiKey(
            name=name,
            key=more.secret("key", **rule),
            may=frozenset(may) if more.has("may") else frozenset({"send"}),
            per_day=more.whole("per_day", 0, least=0, most=100_000_000),
            sources=more.texts("sources", pattern=r"\+?\d{3,20}|[A-Za-z0-9 ]{1,11}", wants="a number or a short name"),
        )
        more.done()
        keys.append((name, key))
    return keys


def _listen(table: Table, default: str) -> tuple[str, tuple[str, ...]]:
    """Beyond this machine passwords and numbers must not travel in the clear."""
    listen = table.text("listen", default)
    proxies = _networks(table, "trusted_proxies")
    try:
        reach = endpoint.server(listen)
    except ValueError as error:
        table.problem("listen", str(error))
    else:
        if reach is endpoint.Reach.CLEAR and not proxies:
            table.problem("listen", "beyond this machine it needs TLS (ssl:...) or trusted_proxies that provide it")
    return listen, proxies


def _smpp(name: str, table: Table) -> SmppLink:
    address = table.text("endpoint")
    if address:
        try:
            endpoint.client(address)
        except ValueError as error:
            table.problem("endpoint", str(error))
    bind = table.choice("bind", "transceiver", ("transmitter", "receiver", "transceiver"))
    ussd = table.choice("ussd", "", ("", *USSD_PROFILES)) or None
    if ussd and bind != "transceiver":
        table.problem("ussd", 'needs bind = "transceiver"')
    link = SmppLink(
        name=name,
        endpoint=address,
        system_id=table.text("system_id", longest=15),  # SMPP 3.4 5.2.1 to 5.2.3
        password=table.secret("password", "", longest=8),
        system_type=table.text("system_type", "", longest=12),
        bind=bind,
        binds=table.whole("binds", 1, least=1, most=16),
        window=table.whole("window", 10, least=1, most=1000),
        rate=table.number("rate", 0, least=0, most=100_000),
        source=table.text("source", "", pattern=r"\+?\d{3,20}|[\x20-\x7e]{1,11}", wants="a number or a short name"),
        prefixes=_prefixes(table),
        ussd=ussd,
        trusted_msisdn=table.flag("trusted_msisdn", False),
        enquire_every=table.number("enquire_every", 30, least=1, most=3600),
        response_timeout=table.number("response_timeout", 30, least=1, most=600),
        long=table.choice("long", "udh16", ("udh16", "udh8", "sar", "payload")),
        message_ids=table.choice("message_ids", "exact", MESSAGE_IDS),
        default_alphabet=table.choice("default_alphabet", "gsm", ("gsm", "latin1")),
        reports=table.flag("reports", True),
    )
    table.done()
    return link


def _modem(name: str, table: Table, organisation: Organisation) -> ModemLink:
    if table.has("device") == table.has("imei"):
        table.problem("device", "give either device or imei")
    link = ModemLink(
        name=name,
        device=table.text("device", "", pattern="/.+", wants="a path as in /dev/serial/by-id/...") or None,
        imei=table.text("imei", "", pattern=r"\d{15}", wants="15 digits") or None,
        pin=table.secret("pin", "", pattern=r"\d{4,8}", wants="4 to 8 digits") or None,
        smsc=table.text("smsc", "", pattern=r"\+?\d{3,20}", wants="a number") or None,
        prefixes=_prefixes(table),
        rate=table.number("rate", 0, least=0, most=100),
        wallet=table.text("wallet", "") or None,
        opening_balance=_opening(table, organisation),
        balance=table.text("balance", "", pattern=r"[*#0-9]{2,30}", wants='a code as in "*100#"') or None,
        balance_after=table.text("balance_after", "", longest=60),
        balance_every=table.number("balance_every", 6, least=0.1, most=720),
    )
    if link.opening_balance is not None and link.wallet is None:
        table.problem("opening_balance", "is of no use without wallet")
    if link.balance_after and link.balance is None:
        table.problem("balance_after", "is of no use without balance")
    table.done()
    return link


def _opening(table: Table, organisation: Organisation) -> int | None:
    text = table.text("opening_balance", "")
    try:
        return receipt_rules.minor(text, organisation.currency) if text else None
    except (receipt_rules.Unreadable, ValueError):
        table.problem("opening_balance", 'is an amount as in "1250.00"')
        return None


def _receipts(table: Table) -> Receipts:
    text = table.text("folder", "")
    folder = table.reader.path(text) if text else None
    if folder is not None and not folder.is_dir():
        table.problem("folder", f"there is no folder {folder}")
        folder = None
    table.done()
    return Receipts(folder=folder)


def _bank(name: str, table: Table) -> Bank:
    text = table.text("profile", "")
    profile = table.reader.path(text) if text else None
    if profile is not None:
        table.reader.problems += statement_profiles.load(profile)[1]
    bank = Bank(
        name=name,
        profile=profile,
        iban=table.text("iban", "", pattern=r"[A-Z]{2}\d{2}[A-Z0-9 ]{8,40}", wants="an IBAN") or None,
    )
    table.done()
    return bank


def _wallets(top: Table, modem: Mapping[str, ModemLink], receipts: Receipts, organisation: Organisation) -> None:
    """Every wallet can be read, and its money is the organisation's; the rules are tried on their samples here."""
    if receipts.folder is None and not any(link.wallet for link in modem.values()):
        return
    rules, problems = receipt_rules.load(receipts.folder)
    top.reader.problems += problems
    owners: dict[str, str] = {}
    for name, link in modem.items():
        if link.wallet is None:
            continue
        where = f"modem.{name}"
        if link.wallet not in rules.providers:
            known = f"; there is {', '.join(sorted(rules.providers))}" if rules.providers else ""
            top.reader.problem(where, "wallet", f"no rules read the texts of {link.wallet!r}{known}")
        elif (currency := rules.currency(link.wallet)) != organisation.currency:
            top.reader.problem(where, "wallet", f"counts in {currency}, the organisation in {organisation.currency}")
        if owners.setdefault(link.wallet, name) != name:
            top.reader.problem(where, "wallet", f"is that of [modem.{owners[link.wallet]}]; a wallet has one SIM")


def _prefixes(table: Table) -> tuple[str, ...]:
    return table.texts("prefixes", pattern=_PREFIX, wants='the beginning of a number as in "+86"')


def _once(top: Table, smpp: Mapping[str, SmppLink], modem: Mapping[str, ModemLink]) -> None:
    """A link's name and a modem belong to one table."""
    for name in sorted(smpp.keys() & modem.keys()):
        top.reader.problem(f"modem.{name}", "", f"[smpp.{name}] has the same name")
    for key in ("device", "imei"):
        owners: dict[str, str] = {}
        for name, link in modem.items():
            value = getattr(link, key)
            if value and owners.setdefault(value, name) != name:
                top.reader.problem(f"modem.{name}", key, f"is that of [modem.{owners[value]}]")


def _ussd_http(name: str, table: Table) -> UssdHttp:
    if name not in USSD_VENDORS:
        table.problem("", f"no vendor of that name; there is {', '.join(USSD_VENDORS)}")
    vendor = UssdHttp(
        name=name,
        path_key=table.secret("path_key", pattern="[A-Za-z0-9_-]{16,}", wants="16 or more letters, digits, - and _"),
    )
    table.done()
    return vendor


def _provider(name: str, table: Table) -> Provider:
    """What the operator's contract and portal say, and which wallets it has."""
    kind = table.choice("kind", "", ("gsma", "daraja"))
    daraja = kind == "daraja"
    url, token_url = _https(table, "url"), _https(table, "token_url", "")
    needed: str | None = None if daraja else ""
    provider = Provider(
        name=name,
        kind=kind,
        url=url,
        payee=table.text("payee", longest=100, pattern=r"\d{5,7}" if daraja else ".*", wants="the short code"),
        label=table.text("label", name[:12], longest=12, pattern=r"[ -~]+", wants="letters that every phone can show"),
        prefixes=_prefixes(table),
        least=table.number("least", 1, least=0.01, most=1_000_000),
        most=table.number("most", 500, least=0.01, most=1_000_000),
        client_id=table.text("client_id", needed),
        client_secret=table.secret("client_secret", needed),
        token_url=token_url,
        api_key=table.secret("api_key", ""),
        passkey=table.secret("passkey", needed),
        initiator=table.text("initiator", ""),
        security_credential=table.secret("security_credential", "", longest=2000),
        sources=_networks(table, "sources"),
        timeout=table.number("timeout", 20, least=1, most=60),
    )
    if provider.least > provider.most:
        table.problem("least", f"is more than most, {provider.most:g}")
    if not table.has("sources"):
        table.problem("sources", 'is missing; it is the networks that callbacks come from, as in ["196.201.214.0/24"]')
    if bool(provider.initiator) != bool(provider.security_credential):
        table.problem("initiator", "goes with security_credential, both or neither")
    if token_url and not (provider.client_id and provider.client_secret):
        table.problem("token_url", "needs client_id and client_secret")
    table.done()
    return provider


def _https(table: Table, key: str, default: str | None = None) -> str:
    """An address that may stand for money: TLS, but on this machine."""
    text = table.text(key, default, longest=500).rstrip("/")
    try:
        if text and not endpoint.is_safe_url(text):
            table.problem(key, "is https://HOST..., http:// on this machine only")
    except ValueError:
        table.problem(key, "is no address of the web")
    return text


def _networks(table: Table, key: str) -> tuple[str, ...]:
    networks = table.texts(key, pattern=_NETWORK, wants='an address or a network as in "10.0.0.0/8"')
    for network in networks:
        if not endpoint.is_network(network):
            table.problem(key, f"{network!r} is not an address or a network")
    return networks


def _callbacks(table: Table) -> Callbacks:
    listen, proxies = _listen(table, "") if table.has("listen") else ("", _networks(table, "trusted_proxies"))
    callbacks = Callbacks(listen=listen, trusted_proxies=proxies, public_url=_https(table, "public_url", ""))
    table.done()
    return callbacks


def _callable(top: Table, gateway: Gateway) -> None:
    """Who is to call back must be told where."""
    if gateway.providers and not gateway.callbacks.public_url:
        top.reader.problem("callbacks", "public_url", "is missing; it is where the providers reach this gateway")


def _alarms(table: Table) -> Alarms:
    mailbox = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+"
    webhook = _https(table, "webhook", "")
    alarms = Alarms(
        numbers=table.texts("numbers", pattern=_E164, wants='a number as in "+8613800000001"'),
        webhook=webhook,
        webhook_key=table.secret("webhook_key", None if webhook else ""),
        email=table.text("email", "", pattern=f"({mailbox})?", wants='an address as in "hotline@example.org"'),
        smtp=_smtp(table),
        smtp_user=table.text("smtp_user", ""),
        smtp_password=table.secret("smtp_password", ""),
        sender=table.text("sender", "", pattern=f"({mailbox})?", wants='an address as in "muster@example.org"'),
    )
    table.done()
    return alarms


def _smtp(table: Table) -> str:
    text = table.text("smtp", Alarms().smtp)
    try:
        endpoint.client(text)
    except ValueError as error:
        table.problem("smtp", str(error))
    return text
