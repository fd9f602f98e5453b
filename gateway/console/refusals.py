"""Why something was refused, in the reader's language: members, staff, settings, imports and the audit.

What money refuses stands in `dues/said.py`. A test finds every sentence of an affair that is in neither.
"""

from __future__ import annotations

from gateway.affairs.refusal import Refusal, unpacked
from gateway.console.language import N_
from gateway.console.web import Visit
from gateway.console.words import WORDS

SENTENCES = (
    # phones, roles, accounts
    N_("this phone is bound to somebody else; unbind it there first"),
    N_("this phone is bound to this member already"),
    N_("this phone is bound to nobody"),
    N_("this phone is not locked"),
    N_("this phone is not this member's any more"),
    N_("there is no such thing to do"),
    N_("this member has a role; an administrator gives them another phone"),
    N_("this member is beyond the reach of your role"),
    N_("there is no role %(name)s; roles are %(known)s"),
    N_("a role belongs to one member or to one staff account"),
    N_("the end date %(day)s is over"),
    N_("a role is given by somebody else, not by oneself"),
    N_("%(role)s and %(other)s must be two people"),
    N_("this role is over already"),
    N_("this is the last administrator of the whole; make another one first"),
    N_("this role is over already, or beyond the reach of your own"),
    N_("there is no branch %(code)s"),
    N_("this branch is beyond the reach of your own role"),
    N_("this account has a role beyond the reach of your own"),
    N_("a staff name is printable text without blanks at its ends"),
    N_("there is an account %(name)s already"),
    N_("there is no account %(name)s"),
    N_("nobody switches their own account off"),
    N_("your own second factor is on the page of your account"),
    # settings
    N_("there is no setting %(name)s; `muster settings list CONFIG` prints them"),
    N_("%(name)s: %(time)s is over; a change cannot be dated back"),
    N_("the day from which it counts is no day"),
    N_("this change was decided already"),
    N_("somebody else has changed %(name)s meanwhile; look at it, then save again"),
    N_("%(name)s is on or off, not %(typed)s"),
    N_("%(name)s is a whole number, not %(typed)s"),
    N_("%(name)s is on or off"),
    N_("%(name)s is %(least)s to %(most)s"),
    N_("%(name)s is %(least)s to %(most)s %(unit)s"),
    N_("%(name)s is one of %(choices)s"),
    N_("%(name)s is a text of %(least)s to %(most)s characters"),
    N_("%(name)s is written 21-8, from and until, or left empty"),
    N_("%(name)s is written 1-5 09:00-12:00 14:00-17:30; 6 09:00-12:00"),
    N_("%(name)s is a list with commas between"),
    N_("%(name)s holds %(most)s at most"),
    N_("%(name)s holds days, as in 2026-10-01 or 2026-10-01/2026-10-07"),
    N_("%(name)s holds prefixes with how many a day, as in +86, +882=0, +=200"),
    # commands, words and texts of one's own
    N_("there is no command %(code)s"),
    N_("%(code)s %(word)s cannot be switched off"),
    N_("words belong to %(known)s, not to %(found)s"),
    N_("%(word)s is a word of %(code)s"),
    N_("%(word)s: a word has two letters or characters at least, and nothing else"),
    N_("%(word)s: this answers a question and can mean nothing else"),
    N_("%(words)s: a word that ends all bulk messages can mean nothing else"),
    N_("%(word)s: a word of %(code)s and of %(other_code)s"),
    N_("texts: %(language)s: %(key)s: there is no such text"),
    N_("texts: %(language)s: %(key)s: there is no value %(name)s here"),
    N_("texts: %(language)s: %(key)s: a piece is written [71|text]"),
    N_("texts: %(language)s: %(key)s: a value is written {name}"),
    N_("texts: %(language)s: %(key)s: is missing"),
    N_("texts: %(language)s: %(key)s: has other values than in %(first)s"),
    N_("%(where)s: %(problem)s"),
    N_("no widest value is declared for %(names)s"),
    N_("%(count)s units with its widest values, %(limit)s fit beside a signature"),
    N_("a widest value that GSM 03.38 cannot carry makes every character twice as dear"),
    N_("names %(word)s where it may not be there; write [%(word)s|...]"),
    # imports
    N_("%(error)s"),
    N_("the file is empty"),
    N_("two columns mean %(name)s"),
    N_("there is no column %(name)s; is it '%(near)s'?"),
    N_("there is no column %(name)s"),
    N_("this is a workbook; save it as CSV (UTF-8)"),
    N_("the gateway was stopped; begin again, nothing happens twice"),
    N_("something went wrong in the gateway; its log says what"),
    N_("only members who were imported are greeted"),
    N_("this import has linked no phone, or it was more than a day ago"),
    N_("the command %(code)s is switched off: who is not meant could not say so"),
    # the audit
    N_("only a month that is over can be signed off"),
    N_("this month is signed off already"),
    N_("a link of the chain does not hold; run `muster verify` first"),
)
UNITS = (
    N_("days"),
    N_("minutes"),
    N_("hours"),
    N_("months"),
    N_("recipients"),
    N_("rows"),
    N_("cases"),
    N_("messages"),
    N_("minor units"),
)
# Values that are words of ours; all others are said as they are.
_OURS = {"state": {}, "unit": {}, "role": WORDS["role"], "other": WORDS["role"]}


def refusal(visit: Visit, error: Exception) -> str:
    """Why not, in the reader's language where we know the sentence."""
    if not isinstance(error, Refusal):
        return visit.gettext(str(error))
    return visit.gettext(error.message, **{name: _said(visit, name, each) for name, each in error.values.items()})


def kept(visit: Visit, text: str) -> str:
    """A refusal that was kept until somebody reads it."""
    return refusal(visit, unpacked(text))


def _said(visit: Visit, name: str, value: object) -> object:
    if isinstance(value, Refusal):
        return refusal(visit, value)
    if name in _OURS:
        return visit.gettext(_OURS[name].get(str(value), str(value)))
    return value
