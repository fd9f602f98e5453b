"""One gateway for the tests of a module: what they send differs, so they do not meet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.house import Client, gateway


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with gateway(tmp_path_factory.mktemp("gateway")) as client:
        yield client
