"""From an open port to a modem that sends and receives: identity, PIN, network, stores, notices."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from modems.at import Command, Patience
from modems.makes import ANY, Make, recognise
from modems.pins import Pins, PinsLost
from modems.port import Conversation, Refused, Unanswered
from modems.refusals import Remedy, meaning

NOTICES = ((2, 1, 0, 2, 0), (2, 1, 0, 1, 0), (1, 1, 0, 1, 0))  # AT+CNMI when the modem does not say what it can
PATIENT = 10  # tries of what a SIM that wakes up refuses (515, 302, "SIM busy" before "SMS Ready")
_REGISTERED = {1, 5, 6, 7}  # home, roaming, and both for SMS only (3GPP 27.007 7.2)
_ANYTHING = re.compile(r"[^+^*#%_].*")  # a maker calls itself what it likes, but no notice comes in between


class Unfit(Exception):
    """This modem cannot work now; the words are for the console. `stranger`: it is another modem than configured."""

    def __init__(self, reason: str, *, again: float = 60.0, stranger: bool = False) -> None:
        super().__init__(reason)
        self.again, self.stranger = again, stranger


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is on the port, and how it wants to be spoken to."""

    make: Make = ANY
    maker: str = ""
    model: str = ""
    imei: str = ""
    imsi: str = ""
    iccid: str = ""
    number: str = ""  # the SIM's own, when it knows it
    smsc: str = ""
    stores: tuple[str, ...] = ()
    notices: tuple[int, ...] = ()  # the AT+CNMI chosen; empty when the modem took none
    acknowledges: bool = False  # +CMT and +CDS want AT+CNMA

    @property
    def sim(self) -> str:
        return self.iccid or self.imsi or self.imei


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the configuration asks of the modem."""

    imei: str = ""
    pin: str = ""
    smsc: str = ""


class Modem:
    """Short forms for asking."""

    def __init__(
        self, conversation: Conversation, sleep: Callable[[float], Awaitable[Any]], *, pause: float = 2.0
    ) -> None:
        self.conversation, self.sleep, self._pause = conversation, sleep, pause

    async def pause(self) -> None:
        """Give a SIM or a radio that wakes up a moment."""
        await self.sleep(self._pause)

    async def ask(self, text: str, **options: Any) -> tuple[str, ...]:
        """The information lines; raises `Refused` or `Unanswered`."""
        return await self.conversation.ask(Command(text=text, **options))

    async def value(self, text: str, **options: Any) -> str:
        """The first information line without its prefix, "" when refused."""
        try:
            lines = await self.ask(text, **options)
        except Refused:
            return ""
        return re.sub(r"^[+^*#%$_][A-Z0-9]+:\s*", "", lines[0]) if lines else ""

    async def willing(self, text: str, **options: Any) -> bool:
        """Whether it said OK."""
        try:
            await self.ask(text, **options)
        except Refused:
            return False
        return True

    async def insist(self, text: str, **options: Any) -> tuple[str, ...]:
        """Ask again for a while: a SIM that is still waking up refuses at first."""
        for left in reversed(range(PATIENT)):
            try:
                return await self.ask(text, **options)
            except Refused:
                if not left:
                    raise
                await self.pause()
        raise AssertionError("unreachable")


async def prepare(modem: Modem, wanted: Wanted, pins: Pins) -> Identity:
    """Make the modem ready to read and to send; raises `Unfit` with what keeps it from that."""
    found = await identify(modem)
    if wanted.imei and found.imei and found.imei != wanted.imei:
        raise Unfit(f"the modem with IMEI {found.imei} is here, not {wanted.imei}", stranger=True)
    if (await modem.value("AT+CFUN?", limit=10.0))[:1] in ("0", "4"):
        await modem.willing("AT+CFUN=1", limit=20.0)  # somebody left the radio off
    await _unlock(modem, wanted.pin, found, pins)
    found = await _card(modem, found)
    for line in found.make.setup:
        await modem.willing(line)
    return await _messages(modem, wanted, found)


async def identify(modem: Modem) -> Identity:
    """Who answers; works without a SIM."""
    await modem.willing("ATE0", prefix="")
    await modem.willing("AT+CMEE=1")
    maker = await modem.value("AT+CGMI", bare=_ANYTHING)
    model = await modem.value("AT+CGMM", bare=_ANYTHING)
    serial = await modem.value("AT+CGSN", bare=re.compile(r'"?\d{14,17}"?'))
    iccid = await _iccid(modem)
    make = recognise(f"{maker} {model}")
    return Identity(make=make, maker=maker, model=model, imei=_digits(serial), iccid=iccid)


async def _iccid(modem: Modem) -> str:
    for text in ("AT+CCID", "AT+ICCID", "AT^ICCID?"):
        line = await modem.value(text, bare=re.compile(r'"?\d{17,20}[0-9A-Fa-f]?"?'), limit=10.0)
        if found := re.search(r"\d{17,20}", line):
            return found[0]
    return ""


async def _unlock(modem: Modem, pin: str, found: Identity, pins: Pins) -> None:
    asks = await _pin_state(modem)
    sim = found.iccid or found.imei
    if asks == "SIM PIN":
        if not pin:
            raise Unfit("the SIM asks for its PIN and the configuration gives none")
        try:
            if pins.tried(sim, pin):
                raise Unfit("the SIM refused the PIN of the configuration before; it is not tried again")
            pins.remember(sim, pin)
        except PinsLost as error:
            raise Unfit(f"no PIN is tried: {error}") from error
        try:
            await modem.ask(f'AT+CPIN="{pin}"', limit=20.0)
        except Refused:
            raise Unfit("the SIM refuses the PIN of the configuration") from None
        pins.forget(sim)
        for _ in range(PATIENT):
            if (asks := await _pin_state(modem)) == "READY":
                return
            await modem.pause()
    if asks != "READY":
        raise Unfit(f"the SIM asks for {asks}")


async def _pin_state(modem: Modem) -> str:
    # Wavecom answers "+CPIN: READY" and no OK.
    for left in reversed(range(PATIENT)):
        try:
            lines = await modem.ask("AT+CPIN?", limit=15.0, settles=2.0)
        except Refused as error:
            if meaning(error.refusal).remedy is Remedy.AGAIN and left:
                await modem.pause()
                continue
            raise Unfit(_no_sim(error)) from None
        return lines[0].partition(":")[2].strip().strip('"') if lines else "READY"
    raise AssertionError("unreachable")


def _no_sim(error: Refused) -> str:
    known = meaning(error.refusal)
    return known.words if known.remedy is Remedy.PREPARE else f"the SIM is not ready: {error}"


async def _card(modem: Modem, found: Identity) -> Identity:
    imsi = await modem.value("AT+CIMI", bare=re.compile(r"\d{6,15}"), limit=10.0)
    iccid = found.iccid or await _iccid(modem)
    own = re.search(r'"(\+?\d{3,20})",(\d+)', await modem.value("AT+CNUM", limit=10.0))
    number = ""
    if own:
        number = f"+{own[1]}" if own[2] == "145" and not own[1].startswith("+") else own[1]
    return replace(found, imsi=_digits(imsi), iccid=iccid, number=number)


async def _messages(modem: Modem, wanted: Wanted, found: Identity) -> Identity:
    try:
        await modem.insist("AT+CMGF=0", limit=10.0)
    except Refused as error:
        raise Unfit(f"no PDU mode: {error}") from None
    stores = read_stores(await modem.value("AT+CPMS=?", limit=10.0))
    smsc = await service_centre(modem, wanted.smsc)
    main = "SM" if "SM" in stores else stores[0]
    try:
        await modem.insist(f'AT+CPMS="{main}","{main}","{main}"', limit=10.0)
    except Refused:
        await modem.willing(f'AT+CPMS="{main}"', limit=10.0)  # some have the first store only
    service = re.match(r"\d+", await modem.value("AT+CSMS?"))
    notices = await choose_notices(modem, found.make)
    return replace(
        found, stores=stores, smsc=smsc, notices=notices, acknowledges=bool(service and int(service[0]) >= 1)
    )


async def service_centre(modem: Modem, configured: str) -> str:
    """The service centre's number, that of the configuration first: some modems forget it."""
    if configured:
        kind = 145 if configured.startswith("+") else 129
        await modem.willing(f'AT+CSCA="{configured}",{kind}', limit=10.0)
    known = re.search(r'"(\+?[0-9]+)"', await modem.value("AT+CSCA?", limit=10.0))
    return known[1] if known else ""


