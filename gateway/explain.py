"""`muster explain`: what octets and texts mean, for people who debug.

Any line goes in and one JSON object comes out, with all its keys whatever the line was, or with its error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from commands import grammar, standard
from config.model import Organisation
from gateway.core import text as texts
from gateway.core.model import Coding, Fragment
from modems import tpdu
from modems.userdata import UserData
from smpp import pdu as smpp_pdu

Explanation = dict[str, Any]

ALPHABETS: Mapping[Coding, str] = {Coding.GSM7: "gsm7", Coding.BINARY: "8bit", Coding.UCS2: "ucs2"}


def explained(explain: Callable[[str], Explanation], line: str) -> Explanation:
    """What `explain` says of `line`, or the error as a value: a stream of lines goes on after a bad one."""
    try:
        return explain(texts.clean(line)[0])
    except (ValueError, smpp_pdu.PduError) as error:
        return {"error": str(error)}


def sms(line: str, *, with_smsc: bool = True) -> Explanation:
    """A short message in hexadecimal, as AT+CMGR prints it; its kind is read from the message itself."""
    octets = _octets(line)
    found = tpdu.decode(octets, with_smsc=with_smsc)
    explanation: Explanation = {
        "direction": None,
        "smsc": _number(found.smsc),
        "number": None,
        **_user_data(found.data),
        "scts": None,
        "mr": None,
        "status": None,
        "state": None,
        "discharge": None,
        "pid": found.pid,
        "validity": None,
        "tpdu_length": tpdu.tpdu_length(octets) if with_smsc else len(octets),
    }
    match found:
        case tpdu.Deliver():
            return explanation | {
                "direction": "deliver",
                "number": _number(found.sender),
                "scts": _time(found.scts),
            }
        case tpdu.Submit():
            return explanation | {
                "direction": "submit",
                "number": _number(found.recipient),
                "mr": found.reference,
                "validity": _validity(found.validity),
            }
        case tpdu.StatusReport():
            return explanation | {
                "direction": "report",
                "number": _number(found.recipient),
                "scts": _time(found.scts),
                "mr": found.reference,
                "status": found.status,
                "state": str(found.state),
                "discharge": _time(found.discharge),
            }


def smpp(line: str) -> Explanation:
    """One SMPP PDU in hexadecimal. Passwords are not shown."""
    octets = _octets(line)
    try:
        found = smpp_pdu.decode(octets)
    except smpp_pdu.PduError as error:
        return {
            "error": str(error),
            "command": smpp_pdu.COMMAND_NAMES.get(error.command),
            "sequence": error.sequence,
            "answer_status": error.status,
        }
    fields = found.body._asdict()
    tlvs = fields.pop("tlvs", ())
    explanation: Explanation = {
        "command": smpp_pdu.COMMAND_NAMES[smpp_pdu.command_of(found.body)],
        "status": found.status,
        "sequence": found.sequence,
        "length": len(octets),
        **{name: _plain(name, value) for name, value in fields.items()},
        "tlvs": {smpp_pdu.TAG_NAMES.get(tag, f"0x{tag:04x}"): value.hex() for tag, value in tlvs},
    }
    if isinstance(found.body, smpp_pdu.Message | smpp_pdu.DataSm):
        explanation |= _smpp_content(found.body)
    return explanation


def text(line: str) -> Explanation:
    """How a text will be coded, and the parts it takes."""
    cut = texts.segments(line)
    return {
        "coding": str(cut.coding),
        "units": cut.units,
        "parts": len(cut.parts),
        "texts": list(cut.texts),
    }


def commands(language: str = "zh") -> Callable[[str], Explanation]:
    """What a member's text means to the commands that every organisation starts with."""
    registry = standard.registry(Organisation(name="", language=language))

    def command(line: str) -> Explanation:
        found = dict.fromkeys(("code", "command", "arguments", "missing"))
        parsed = grammar.parse(line, registry, language=language)
        known: Explanation = _jsonable(grammar.described(parsed))
        return found | {"language": getattr(parsed, "language", None)} | known

    return command


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _octets(line: str) -> bytes:
    try:
        return bytes.fromhex(line)
    except ValueError:
        raise ValueError("not hexadecimal, or an odd number of digits") from None


def _number(number: tpdu.Number | None) -> str | None:
    return None if number is None else texts.clean(str(number))[0]


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _validity(validity: timedelta | datetime | tpdu.Enhanced | None) -> str | int | None:
    """Seconds, or the time until which it is valid."""
    if isinstance(validity, tpdu.Enhanced):
        validity = validity.lasts
    if isinstance(validity, timedelta):
        return int(validity.total_seconds())
    return _time(validity)


def _user_data(data: UserData | None) -> Explanation:
    if data is None:
        keys = "alphabet", "class", "compressed", "dcs", "text", "data_hex", "damaged", "udh", "concat", "ports"
        return dict.fromkeys(keys)
    said, damaged = data.read()
    ports = data.ports
    return {
        "alphabet": ALPHABETS[data.scheme.coding],
        "class": data.scheme.message_class,
        "compressed": data.scheme.compressed,
        "dcs": data.dcs,
        "text": said,
        "data_hex": data.octets.hex() if said is None else None,
        "damaged": damaged,
        "udh": (bytes([len(data.udh)]) + data.udh).hex() if data.udh else None,
        "concat": _concat(data.fragment),
        "ports": ports and {"dst": ports.destination, "src": ports.source, "bits": ports.bits},
    }


def _concat(part: Fragment | None) -> Explanation | None:
    if part is None:
        return None
    return {"ref": part.reference, "total": part.total, "seq": part.number, "bits": part.bits}


_HEADER_FOLLOWS = 0x40  # of esm_class


def _smpp_content(body: smpp_pdu.Message | smpp_pdu.DataSm) -> Explanation:
    """What the message says. Data coding 0 is the operator's own alphabet: read as GSM, one septet an octet."""
    content, udh = smpp_pdu.content(body), b""
    if body.esm_class & _HEADER_FOLLOWS and content and content[0] < len(content):
        udh, content = content[1 : content[0] + 1], content[content[0] + 1 :]
    latin = body.data_coding == _LATIN_1
    data = UserData(octets=content, dcs=0x04 if latin or body.data_coding == _BINARY else body.data_coding, udh=udh)
    return _user_data(data) | ({"alphabet": "latin1", "text": content.decode("latin-1")} if latin else {})


_BINARY, _LATIN_1 = 0x02, 0x03  # SMPP's own, beside those of 3GPP TS 23.038


def _plain(name: str, value: Any) -> Any:
    if name == "password":
        return "***" if value else ""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain("", item._asdict() if hasattr(item, "_asdict") else item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(key, item) for key, item in value.items()}
    return value
