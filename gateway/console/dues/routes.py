"""All pages of dues."""

from __future__ import annotations

from gateway.console.dues import overview, receipts, suspense, vouchers

ROUTES = (*overview.ROUTES, *receipts.ROUTES, *suspense.ROUTES, *vouchers.ROUTES)
