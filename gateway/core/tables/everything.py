"""All tables there are: importing this makes the one MetaData complete."""

from __future__ import annotations

from gateway.core.tables import messages, organisation, settings, staff
from gateway.core.tables.metadata import METADATA

__all__ = ["METADATA", "messages", "organisation", "settings", "staff"]
