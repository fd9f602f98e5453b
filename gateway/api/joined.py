"""What the API needs of the gateway."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from config.model import Gateway
from gateway.core.database import Database
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.inbound import Desk
from gateway.links import Board
from gateway.providers.worker import Wallets
from gateway.workplace import Workplace


class Joined(Protocol):
    settings: Gateway
    reactor: Any  # of which some interfaces are used, and zope's do not add up
    now: Callable[[], datetime]
    ids: Ids
    database: Database
    board: Board
    desk: Desk
    place: Workplace
    keys: Keys
    wallets: Wallets
