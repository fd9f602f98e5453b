"""What the emulated modem does at each AT command (3GPP 27.005, 27.007)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from modems import tpdu

if TYPE_CHECKING:
    from modems.emulated import Behaviour, Emulator

READ = 1  # the status of a stored message; 0 is unread
_BASIC = re.compile(r"[A-Z&]+\d*(=\d+)?")
_EXTENDED = re.compile(r"(?P<name>[+^*#$%][A-Z0-9]+)(?P<mode>=\?|\?|=)?(?P<rest>.*)", re.DOTALL)


class Refusing(Exception):
    """The final result of a command that fails: a CMS or CME code, or the whole line as `kind`."""

    def __init__(self, kind: str, code: int | None = None) -> None:
        super().__init__(kind)
        self.kind, self.code = kind, code


def obey(modem: Emulator, command: str) -> list[str]:
    """Carry out one command of a line; the information lines of its answer."""
    name, found = name_of(command), _EXTENDED.fullmatch(command)
    if found is None:
        return _basic(modem, name)
    handler = _COMMANDS.get(name)
    if handler is None:
        raise Refusing("ERROR")
    if name not in _WITHOUT_SIM:
        _need_sim(modem, cms=name in _MESSAGES)
    return handler(modem, found["mode"] or "", found["rest"])


def name_of(command: str) -> str:
    """ "+CMGR" of "+CMGR=1"."""
    found = _EXTENDED.fullmatch(command)
    return found["name"].upper() if found else command.upper()


def _basic(modem: Emulator, name: str) -> list[str]:
    if name in ("E0", "E1"):
        modem.echo = name == "E1"
    elif name in ("Z", "&F", "Z0"):
        modem.echo = True
    elif name == "I":
        return [modem.behaviour.maker, modem.behaviour.model, f"IMEI: {modem.behaviour.imei}"]
    elif name.startswith("D"):
        raise Refusing("NO CARRIER")
    elif name and not _BASIC.fullmatch(name):
        raise Refusing("ERROR")
    return []


def _need_sim(modem: Emulator, *, cms: bool) -> None:
    missing = not modem.behaviour.sim
    locked = not modem.unlocked
    if missing or locked:
        puk = modem.behaviour.pin_tries <= 0
        if cms:
            raise Refusing("CMS", 310 if missing else 316 if puk else 311)
        raise Refusing("CME", 10 if missing else 12 if puk else 11)


def _pin(modem: Emulator, mode: str, rest: str) -> list[str]:
    if not modem.behaviour.sim:
        raise Refusing("CME", 10)
    if mode == "=" and not modem.unlocked:
        if modem.behaviour.pin_tries <= 0:
            raise Refusing("CME", 16)
        if rest.strip('"') != modem.behaviour.pin:
            modem.behaviour.pin_tries -= 1
            raise Refusing("CME", 16)
        modem.unlocked, modem.behaviour.pin_tries = True, 3
        return []
    if modem.unlocked:
        return ["+CPIN: READY"]
    return ["+CPIN: SIM PIN" if modem.behaviour.pin_tries > 0 else "+CPIN: SIM PUK"]


def _function(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=" and rest.endswith(",1"):
        modem.power_on()
        modem.later(0.05, modem.say, "RDY")
    if mode == "=":
        modem.function = int(rest.partition(",")[0])
    return [f"+CFUN: {modem.function}"] if mode == "?" else []


def _errors_mode(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=":
        modem.errors = int(rest)
    return _shown("+CMEE", mode, str(modem.errors), "(0-2)")


def _registration(modem: Emulator, name: str, mode: str, rest: str) -> list[str]:
    if mode == "=":
        modem.registration_notices = int(rest)
    place = ',"18D7","2A90"' if modem.registration_notices == 2 else ""
    state = modem.behaviour.registration if modem.function == 1 else 0
    return _shown(name, mode, f"{modem.registration_notices},{state}{place}", "(0-2)")


def _charsets(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=":
        modem.charset = rest.strip('"')
    return _shown("+CSCS", mode, f'"{modem.charset}"', '("IRA","GSM","UCS2","HEX")')


def _centre(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=":
        modem.smsc = _unquoted(rest.partition(",")[0])
        return []
    return [f'+CSCA: "{modem.smsc}",{145 if modem.smsc.startswith("+") else 129}'] if mode == "?" else []


def _stores(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=?":
        named = "(" + ",".join(f'"{store}"' for store in modem.stores) + ")"
        return [f"+CPMS: {named},{named},{named}"]
    if mode == "=":
        for place, store in enumerate(_unquoted(each) for each in rest.split(",")):
            if store not in modem.stores or place > 2:
                raise Refusing("CMS", 302)
            modem.memories[place] = store
        return ["+CPMS: " + ",".join(_level(modem, store) for store in modem.memories)]
    return ["+CPMS: " + ",".join(f'"{store}",{_level(modem, store)}' for store in modem.memories)]


def _level(modem: Emulator, store: str) -> str:
    return f"{len(modem.stores[store])},{modem.behaviour.capacity[store]}"


def _format(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=" and rest != "0":
        raise Refusing("CMS", 303)  # PDU mode is all there is
    return _shown("+CMGF", mode, "0", "(0)")


def _service_mode(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=":
        modem.service = int(rest)
        return ["+CSMS: 1,1,1"]
    return _shown("+CSMS", mode, f"{modem.service},1,1,1", "(0,1)")


def _notify(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=":
        numbers = [int(each) for each in rest.split(",") if each.strip()]
        able = re.findall(r"\(([^)]*)\)", modem.behaviour.cnmi)
        for number, allowed in zip(numbers, able, strict=False):
            first, _, last = allowed.partition("-")
            if not (number in range(int(first), int(last) + 1) if last else str(number) in allowed.split(",")):
                raise Refusing("CMS", 303)
        modem.notices[: len(numbers)] = numbers
        modem.deliver()
    return _shown("+CNMI", mode, ",".join(map(str, modem.notices)), modem.behaviour.cnmi)


def _acknowledge(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode in ("", "="):
        if not modem.unacknowledged:
            raise Refusing("CMS", 340)
        modem.unacknowledged.pop(0)
    return []


def _list(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=?":
        return ["+CMGL: (0-4)"]
    wanted = int(rest or 0)
    lines = []
    for index, stored in sorted(modem.stores[modem.memories[0]].items()):
        if wanted in (stored.status, 4):
            lines += [f"+CMGL: {index},{stored.status},,{length(stored.pdu)}", stored.pdu.hex().upper()]
            stored.status = READ
    return lines


def _read(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=?":
        return []
    stored = modem.stores[modem.memories[0]].get(_index(rest))
    if stored is None:
        if modem.behaviour.empty_read_is_ok:
            return []
        raise Refusing("CMS", 321)
    lines = [f"+CMGR: {stored.status},,{length(stored.pdu)}", stored.pdu.hex().upper()]
    stored.status = READ
    return lines


def _delete(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=?":
        return [f"+CMGD: (1-{modem.behaviour.capacity[modem.memories[0]]}),(0-4)"]
    store = modem.stores[modem.memories[0]]
    index, _, flag = rest.partition(",")
    if flag and flag != "0":
        store.clear()
    elif store.pop(_index(index), None) is None and _index(index) > modem.behaviour.capacity[modem.memories[0]]:
        raise Refusing("CMS", 321)
    modem.later(0, modem.deliver)
    return []


def _submit(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode != "=":
        return []
    if not rest.isdecimal():
        raise Refusing("CMS", 304)
    if modem.behaviour.before_prompt:
        modem.say(modem.behaviour.before_prompt)
    modem.payload = int(rest)
    if not modem.behaviour.no_prompt:
        modem.write(modem.behaviour.prompt)
    return []


def _ussd(modem: Emulator, mode: str, rest: str) -> list[str]:
    if mode == "=" and (dialled := re.match(r'[01],"?([^",]*)', rest)):
        code = dialled[1]
        if modem.charset == "UCS2":
            code = bytes.fromhex(code).decode("utf-16-be")
        said = modem.behaviour.ussd(code)
        if modem.behaviour.ussd_first:
            _ussd_answer(modem, said)
        else:
            modem.later(0.1, _ussd_answer, modem, said)
    return _shown("+CUSD", mode, "0", "(0-2)")


def _ussd_answer(modem: Emulator, said: str) -> None:
    plain = said.isascii()
    if not plain or modem.charset == "UCS2":
        said = said.encode("utf-16-be").hex().upper()
    modem.say(f'+CUSD: 0,"{said}",{15 if plain else 72}')


_Handler = Callable[["Emulator", str, str], list[str]]


def _constant(value: Callable[[Behaviour], str]) -> _Handler:
    return lambda modem, mode, rest: [] if mode == "=?" else [value(modem.behaviour)]


def _shown_for(name: str) -> _Handler:
    return lambda modem, mode, rest: _registration(modem, name, mode, rest)


_COMMANDS: dict[str, _Handler] = {
    "+CGMI": _constant(lambda who: who.maker),
    "+GMI": _constant(lambda who: who.maker),
    "+CGMM": _constant(lambda who: who.model),
    "+GMM": _constant(lambda who: who.model),
    "+CGMR": _constant(lambda who: "1.0"),
    "+CGSN": _constant(lambda who: who.imei),
    "+CIMI": _constant(lambda who: who.imsi),
    "+CCID": _constant(lambda who: f"+CCID: {who.iccid}"),
    "+CNUM": lambda modem, mode, rest: (
        [f'+CNUM: "","{modem.behaviour.number}",145'] if modem.behaviour.number and not mode else []
    ),
    "+CSQ": _constant(lambda who: f"+CSQ: {who.signal},99"),
    "+CBC": _constant(lambda who: "+CBC: 0,100"),
    "+COPS": lambda modem, mode, rest: ['+COPS: 0,2,"46000"'] if mode == "?" else [],
    "+CPAS": _constant(lambda who: "+CPAS: 0"),
    "+CGATT": lambda modem, mode, rest: _shown("+CGATT", mode, "1", "(0,1)"),
    "+CPROT": lambda modem, mode, rest: [],
    "+CSMP": lambda modem, mode, rest: _shown("+CSMP", mode, "17,167,0,0", ""),
    "+CMMS": lambda modem, mode, rest: _shown("+CMMS", mode, "0", "(0-2)"),
    "+CLIP": lambda modem, mode, rest: _shown("+CLIP", mode, "0,1", "(0,1)"),
    "+CREG": _shown_for("+CREG"),
    "+CGREG": _shown_for("+CGREG"),
    "+CEREG": _shown_for("+CEREG"),
    "+CPIN": _pin,
    "+CFUN": _function,
    "+CMEE": _errors_mode,
    "+CSCS": _charsets,
    "+CSCA": _centre,
    "+CPMS": _stores,
    "+CMGF": _format,
    "+CSMS": _service_mode,
    "+CNMI": _notify,
    "+CNMA": _acknowledge,
    "+CMGL": _list,
    "+CMGR": _read,
    "+CMGD": _delete,
    "+CMGS": _submit,
    "+CUSD": _ussd,
}
_WITHOUT_SIM = frozenset(
    {"+CGMI", "+GMI", "+CGMM", "+GMM", "+CGMR", "+CGSN", "+CPIN", "+CFUN", "+CMEE", "+CSQ", "+CSCS"}
)
_MESSAGES = frozenset({"+CSCA", "+CPMS", "+CMGF", "+CSMS", "+CNMI", "+CNMA", "+CMGL", "+CMGR", "+CMGD", "+CMGS"})


def _shown(name: str, mode: str, value: str, able: str) -> list[str]:
    """What a setting answers to ? and =?."""
    return {"?": [f"{name}: {value}"], "=?": [f"{name}: {able}"] if able else []}.get(mode, [])


def _unquoted(value: str) -> str:
    return value.strip().strip('"')


def _index(value: str) -> int:
    if not value.strip().isdecimal():
        raise Refusing("CMS", 304)
    return int(value)


def length(pdu: bytes) -> int:
    """What the answers announce, also of a PDU that is none."""
    try:
        return tpdu.tpdu_length(pdu)
    except tpdu.TpduError:
        return len(pdu)
