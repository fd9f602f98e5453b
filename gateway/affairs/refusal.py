"""A refusal that can be said in any language: its sentence, and apart from it the values that stand in it."""

from __future__ import annotations


class Refusal(Exception):
    """This cannot be done. `message` is the English sentence before its `values`: the key of its translations."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message, self.values = message, values
