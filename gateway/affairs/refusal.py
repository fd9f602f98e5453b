"""A refusal that can be said in any language: its sentence, and apart from it the values that stand in it."""

from __future__ import annotations

import json


class Refusal(Exception):
    """This cannot be done. `message` is the English sentence before its `values`: the key of its translations."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message, self.values = message, values


def packed(refusal: Refusal) -> str:
    """As one text, for a column that keeps it until somebody reads it."""
    return json.dumps([refusal.message, {name: str(value) for name, value in refusal.values.items()}])


def unpacked(text: str) -> Refusal:
    """What `packed` made; any other text is a sentence without values."""
    if not text.startswith("["):
        return Refusal(text)
    message, values = json.loads(text)
    return Refusal(message, **values)
