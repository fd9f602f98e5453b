"""What the machine needs to know before it starts: the configuration file as frozen values.

What the organisation decides while running (texts, words, rates, hours) is in the database instead. Secrets are left
out of every representation, which may end up in a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = ("zh", "en")  # those that the texts are shipped in


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Who members hear from. `country` reads their numbers; `signature` ends texts, by language."""

    name: str
    signature: Mapping[str, str] = field(default_factory=dict)
    country: str = "CN"
    currency: str = "CNY"
    time_zone: str = "Asia/Shanghai"
    language: str = "zh"
    ussd_code: str = ""
    hotline: str = ""

    def signature_for(self, language: str) -> str:
        """Return the signature in `language`; a signature belongs to a language, so there may be none."""
        return self.signature.get(language, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    key_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    url: str = field(repr=False)  # may hold a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The staff pages. `listen` is a Twisted endpoint; the headers of `trusted_proxies`, networks, are believed."""

    listen: str = "tcp:8080:interface=127.0.0.1"
    public_url: str = "http://127.0.0.1:8080"
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What another system may do: `may` of "send", "notices", "approve"; `sources` are the senders it may use."""

    name: str
    key: str = field(repr=False)
    may: frozenset[str] = frozenset({"send"})
    per_day: int = 0  # messages, 0 = no limit
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    listen: str = "tcp:8081:interface=127.0.0.1"
    trusted_proxies: tuple[str, ...] = ()
    keys: Mapping[str, ApiKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppLink:
    """A bind to an operator. Times are seconds, `rate` is parts a second with 0 for no limit."""

    name: str
    endpoint: str
    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    bind: str = "transceiver"  # transmitter | receiver | transceiver
    binds: int = 1
    window: int = 10
    rate: float = 0.0
    source: str = ""
    prefixes: tuple[str, ...] = ()  # of the numbers it serves; none = every number
    ussd: str | None = None  # profile, None = no USSD
    trusted_msisdn: bool = False
    enquire_every: float = 30.0
    response_timeout: float = 30.0
    long: str = "udh16"  # how long texts are joined: udh16 | udh8 | sar | payload
    message_ids: str = "exact"  # receipts against responses: exact | int | hex>dec | dec>hex | strip
    default_alphabet: str = "gsm"  # what data_coding 0 means here: gsm | latin1
    reports: bool = True  # ask for delivery reports


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemLink:
    """A GSM modem, known by its device or by its IMEI."""

    name: str
    device: str | None = None
    imei: str | None = None
    pin: str | None = field(default=None, repr=False)
    smsc: str | None = None
    prefixes: tuple[str, ...] = ()
    window: int = 1  # no setting: a modem takes one message at a time
    rate: float = 0.0
    wallet: str | None = None  # the provider whose wallet is on this SIM
    opening_balance: int | None = None  # of it, in minor units, before the first text that counts
    balance: str | None = None  # the USSD code that tells what is left on the SIM
    balance_after: str = ""  # the word after which its answer names it
    balance_every: float = 6.0  # hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """How the texts of wallets are read: `folder` holds rules of one's own beside those that are shipped."""

    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """An account whose statements are imported; `profile` says how its CSV is read, `iban` which camt.053 is its."""

    name: str
    profile: Path | None = None
    iban: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UssdHttp:
    """A vendor who posts USSD steps to /ussd/NAME/PATH_KEY."""

    name: str
    path_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A mobile money operator. Amounts are whole units of the organisation's currency."""

    name: str
    kind: str  # gsma | daraja
    url: str
    payee: str  # our account there: an account id, a pay bill's short code
    label: str  # what members call it
    prefixes: tuple[str, ...] = ()  # of the wallets it has; none = every number
    least: float = 1.0
    most: float = 500.0
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_url: str = ""
    api_key: str = field(default="", repr=False)
    passkey: str = field(default="", repr=False)
    initiator: str = ""
    security_credential: str = field(default="", repr=False)
    sources: tuple[str, ...] = ()  # networks that its callbacks come from
    timeout: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Where providers call back: where the API listens, or at `listen`; `public_url` is what they are told."""

    listen: str = ""
    trusted_proxies: tuple[str, ...] = ()
    public_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """Who hears when something needs a person: numbers in E.164, an address of the web, a mailbox by way of a relay."""

    numbers: tuple[str, ...] = ()
    webhook: str = ""
    webhook_key: str = field(default="", repr=False)
    email: str = ""
    smtp: str = "tcp:127.0.0.1:25"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    sender: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The whole file. `path` is where it was read from; relative paths in it are already absolute."""

    path: Path
    organisation: Organisation
    security: Security
    database: Database
    console: Console = field(default_factory=Console)
    api: Api = field(default_factory=Api)
    smpp: Mapping[str, SmppLink] = field(default_factory=dict)
    modem: Mapping[str, ModemLink] = field(default_factory=dict)
    receipts: Receipts = field(default_factory=Receipts)
    bank: Mapping[str, Bank] = field(default_factory=dict)
    ussd_http: Mapping[str, UssdHttp] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    callbacks: Callbacks = field(default_factory=Callbacks)
    alarms: Alarms = field(default_factory=Alarms)

    @property
    def remittance_bank(self) -> str | None:
        """Where what treasurers hand on arrives, unless a statement says it came elsewhere."""
        return min(self.bank, default=None)
