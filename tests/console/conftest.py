"""Consoles that run for one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.world import World, served_on


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_on(tmp_path) as served:
        yield World(served)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    """One of its own, for tests that turn the clock or lock people out."""
    with served_on(tmp_path) as served:
        yield World(served)
