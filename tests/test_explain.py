from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import explain
from gateway.core import text
from gateway.core.model import Fragment
from gateway.explain import explained
from gateway.main import main
from modems import tpdu
from modems.userdata import concatenation
from smpp import pdu

HELLO = "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"
SUBMIT = "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"
REPORT = "07914306073011F006270B913426565711F7012081111345400120811174054043"
KEYS = {
    "direction",
    "smsc",
    "number",
    "alphabet",
    "class",
    "text",
    "data_hex",
    "udh",
    "concat",
    "ports",
    "scts",
    "mr",
    "status",
    "discharge",
    "tpdu_length",
}


def test_a_deliver() -> None:
    found = explain.sms(HELLO)
    assert found.keys() >= KEYS
    assert {key: found[key] for key in KEYS} == {
        "direction": "deliver",
        "smsc": "+27381000015",
        "number": "27838890001",
        "alphabet": "gsm7",
        "class": None,
        "text": "hellohello",
        "data_hex": None,
        "udh": None,
        "concat": None,
        "ports": None,
        "scts": "1999-03-29T15:16:59+02:00",
        "mr": None,
        "status": None,
        "discharge": None,
        "tpdu_length": 28,
    }


def test_a_submit_with_and_without_the_service_centre() -> None:
    found = explain.sms(SUBMIT)
    assert (found["direction"], found["number"], found["mr"], found["text"]) == (
        "submit",
        "+46708251358",
        0,
        "hellohello",
    )
    assert found["validity"] == 4 * 86400
    assert found["smsc"] is None
    assert explain.sms(SUBMIT[2:], with_smsc=False) == found


def test_a_report() -> None:
    found = explain.sms(REPORT)
    assert found.keys() >= KEYS
    assert (found["direction"], found["mr"], found["status"], found["state"]) == ("report", 0x27, 0x43, "failed")
    assert found["scts"] == "2010-02-18T11:31:54+01:00"
    assert found["discharge"] == "2010-02-18T11:47:50+01:00"


def test_parts_ports_and_binary() -> None:
    udh = concatenation(Fragment(reference=0x1234, total=3, number=2, bits=16)) + bytes.fromhex("05040B8423F0")
    sent = tpdu.Deliver(
        sender=tpdu.Number.of("Bank"), data=tpdu.UserData(octets=b"\x01\xfe", dcs=0xF5, udh=udh), scts=None
    )
    found = explain.sms(tpdu.encode(sent).hex())
    assert found["concat"] == {"ref": 0x1234, "total": 3, "seq": 2, "bits": 16}
    assert found["ports"] == {"dst": 0x0B84, "src": 0x23F0, "bits": 16}
    assert found["udh"] == "0c0804123403020504" + "0b8423f0"
    assert (found["alphabet"], found["class"], found["text"], found["data_hex"]) == ("8bit", 1, None, "01fe")
    assert (found["number"], found["scts"]) == ("Bank", None)


def test_a_deliver_sm() -> None:
    body = pdu.DeliverSm(
        source_addr="8613800000007",
        destination_addr="10690001",
        data_coding=8,
        esm_class=0x40,
        short_message=b"\x05\x00\x03\x07\x02\x01" + "会费".encode("utf-16-be"),
        tlvs=((0x0204, b"\x00\x01"), (0x1400, b"\xff")),
    )
    found = explain.smpp(pdu.encode(body, 7).hex())
    assert (found["command"], found["sequence"], found["status"]) == ("deliver_sm", 7, 0)
    assert (found["source_addr"], found["destination_addr"]) == ("8613800000007", "10690001")
    assert found["text"] == "会费"
    assert found["concat"] == {"ref": 7, "total": 2, "seq": 1, "bits": 8}
    assert found["tlvs"] == {"user_message_reference": "0001", "0x1400": "ff"}


@pytest.mark.parametrize(
    ("coding", "octets", "alphabet", "said"),
    [
        (0, b"\x02 5", "gsm7", "$ 5"),
        (3, b"\xe9", "latin1", "é"),
        (4, b"\x00", "8bit", None),
        (2, b"\x00", "8bit", None),
    ],
)
def test_what_a_message_says_in_smpp(coding: int, octets: bytes, alphabet: str, said: str | None) -> None:
    found = explain.smpp(pdu.encode(pdu.SubmitSm(data_coding=coding, short_message=octets), 1).hex())
    assert (found["alphabet"], found["text"]) == (alphabet, said)


