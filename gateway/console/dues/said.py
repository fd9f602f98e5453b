"""What the affairs say when they refuse, so that pages can say it in the reader's language."""

from __future__ import annotations

from gateway.console.language import N_
from gateway.console.web import Visit

SENTENCES = (
    N_("a batch has 1 to %(most)s vouchers, not %(count)s"),
    N_("a voucher is worth something"),
    N_("this was printed already as batch %(number)s; there is no second print"),
    N_("there is no batch %(number)s"),
    N_("who printed a batch does not activate it; ask a colleague"),
    N_("batch %(number)s is void"),
    N_("batch %(number)s is active already"),
    N_("only vouchers of an active batch are sold, one at least"),
    N_("batch %(number)s has %(left)s left to sell"),
)


def refusal(visit: Visit, error: Exception) -> str:
    """Why not, in the reader's language where we know the sentence."""
    return visit.gettext(getattr(error, "message", str(error)), **getattr(error, "values", {}))
