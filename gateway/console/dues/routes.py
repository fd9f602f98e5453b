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
    texts,
    vouchers,
    waivers,
    wallets,
)

ROUTES = (
    *overview.ROUTES,
    *days.ROUTES,
    *receipts.ROUTES,
    *suspense.ROUTES,
    *texts.ROUTES,
    *wallets.ROUTES,
    *reconciliation.ROUTES,
    *refunds.ROUTES,
    *waivers.ROUTES,
    *vouchers.ROUTES,
    *rates.ROUTES,
)
