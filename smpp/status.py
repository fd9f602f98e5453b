"""What an SMPP status means: its name, and what the outbox may do with a part that was answered with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smpplib import consts

from gateway.core.model import Rejected, SendError, Throttled, Unknown

OK: Final[int] = consts.SMPP_ESME_ROK
INVALID_LENGTH: Final[int] = consts.SMPP_ESME_RINVCMDLEN
INVALID_COMMAND: Final[int] = consts.SMPP_ESME_RINVCMDID
WRONG_STATE: Final[int] = consts.SMPP_ESME_RINVBNDSTS
ALREADY_BOUND: Final[int] = consts.SMPP_ESME_RALYBND
SYSTEM_ERROR: Final[int] = consts.SMPP_ESME_RSYSERR
BIND_FAILED: Final[int] = consts.SMPP_ESME_RBINDFAIL
INVALID_PASSWORD: Final[int] = consts.SMPP_ESME_RINVPASWD
INVALID_SYSTEM_ID: Final[int] = consts.SMPP_ESME_RINVSYSID
INVALID_SYSTEM_TYPE: Final[int] = consts.SMPP_ESME_RINVSYSTYP
QUEUE_FULL: Final[int] = consts.SMPP_ESME_RMSGQFUL
THROTTLED: Final[int] = consts.SMPP_ESME_RTHROTTLED
TRY_AGAIN: Final[int] = consts.SMPP_ESME_RX_T_APPN

NAMES: Final[Mapping[int, str]] = {
    value: name.removeprefix("SMPP_") for name, value in vars(consts).items() if name.startswith("SMPP_ESME_")
}

# The operator has no room now: the attempt does not count, the link slows down (seconds to wait).
_BUSY: Mapping[int, float] = {THROTTLED: 1.0, QUEUE_FULL: 1.0, TRY_AGAIN: 1.0, SYSTEM_ERROR: 5.0}

# This way does not work, another might: route, service or delivery trouble of the operator's own.
_OTHER_LINK: frozenset[int] = frozenset(
    {
        WRONG_STATE,
        BIND_FAILED,
        INVALID_PASSWORD,
        INVALID_SYSTEM_ID,
        INVALID_SYSTEM_TYPE,
        consts.SMPP_ESME_RINVSERTYP,
        consts.SMPP_ESME_RSUBMITFAIL,
        consts.SMPP_ESME_RDELIVERYFAILURE,
        consts.SMPP_ESME_RUNKNOWNERR,
        *range(0x400, 0x500),  # vendors' own
    }
)
_OTHER_LINK_AFTER = 60.0


def name(status: int) -> str:
    """`ESME_RTHROTTLED`, or the number for a status the standard does not know."""
    return NAMES.get(status) or f"0x{status:08X}"


def reason(status: int) -> str:
    """The name with the standard's own words."""
    words = consts.DESCRIPTIONS.get(status)
    return f"{name(status)}: {words}" if words and words != "<Desc Not Set>" else name(status)


def error(status: int) -> SendError:
    """What a submit_sm answered with `status` (not OK) has met with."""
    if status in _BUSY:
        return Throttled(reason(status), code=status, retry_after=_BUSY[status])
    if status in _OTHER_LINK:
        rejected = Rejected(reason(status), code=status, retry_after=_OTHER_LINK_AFTER)
        rejected.other_link = True
        return rejected
    return Rejected(reason(status), code=status)


def nacked(status: int) -> SendError:
    """What a submit_sm answered with generic_nack has met with: an operator that says it does not know submit_sm, or
    could not find its end, may have taken it all the same."""
    if status in (INVALID_COMMAND, INVALID_LENGTH, OK):
        return Unknown(f"generic_nack {name(status)}", code=status)
    return error(status)
