"""`muster settings`: what can be typed; `gateway.cli.settings` does it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from gateway.cli.declared.shared import CONFIG, FILE
from gateway.cli.problems import Group, Problem


@click.group(cls=Group)
def settings() -> None:
    """What the organisation decides while the gateway runs; a change takes effect without a restart."""


@settings.command("list")
@CONFIG
@click.option("--changed", is_flag=True, help="Only what differs from what is shipped.")
def settings_list(config: Path, changed: bool) -> None:
    """Print every setting, its value and what it does."""
    from gateway.cli import settings as deciding

    for line in deciding.listed(config, changed=changed):
        click.echo(line)


@settings.command("get")
@CONFIG
@click.argument("name")
def settings_get(config: Path, name: str) -> None:
    """Print the value of NAME, and what it was and will be."""
    from gateway.cli import settings as deciding

    for line in deciding.get(config, name):
        click.echo(line)


@settings.command("set", context_settings={"ignore_unknown_options": True})
@CONFIG
@click.argument("name")
@click.argument("value", required=False)
@click.option("--default", "shipped", is_flag=True, help="Bring back what is shipped.")
@click.option(
    "--from",
    "valid_from",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M"]),
    metavar="WHEN",
    help="Not before this day, or minute, of the organisation's own time.",
)
@click.option("--reason", help="Why, for the audit.")
def settings_set(
    config: Path, name: str, value: str | None, shipped: bool, valid_from: datetime | None, reason: str | None
) -> None:
    """Set NAME to VALUE. Lists have commas between: `set CONFIG commands.off "81, 91"`."""
    from gateway.cli import settings as deciding

    if (value is None) != shipped:
        raise Problem("give a VALUE, or --default for what is shipped")
    click.echo(deciding.put(config, name, value, valid_from=valid_from, reason=reason))


@settings.command("export")
@CONFIG
def settings_export(config: Path) -> None:
    """Print what differs from what is shipped, as TOML that `import` takes."""
    from gateway.cli import settings as deciding

    click.echo(deciding.exported(config), nl=False)


@settings.command("import")
@CONFIG
@click.argument("file", type=FILE)
@click.option("--reason", help="Why, for the audit.")
def settings_import(config: Path, file: Path, reason: str | None) -> None:
    """Take the settings that `export` printed; all of them, or none when one is wrong."""
    from gateway.cli import settings as deciding

    click.echo(deciding.imported(config, file, reason=reason))
