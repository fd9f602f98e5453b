"""The guard against machines that answer each other, and the recognition of repeats."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from twisted.internet.defer import Deferred

from gateway.core.model import Address, AddressKind, Inbound
from gateway.limits import ERRORS, PERIOD, REPLIES, SAME, Limits, Verdict
from gateway.repeats import ABSORBS, AT_RISK, SessionRepeats, StoredRepeats, fingerprint

PHONE = "+8613800000007"


def test_an_auto_responder_is_answered_five_times_the_same_and_no_more() -> None:
    limits = Limits()
    verdicts = []
    for second in range(10):
        verdicts.append(limits.judge(PHONE, "help", error=False, now=float(second)))
        if verdicts[-1] is not Verdict.SILENT:
            limits.count(PHONE, "help", error=False, now=float(second))
    assert verdicts == [Verdict.SEND] * (SAME - 1) + [Verdict.LAST] + [Verdict.SILENT] * (10 - SAME)


def test_twenty_different_replies_in_ten_minutes() -> None:
    limits = Limits()
    for i in range(REPLIES - 1):
        assert limits.judge(PHONE, f"{i}", error=False, now=1.0) is Verdict.SEND
        limits.count(PHONE, f"{i}", error=False, now=1.0)
    assert limits.judge(PHONE, "last", error=False, now=1.0) is Verdict.LAST
    limits.count(PHONE, "last", error=False, now=1.0)
    assert limits.judge(PHONE, "more", error=False, now=1.0) is Verdict.SILENT
    assert limits.judge("+8613800000008", "more", error=False, now=1.0) is Verdict.SEND
    assert limits.judge(PHONE, "more", error=False, now=1.0 + PERIOD) is Verdict.SEND


def test_errors_count_apart() -> None:
    limits = Limits()
    for i in range(ERRORS):
        limits.count(PHONE, f"E{i}", error=True, unknown=True, now=1.0)
    assert limits.judge(PHONE, "E9", error=True, now=2.0) is Verdict.SILENT
    assert limits.judge(PHONE, "answer", error=False, now=2.0) is Verdict.SEND
    assert limits.unknowns(PHONE, 2.0) == ERRORS
    assert limits.unknowns(PHONE, 2.0 + PERIOD) == 0


def inbound(text: str = "dues", sender: str = PHONE) -> Inbound:
    return Inbound(
        id=1,
        link="a",
        sender=Address(kind=AddressKind.E164, text=sender),
        recipient=Address(kind=AddressKind.SHORT, text="10690"),
        received=datetime(2026, 8, 20, tzinfo=UTC),
        text=text,
        octets=text.encode(),
    )


def commit(repeats: SessionRepeats, print_: int, now: float) -> None:
    safe: Deferred[None] = Deferred()
    repeats.taken(print_, safe)
    repeats.finished(print_, safe, now, committed=True)


def test_two_equal_texts_are_two_messages_while_the_session_lives() -> None:
    repeats = SessionRepeats()
    commit(repeats, fingerprint(inbound()), 1.0)
    assert repeats.absorbs(fingerprint(inbound()), 2.0) is False


def test_after_a_lost_session_a_repeat_is_absorbed_once() -> None:
    repeats = SessionRepeats()
    commit(repeats, fingerprint(inbound()), 1.0)
    repeats.lost(2.0)
    assert repeats.absorbs(fingerprint(inbound("help")), 3.0) is False
    assert repeats.absorbs(fingerprint(inbound()), 3.0) is True
    assert repeats.absorbs(fingerprint(inbound()), 3.0) is False


def test_what_was_long_acknowledged_is_no_repeat() -> None:
    repeats = SessionRepeats()
    commit(repeats, fingerprint(inbound()), 1.0)
    repeats.lost(2.0 + AT_RISK)
    assert repeats.absorbs(fingerprint(inbound()), 3.0 + AT_RISK) is False
    commit(repeats, fingerprint(inbound()), 40.0)
    repeats.lost(41.0)
    assert repeats.absorbs(fingerprint(inbound()), 42.0 + ABSORBS) is False


def test_a_repeat_of_one_on_its_way_to_disk_waits_for_it() -> None:
    repeats = SessionRepeats()
    print_ = fingerprint(inbound())
    safe: Deferred[None] = Deferred()
    repeats.taken(print_, safe)
    repeats.lost(2.0)
    assert repeats.absorbs(print_, 3.0) is safe


def test_what_failed_is_no_repeat() -> None:
    repeats = SessionRepeats()
    print_ = fingerprint(inbound())
    safe: Deferred[None] = Deferred()
    repeats.taken(print_, safe)
    repeats.finished(print_, safe, 1.0, committed=False)
    repeats.lost(2.0)
    assert repeats.absorbs(print_, 3.0) is False


def test_a_fingerprint_tells_sender_text_and_header() -> None:
    prints = {
        fingerprint(inbound()),
        fingerprint(inbound("help")),
        fingerprint(inbound(sender="+8613800000008")),
        fingerprint(replace(inbound(), udh=b"\x05\x00\x03\x07\x02\x01")),
    }
    assert len(prints) == 4


def test_a_modem_shows_a_stored_message_again() -> None:
    repeats = StoredRepeats()
    message = replace(inbound(), sent_at=datetime(2026, 8, 20, tzinfo=UTC))
    print_ = repeats.fingerprint(message)
    safe: Deferred[None] = Deferred()
    repeats.taken(print_, safe)
    repeats.finished(print_, safe, 1.0, committed=True)
    assert repeats.absorbs(print_, 2.0) is True
    assert repeats.absorbs(print_, 3.0) is True
    later = repeats.fingerprint(replace(message, sent_at=datetime(2026, 8, 20, 0, 0, 9, tzinfo=UTC)))
    assert repeats.absorbs(later, 3.0) is False


def test_the_organisation_may_set_other_limits() -> None:
    limits = Limits()
    limits.most = (30, 2, 2)
    limits.count(PHONE, "help", error=False, now=1.0)
    assert limits.judge(PHONE, "help", error=False, now=1.0) is Verdict.LAST
    for i in range(27):
        limits.count(PHONE, f"{i}", error=False, now=1.0)
    assert limits.judge(PHONE, "one more", error=False, now=1.0) is Verdict.SEND
    limits.count(PHONE, "one more", error=False, now=1.0)
    assert limits.judge(PHONE, "last", error=False, now=1.0) is Verdict.LAST
