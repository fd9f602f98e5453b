"""What papers say of the organisation, from its configuration."""

from __future__ import annotations

from config.model import Gateway, Organisation
from gateway.exports.sheets import House


def house_of(gateway: Gateway) -> House:
    """Members text to the number of the first link that has one of its own."""
    source = next((link.source for link in gateway.smpp.values() if link.source), "")
    return house(gateway.organisation, source)


def house(organisation: Organisation, sms_to: str = "") -> House:
    return House(
        organisation=organisation.name,
        currency=organisation.currency,
        sms_to=sms_to,
        ussd_code=organisation.ussd_code or "",
        hotline=organisation.hotline or "",
    )
