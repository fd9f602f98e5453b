"""The fingerprint of a row, by which a changed one is found: SHA-256 of its values in a fixed form."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import orjson

from gateway.core.driver import moment


def digest(*values: Any) -> bytes:
    """Text, numbers, times, None and tuples of them; equal on either engine and for ever."""
    plain = [moment(value) if isinstance(value, datetime) else value for value in values]
    return hashlib.sha256(orjson.dumps(plain)).digest()
