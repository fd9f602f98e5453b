"""All tables there are: importing this makes the one MetaData complete."""

from __future__ import annotations

from gateway.core.tables import (
    cash,
    desk,
    dues,
    intents,
    messages,
    money,
    notices,
    organisation,
    processes,
    reconciling,
    settings,
    staff,
    vouchers,
)
from gateway.core.tables.metadata import METADATA

__all__ = [
    "METADATA",
    "cash",
    "desk",
    "dues",
    "intents",
    "messages",
    "money",
    "notices",
    "organisation",
    "processes",
    "reconciling",
    "settings",
    "staff",
    "vouchers",
]
