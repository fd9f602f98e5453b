"""A configuration is right as a whole, or everything that is wrong with it is said at once."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import load as loading
from config import model
from config.load import ConfigError, load
from config.table import Reader, Table
from smpp import receipt, ussd

EXAMPLE = Path(loading.__file__).with_name("example.toml")
SMALLEST = '[organisation]\nname = "Anhe"\n'
SMPP = '[smpp.mobile]\nendpoint = "tcp:127.0.0.1:2775"\nsystem_id = "muster"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "muster.toml"


def read(file: Path, text: str, environment: Mapping[str, str] | None = None) -> model.Gateway:
    file.write_text(text, "utf-8")
    return load(file, environment=environment or {})


def problems(file: Path, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        read(file, text, environment)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines)
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_the_smallest_file_is_enough(file: Path) -> None:
    gateway = read(file, SMALLEST)
    assert gateway.organisation == model.Organisation(name="Anhe")
    assert gateway.security.key_file == file.parent / "muster.key"
    assert gateway.database.url == f"sqlite:///{file.parent}/muster.db"
    assert (gateway.console, gateway.api) == (model.Console(), model.Api())
    assert not gateway.smpp
    assert not gateway.modem


@pytest.mark.parametrize(("banks", "bank"), [((), None), (("county",), "county"), (("union", "county"), "county")])
def test_what_is_handed_on_arrives_at_the_first_bank_by_name(file: Path, banks: tuple[str, ...], bank: str) -> None:
    assert read(file, SMALLEST + "".join(f"\n[bank.{name}]\n" for name in banks)).remittance_bank == bank


def test_the_example_is_right() -> None:
    gateway = load(EXAMPLE, environment={})
    assert gateway.organisation.signature_for("zh") == "安河组织"
    assert gateway.organisation.signature_for("en") == ""
    assert gateway.smpp["mobile"].password == "secret"
    assert gateway.modem["village"].pin == "0000"
    assert gateway.api.keys["agriculture"].may == {"send"}


def test_the_example_names_every_setting_and_explains_it() -> None:
    text = EXAMPLE.read_text("utf-8")
    tables: list[tuple[str, type]] = [
        ("organisation", model.Organisation),
        ("security", model.Security),
        ("database", model.Database),
        ("console", model.Console),
        ("api", model.Api),
        (r"smpp\.\w+", model.SmppLink),
        (r"modem\.\w+", model.ModemLink),
        ("receipts", model.Receipts),
        (r"bank\.\w+", model.Bank),
        (r"ussd_http\.\w+", model.UssdHttp),
        (r"providers\.\w+", model.Provider),
        ("callbacks", model.Callbacks),
        ("alarms", model.Alarms),
    ]
    no_settings = {(r"smpp\.\w+", "name"), (r"modem\.\w+", "name"), (r"modem\.\w+", "window")}
    no_settings |= {(r"bank\.\w+", "name")}
    no_settings |= {(r"ussd_http\.\w+", "name"), (r"providers\.\w+", "name"), ("api", "keys")}
    for name, kind in tables:
        found = re.search(rf"^\[{name}\](.*?)(?=^\[(?!api\.keys)|\Z)", text, re.MULTILINE | re.DOTALL)
        assert found is not None, name
        for field in dataclasses.fields(kind):
            if (name, field.name) not in no_settings:
                assert re.search(rf"^(# )?{field.name} = .*", found[1], re.MULTILINE), f"{name}: {field.name}"
    for line in text.splitlines():
        if re.match(r"\w+ = ", line) and not line.startswith("trusted_proxies = []"):
            assert " # " in line, line


def test_a_signature_for_each_language(file: Path) -> None:
    organisation = read(file, SMALLEST + 'signature = {zh = "安河", en = "Anhe"}').organisation
    assert (organisation.signature_for("zh"), organisation.signature_for("en")) == ("安河", "Anhe")


def test_secrets_come_from_files_and_the_environment(file: Path) -> None:
    (file.parent / "operator.password").write_text("hunter2\n")
    (file.parent / "url").write_text("postgresql+psycopg://muster:pw@db/muster\n")
    gateway = read(
        file,
        SMALLEST
        + SMPP
        + 'password_file = "operator.password"\nsource = "${SOURCE}"\n'
        + '[database]\nurl_file = "${FOLDER}/url"\n'
        + '[modem.a]\nimei = "490154203237518"\npin = "${PIN}"\n',
        {"SOURCE": "10690001", "PIN": "1234", "FOLDER": str(file.parent)},
    )
    assert gateway.smpp["mobile"].password == "hunter2"
    assert gateway.smpp["mobile"].source == "10690001"
    assert gateway.modem["a"].pin == "1234"
    assert gateway.database.url == "postgresql+psycopg://muster:pw@db/muster"


def test_no_secret_in_a_representation(file: Path) -> None:
    gateway = read(
        file,
        SMALLEST
        + SMPP
        + 'password = "tell-no1"\n'
        + '[database]\nurl = "postgresql+psycopg://muster:tell-no2@db/muster"\n'
        + '[modem.a]\nimei = "490154203237518"\npin = "98765432"\n'
        + '[api.keys]\nagri = "tell-no3-tell-no3-tell-no3"\n'
        + '[ussd_http.africastalking]\npath_key = "tell-no4-tell-no4"\n',
    )
    assert "tell-no" not in repr(gateway)
    assert "98765432" not in repr(gateway)


def test_what_is_wrong_with_a_secret_is_said_without_it(file: Path) -> None:
    lines = problems(file, SMALLEST + SMPP + 'password = "much-too-long"\n[api.keys]\nagri = "too short"\n')
    assert lines == [
        "[smpp.mobile]: password: has 13 octets, 8 are allowed",
        "[api.keys]: agri: is not 16 or more letters, digits and signs",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "[organisation]: name: is missing"),
        ("[organisation]\n", "[organisation]: name: is missing"),
        ('[organisation]\nname = ""\n', "[organisation]: name: must not be empty"),
        ("[organisation]\nname = 7\n", "[organisation]: name: is a text"),
        (SMALLEST + 'country = "XX"\n', "[organisation]: country: no country has the code 'XX'"),
        (SMALLEST + 'currency = "RMB"\n', "[organisation]: currency: no currency has the code 'RMB'"),
        (
            SMALLEST + 'time_zone = "Asia/Shangai"\n',
            "[organisation]: time_zone: there is no 'Asia/Shangai'; did you mean Asia/Shanghai?",
        ),
        (SMALLEST + 'language = "fr"\n', "[organisation]: language: is one of zh, en"),
        (SMALLEST + 'ussd_code = "123"\n', '[organisation]: ussd_code: is not a code as in "*123#"'),
        (
            SMALLEST + 'signature = {cn = "安河"}\n',
            "[organisation.signature]: cn: there is no such setting",
        ),
        (SMALLEST + "[consol]\n", "consol: there is no such table; did you mean console?"),
        (SMALLEST + "[smpp_server]\n", "smpp_server: there is no such table"),
        (SMALLEST + 'colour = "red"\n', "[organisation]: colour: there is no such setting"),
        (SMALLEST + SMPP + "windw = 5\n", "[smpp.mobile]: windw: there is no such setting; did you mean window?"),
        (SMALLEST + SMPP + "window = 0\n", "[smpp.mobile]: window: is 1 to 1000, not 0"),
        (SMALLEST + SMPP + "window = 2.5\n", "[smpp.mobile]: window: is a whole number"),
        (SMALLEST + SMPP + "window = true\n", "[smpp.mobile]: window: is a whole number"),
        (SMALLEST + SMPP + "rate = -1\n", "[smpp.mobile]: rate: is 0 to 100000, not -1"),
        (SMALLEST + SMPP + "rate = nan\n", "[smpp.mobile]: rate: is 0 to 100000, not nan"),
        (SMALLEST + SMPP + 'ussd = "restcomm"\n', "[smpp.mobile]: ussd: is one of its, tata, 6d, mica"),
        (
            SMALLEST + SMPP + 'ussd = "its"\nbind = "receiver"\n',
            '[smpp.mobile]: ussd: needs bind = "transceiver"',
        ),
        (
            SMALLEST + SMPP + 'bind = "transciever"\n',
            "[smpp.mobile]: bind: is one of transmitter, receiver, transceiver; did you mean transceiver?",
        ),
        (
            SMALLEST + SMPP + 'prefixes = ["86"]\n',
            "[smpp.mobile]: prefixes: '86' is not the beginning of a number as in \"+86\"",
        ),
        (SMALLEST + SMPP + "prefixes = [86]\n", "[smpp.mobile]: prefixes: is a list of texts, 86 is none"),
        (SMALLEST + SMPP + 'prefixes = "+86"\n', "[smpp.mobile]: prefixes: is a list"),
        (SMALLEST + SMPP + 'trusted_msisdn = "no"\n', "[smpp.mobile]: trusted_msisdn: is true or false"),
        (SMALLEST + SMPP + 'password = "${PW}"\n', "[smpp.mobile]: password: the environment has no PW"),
        (
            SMALLEST + SMPP + 'password = "a"\npassword_file = "b"\n',
            "[smpp.mobile]: password_file: is given and password too; one of them is enough",
        ),
        (
            SMALLEST + '[smpp.m]\nendpoint = "tcp:smsc.example.net"\nsystem_id = "m"\n',
            "[smpp.m]: endpoint: the port is missing",
        ),
        (
            SMALLEST + '[smpp.m]\nendpoint = "udp:h:2775"\nsystem_id = "m"\n',
            "[smpp.m]: endpoint: is not tcp:HOST:PORT or tls:HOST:PORT",
        ),
        (
            SMALLEST + '[smpp.m]\nendpoint = "tcp:h:99999"\nsystem_id = "m"\n',
            "[smpp.m]: endpoint: '99999' is no port",
        ),
        (
            SMALLEST + '[smpp.m]\nendpoint = "tcp:h:1:time=2"\nsystem_id = "m"\n',
            "[smpp.m]: endpoint: tcp: has no option time; there is bindAddress, host, port, timeout",
        ),
        (SMALLEST + "[smpp]\nmobile = 1\n", "[smpp]: mobile: is a table"),
        (SMALLEST + "[smpp.Mobile]\n", "[smpp]: Mobile: a name has up to 32 of a to z, 0 to 9, - and _"),
        (SMALLEST + "[modem.a]\n", "[modem.a]: device: give either device or imei"),
        (
            SMALLEST + '[modem.a]\ndevice = "ttyUSB0"\n',
            "[modem.a]: device: is not a path as in /dev/serial/by-id/...",
        ),
        (
            SMALLEST + '[modem.a]\ndevice = "/dev/x"\n[modem.b]\ndevice = "/dev/x"\n',
            "[modem.b]: device: is that of [modem.a]",
        ),
        (
            SMALLEST + '[modem.a]\nimei = "490154203237518"\n[modem.b]\nimei = "490154203237518"\n',
            "[modem.b]: imei: is that of [modem.a]",
        ),
        (
            SMALLEST + SMPP + '[modem.mobile]\ndevice = "/dev/x"\n',
            "[modem.mobile]: [smpp.mobile] has the same name",
        ),
        (
            SMALLEST + '[ussd_http.africatalking]\npath_key = "0123456789abcdef"\n',
            "[ussd_http.africatalking]: no vendor of that name; there is africastalking",
        ),
        (
            SMALLEST + '[ussd_http.africastalking]\npath_key = "a/b"\n',
            "[ussd_http.africastalking]: path_key: is not 16 or more letters, digits, - and _",
        ),
        (
            SMALLEST + '[api.keys]\na = "0123456789abcdef"\nb = "0123456789abcdef"\n',
            "[api.keys]: b: another system has the same key",
        ),
        (
            SMALLEST + '[api.keys.a]\nkey = "0123456789abcdef"\nmay = ["fly"]\n',
            "[api.keys.a]: may: 'fly' is not one of send, notices, approve",
        ),
        (
            SMALLEST + '[database]\nurl = "sqlite:///:memory:"\n',
            "[database]: url: names no file, and a database in memory would forget everything",
        ),
        (
            SMALLEST + '[database]\nurl = "mysql://h/m"\n',
            "[database]: url: mysql is neither sqlite nor postgresql+psycopg",
        ),
        (
            SMALLEST + '[database]\nurl = "postgres://h/m"\n',
            "[database]: url: postgres is neither sqlite nor postgresql+psycopg; write postgresql+psycopg://",
        ),
        (
            SMALLEST + '[database]\nurl = "nonsense"\n',
            "[database]: url: is sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        ),
        (
            SMALLEST + '[console]\nlisten = "tcp:8080"\n',
            "[console]: listen: beyond this machine it needs TLS (ssl:...) or trusted_proxies that provide it",
        ),
        (
            SMALLEST + '[api]\nlisten = "tcp:8081:interface=0.0.0.0"\n',
            "[api]: listen: beyond this machine it needs TLS (ssl:...) or trusted_proxies that provide it",
        ),
        (
            SMALLEST + '[api]\nlisten = "tcp:8080:interface=127.0.0.1"\n',
            "[api]: listen: is the console's; each needs its own",
        ),
        (
            SMALLEST + '[console]\nlisten = "8080"\n',
            '[console]: listen: is not an endpoint as in "tcp:8080:interface=127.0.0.1"',
        ),
        (
            SMALLEST + '[console]\nlisten = "ssl:443:privateKey=/nowhere.key"\n',
            "[console]: listen: privateKey: there is no file /nowhere.key",
        ),
        (
            SMALLEST + '[console]\npublic_url = "muster.example.org"\n',
            '[console]: public_url: is what the browser shows, as in "https://muster.example.org"',
        ),
        (
            SMALLEST + '[console]\ntrusted_proxies = ["10.0.0.0/99"]\n',
            "[console]: trusted_proxies: '10.0.0.0/99' is not an address or a network",
        ),
        (
            SMALLEST + '[alarms]\nnumbers = ["13800000001"]\n',
            "[alarms]: numbers: '13800000001' is not a number as in \"+8613800000001\"",
        ),
    ],
)
def test_one_problem(file: Path, text: str, problem: str) -> None:
    assert problems(file, text) == [problem]


def test_all_problems_at_once(file: Path) -> None:
    lines = problems(
        file,
        '[organisation]\ncountry = "cn"\n[smpp.a]\nwindow = 0\n[modem.b]\nbaud = 9600\n'
        '[security]\nkey_file = "no/such/key"\n',
    )
    assert lines == [
        '[organisation]: country: is not two letters as in "CN"',
        "[organisation]: country: no country has the code 'cn'",
        "[organisation]: name: is missing",
        "[smpp.a]: endpoint: is missing",
        "[smpp.a]: system_id: is missing",
        "[smpp.a]: window: is 1 to 1000, not 0",
        "[modem.b]: device: give either device or imei",
        "[modem.b]: baud: there is no such setting",
        f"[security]: key_file: the folder {file.parent}/no/such does not exist",
    ]


@pytest.mark.parametrize(
    "listen",
    [
        "tcp:8080:interface=127.0.0.1",
        "tcp:port=8080:interface=localhost",
        r"tcp6:8080:interface=\:\:1",
        "unix:/run/muster/console.sock",
        "haproxy:tcp:8080:interface=127.0.0.1",
    ],
)
def test_local_endpoints_need_no_tls(file: Path, listen: str) -> None:
    assert read(file, SMALLEST + f"[console]\nlisten = '{listen}'\n").console.listen == listen


def test_beyond_this_machine_a_proxy_or_tls_will_do(file: Path) -> None:
    (file.parent / "key").touch()
    assert read(file, SMALLEST + '[console]\nlisten = "tcp:8080"\ntrusted_proxies = ["10.0.0.0/8"]\n')
    assert read(file, SMALLEST + f'[console]\nlisten = "ssl:443:privateKey={file.parent}/key"\n')


def test_files_that_are_none(file: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(file)
    assert problems(file, "[organisation\n") == [
        "is not TOML: Expected ']' at the end of a table declaration (at line 1, column 14)"
    ]


def test_the_choices_are_those_the_link_knows() -> None:
    assert set(loading.USSD_PROFILES) == set(ussd.PROFILES)
    assert set(loading.MESSAGE_IDS) == set(receipt.MESSAGE_IDS)


values = st.recursive(
    st.one_of(
        st.text(max_size=8), st.integers(), st.booleans(), st.floats(), st.sampled_from(["1", "+86", "${X}", "tcp:1"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["a", "key", "B c"]), inner)),
    max_leaves=4,
)


@given(st.sampled_from(sorted(tomllib.loads(EXAMPLE.read_text("utf-8")))), values, st.data())
def test_no_value_breaks_the_loader(name: str, value: Any, data: st.DataObject) -> None:
    """Whatever stands where: a problem with a name, never another exception."""
    example = tomllib.loads(EXAMPLE.read_text("utf-8"))
    table, key = example, name
    while isinstance(table[key], dict) and table[key] and data.draw(st.booleans()):
        table = table[key]
        key = data.draw(st.sampled_from(sorted(table)))
    table[key] = value
    reader = Reader(EXAMPLE, {})
    loading._gateway(Table(reader, "", example))
    assert all(problem.reason for problem in reader.problems)


PROVIDER = """[providers.wallet]
kind = "gsma"
url = "http://127.0.0.1:9000"
payee = "2999"
sources = ["127.0.0.1"]
[callbacks]
public_url = "http://127.0.0.1:8081"
"""
DARAJA = PROVIDER.replace('"gsma"', '"daraja"').replace("2999", "600000")


def test_a_provider(file: Path) -> None:
    provider = read(file, SMALLEST + PROVIDER).providers["wallet"]
    assert (provider.kind, provider.label, provider.most, provider.timeout) == ("gsma", "wallet", 500, 20)
    assert read(file, SMALLEST).callbacks == model.Callbacks()


def test_money_does_not_travel_in_the_clear(file: Path) -> None:
    for url in ("http://mm.example.org", "ftp://mm.example.org", "https://a:b@mm.example.org", "https://", "x"):
        found = problems(file, SMALLEST + PROVIDER.replace("http://127.0.0.1:9000", url))
        assert found == ["[providers.wallet]: url: is https://HOST..., http:// on this machine only"], url
    read(file, SMALLEST + PROVIDER.replace("http://127.0.0.1:9000", "https://mm.example.org/v1.2"))
    found = problems(file, SMALLEST + PROVIDER.replace("http://127.0.0.1:8081", "http://pay.example.org"))
    assert found == ["[callbacks]: public_url: is https://HOST..., http:// on this machine only"]
    assert problems(file, SMALLEST + PROVIDER + 'listen = "tcp:8443"') == [
        "[callbacks]: listen: beyond this machine it needs TLS (ssl:...) or trusted_proxies that provide it"
    ]


def test_what_a_provider_lacks(file: Path) -> None:
    assert problems(file, SMALLEST + DARAJA) == [
        "[providers.wallet]: client_id: is missing",
        "[providers.wallet]: client_secret: is missing",
        "[providers.wallet]: passkey: is missing",
    ]
    assert problems(file, SMALLEST + PROVIDER.replace('"gsma"', '"gsm"')) == [
        "[providers.wallet]: kind: is one of gsma, daraja; did you mean gsma?"
    ]
    assert problems(
        file, SMALLEST + PROVIDER.replace('sources = ["127.0.0.1"]\n', 'initiator = "api"\nleast = 600\n')
    ) == [
        "[providers.wallet]: least: is more than most, 500",
        "[providers.wallet]: sources: is missing; it is the networks that callbacks come from, as in "
        '["196.201.214.0/24"]',
        "[providers.wallet]: initiator: goes with security_credential, both or neither",
    ]
    assert problems(file, SMALLEST + PROVIDER.partition("[callbacks]")[0]) == [
        "[callbacks]: public_url: is missing; it is where the providers reach this gateway"
    ]


def test_secrets_of_a_provider_are_in_no_representation(file: Path) -> None:
    secrets = 'client_id = "me"\nclient_secret = "s-one"\npasskey = "s-two"\napi_key = "s-three"\n'
    gateway = read(file, SMALLEST + DARAJA.replace("[callbacks]", secrets + "[callbacks]"))
    assert gateway.providers["wallet"].passkey == "s-two"
    assert "s-" not in repr(gateway.providers)
