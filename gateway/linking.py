"""The links that the configuration names, each of its kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from config.model import Gateway
from gateway.core import phone
from gateway.core.model import Address
from gateway.inbound import Desk
from gateway.links import Link
from modems.link import ModemLink
from modems.pins import PinFile
from smpp.link import SmppLink


def links(
    settings: Gateway,
    desk: Desk,
    *,
    reactor: Any,
    random: random.Random,
    new_id: Callable[[], int],
    now: Callable[[], datetime],
) -> list[tuple[Link, str, tuple[str, ...]]]:
    """Each with its kind and the prefixes it serves."""
    country = settings.organisation.country

    def address(text: str, ton: int | None = None, npi: int | None = None) -> Address:
        return phone.address(text, country, ton, npi)

    made: list[tuple[Link, str, tuple[str, ...]]] = []
    for smpp in settings.smpp.values():
        link = SmppLink(smpp, desk, reactor=reactor, random=random, new_id=new_id, address=address)
        made.append((link, "smpp", smpp.prefixes))
    for modem in settings.modem.values():
        pins = PinFile(settings.path.parent / "pins.json")
        modem_link = ModemLink(
            modem,
            desk,
            reactor=reactor,
            random=random,
            new_id=new_id,
            address=address,
            pins=pins,
            now=now,
        )
        made.append((modem_link, "modem", modem.prefixes))
    return made
