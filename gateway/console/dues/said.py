"""What the affairs say when they refuse, so that pages can say it in the reader's language."""

from __future__ import annotations

from gateway.affairs.refusal import Refusal
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
    N_("this money is %(state)s already"),
    N_("this refund is %(state)s"),
    N_("this request is %(state)s"),
    N_("this text is %(state)s, only one that is held can be accepted"),
    N_("this text is %(state)s, it cannot be rejected"),
    N_("the code %(code)s counted before; look at that text"),
    N_("the transaction %(code)s was booked with another amount; correct that one first"),
    N_("the transaction was %(state)s already"),
    N_("receipt %(number)s has been reversed"),
    N_("a payment is of more than nothing"),
    N_("there is no such member"),
    N_("there is no such refund"),
    N_("there is no such voucher that was redeemed"),
    N_("there is no such pending transaction"),
    N_("money paid so cannot go back the same way"),
    N_("%(open)s rows of this day are open; close them first"),
    N_("%(name)s has signed this day"),
    N_("a waiver is for 1 to %(most)s months"),
    N_("the waiver was %(state)s already"),
    N_("there are no rates in %(currency)s; bring some with `muster dues rates CONFIG import FILE`"),
    N_("%(year)s cannot be assessed now; %(this)s and %(next)s can"),
    N_("members have been assessed by the rates from %(day)s; give the new ones a later day"),
    N_("the table has no class"),
    N_("two classes are called %(name)s"),
    N_("%(name)s: the most is less than the least"),
    N_("%(name)s: a rate is 0 to %(most)s parts of a million"),
    N_("%(name)s: a step ends above nothing"),
    N_("%(name)s: the last step, and no other, has no upper end"),
    N_("%(name)s: the steps must rise"),
    N_("not TOML: %(error)s"),
    N_("the rates are in %(found)s, the organisation's currency is %(currency)s"),
    N_("classes are written [[class]]"),
    N_("a class has no name"),
    N_('%(name)s: labels are written { zh = "...", en = "..." }'),
    N_("%(name)s: steps are written [{ upto = 3000.00, ppm = 5000 }, ...]"),
    N_("%(name)s: approval is true or false"),
    N_("%(where)s: there is no %(name)s; it may have %(known)s"),
    N_("valid_from is a day, as in 2027-01-01"),
    N_("%(where)s: ppm is a whole number, parts of a million; 5000 is 0.5 %%"),
    N_("%(where)s is an amount, as in 3000.00, not %(found)s"),
    N_("%(where)s is an amount with at most %(decimals)s decimals, not %(found)s"),
)
# How a thing stands, where that is why not.
STATES = (
    N_("matched"),
    N_("returning"),
    N_("returned"),
    N_("requested"),
    N_("approved"),
    N_("pending"),
    N_("done"),
    N_("failed"),
    N_("refused"),
    N_("asked"),
    N_("proposed"),
    N_("posted"),
    N_("voided"),
    N_("held"),
    N_("booked"),
    N_("settled"),
    N_("rejected"),
)


def refusal(visit: Visit, error: Exception) -> str:
    """Why not, in the reader's language where we know the sentence."""
    if not isinstance(error, Refusal):
        return visit.gettext(str(error))
    values = {name: visit.gettext(str(value)) if name == "state" else value for name, value in error.values.items()}
    return visit.gettext(error.message, **values)
