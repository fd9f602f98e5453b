"""`muster paybill`: where payments to a pay bill are announced, and telling the provider so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.model import Gateway
from gateway.cli.checking import configuration
from gateway.cli.problems import Problem
from gateway.core.keys import Keys
from gateway.http import Trouble
from gateway.providers.daraja import Daraja
from gateway.providers.worker import pay_bill_secret


def provider(config: Path, name: str) -> Gateway:
    """The configuration, if NAME has a pay bill."""
    gateway = configuration(config)
    found = gateway.providers.get(name)
    if found is None:
        known = ", ".join(gateway.providers) or "none"
        raise Problem(f"there is no [providers.{name}]; there is {known}")
    if found.kind != "daraja":
        raise Problem(f'{name} has no pay bill of this kind; only providers with kind = "daraja" announce payments')
    return gateway


async def paybill(reactor: Any, gateway: Gateway, name: str, *, register: bool, tell: Callable[[str], None]) -> None:
    keys = Keys.load(gateway.security.key_file)
    confirmation, validation = (
        f"{gateway.callbacks.public_url}/payments/{name}/{pay_bill_secret(keys, name, which)}"
        for which in ("confirmation", "validation")
    )
    tell(f"confirmation {confirmation}")
    tell(f"validation   {validation}")
    if not register:
        return
    client = Daraja(
        gateway.providers[name], reactor, currency=gateway.organisation.currency, now=lambda: datetime.now(UTC)
    )
    try:
        tell(f"{name}: {await client.register(confirmation, validation)}")
    except Trouble as trouble:
        raise Problem(f"{name} did not take them: {trouble}") from None
