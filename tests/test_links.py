"""The board of live links."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.core.model import LinkStatus
from gateway.links import Board
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