def read_stores(line: str) -> tuple[str, ...]:
    """Which stores can be read: the first list of AT+CPMS=?, SIM and modem of it, and that of the reports."""
    first = re.match(r"\(?([^)]*)\)?", line)
    named = re.findall(r'"([A-Z]{2})"', first[1] if first else "")
    return tuple(store for store in ("SM", "ME", "SR") if store in named) or ("SM",)


async def choose_notices(modem: Modem, make: Make) -> tuple[int, ...]:
    """Set AT+CNMI as near to "store and tell" as the modem can (3GPP 27.005 3.4.1)."""
    able = read_ranges(await modem.value("AT+CNMI=?"))
    choices = [fitting(able, make.reports)] if able else []
    for choice in (*choices, *NOTICES):
        if await modem.willing("AT+CNMI=" + ",".join(map(str, choice))):
            return choice
    return ()


def read_ranges(line: str) -> list[set[int]]:
    """The sets in "(0-2),(0,1,3),(0)"."""
    found = []
    for group in re.findall(r"\(([^()]*)\)", line):
        numbers: set[int] = set()
        for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", group):
            numbers |= set(range(int(first), int(last or first) + 1))
        found.append(numbers)
    return found


def fitting(able: list[set[int]], reports: tuple[int, ...]) -> tuple[int, ...]:
    wishes: tuple[tuple[int, ...], ...] = ((2, 1, 3), (1,), (0,), reports, (0, 1))
    return tuple(
        next((wish for wish in wishes[place] if wish in numbers), min(numbers, default=0))
        for place, numbers in enumerate(able[:5])
    )


