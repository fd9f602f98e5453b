"""How the organisation speaks in its notices: with the words, the money and the months of its other texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from commands import shown
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.wording import Voice


class Organisation(Protocol):
    @property
    def signature(self) -> Mapping[str, str]: ...
    @property
    def language(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def time_zone(self) -> str: ...


def place(organisation: Organisation, new_id: Callable[[], int]) -> Place:
    """What notices need to know of the organisation."""
    voice = Voice(
        signatures=organisation.signature,
        language=organisation.language,
        money=partial(_money, organisation.currency),
        month=_month,
    )
    return Place(new_id, ZoneInfo(organisation.time_zone), voice)


def _money(currency: str, minor: int, language: str) -> str:
    return shown.money(minor, currency, language)


def _month(month: int, language: str) -> str:
    return shown.month(month, language, month)
