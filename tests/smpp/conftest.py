"""A link that is not started yet, and the operator's end of its connection once it is bound."""

from __future__ import annotations

import pytest

from gateway.core.model import LinkStatus
from tests.smpp.rig import End, Network


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def end(network: Network) -> End:
    end = network.start()
    end.bind()
    assert network.shows() is LinkStatus.READY
    return end
