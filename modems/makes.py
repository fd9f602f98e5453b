"""What makes of modem do differently, as data: their own notices, and what to tell each before work begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Words without a sign in front that modems say by themselves (MODEMS 4: SIMCom, Quectel, Wavecom, Icera, Telit).
WORDS = frozenset(
    {
        "RING",
        "RDY",
        "NO CARRIER",
        "BUSY",
        "NO ANSWER",
        "Call Ready",
        "SMS Ready",
        "SMS DONE",
        "PB DONE",
        "POWERED DOWN",
        "NORMAL POWER DOWN",
        "UNDER-VOLTAGE WARNNING",
        "OVER-VOLTAGE WARNNING",
    }
)
REBOOTED = ("RDY", "^SYSSTART", "*EMRDY", "+AT: READY", "*ATREADY: 1", "START")
SMS_READY = ("SMS Ready", "SMS DONE", "+PBREADY", "PB DONE")

_SIGNED = re.compile(r"[\^+*#%_].*")
_CAPITALS = re.compile(r"[A-Z][A-Z _-]+(:.*)?")


def is_unsolicited(line: str) -> bool:
    """The generic rule: a sign in front, or words in capitals, is the modem talking to itself."""
    return line in WORDS or bool(_SIGNED.fullmatch(line) or _CAPITALS.fullmatch(line)) or line.startswith("MISSED_CALL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Make:
    """`setup` is said after every start; a modem that does not know a line says ERROR and no harm is done."""

    name: str
    pattern: re.Pattern[str]  # in what AT+CGMI and AT+CGMM answer
    setup: tuple[str, ...] = ()
    reports: tuple[int, ...] = (2, 1)  # <ds> of AT+CNMI, best first: 2 keeps a report until we have it


ANY = Make(name="generic", pattern=re.compile(""))
MAKES = (
    Make(
        name="Huawei",
        pattern=re.compile("huawei", re.IGNORECASE),
        setup=("AT^CURC=0", "AT^USSDMODE=0"),
    ),
    Make(
        name="Quectel",
        pattern=re.compile("quectel", re.IGNORECASE),
        # EC25 and EG25 keep reports in "SR" but say +CDSI: "SM",0; notices go to one port of several.
        setup=('AT+QURCCFG="urcport","usbat"', 'AT+QINDCFG="smsincoming",1'),
        reports=(1, 2),
    ),
    Make(
        name="SIMCom",
        pattern=re.compile("simcom|sim[0-9]{3,4}|a76[0-9]{2}", re.IGNORECASE),
        reports=(1, 2),  # SIM7600 says +CDSI: "SR",8 and then knows no such message
    ),
    Make(name="Wavecom", pattern=re.compile("wavecom|sierra", re.IGNORECASE), setup=("AT+WIND=0",)),
)


def recognise(identity: str) -> Make:
    """The make that `identity` (maker and model as the modem gives them) belongs to."""
    return next((make for make in MAKES if make.pattern.search(identity)), ANY)
