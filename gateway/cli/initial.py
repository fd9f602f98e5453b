"""`muster init`: a gateway begun, from a few questions."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import click
from babel.numbers import get_territory_currencies

from config.load import ConfigError, load
from gateway.cli import opening, staff
from gateway.cli.problems import Problem

Answers = Mapping[str, str | None]


def begin(folder: Path, given: Answers, *, ask: bool, password: str | None, user: str) -> None:
    """Write configuration, key, database, first administrator and systemd unit; a wrong answer leaves nothing."""
    config = folder / "muster.toml"
    if config.exists():
        raise Problem(f"{config} is there already; choose another folder, or change the file by hand")
    answers = _Answers(given, ask=ask)
    settings = _settings(answers)
    admin = answers.take("admin", "Name of the first administrator", "admin")
    if password is None and ask:
        password = click.prompt("Their password (empty: one is made)", default="", show_default=False, hide_input=True)
    made_up = not password
    password = password or secrets.token_urlsafe(12)

    new_folder = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _write(config, settings)
        try:
            gateway = load(config)
        except ConfigError as error:
            raise Problem(f"these answers do not do:\n{error}") from None
        opening.upgrade(config)
        staff.add(config, admin, role="admin", password=password)
        unit = folder / "muster.service"
        _write(unit, _unit(config.absolute(), gateway.organisation.name, user), mode=0o644)
    except BaseException:
        for name in ("muster.toml", "muster.key", "muster.db", "muster.db-wal", "muster.db-shm", "muster.service"):
            (folder / name).unlink(missing_ok=True)
        if new_folder:
            folder.rmdir()
        raise
    click.echo(f"{config} is written and checked; {gateway.security.key_file} is its key, keep a copy elsewhere.")
    click.echo(f"{admin} signs in at {gateway.console.public_url}" + (f" with {password}" if made_up else ""))
    click.echo(f"Try it:      muster run {config}")
    click.echo(f"As a service: useradd --system --groups dialout {user}; chown -R {user} {folder.absolute()};")
    click.echo(f"              cp {unit.absolute()} /etc/systemd/system/; systemctl enable --now muster")


class _Answers:
    """Options that were given, and questions for the rest."""

    def __init__(self, given: Answers, *, ask: bool) -> None:
        self._given = given
        self._ask = ask

    def take(self, name: str, question: str, default: str | None = None) -> str:
        answer = self._given.get(name)
        if answer is not None:
            return answer
        if self._ask:
            answer = click.prompt(question, default=default)
        elif default is None:
            raise Problem(f"--{name.replace('_', '-')} is needed with --yes")
        return answer if answer is not None else default or ""

    def has(self, name: str) -> bool:
        return self._given.get(name) is not None


def _settings(answers: _Answers) -> str:
    name = answers.take("name", "Name of the organisation")
    country = answers.take("country", "Country, two letters", "CN").upper()
    language = answers.take("language", "Language of the answers, zh or en", "zh" if country == "CN" else "en")
    currency = answers.take("currency", "Currency, three letters", _currency(country))
    time_zone = answers.take("time_zone", "Time zone", _time_zone(country))
    first = "modem" if answers.has("device") else "smpp" if answers.has("endpoint") else "none"
    kind = answers.take("link", "First way to phones: smpp, modem or none", first)
    if kind not in ("smpp", "modem", "none"):
        raise Problem(f"{kind!r} is neither smpp nor modem nor none")
    lines = [
        "# The settings of this gateway; docs/configuration.md says what there is.",
        "",
        "[organisation]",
        _line("name", name),
        _line("country", country),
        _line("language", language),
        _line("currency", currency),
        _line("time_zone", time_zone),
        "",
        "[security]",
        _line("key_file", "muster.key"),
        "",
        "[database]",
        _line("url", "sqlite:///muster.db"),
        "",
        "[console]",
        _line("listen", "tcp:8080:interface=127.0.0.1"),
        _line("public_url", "http://127.0.0.1:8080"),
        "",
        "[api]",
        _line("listen", "tcp:8081:interface=127.0.0.1"),
        "",
        "[api.keys]",
        "# `muster send` uses it.",
        _line("local", secrets.token_urlsafe(24)),
        "",
    ]
    if kind == "smpp":
        lines += [
            "[smpp.operator]",
            _line("endpoint", answers.take("endpoint", "SMPP address of the operator", "tcp:127.0.0.1:2775")),
            _line("system_id", answers.take("system_id", "Our system_id there", "muster")),
            _line("password", answers.take("link_password", "Our password there", "")),
            _line("source", answers.take("source", "Our number there", "")),
            "",
        ]
    if kind == "modem":
        lines += [
            "[modem.first]",
            _line("device", answers.take("device", "Device of the modem (`muster modems` finds it)", _device())),
            "",
        ]
    return "\n".join(lines)


def _line(key: str, value: str) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _currency(country: str) -> str:
    return str(next(iter(get_territory_currencies(country)), "CNY"))


def _time_zone(country: str) -> str:
    """The first zone of the country in the list of zones, which is its most populous."""
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8")
    for line in table.splitlines():
        fields = line.split("\t")
        if fields[0] == country:
            return fields[2]
    return "UTC"


def _device() -> str:
    found = sorted(Path("/dev/serial/by-id").glob("*")) if Path("/dev/serial/by-id").is_dir() else []
    return str(found[0]) if found else "/dev/ttyUSB0"


def _write(file: Path, content: str, *, mode: int = 0o600) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as opened_file:
        opened_file.write(content)


def _unit(config: Path, name: str, user: str) -> str:
    beside = Path(sys.executable).with_name("muster")
    muster = beside if beside.exists() else Path(shutil.which("muster") or beside)
    described = " ".join(name.split()).replace("%", "%%")
    return f"""\
[Unit]
Description=Muster: {described}
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
User={user}
SupplementaryGroups=dialout
ExecStart={muster} run {config} --log-format json
Restart=always
RestartSec=2
TimeoutStopSec=20
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths={config.parent}
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX

[Install]
WantedBy=multi-user.target
"""
