"""What the database side of the desk works with, what it is given with a batch, and what it hands back."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from commands.office import Office
from config.receipt_rules import Rules
from gateway.affairs.wallet_texts import OnSim
from gateway.core.model import Inbound, Part
from gateway.core.release import Split
from gateway.limits import Limits
from menus.engine import Engine
from menus.sessions import Session, Sessions


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the database side works with; the same for every message."""

    office: Office
    engine: Engine
    sessions: Sessions
    limits: Limits
    random: random.Random
    route: Callable[[str, str | None], str | None] = lambda number, prefer: prefer  # the link for a number
    rules: Rules = field(default_factory=Rules)  # how the texts of wallets are read
    wallets: Mapping[str, OnSim] = field(default_factory=dict)  # by the link of the modem that has its SIM


class Slots(NamedTuple):
    """What a link has free for the replies of one batch."""

    split: Split
    granted: int  # parts that may be born inflight
    room: int  # parts that may be born leased


class Taken(NamedTuple):
    """An inbound with what the reactor side knows of it."""

    message: Inbound
    fingerprint: int | None
    route: str | None  # the link a reply goes by


@dataclass(slots=True)
class Handled:
    """What became of one inbound; the desk acts on it after the commit."""

    link: str | None = None
    write: tuple[Part, ...] = ()
    hold: tuple[Part, ...] = ()
    queued: bool = False
    screen: Part | None = None
    session: Session | None = None
    automatic: tuple[str, bool] | None = None  # the reply's text, and whether it is an error
    command: str | None = None
    money: bool = False  # a text about money that needs a person
