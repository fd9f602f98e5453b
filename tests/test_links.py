"""The board of live links, and which of them a number is sent to by."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.core.model import LinkStatus
from gateway.links import Board
from gateway.routing import choose
from tests.test_outbox import Line


def test_a_link_that_tries_to_come_back_is_away_all_the_same() -> None:
    clock, line = Clock(), Line()
    board = Board(clock.seconds)
    entry = board.add(line, kind="smpp")

    def turns(status: LinkStatus) -> float | None:
        clock.advance(1)
        line.status = status
        board.changed(line.name)
        return entry.away

    assert entry.away == 0
    assert turns(LinkStatus.READY) is None
    assert turns(LinkStatus.THROTTLED) is None
    assert [turns(status) for status in (LinkStatus.DOWN, LinkStatus.CONNECTING, LinkStatus.DOWN)] == [3, 3, 3]
    assert turns(LinkStatus.READY) is None


def test_the_longest_prefix_takes_a_number_and_one_without_any_what_is_left() -> None:
    board = Board(Clock().seconds)
    for name, prefixes in (("rest", ()), ("china", ("+86",)), ("yunnan", ("+86138", "+86139")), ("kenya", ("+254",))):
        line = Line()
        line.name = name
        board.add(line, kind="smpp", prefixes=prefixes)
    assert choose(board, "+8613800000007") == "yunnan"
    assert choose(board, "+8615000000007") == "china"
    assert choose(board, "+46700000007") == "rest"
    assert choose([each for each in board if each.prefixes], "+46700000007") is None
    assert choose(board, "+8613800000007", prefer="rest") == "rest"


def test_of_links_alike_the_first_that_is_ready_is_taken() -> None:
    board = Board(Clock().seconds)
    lines = [Line(), Line(), Line()]
    for line, name in zip(lines, ("first", "second", "third"), strict=True):
        line.name, line.status = name, LinkStatus.DOWN
        board.add(line, kind="smpp", prefixes=("+86",))
    assert choose(board, "+8613800000007") == "first"
    lines[1].status = lines[2].status = LinkStatus.READY
    assert choose(board, "+8613800000007") == "second"
    lines[0].status = LinkStatus.READY
    assert choose(board, "+8613800000007") == "first"