async def registered(modem: Modem) -> bool:
    """Whether any of the three networks has it; LTE modems may know +CEREG only."""
    for text in ("AT+CREG?", "AT+CGREG?", "AT+CEREG?"):
        if read_registration(await modem.value(text, patience=Patience.HEALTH)) in _REGISTERED:
            return True
    return False


def read_registration(value: str) -> int:
    """The state in "2,1,\"1A2B\",\"00C3\",7", "0,1" or "1"."""
    numbers = re.match(r"(\d+)(?:,(\d+))?", value)
    if numbers is None:
        return 0
    return int(numbers[2] if numbers[2] else numbers[1])


async def signal(modem: Modem) -> int | None:
    """Strength in dBm."""
    steps = re.match(r"(\d+)", await modem.value("AT+CSQ", patience=Patience.HEALTH))
    return -113 + 2 * int(steps[1]) if steps and int(steps[1]) <= 31 else None


async def restart_radio(modem: Modem) -> None:
    """Radio off and on: cures most modems that no longer send."""
    await modem.willing("AT+CFUN=4", limit=20.0)
    await modem.pause()
    await modem.willing("AT+CFUN=1", limit=20.0)
    await modem.pause()


async def reboot(modem: Modem) -> None:
    """The modem starts anew; its port may vanish under us."""
    try:
        await modem.willing("AT+CFUN=1,1", limit=10.0)
    except Unanswered:
        return


def _digits(text: str) -> str:
    found = re.search(r"\d+", text)
    return found[0] if found else ""
