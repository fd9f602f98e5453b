"""What the configuration and the organisation's decisions make together: the office, the menus, the wallets on SIMs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from commands import chosen
from commands.office import Office
from config.model import Gateway
from gateway.affairs import settings as decisions
from gateway.affairs.settings import Snapshot
from gateway.affairs.wallet_texts import OnSim
from gateway.core.keys import Keys
from gateway.providers.worker import wallets
from menus.engine import Engine
from menus.tree import load as load_menus
from menus.vendors import VENDORS


def office(settings: Gateway, keys: Keys, new_id: Callable[[], int], choice: chosen.Chosen) -> Office:
    """The office of an organisation that has chosen so."""
    return chosen.office(
        settings.organisation,
        keys,
        new_id,
        choice,
        wallets=wallets(settings),
        bank=settings.remittance_bank,
    )


def decided(
    conn: Connection, settings: Gateway, keys: Keys, new_id: Callable[[], int], known: chosen.Chosen, now: datetime
) -> tuple[Snapshot, chosen.Chosen, Office | None]:
    """The settings, and a new office when they make another; in a thread, for it takes longer than the reactor may."""
    taken = decisions.snapshot(conn)
    choice = chosen.chosen(taken, now)
    if choice == known:
        return taken, choice, None
    return taken, choice, office(settings, keys, new_id, choice)


def engine(at: Office, settings: Gateway) -> Engine:
    """The USSD menus; a link that posts over HTTP has its vendor's manners."""
    profiles = {name: VENDORS[name].profile for name in settings.ussd_http}
    language = settings.organisation.language
    return Engine(load_menus(), at.registry, at, language=language, profiles=profiles)


def names(at: Office) -> dict[str, dict[str, str]]:
    """Each command's code, and what it is called by language: for the log."""
    return {
        command.code: {language: command.word(language) for language in at.texts.languages} for command in at.registry
    }


def on_sims(settings: Gateway) -> dict[str, OnSim]:
    """By link, the wallet on its SIM."""
    modems = settings.modem.values()
    return {modem.name: OnSim(modem.wallet, modem.opening_balance) for modem in modems if modem.wallet is not None}
