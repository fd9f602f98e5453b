"""`muster verify`: the proof of the books, with progress; exit status 1 when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from tqdm import tqdm

from config.load import load
from gateway.affairs import verifying
from gateway.cli.opening import closing_engine
from gateway.core import upgrade
from gateway.core.keys import Keys


def verify(config: Path, links: Sequence[str] = ()) -> bool:
    """Print what was looked at and what is wrong; whether all is right. A gateway may run meanwhile."""
    gateway = load(config)
    keys = Keys.load(gateway.security.key_file)
    with closing_engine(gateway.database.url, read_only=True) as made, made.connect() as conn:
        if conn.dialect.name == "postgresql":  # one moment for all that is read, however long it takes
            conn.execution_options(isolation_level="REPEATABLE READ")
            conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
        upgrade.check_version(conn, keys)
        with tqdm(desc="verify", unit=" rows", file=sys.stderr, disable=None) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            proof = verifying.verify(conn, keys, progress, written_down=links)
        conn.rollback()
    for line in verifying.lines(proof):
        click.echo(line)
    if not proof.findings:
        click.echo("all is as it was written")
    return not proof.findings
