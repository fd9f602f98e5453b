"""The session on plain numbers: octets and times in, events out."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from smpplib import consts

from smpp import pdu, status
from smpp.pdu import Framer, Pdu, PduError
from smpp.session import (
    LAST_SEQUENCE,
    Answered,
    Asked,
    BindFailed,
    Bound,
    Draining,
    Ended,
    Event,
    Session,
    State,
    Timing,
    Unanswered,
)

DUES = pdu.DeliverSm(source_addr="8613800000001", destination_addr="10690", short_message=b"DUES")
HELLO = pdu.SubmitSm(destination_addr="8613800000001", short_message=b"hello")


class Operator:
    """The other end of a session, and a clock."""

    def __init__(self, timing: Timing | None = None, *, sequence: int = 1) -> None:
        self.session = Session(timing or Timing(), sequence=sequence)
        self.now = 1000.0
        self._framer = Framer()

    def hears(self) -> list[Pdu]:
        found = self._framer.feed(self.session.outgoing())
        assert not any(isinstance(item, PduError) for item in found)
        return [item for item in found if isinstance(item, Pdu)]

    def says(self, body: pdu.Body, sequence: int, code: int = status.OK) -> list[Event]:
        return self.session.receive(pdu.encode(body, sequence, code), self.now)

    def passes(self, seconds: float, step: float = 1.0) -> list[Event]:
        """Ticks until then; an enquire_link is left unanswered."""
        events: list[Event] = []
        end = self.now + seconds
        while self.now < end:
            self.now += step
            events += self.session.tick(self.now)
        return events


def bound(kind: type[pdu.Bind] = pdu.BindTransceiver, timing: Timing | None = None, *, sequence: int = 1) -> Operator:
    operator = Operator(timing, sequence=sequence)
    operator.session.bind(kind("muster", "secret"), operator.now)
    (hello,) = operator.hears()
    assert hello == Pdu(kind("muster", "secret"), sequence)
    response = pdu.response_to(hello.body)
    assert response is not None
    operator.says(response(), hello.sequence)
    assert operator.session.state is State.BOUND
    return operator


def ask(operator: Operator, context: Any, body: pdu.Body = HELLO) -> int:
    return operator.session.ask(body, context, operator.now)


def test_a_bind_says_who_the_operator_is() -> None:
    operator = Operator()
    operator.session.bind(pdu.BindTransceiver("muster", "secret"), operator.now)
    version = ((pdu.Tag.SC_INTERFACE_VERSION, b"\x34"),)
    assert operator.says(pdu.BindTransceiverResp("smsc", version), 1) == [Bound("smsc", 0x34)]


@pytest.mark.parametrize("answer", [pdu.BindTransceiverResp(), pdu.GenericNack()])
def test_a_refused_bind_ends_the_session(answer: pdu.Body) -> None:
    operator = Operator()
    operator.session.bind(pdu.BindTransceiver("muster", "wrong"), operator.now)
    failed, ended = operator.says(answer, 1, status.INVALID_PASSWORD)
    assert failed == BindFailed(status.INVALID_PASSWORD)
    assert isinstance(ended, Ended)


def test_no_answer_to_the_bind_ends_the_session() -> None:
    operator = Operator()
    operator.session.bind(pdu.BindTransceiver("muster", "secret"), operator.now)
    assert operator.passes(29) == []
    assert operator.passes(1) == [Ended("no answer to the bind", dead=True)]


def test_answers_find_their_questions_in_any_order() -> None:
    operator = bound()
    first, second, third = ask(operator, "a"), ask(operator, "b"), ask(operator, "c")
    assert [item.body for item in operator.hears()] == [HELLO] * 3
    assert operator.session.unanswered == 3
    assert operator.says(pdu.SubmitSmResp("2"), second) == [Answered("b", status.OK, pdu.SubmitSmResp("2"))]
    assert operator.says(pdu.SubmitSmResp(), first, status.THROTTLED) == [
        Answered("a", status.THROTTLED, pdu.SubmitSmResp())
    ]
    assert operator.says(pdu.GenericNack(), third, 3) == [Answered("c", 3, pdu.GenericNack())]
    assert operator.session.unanswered == 0


def test_responses_nobody_waits_for_are_counted_and_ignored() -> None:
    operator = bound()
    sequence = ask(operator, "a")
    assert len(operator.says(pdu.SubmitSmResp("1"), sequence)) == 1
    assert operator.says(pdu.SubmitSmResp("1"), sequence) == []
    assert operator.says(pdu.SubmitSmResp("9"), 999) == []
    assert operator.says(pdu.GenericNack(), 0, 3) == []
    assert operator.session.counts.stray == 3


def test_a_response_of_the_wrong_kind_answers_nothing() -> None:
    operator = bound()
    sequence = ask(operator, "a")
    assert operator.says(pdu.DeliverSmResp(), sequence) == []
    assert operator.session.unanswered == 1


def test_a_message_is_asked_and_answered_when_we_say_so() -> None:
    operator = bound()
    operator.hears()
    assert operator.says(DUES, 41) == [Asked(41, DUES)]
    assert operator.hears() == []
    operator.session.answer(41, pdu.DeliverSmResp())
    assert operator.hears() == [Pdu(pdu.DeliverSmResp(), 41)]


@pytest.mark.parametrize("body", [DUES, pdu.DataSm(source_addr="1")])
def test_a_message_for_a_transmitter_is_refused(body: pdu.Body) -> None:
    operator = bound(pdu.BindTransmitter)
    assert operator.says(body, 41) == []
    assert [(item.sequence, item.status) for item in operator.hears()] == [(41, status.WRONG_STATE)]
    assert operator.session.transmits


def test_a_receiver_does_not_transmit() -> None:
    assert not bound(pdu.BindReceiver).session.transmits


def test_what_has_no_place_here_is_refused_by_its_own_response() -> None:
    operator = bound()
    assert operator.says(HELLO, 5) == []
    assert operator.says(pdu.QuerySm("1"), 6) == []
    assert operator.hears() == [
        Pdu(pdu.SubmitSmResp(), 5, status.INVALID_COMMAND),
        Pdu(pdu.QuerySmResp(), 6, status.INVALID_COMMAND),
    ]
    assert operator.says(pdu.AlertNotification(), 7) == []
    assert operator.hears() == []


def test_a_flood_of_messages_is_told_to_slow_down() -> None:
    operator = bound()
    for sequence in range(5001):
        events = operator.says(DUES, sequence)
    assert events == []
    assert operator.hears()[-1] == Pdu(pdu.DeliverSmResp(), 5000, status.THROTTLED)


def test_sequence_numbers_wrap_and_skip_those_in_flight() -> None:
    operator = bound(sequence=LAST_SEQUENCE - 2)
    assert [ask(operator, n) for n in range(4)] == [LAST_SEQUENCE - 1, LAST_SEQUENCE, 1, 2]
    again = bound(sequence=1)
    assert [ask(again, n) for n in range(3)] == [2, 3, 4]
    again.session._sequence = 1
    assert ask(again, 3) == 5


def test_enquire_link_is_answered() -> None:
    operator = bound()
    assert operator.says(pdu.EnquireLink(), 9) == []
    assert operator.hears() == [Pdu(pdu.EnquireLinkResp(), 9)]


def test_silence_is_asked_about_and_an_answer_is_enough() -> None:
    operator = bound()
    for _ in range(3):
        assert operator.passes(30) == []
        (enquiry,) = operator.hears()
        assert type(enquiry.body) is pdu.EnquireLink
        assert operator.says(pdu.EnquireLinkResp(), enquiry.sequence) == []


def test_two_misses_are_the_end_within_75_seconds() -> None:
    operator = bound()
    ask(operator, "a")
    began = operator.now
    events = operator.passes(75)
    unanswered, ended = events
    assert isinstance(unanswered, Unanswered)
    assert unanswered.context == "a"
    assert isinstance(ended, Ended)
    assert ended.dead
    assert operator.now - began <= 75
    assert sum(type(item.body) is pdu.EnquireLink for item in operator.hears()) == 2


def test_any_word_is_a_sign_of_life() -> None:
    operator = bound()
    for sequence in range(10):
        assert not any(isinstance(event, Ended) for event in operator.passes(29))
        operator.says(DUES, sequence)
    assert [type(item.body) for item in operator.hears()] == []


def test_a_word_after_the_question_begins_the_silence_anew() -> None:
    operator = bound()
    operator.passes(31)
    assert len(operator.hears()) == 1
    operator.says(DUES, 1)  # it has not answered the enquire_link, and never will
    assert operator.passes(50) == []
    assert any(isinstance(event, Ended) for event in operator.passes(25))


def test_one_lost_answer_is_unknown_and_the_session_goes_on() -> None:
    operator = bound()
    lost = ask(operator, "lost")
    operator.passes(20)
    answered = ask(operator, "answered")
    operator.says(pdu.SubmitSmResp("1"), answered)
    events: list[Event] = []
    for _ in range(4):
        events += operator.passes(10)
        operator.says(pdu.EnquireLink(), 77)
    assert events == [Unanswered("lost", "no answer in 60 s")]
    assert operator.session.counts.timed_out == 1
    assert operator.says(pdu.SubmitSmResp("2"), lost) == []  # too late


def test_an_operator_that_answers_no_submit_gets_a_new_session() -> None:
    operator = bound()
    ask(operator, "a")
    operator.passes(1)
    ask(operator, "b")
    events: list[Event] = []
    for _ in range(60):
        operator.says(pdu.EnquireLink(), 77)
        events += operator.passes(1)
    assert [event.context for event in events if isinstance(event, Unanswered)] == ["a", "b"]
    assert isinstance(events[-1], Ended)


def test_a_slow_operator_is_waited_for() -> None:
    """Answers after 20 s each, the window full: nothing is given up."""
    operator = bound()
    for round_ in range(5):
        sequences = [ask(operator, (round_, n)) for n in range(10)]
        assert [event for event in operator.passes(20) if not isinstance(event, Answered)] == []
        for sequence in sequences:
            assert len(operator.says(pdu.SubmitSmResp("1"), sequence)) == 1


def test_a_lost_connection_gives_every_question_back_once() -> None:
    operator = bound()
    for context in "abc":
        ask(operator, context)
    *lost, ended = operator.session.lost("reset by peer")
    assert lost == [Unanswered(context, "reset by peer") for context in "abc"]
    assert ended == Ended("reset by peer")
    assert operator.session.lost("again") == []
    assert operator.session.receive(pdu.encode(DUES, 1), operator.now) == []


def test_we_unbind_when_all_is_answered() -> None:
    operator = bound()
    sequence = ask(operator, "a")
    operator.says(DUES, 41)
    assert operator.session.finish(operator.now) == [Draining("stopping")]
    assert not operator.session.transmits
    assert pdu.Unbind not in [type(item.body) for item in operator.hears()]
    operator.says(pdu.SubmitSmResp("1"), sequence)
    assert operator.hears() == []
    operator.session.answer(41, pdu.DeliverSmResp())
    operator.session.settled(operator.now)
    response, unbind = operator.hears()
    assert (type(response.body), type(unbind.body)) == (pdu.DeliverSmResp, pdu.Unbind)
    assert operator.says(pdu.UnbindResp(), unbind.sequence) == [Ended("unbound")]


def test_we_wait_five_seconds_for_what_is_under_way() -> None:
    operator = bound()
    ask(operator, "a")
    operator.session.finish(operator.now)
    assert operator.passes(4) == []
    operator.hears()
    operator.passes(1)
    (unbind,) = operator.hears()
    assert type(unbind.body) is pdu.Unbind
    lost, ended = operator.says(pdu.UnbindResp(), unbind.sequence)
    assert lost == Unanswered("a", "unbound")
    assert ended == Ended("unbound")


def test_an_operator_that_does_not_let_us_go_is_left() -> None:
    operator = bound()
    operator.session.finish(operator.now)
    assert operator.passes(2) == [Ended("no answer to the unbind", dead=True)]


def test_an_operator_that_unbinds_waits_for_nothing_new_but_gets_its_answers() -> None:
    operator = bound()
    sequences = [ask(operator, n) for n in range(10)]
    operator.hears()
    assert operator.says(pdu.Unbind(), 50) == [Draining("the operator unbinds")]
    assert not operator.session.transmits
    assert operator.says(DUES, 51) == []
    assert operator.hears() == [Pdu(pdu.DeliverSmResp(), 51, status.TRY_AGAIN)]
    for sequence in sequences[:9]:
        operator.says(pdu.SubmitSmResp("1"), sequence)
    assert operator.hears() == []
    events = operator.passes(5)
    assert operator.hears() == [Pdu(pdu.UnbindResp(), 50)]
    assert events == [Unanswered(9, "the operator unbound"), Ended("the operator unbound")]


def test_a_bad_message_is_refused_by_its_own_response_and_the_next_is_read() -> None:
    operator = bound()
    bad = b"\0\1\1" + b"8" * 30 + b"\0"
    stream = pack(">IIII", 16 + len(bad), 5, 0, 8) + bad + pdu.encode(DUES, 9)
    assert operator.session.receive(stream, operator.now) == [Asked(9, DUES)]
    assert operator.hears() == [Pdu(pdu.DeliverSmResp(), 8, consts.SMPP_ESME_RINVSRCADR)]


def test_an_unknown_command_is_nacked() -> None:
    operator = bound()
    operator.session.receive(pack(">IIII", 16, 0x0777, 0, 8), operator.now)
    assert operator.hears() == [Pdu(pdu.GenericNack(), 8, status.INVALID_COMMAND)]


def test_an_unreadable_answer_is_no_answer_and_is_not_nacked() -> None:
    operator = bound()
    sequence = ask(operator, "a")
    operator.hears()
    (event,) = operator.session.receive(pack(">IIII", 18, 0x80000004, 0, sequence) + b"ab", operator.now)
    assert isinstance(event, Unanswered)
    assert event.context == "a"
    assert operator.hears() == []


def test_twenty_bad_pdus_in_ten_seconds_are_the_end() -> None:
    operator = bound()
    bad = pack(">IIII", 18, 5, 0, 8) + b"ab"
    assert operator.session.receive(bad * 19, operator.now) == []
    operator.now += 11
    assert operator.session.receive(bad * 19, operator.now) == []
    (ended,) = operator.session.receive(bad * 10_000, operator.now)
    assert isinstance(ended, Ended)
    assert len(operator.hears()) == 39
    assert operator.session.counts.bad == 39


@pytest.mark.parametrize("length", [0, 15, 65537, 0xFFFFFFFF])
def test_a_length_that_cannot_be_true_is_nacked_and_ends_the_session(length: int) -> None:
    operator = bound()
    (ended,) = operator.session.receive(pack(">IIII", length, 5, 0, 8), operator.now)
    assert isinstance(ended, Ended)
    assert [(type(item.body), item.status) for item in operator.hears()] == [(pdu.GenericNack, status.INVALID_LENGTH)]


def test_another_protocol_is_not_spoken_with() -> None:
    operator = bound()
    (ended,) = operator.session.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", operator.now)
    assert isinstance(ended, Ended)


def test_half_a_pdu_at_the_end_is_nothing() -> None:
    operator = bound()
    assert operator.session.receive(pdu.encode(DUES, 1)[:-1], operator.now) == []
    assert operator.session.lost("closed") == [Ended("closed")]


def test_any_cut_gives_the_same_events() -> None:
    stream = pdu.encode(DUES, 1) + pdu.encode(pdu.EnquireLink(), 2) + pdu.encode(pdu.SubmitSmResp("7"), 2)
    expected = [Asked(1, DUES), Answered("a", status.OK, pdu.SubmitSmResp("7"))]
    for size in (1, 3, 16, 1000):
        operator = bound()
        assert ask(operator, "a") == 2
        events: list[Event] = []
        for start in range(0, len(stream), size):
            events += operator.session.receive(stream[start : start + size], operator.now)
        assert events == expected
