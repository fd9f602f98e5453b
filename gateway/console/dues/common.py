"""What the pages of dues share: the books, the tabs, money as it is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from commands import shown
from gateway.affairs.books import Books
from gateway.affairs.dues import parse_month
from gateway.console.language import N_
from gateway.console.web import Page, Visit

TABS = (
    ("/dues", N_("Overview"), "dues"),
    ("/dues/days", N_("Days"), "dues detail"),
    ("/dues/receipts", N_("Receipts"), "dues detail"),
    ("/dues/texts", N_("Wallet texts"), "dues whole"),
    ("/dues/suspense", N_("Suspense"), "dues whole"),
    ("/dues/wallets", N_("Wallet payments"), "dues whole"),
    ("/dues/reconciliation", N_("Reconciliation"), "dues whole"),
    ("/dues/refunds", N_("Refunds"), "dues detail"),
    ("/dues/waivers", N_("Waivers"), "dues waivers"),
    ("/dues/vouchers", N_("Vouchers"), "dues detail"),
    ("/dues/rates", N_("Rates"), "dues"),
    ("/dues/totals", N_("Yearly totals"), "dues"),
)
LARGEST = 10**9  # minor units that a form may name


def books(visit: Visit) -> Books:
    return Books(visit.console.organisation, visit.console.keys, visit.console.ids, visit.console.bank)


def page(visit: Visit, template: str, values: Mapping[str, Any], *, status: int = 200) -> Page:
    """A page of dues, with its tabs."""
    here = visit.request.path.decode("latin-1")
    currency = visit.console.organisation.currency
    tabs = [
        (href, visit.gettext(title), here == href or (href != "/dues" and here.startswith(f"{href}/")))
        for href, title, may in TABS
        if (whole(visit, may) if may == "dues whole" else visit.who.may(may))
    ]
    return Page(
        template,
        {
            "tabs_": tabs,
            "money": lambda minor: shown.money(minor, currency, visit.language),
            "problem": visit.query("problem")[:300],
            "done": visit.query("done")[:100],
            **values,
        },
        status,
    )


def whole(visit: Visit, permission: str) -> bool:
    """Whether somebody may do it for the whole organisation: for what belongs to no branch."""
    return visit.who.may(permission) and visit.who.scope(permission) is None


def paths(visit: Visit, permission: str) -> tuple[str, ...]:
    """The subtrees somebody reaches, "" being the whole organisation."""
    scope = visit.who.scope(permission)
    return ("",) if scope is None else scope


def amount(visit: Visit, written: str) -> int | None:
    """Minor units of what was typed; None when it is no amount."""
    places = shown.decimals(visit.console.organisation.currency)
    try:
        minor = Decimal(written.replace(",", ".").strip()) * 10**places
    except InvalidOperation:
        return None
    if not minor.is_finite() or minor != minor.to_integral_value() or not 0 < minor <= LARGEST:
        return None
    return int(minor)


def units(visit: Visit, minor: int) -> Decimal:
    """An amount for a table that is taken away."""
    return Decimal(minor).scaleb(-shown.decimals(visit.console.organisation.currency))


def month(written: str) -> int | None:
    try:
        return parse_month(written)
    except ValueError:
        return None


def day(written: str) -> date | None:
    try:
        found = date.fromisoformat(written)
    except ValueError:
        return None
    return found if 2000 < found.year < 2200 else None


def year(visit: Visit) -> int:
    """The year asked for, else this one."""
    written = visit.query("year")
    if len(written) == 4 and written.isascii() and written.isdecimal() and 2000 <= int(written) < 2200:
        return int(written)
    return visit.now.astimezone(visit.console.zone).year
