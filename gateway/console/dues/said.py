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
    N_("the second person must be somebody else"),
    N_("whoever collected or booked the money cannot decide about giving it back"),
    N_("a waiver is approved by another person than who proposed it or has it"),
    N_("a waiver is of more than nothing"),
    N_("who proposed it cannot decide it"),
    N_("the level above the member's branch decides this"),
    N_("there is no such proposal, or it has been decided"),
    N_("there is no such waiver"),
    N_("there is no such request"),
    N_("there is no such money in suspense"),
    N_("say what it is; the note stands beside it"),
    N_("say why it should go back; the second person has to know"),
    N_("say by which transaction it went back"),
    N_("cash is confirmed by the member who got it"),
    N_("there is no such receipt"),
    N_("this payment was reversed already"),
    N_("whoever would get the money cannot decide about giving it back"),
    N_("there is no such open row"),
    N_("this day was not compared yet"),
)


def refusal(visit: Visit, error: Exception) -> str:
    """Why not, in the reader's language where we know the sentence."""
    return visit.gettext(getattr(error, "message", str(error)), **getattr(error, "values", {}))