def test_a_bind_shows_no_password() -> None:
    octets = pdu.encode(pdu.BindTransceiver(system_id="muster", password="hush"), 1).hex()
    assert "hush" not in json.dumps(explain.smpp(octets))
    assert explain.smpp(octets)["password"] == "***"


def test_a_pdu_that_is_none_keeps_what_is_known_of_it() -> None:
    found = explain.smpp("00000010" + "00000004" + "00000000" + "00000009")
    assert found["command"] == "submit_sm"
    assert found["sequence"] == 9
    assert found["error"]


@pytest.mark.parametrize(
    ("said", "coding", "units", "parts"),
    [
        ("", "gsm7", 0, 1),
        ("hello", "gsm7", 5, 1),
        ("€" * 80, "gsm7", 160, 1),
        ("€" * 81, "gsm7", 162, 2),
        ("会费", "ucs2", 2, 1),
        ("😀" * 36, "ucs2", 72, 2),
    ],
)
def test_a_text(said: str, coding: str, units: int, parts: int) -> None:
    found = explain.text(said)
    assert (found["coding"], found["units"], found["parts"]) == (coding, units, parts)
    assert "".join(found["texts"]) == said


def test_a_command_and_a_slip() -> None:
    command = explain.commands("en")
    assert command("DUES")["code"] == "11"
    assert command("71 how are you") == {
        "code": "71",
        "command": "ask",
        "arguments": {"question": "how are you"},
        "missing": None,
        "language": "en",
    }
    slip = command("DUSE")
    assert (slip["error"], slip["suggestion"]) == ("E01", "11")


@given(st.text())
@settings(max_examples=300)
def test_every_line_gets_an_answer_that_is_json(line: str) -> None:
    for explaining in (explain.sms, explain.smpp, explain.text, _COMMAND):
        found = json.loads(json.dumps(explained(explaining, line), ensure_ascii=False).encode())
        assert isinstance(found, dict)
        assert found


_COMMAND = explain.commands()


def test_mutated_messages_get_an_answer() -> None:
    chance = random.Random(1)
    body = pdu.DeliverSm(source_addr="8613800000007", esm_class=0x40, short_message=b"\x05\x00\x03\x07\x02\x01abc")
    for explaining, seed in ((explain.sms, bytes.fromhex(HELLO)), (explain.smpp, pdu.encode(body, 7))):
        for _ in range(3000):
            octets = bytearray(seed)
            octets[chance.randrange(len(octets))] = chance.randrange(256)
            found = explained(explaining, octets.hex())
            assert "error" in found or found.keys() & {"direction", "command"}
            json.dumps(found)


def test_lines_are_answered_one_by_one() -> None:
    lines = f"{HELLO}\n\nzz\n{REPORT.lower()}\r\n".encode() + b"\xff\x00\n" + SUBMIT.encode()
    ran = CliRunner().invoke(main, ["explain", "sms", "-"], input=lines)
    assert ran.exit_code == 0
    found = [json.loads(line) for line in ran.output.splitlines()]
    assert [line.get("direction", "error" in line) for line in found] == [
        "deliver",
        True,
        True,
        "report",
        True,
        "submit",
    ]


def test_a_text_with_octets_that_are_no_text() -> None:
    ran = CliRunner().invoke(main, ["explain", "text", "-"], input=b"a\xffb\n\xf0\x9f\x98\x80\n")
    assert [json.loads(line)["texts"] for line in ran.output.splitlines()] == [["a\ufffdb"], ["😀"]]


def test_hexadecimal_may_be_in_pieces() -> None:
    ran = CliRunner().invoke(main, ["explain", "sms", HELLO[:10], HELLO[10:]])
    assert json.loads(ran.output)["text"] == "hellohello"


def test_times_are_said_with_their_zone() -> None:
    sent = tpdu.Deliver(
        sender=tpdu.Number.of("+8613800000007"),
        data=tpdu.UserData(octets=text.encode("hi").octets),
        scts=datetime(2026, 11, 23, 9, 0, tzinfo=UTC),
    )
    assert explain.sms(tpdu.encode(sent).hex())["scts"] == "2026-11-23T09:00:00+00:00"
