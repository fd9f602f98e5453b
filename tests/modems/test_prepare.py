"""Making a modem ready: what it says it can, and what is chosen of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from modems.makes import ANY, is_unsolicited, recognise
from modems.pins import PinFile, PinMemory
from modems.prepare import fitting, read_ranges, read_registration, read_stores


@pytest.mark.parametrize(
    ("line", "reports", "chosen"),
    [
        ("(0-2),(0-3),(0,2),(0-2),(0,1)", (2, 1), (2, 1, 0, 2, 0)),
        ("(0-2),(0-3),(0,2),(0-2),(0,1)", (1, 2), (2, 1, 0, 1, 0)),  # Quectel: +CDSI names the wrong store
        ("(0,1,2),(0,1,2,3),(0,2),(0,1),(0,1)", (2, 1), (2, 1, 0, 1, 0)),  # SIM800
        ("(1,2),(0-3),(0),(0),(1)", (2, 1), (2, 1, 0, 0, 1)),
        ("(0,1),(0,1),(0),(0,1),(0)", (2, 1), (1, 1, 0, 1, 0)),
        ("(0 - 3),(1),(0),(0, 2)", (2, 1), (2, 1, 0, 2)),
    ],
)
def test_notices_fit_what_the_modem_can(line: str, reports: tuple[int, ...], chosen: tuple[int, ...]) -> None:
    assert fitting(read_ranges(line), reports) == chosen


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("0,1", 1),
        ("1", 1),
        ('2,1,"1A2B","00C3D4E5",7', 1),
        ('5,"1A2B","00C3"', 5),
        ("0,11", 11),
        ("2,5", 5),
        ("", 0),
        ("n,5", 0),
    ],
)
def test_registration(value: str, state: int) -> None:
    assert read_registration(value) == state


@pytest.mark.parametrize(
    ("line", "stores"),
    [
        ('("SM","ME"),("SM","ME"),("SM","ME")', ("SM", "ME")),
        ('("ME","MT","SM","SR"),("ME","SM"),("ME","SM")', ("SM", "ME", "SR")),
        ('"ME","SM"', ("SM", "ME")),
        ('("ME")', ("ME",)),
        ("", ("SM",)),
    ],
)
def test_stores(line: str, stores: tuple[str, ...]) -> None:
    assert read_stores(line) == stores


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("huawei E173", "Huawei"),
        ("Quectel EC25", "Quectel"),
        ("SIMCOM_Ltd SIMCOM_SIM800L", "SIMCom"),
        ("SIMCOM INCORPORATED A7670E", "SIMCom"),
        ("WAVECOM MODEM MULTIBAND 900E 1800", "Wavecom"),
        ("Muster Emulator", ANY.name),
    ],
)
def test_makes(identity: str, name: str) -> None:
    assert recognise(identity).name == name


@pytest.mark.parametrize(
    "line",
    [
        "^RSSI:20",
        "^BOOT:48175390,0,0,0,89",
        "+ZUSIMR:2",
        "RDY",
        "Call Ready",
        "SMS DONE",
        "*ATREADY: 1",
        "%NOTIFYEV: 1",
        "_OSIGQ: 3,0",
        "#QSS: 1",
        "POWERED DOWN",
        "NO CARRIER",
        "MISSED_CALL: 10:00AM 138",
        "RING",
    ],
)
def test_what_modems_say_by_themselves(line: str) -> None:
    assert is_unsolicited(line)


@pytest.mark.parametrize("line", ["07914487200030", "OK see you on Friday", "ZZZZ??", "490154203237518"])
def test_what_is_a_body(line: str) -> None:
    assert not is_unsolicited(line)


def test_a_pin_that_was_tried_is_known_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "pins.json"
    PinFile(path).remember("8986001", "1234")
    assert PinFile(path).tried("8986001", "1234")
    assert not PinFile(path).tried("8986001", "4321")
    assert not PinFile(path).tried("8986002", "1234")
    assert "1234" not in path.read_text().replace("8986001", "")
    assert path.stat().st_mode & 0o777 == 0o600
    PinFile(path).forget("8986001")
    assert not PinFile(path).tried("8986001", "1234")
    PinFile(path).forget("8986001")


def test_a_tool_that_runs_once_remembers_as_long() -> None:
    pins = PinMemory()
    pins.remember("8986001", "1234")
    assert pins.tried("8986001", "1234")
    pins.forget("8986001")
    assert not pins.tried("8986001", "1234")
