"""What a modem's refusal of a message means for the message and for the modem (3GPP 27.005 3.2.5, 24.011 E-2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gateway.core.model import LinkDown, Rejected, SendError
from modems.at import Refusal


class Remedy(Enum):
    NONE = "nothing is wrong with the modem"
    AGAIN = "busy: say it again in a moment"
    PDU_MODE = "it has fallen into text mode"
    SMSC = "it has lost the service centre's number"
    PREPARE = "SIM or modem must be prepared again"
    COUNT = "the radio or the modem: a few in a row call for a reset"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`retry` seconds, None for never; `elsewhere`: another link may take it; `down`: the message is not to blame."""

    words: str
    retry: float | None = None
    elsewhere: bool = False
    remedy: Remedy = Remedy.NONE
    down: bool = False

    def error(self, code: str) -> SendError:
        if self.down:
            return LinkDown(self.words, code=code, retry_after=self.retry)
        error = Rejected(self.words, code=code, retry_after=self.retry)
        error.other_link = self.elsewhere
        return error


def _never(words: str) -> Meaning:
    return Meaning(words)


def _later(words: str, retry: float, remedy: Remedy = Remedy.NONE) -> Meaning:
    return Meaning(words, retry, True, remedy)


def _modem(words: str, remedy: Remedy = Remedy.PREPARE, retry: float = 30.0) -> Meaning:
    return Meaning(words, retry, True, remedy, True)


_RADIO = Remedy.COUNT
_CMS = {
    1: _never("unassigned number"),
    8: _never("operator determined barring"),
    10: Meaning("call barred", elsewhere=True),
    21: _never("message transfer rejected"),
    22: _later("memory capacity exceeded", 60.0),
    # The phone is off or broken for now; the network will not know better in a minute.
    27: _later("destination out of service", 300.0),
    28: _never("unidentified subscriber"),
    29: Meaning("facility rejected", elsewhere=True),
    30: _never("unknown subscriber"),
    # Often a wrong number in practice: far apart, never in the way of others, and no reason to reset anything.
    38: _later("network out of order", 300.0),
    41: _later("temporary failure", 30.0),
    42: _later("congestion", 60.0),
    47: _later("resources unavailable", 60.0),
    50: Meaning("requested facility not subscribed", elsewhere=True),
    69: Meaning("the SIM or its network does not send messages over this bearer", elsewhere=True),
    95: _never("semantically incorrect message"),
    96: _never("invalid mandatory information"),
    97: _never("message type not implemented"),
    98: _later("message not compatible with the protocol state", 60.0),
    99: _never("information element not implemented"),
    111: _later("protocol error", 60.0),
    127: _later("interworking", 60.0),
    192: _later("service centre busy", 60.0),
    193: Meaning("no subscription at the service centre", elsewhere=True),
    194: _later("service centre system failure", 120.0),
    195: _never("invalid address"),
    196: _never("destination barred"),
    197: _never("duplicate rejected"),
    300: _modem("failure of the modem", _RADIO),
    301: _modem("the modem's message service is reserved"),
    302: _modem("the modem does not allow it now"),
    303: _modem("the modem does not support it", Remedy.NONE),
    304: _never("the modem finds the PDU invalid"),
    305: _modem("the modem is in text mode", Remedy.PDU_MODE, 1.0),
    310: _modem("no SIM card"),
    311: _modem("the SIM asks for its PIN"),
    312: _modem("the SIM is locked to another phone"),
    313: _modem("failure of the SIM"),
    314: _modem("the SIM is busy", Remedy.AGAIN),
    315: _modem("a wrong SIM card"),
    316: _modem("the SIM asks for its PUK"),
    317: _modem("the SIM asks for its PIN2"),
    318: _modem("the SIM asks for its PUK2"),
    320: _modem("failure of the store", _RADIO),
    321: _modem("no such place in the store", Remedy.NONE),
    322: _modem("the store is full", Remedy.NONE),
    330: _modem("the service centre's number is unknown", Remedy.SMSC, 5.0),
    331: _modem("no network", _RADIO),
    332: _later("network time-out", 30.0, _RADIO),
    500: _later("unknown error", 30.0, _RADIO),
    512: _later("the modem is busy", 30.0, Remedy.AGAIN),
    513: _later("the radio link failed", 30.0, _RADIO),
    514: _later("the modem gave up", 30.0, _RADIO),
    515: _later("the modem is busy", 30.0, Remedy.AGAIN),
}
_CME = {
    3: _modem("the modem does not allow it now", _RADIO),
    10: _modem("no SIM card"),
    11: _modem("the SIM asks for its PIN"),
    12: _modem("the SIM asks for its PUK"),
    13: _modem("failure of the SIM"),
    14: _modem("the SIM is busy", Remedy.AGAIN),
    15: _modem("a wrong SIM card"),
    30: _modem("no network", _RADIO),
    31: _later("network time-out", 30.0, _RADIO),
    32: _modem("emergency calls only", _RADIO),
    515: _later("the modem is busy", 30.0, Remedy.AGAIN),
}
_WORDS = {
    "sim not inserted": 10,
    "sim pin required": 11,
    "sim puk required": 12,
    "sim failure": 13,
    "sim busy": 14,
    "sim wrong": 15,
    "no network service": 30,
    "network timeout": 31,
    "network not allowed - emergency calls only": 32,
}
_SERVICE_CENTRE = range(128, 256)  # TP-Failure-Cause as it is (23.040 9.2.3.22)
_OTHER = _later("the modem gives no reason", 30.0, _RADIO)


def meaning(refusal: Refusal) -> Meaning:
    """What `refusal` of a message means."""
    if refusal.kind == "CMS" and refusal.code is not None:
        known = _CMS.get(refusal.code)
        if known is None and refusal.code in _SERVICE_CENTRE:
            return _never("refused by the service centre")
        return known or _OTHER
    if refusal.kind == "CME":
        code = refusal.code if refusal.code is not None else _WORDS.get(refusal.text.lower(), -1)
        return _CME.get(code, _OTHER)
    return _OTHER


def send_error(refusal: Refusal) -> SendError:
    """The error the outbox obeys."""
    return meaning(refusal).error(str(refusal))
