"""All pages of dues."""

from __future__ import annotations

from gateway.console.dues import (
    days,
    overview,
    rates,
    receipts,
    reconciliation,
    refunds,
    suspense,
    vouchers,
    waivers,
    wallets,
)

ROUTES = (
    *overview.ROUTES,
    *days.ROUTES,
    *receipts.ROUTES,
    *suspense.ROUTES,
    *wallets.ROUTES,
    *reconciliation.ROUTES,
    *refunds.ROUTES,
    *waivers.ROUTES,
    *vouchers.ROUTES,
    *rates.ROUTES,
)
