"""Which link for this number: the longest prefix, then one that is ready, then the order of the configuration."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.links import Entry


def choose(entries: Iterable[Entry], number: str, prefer: str | None = None) -> str | None:
    """The name of the link to send to `number` by, `prefer` (that of the question) if it can; None without any.

    A link without prefixes takes every number, after those that name one.
    """
    best: tuple[int, int, int] | None = None
    name = None
    for position, entry in enumerate(entries):
        if entry.link.window <= 0:
            continue
        if entry.name == prefer:
            return prefer
        length = max((len(prefix) for prefix in entry.prefixes if number.startswith(prefix)), default=0)
        if entry.prefixes and not length:
            continue
        rank = (length, int(entry.ready), -position)
        if best is None or rank > best:
            best, name = rank, entry.name
    return name
