"""The session under anything an operator and the network may do, in any order, against a few rules that always hold."""

from __future__ import annotations

from struct import pack
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from smpp import pdu, status
from smpp.pdu import Framer, PduError
from smpp.session import Answered, Asked, Bound, Ended, Event, Session, State, Timing, Unanswered

DUES = pdu.DeliverSm(source_addr="8613800000001", destination_addr="10690", short_message=b"DUES")
HELLO = pdu.SubmitSm(destination_addr="8613800000001", short_message=b"hello")
STRAYS = (pdu.SubmitSmResp, pdu.UnbindResp, pdu.GenericNack)
CODES = st.sampled_from((status.OK, status.THROTTLED, 0x0B, 0x999))


class Rules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.session = Session(Timing(), sequence=0x7FFFFFFD)
        self.now = 50.0
        self.framer = Framer()
        self.given: set[int] = set()  # contexts handed in
        self.back: list[int] = []  # contexts that came back
        self.waiting: dict[int, int] = {}  # sequence -> context, as the operator sees it
        self.asked: dict[int, bool] = {}  # messages of the operator -> answered
        self.theirs = 0
        self.ended = 0

    def take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Answered(context) | Unanswered(context):
                    self.back.append(context)
                case Asked(sequence):
                    self.asked[sequence] = False
                case Ended():
                    self.ended += 1
        for item in self.framer.feed(self.session.outgoing()):
            assert not isinstance(item, PduError)
            if isinstance(item.body, pdu.Unbind):
                self.unbind = item.sequence

    def says(self, body: pdu.Body, sequence: int, code: int = status.OK) -> None:
        self.take(self.session.receive(pdu.encode(body, sequence, code), self.now))

    @initialize(code=st.sampled_from((status.OK, status.OK, status.OK, 0x0E)))
    def bind(self, code: int) -> None:
        self.session.bind(pdu.BindTransceiver("muster", "secret"), self.now)
        events = self.session.receive(pdu.encode(pdu.BindTransceiverResp(), 0x7FFFFFFD, code), self.now)
        assert isinstance(events[0], Bound) == (code == status.OK)
        self.take(events)

    @precondition(lambda self: self.session.transmits)
    @rule()
    def ask(self) -> None:
        context = len(self.given)
        sequence = self.session.ask(HELLO, context, self.now)
        assert 1 <= sequence <= 0x7FFFFFFF
        assert sequence not in self.waiting or self.waiting[sequence] in self.back
        self.given.add(context)
        self.waiting[sequence] = context
        self.take([])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), code=CODES, nack=st.booleans())
    def answers(self, data: st.DataObject, code: int, nack: bool) -> None:
        """A right answer, also late or doubled."""
        sequence = data.draw(st.sampled_from(sorted(self.waiting)))
        self.says(pdu.GenericNack() if nack else pdu.SubmitSmResp("1"), sequence, code)

    @rule(
        sequence=st.integers(0, 0xFFFFFFFF), kind=st.sampled_from((pdu.SubmitSmResp, pdu.UnbindResp, pdu.GenericNack))
    )
    def invents(self, sequence: int, kind: Any) -> None:
        if sequence not in self.waiting:
            self.says(kind(), sequence)

    @rule()
    def tells(self) -> None:
        self.theirs += 1
        self.says(DUES, self.theirs)

    @precondition(lambda self: not all(self.asked.values()))
    @rule()
    def is_safe(self) -> None:
        sequence = next(sequence for sequence, done in self.asked.items() if not done)
        self.asked[sequence] = True
        self.session.answer(sequence, pdu.DeliverSmResp())
        self.take(self.session.settled(self.now))

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0, 21.0, 61.0)))
    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.take(self.session.tick(self.now))

    @rule()
    def enquires(self) -> None:
        self.says(pdu.EnquireLink(), 5)

    @rule(body=st.binary(max_size=40), command=st.sampled_from((5, 0x80000004, 0x777, 0x103)))
    def talks_nonsense(self, body: bytes, command: int) -> None:
        octets = pack(">IIII", 16 + len(body), command, 0, 0x40000000) + body
        self.take(self.session.receive(octets, self.now))

    @rule(which=st.sampled_from(("they unbind", "we finish", "lost", "nothing")))
    def leaves(self, which: str) -> None:
        if which == "they unbind":
            self.says(pdu.Unbind(), 6)
        elif which == "we finish":
            self.take(self.session.finish(self.now))
        elif which == "lost":
            self.take(self.session.lost("reset"))

    @invariant()
    def every_question_comes_back_once(self) -> None:
        assert len(set(self.back)) == len(self.back)
        assert set(self.back) <= self.given
        assert len(self.given) - len(self.back) == self.session.unanswered

    @invariant()
    def the_end_is_the_end(self) -> None:
        assert self.ended == (self.session.state is State.CLOSED)
        if self.ended:
            assert self.session.unanswered == 0
            assert not self.session.transmits
            assert self.session.receive(pdu.encode(DUES, 1), self.now) == []
            assert self.session.tick(self.now + 1000) == []


Rules.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestRules = Rules.TestCase


@given(st.lists(st.binary(max_size=200), max_size=10))
@settings(max_examples=200)
def test_no_octets_are_too_much(reads: list[bytes]) -> None:
    session = Session(Timing())
    session.bind(pdu.BindTransceiver("muster", "secret"), 0.0)
    for octets in reads:
        session.receive(octets, 0.0)
    session.lost("closed")
    assert session.state is State.CLOSED
