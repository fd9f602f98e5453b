"""All pages of dues."""

from __future__ import annotations

from gateway.console.dues import days, overview, rates, receipts, reconciliation, refunds, suspense, vouchers, waivers

ROUTES = (
    *overview.ROUTES,
    *days.ROUTES,
    *receipts.ROUTES,
    *suspense.ROUTES,
    *reconciliation.ROUTES,
    *refunds.ROUTES,
    *waivers.ROUTES,
    *vouchers.ROUTES,
    *rates.ROUTES,
)
