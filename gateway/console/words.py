"""What the database calls things, in the words of people; translated once a language, not once a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.console.language import N_

WORDS: Mapping[str, Mapping[str, str]] = {
    "state": {
        "received": N_("Received"),
        "quarantined": N_("Quarantined"),
        "queued": N_("Queued"),
        "leased": N_("Next in line"),
        "inflight": N_("Being sent"),
        "sent": N_("Sent"),
        "delivered": N_("Delivered"),
        "failed": N_("Failed"),
        "expired": N_("Expired"),
        "cancelled": N_("Cancelled"),
        "unknown": N_("Unknown"),
    },
    "channel": {"sms": "SMS", "ussd": "USSD", "call": N_("Call")},
    "way": {"in": N_("From phones"), "out": N_("To phones")},
    "lane": {
        "0": N_("Codes"),
        "1": N_("Answers"),
        "2": N_("Notices"),
        "3": N_("Reminders"),
        "4": N_("Bulk"),
    },
    "case": {"open": N_("Open"), "answered": N_("Answered"), "closed": N_("Closed")},
    "export": {
        "writing": N_("being written"),
        "asked": N_("waits for a second person"),
        "ready": N_("ready"),
        "refused": N_("refused"),
        "failed": N_("went wrong"),
        "over": N_("over"),
    },
    "asked": {"unknown": N_("not understood"), "call": N_("call back")},
    "clock": {"late": N_("late"), "soon": N_("soon late"), "": N_("in time")},
    "kind": {
        "A": N_("A: text kept 90 days"),
        "B": N_("B: amounts and codes masked"),
        "C": N_("C: sealed, never kept"),
        "D": N_("D: kept in its case"),
    },
    "language": {"zh": N_("Chinese"), "en": N_("English")},
    "settings": {
        "commands": N_("Commands"),
        "words": N_("Words"),
        "texts": N_("Texts"),
        "hours": N_("Office hours"),
        "answers": N_("Answer times"),
        "quiet": N_("Quiet hours"),
        "limits": N_("Limits"),
        "approval": N_("Approval"),
        "retention": N_("Retention"),
        "canned": N_("Canned answers"),
        "staff": N_("Staff"),
    },
    "import": {
        "uploaded": N_("uploaded"),
        "waiting": N_("waiting"),
        "running": N_("at work"),
        "checked": N_("checked"),
        "done": N_("imported"),
        "failed": N_("failed"),
        "undoing": N_("being undone"),
        "undone": N_("undone"),
    },
    "role": {
        "member": N_("member"),
        "secretary": N_("secretary"),
        "treasurer": N_("treasurer"),
        "publisher": N_("publisher"),
        "approver": N_("approver"),
        "agent": N_("hotline agent"),
        "lead": N_("hotline lead"),
        "auditor": N_("auditor"),
        "finance": N_("finance"),
        "election": N_("election officer"),
        "teller": N_("teller"),
        "department": N_("department"),
        "admin": N_("administrator"),
    },
    "screen": {
        "<root>": N_("main menu"),
        "<99>": N_("choice of language"),
        "<resume>": N_("asked whether to go on"),
        "<broken off>": N_("hung up"),
        "<repeat>": N_("asked again"),
    },
    "link": {
        "ready": N_("Ready"),
        "connecting": N_("Connecting"),
        "throttled": N_("Slowed down"),
        "down": N_("Down"),
    },
    "method": {
        "cash": N_("Cash"),
        "wallet": N_("Wallet"),
        "voucher": N_("Voucher"),
        "bank": N_("Bank"),
        "relative": N_("Relative"),
    },
    "account": {
        "cash": N_("Cash"),
        "wallet": N_("Wallet"),
        "bank": N_("Bank"),
        "vouchers": N_("Vouchers"),
    },
    "suspense": {
        "open": N_("Open"),
        "matched": N_("matched"),
        "returning": N_("being given back"),
        "returned": N_("given back"),
    },
    "claim": {
        "second": N_("waits for a second officer"),
        "open": N_("waits for the member"),
        "confirmed": N_("confirmed"),
        "denied": N_("denied"),
        "unconfirmed": N_("not confirmed"),
    },
    "refund": {
        "requested": N_("waits for a second person"),
        "approved": N_("to be carried out"),
        "pending": N_("on its way"),
        "done": N_("given back"),
        "refused": N_("refused"),
        "failed": N_("failed"),
    },
    "reconciled": {
        "match": N_("agrees"),
        "differs": N_("amounts differ"),
        "ours": N_("only ours"),
        "theirs": N_("only theirs"),
        "late": N_("another day"),
    },
    "outcome": {
        "created": N_("newly assessed"),
        "updated": N_("changed"),
        "unchanged": N_("unchanged"),
        "error": N_("not assessed"),
    },
    "transport": {"smpp": "SMPP", "modem": N_("Modem"), "http": "HTTP"},
}


def translated(gettext: Callable[[str], str]) -> dict[str, dict[str, str]]:
    return {group: {name: gettext(word) for name, word in words.items()} for group, words in WORDS.items()}
