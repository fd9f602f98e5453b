"""The AT dialogue: what holds for every conversation."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modems.at import (
    LONGEST_LINE,
    Answered,
    Command,
    Condition,
    Dialogue,
    Event,
    Patience,
    Refusal,
    TimedOut,
    Unsolicited,
    prefix_of,
)

PIECES = [
    b"\r\n",
    b"\r",
    b"\n",
    b"> ",
    b">",
    b"\0",
    b"\xff\xe9",
    b"OK",
    b"\r\nOK\r\n",
    b"ERROR",
    b"\r\n+CMS ERROR: 38\r\n",
    b"+CME ERROR: SIM busy",
    b"AT+CMGS=14",
    b"\r\n+CMGS: 7\r\n",
    b"\r\n+CMGR: 1,,24\r\n",
    b"07914487",
    b'\r\n+CMTI: "SM",1\r\n',
    b"\r\n+CMT: ,24\r\n",
    b'+CUSD: 1,"one',
    b'two",15',
    b"RING",
    b"^RSSI:20",
]
noise = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=30).map(b"".join)
QUESTIONS = [
    Command(text="AT+CMGS=14", payload="0011000B"),
    Command(text="AT+CMGR=1", body_lines=1),
    Command(text="AT+CIMI", bare=re.compile(r"\d+")),
    Command(text="AT+CSQ"),
]


def asked(question: Command) -> Dialogue:
    dialogue = Dialogue()
    dialogue.ask(question, 0.0)
    dialogue.ask(Command(text="AT+CSQ"), 0.0)
    return dialogue


def heard(dialogue: Dialogue, *pieces: bytes) -> tuple[list[Event], bytes]:
    events = [event for piece in pieces for event in dialogue.receive(piece, 1.0)]
    return events, dialogue.outgoing()


@given(octets=noise, question=st.sampled_from(QUESTIONS), cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_cut_gives_the_same_events(octets: bytes, question: Command, cuts: list[int]) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(octets)), len(octets)})
    pieces = [octets[start:end] for start, end in pairwise(places)]
    assert heard(asked(question), octets) == heard(asked(question), *pieces)


@settings(max_examples=300)
@given(
    said=st.lists(noise | st.floats(0, 30)),
    questions=st.lists(st.sampled_from(QUESTIONS), max_size=4),
    start=st.booleans(),
)
def test_nothing_a_modem_says_or_omits_breaks_it(
    said: list[bytes | float], questions: list[Command], start: bool
) -> None:
    """Each ticket is settled exactly once, or is still waiting when the port is closed."""
    dialogue, now = Dialogue(), 0.0
    if start:
        dialogue.start(now)
    tickets = {dialogue.ask(question, now) for question in questions}
    events: list[Event] = []
    for each in said:
        if isinstance(each, bytes):
            events += dialogue.receive(each, now)
            continue
        end = now + each
        while dialogue.due is not None and dialogue.due <= end:
            now = max(now, dialogue.due)
            events += dialogue.tick(now)
        now = end
    events += dialogue.close()
    settled = [event.ticket for event in events if isinstance(event, Answered | TimedOut)]
    assert sorted(settled) == sorted(tickets)


def test_one_command_at_a_time() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CSQ"), 0.0)
    dialogue.ask(Command(text="AT+CREG?"), 0.0)
    assert dialogue.outgoing() == b"AT+CSQ\r"
    assert dialogue.receive(b"\r\n+CSQ: 1,99\r\n\r\nOK\r\n", 0.0) == [Answered(1, ("+CSQ: 1,99",))]
    assert dialogue.outgoing() == b"AT+CREG?\r"


def test_health_waits_for_polling_and_polling_for_sending() -> None:
    dialogue = Dialogue()
    order = []
    dialogue.ask(Command(text="AT"), 0.0)
    dialogue.ask(Command(text="AT+CSQ", patience=Patience.HEALTH), 0.0)
    dialogue.ask(Command(text="AT+CMGL=4", patience=Patience.POLL), 0.0)
    dialogue.ask(Command(text="AT+CMGR=1"), 0.0)
    dialogue.ask(Command(text="AT+CNMA", patience=Patience.ACKNOWLEDGEMENT), 0.0)
    for _ in range(5):
        order.append(dialogue.outgoing())
        dialogue.receive(b"\r\nOK\r\n", 0.0)
    assert order == [b"AT\r", b"AT+CNMA\r", b"AT+CMGR=1\r", b"AT+CMGL=4\r", b"AT+CSQ\r"]


def test_a_busy_queue_does_not_starve_the_health_check() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CMGR=0"), 0.0)
    dialogue.ask(Command(text="AT+CSQ", patience=Patience.HEALTH), 0.0)
    said = b""
    for second in range(1, 60):
        dialogue.ask(Command(text=f"AT+CMGR={second}"), float(second))
        dialogue.receive(b"\r\nOK\r\n", float(second))
        said += dialogue.outgoing()
    assert b"AT+CSQ" in said


def test_a_text_that_begins_with_ok_does_not_end_an_answer() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CMGR=1", body_lines=1), 0.0)
    said = b"\r\n+CMGR: 1,,24\r\nOK see you on Friday\r\n\r\nOK\r\n"
    assert dialogue.receive(said, 0.0) == [Answered(1, ("+CMGR: 1,,24", "OK see you on Friday"))]


def test_a_storm_of_notices_inside_an_answer() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CSQ"), 0.0)
    storm = b"".join(b'\r\n+CMTI: "SM",%d\r\n' % index for index in range(30))
    events = dialogue.receive(storm[:200] + b"\r\n+CSQ: 20,99\r\n" + storm[200:] + b"\r\nOK\r\n", 0.0)
    told = [event.line for event in events if isinstance(event, Unsolicited)]
    assert [line for line in told if line.startswith("+CMTI")][:9] == [f'+CMTI: "SM",{n}' for n in range(9)]
    assert events[-1] == Answered(1, ("+CSQ: 20,99",))


def test_a_line_that_never_ends_is_given_up() -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CSQ"), 0.0)
    for _ in range(20):
        dialogue.receive(b"x" * (LONGEST_LINE // 4), 0.0)
    assert dialogue.receive(b"\r\n+CSQ: 2,99\r\nOK\r\n", 0.0)[-1] == Answered(1, ("+CSQ: 2,99",))


def test_a_direct_message_without_its_body_takes_no_other() -> None:
    dialogue = Dialogue()
    dialogue.receive(b"\r\n+CMT: ,24\r\n", 0.0)
    dialogue.ask(Command(text="AT+CMGR=1", body_lines=1), 10.0)
    events = dialogue.receive(b"\r\n+CMGR: 0,,24\r\n0791\r\n\r\nOK\r\n", 10.0)
    assert events == [Unsolicited("+CMT: ,24"), Answered(1, ("+CMGR: 0,,24", "0791"))]


def test_a_prompt_left_by_a_former_user_is_escaped() -> None:
    dialogue = Dialogue()
    dialogue.start(0.0)
    assert dialogue.outgoing() == b"\x1b"
    dialogue.receive(b"\r\n> ", 0.1)
    dialogue.tick(0.8)
    assert dialogue.outgoing() == b"\x1bAT\r"


def test_a_modem_that_chatters_all_the_time_is_asked_all_the_same() -> None:
    dialogue = Dialogue()
    dialogue.start(0.0)
    dialogue.outgoing()
    for tenth in range(1, 60):
        dialogue.receive(b"\r\n^RSSI:20\r\n", tenth / 10)
        dialogue.tick(tenth / 10)
    assert dialogue.outgoing() == b"AT\r"


def test_a_modem_that_says_error_to_everything_is_given_up() -> None:
    dialogue, now = Dialogue(), 0.0
    dialogue.start(now)
    events: list[Event] = []
    for _ in range(20):
        if dialogue.due is None:
            break
        now = dialogue.due
        events += dialogue.tick(now)
        if dialogue.outgoing():
            events += dialogue.receive(b"\r\nERROR\r\n", now)
    assert events == [Condition.SILENT]


def test_a_reboot_ends_what_was_asked() -> None:
    dialogue = Dialogue()
    sending = dialogue.ask(Command(text="AT+CMGS=14", payload="0011"), 0.0)
    waiting = dialogue.ask(Command(text="AT+CSQ"), 0.0)
    dialogue.receive(b"> ", 0.0)
    dialogue.receive(b"\r\nRDY\r\n", 1.0)
    assert dialogue.restart(1.0) == (TimedOut(sending, True), TimedOut(waiting, False))
    dialogue.outgoing()
    dialogue.tick(2.0)
    assert dialogue.outgoing() == b"AT\r"


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        ("AT+CMGR=1", "+CMGR:"),
        ("AT+CPMS?", "+CPMS:"),
        ("AT^ICCID?", "^ICCID:"),
        ("at+csq", "+CSQ:"),
        ("ATE0", ""),
        ("AT", ""),
    ],
)
def test_the_declared_prefix_comes_from_the_command(command: str, prefix: str) -> None:
    assert prefix_of(command) == prefix


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        (b"ERROR", Refusal("ERROR")),
        (b"+CMS ERROR: 38", Refusal("CMS", "38", 38)),
        (b"+CMS ERROR:321", Refusal("CMS", "321", 321)),
        (b"+CME ERROR: 15790320", Refusal("CME", "15790320", 15790320)),
        (b"+CME ERROR: SIM not inserted", Refusal("CME", "SIM not inserted")),
        (b"+CMS ERROR:", Refusal("CMS", "")),
        (b"COMMAND NOT SUPPORT", Refusal("ERROR", "COMMAND NOT SUPPORT")),
    ],
)
def test_final_results(line: bytes, refusal: Refusal) -> None:
    dialogue = Dialogue()
    dialogue.ask(Command(text="AT+CMGD=1"), 0.0)
    assert dialogue.receive(b"\r\n" + line + b"\r\n", 0.0) == [Answered(1, (), refusal)]
