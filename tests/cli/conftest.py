"""A gateway for each test, as `muster init` makes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import PASSWORD, told


@pytest.fixture
def config(tmp_path: Path) -> Path:
    told("init", tmp_path / "muster", "--yes", "--name", "安河", "--password-stdin", input=f"{PASSWORD}\n")
    return tmp_path / "muster" / "muster.toml"
