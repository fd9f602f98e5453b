"""A gateway with providers, on each engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gateway.core.keys import Keys
from gateway.core.upgrade import upgrade
from tests.conftest import EmptyDatabase
from tests.providers.house import House
from tests.providers.house import house as make_house


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is up to date, and its key: made once."""
    folder = tmp_path_factory.mktemp("template")
    upgrade(f"sqlite:///{folder}/muster.db", Keys.make(folder / "muster.key"))
    return folder


@pytest.fixture
def place(_template: Path, tmp_path: Path) -> Path:
    """A folder with a key and a SQLite database."""
    for name in ("muster.key", "muster.db"):
        shutil.copy(_template / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_server: str, _template: Path) -> Iterator[str]:
    with EmptyDatabase(postgresql_server) as url:
        upgrade(url, Keys.load(_template / "muster.key"))
        yield str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, place: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{place}/muster.db"
        return
    template = request.getfixturevalue("_postgresql_template")
    with EmptyDatabase(request.getfixturevalue("postgresql_server"), template=template) as url:
        yield url


@pytest.fixture
def house(place: Path, url: str) -> Iterator[House]:
    with make_house(place, url) as found:
        yield found


@pytest.fixture
def quick(place: Path) -> Iterator[House]:
    """On SQLite alone, for what has nothing to do with the engine."""
    with make_house(place, f"sqlite:///{place}/muster.db") as found:
        yield found
