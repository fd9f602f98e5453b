"""What the pages of bulk notices say: states, reasons, what is wrong; and how their addresses name a notice."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from gateway.affairs.notices import lists, weekdays
from gateway.affairs.notices.drafts import Refused
from gateway.console.language import N_
from gateway.console.web import Refused as NotHere
from gateway.console.web import Visit

STATES = {
    "draft": N_("Draft"),
    "waiting": N_("Waits for approval"),
    "scheduled": N_("Scheduled"),
    "running": N_("Running"),
    "paused": N_("Paused"),
    "done": N_("Done"),
    "killed": N_("Cancelled"),
    "expired": N_("Expired"),
}
TONES = {"waiting": "warn", "scheduled": "info", "running": "info", "paused": "warn", "done": "good", "killed": "bad"}
REASONS = {
    "opted out": N_("opted out"),
    "locked": N_("locked"),
    "quiet hours": N_("quiet hours until it expired"),
    "left the topic": N_("left the topic"),
    "notice cancelled": N_("the notice was cancelled"),
    "expired": N_("its time was over"),
    "no link": N_("no link takes the number"),
    "budget": N_("what may go to this prefix in a day is used up"),
    "adjacent": N_("one of too many numbers in a row that are no member's"),
}
# Of somebody who has no message.
UNSENT = {"left": N_("Left out"), "waiting": N_("Waiting")}
# What may be wrong, by the name a refusal has; a sentence in the reader's language.
PROBLEMS = {
    "state": N_("It has changed meanwhile; this is how it is now."),
    "author": N_("Whoever wrote a notice cannot approve it."),
    "same": N_("The same text was sent only hours ago. To send it all the same, tick the box."),
    "nobody": N_("Nobody would get it. Change whom it is for."),
    "past": N_("Its time is over."),
    "quiet": N_("It would never be sent: the quiet hours begin before it starts."),
    "long": N_("The text is too long: a notice has at most 10 SMS, one of a topic what it promises. Shorten it."),
    "title": N_("A notice has a title of at most 40 characters and a text."),
    "text": N_("A text is empty or too long, or has other values than {branch}, {month} and {due}."),
    "scope": N_("There is no such branch among yours."),
    "recurrence": N_("It is written daily 09:00, weekly Tue,Fri 09:00 or monthly 15 09:00."),
    "day": N_("That is no day."),
    "start": N_("That is no time."),
    "topic": N_("There is no such topic, or it is closed."),
    "workbook": N_("This is an Excel workbook. Save it as CSV and choose that file."),
    "empty": N_("The file is empty."),
    "many": N_("A list has at most a million lines."),
    "list": N_("Its list has not come in whole. If this stays so, choose Change and send the list again."),
    "windows": N_("Days and hours are written Tue,Fri 8-11."),
    "group": N_("A group has a code of letters and digits, a name, and members of your branches."),
    "rich": N_("It came from another system and is for more kinds of people than the form here can show."),
    "phone": N_("Your account has no phone number to send a test to."),
    "link": N_("No link takes this number at present."),
}
# Why a line of a list is nobody.
STRANGE = {
    "missing": N_("empty"),
    "mangled": N_("the spreadsheet has rounded this number; format the column as text"),
    "impossible": N_("neither a mobile number nor a member number"),
    "landline": N_("a landline, which gets no SMS"),
    "not_mobile": N_("not a mobile number"),
    lists.ELSEWHERE: N_("of another branch than yours"),
}


def problem_words(visit: Visit, refused: Refused) -> str:
    """Why not, in the reader's language."""
    known = PROBLEMS.get(refused.why)
    return str(refused) if known is None else visit.gettext(known)


def page_words(visit: Visit) -> dict[str, Any]:
    return {
        "states": {name: visit.gettext(words) for name, words in STATES.items()},
        "tones": TONES,
        "spoken_days": lambda kept: weekdays.said(kept or "", visit.language),
        "reasons": {name: visit.gettext(words) for name, words in REASONS.items()},
        "may_write": visit.who.may("write notices"),
        "may_stop": visit.who.may("stop notices"),
    }


def number_of(visit: Visit) -> int:
    """The notice of a page's address."""
    return number_in(visit.path["number"])


def number_in(written: str) -> int:
    """A notice's number as an address has it, with its D or without."""
    digits = written.removeprefix("D")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise NotHere(HTTPStatus.NOT_FOUND)
    return int(digits)
