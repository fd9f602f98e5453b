"""What processes on one database tell each other: topics that have changed, links and how they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from gateway import elsewhere
from gateway.core import changes
from gateway.core.model import LinkState, LinkStatus
from gateway.elsewhere import Seen
from gateway.links import Board
from gateway.routing import choose

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def test_others_hear_what_is_new_and_nobody_hears_themselves(conn: Connection) -> None:
    changes.mark(conn, "here", {"cases", "messages"}, NOW)
    before = changes.marks(conn, "there")
    assert changes.topics({}, before) == {"cases", "messages"}
    assert changes.marks(conn, "here") == {}
    changes.mark(conn, "here", {"cases"}, NOW)
    assert changes.topics(before, changes.marks(conn, "there")) == {"cases"}


def test_a_process_that_has_ended_is_forgotten_after_a_day_and_that_is_no_news(conn: Connection) -> None:
    changes.mark(conn, "ended", {"cases"}, NOW)
    before = changes.marks(conn, "here")
    changes.forget(conn, NOW + changes.KEPT)
    assert changes.marks(conn, "here") == before
    changes.forget(conn, NOW + changes.KEPT + timedelta(seconds=1))
    assert changes.topics(before, changes.marks(conn, "here")) == frozenset()


def _seen(name: str, position: int, status: LinkStatus = LinkStatus.READY, **more: object) -> Seen:
    values: dict[str, object] = {
        "state": LinkState(link=name, status=status, since=NOW, detail="bound", signal=-71, balance="¥12.30"),
        "position": position, "kind": "smpp", "prefixes": ("+86",), "window": 10, "rate": 5.0,
        "received": 3, "sent": 4, "throttled": 1, "inflight": 2,
    }  # fmt: skip
    return Seen(**values | more)  # type: ignore[arg-type]  # fields of a test


def test_a_link_is_on_the_board_of_others_as_it_is(conn: Connection) -> None:
    told = (_seen("second", 0), _seen("first", 1, LinkStatus.DOWN, prefixes=()))
    elsewhere.tell(conn, told, NOW)
    assert elsewhere.links(conn, NOW + elsewhere.SILENT) == list(told)
    board = Board(lambda: 50.0)
    board.show([elsewhere.entry(each, lambda: 50.0) for each in elsewhere.links(conn, NOW)])
    assert [entry.name for entry in board] == ["second", "first"], "in the order of the configuration"
    second, first = board
    assert (second.ready, second.away, first.ready, first.away) == (True, None, False, 50.0)
    assert (second.received_per_minute, second.sent_per_minute, second.throttled_per_minute) == (3, 4, 1)
    assert second.inflight == 2
    assert choose(board, "+8613800000001") == "second"
    assert choose(board, "+254712345678") == "first"


def test_links_of_a_silent_process_are_down_since_its_last_word(conn: Connection) -> None:
    elsewhere.tell(conn, (_seen("mobile", 0),), NOW)
    (found,) = elsewhere.links(conn, NOW + elsewhere.SILENT + timedelta(seconds=1))
    assert (found.state.status, found.state.since, found.state.signal) == (LinkStatus.DOWN, NOW, None)
    assert (found.received, found.sent, found.prefixes) == (0, 0, ("+86",))


def test_a_link_that_is_configured_no_more_leaves_the_boards(conn: Connection) -> None:
    elsewhere.tell(conn, (_seen("mobile", 0), _seen("village", 1)), NOW)
    elsewhere.tell(conn, (_seen("mobile", 0),), NOW)
    assert [each.state.link for each in elsewhere.links(conn, NOW)] == ["mobile"]


def test_a_board_says_which_links_have_changed_and_since_when_one_is_away() -> None:
    seconds = [10.0]
    board, changed = Board(lambda: seconds[0]), list[str]()
    board.watch(changed.append)

    def show(*links: Seen) -> list[str]:
        changed.clear()
        board.show([elsewhere.entry(each, lambda: seconds[0]) for each in links])
        return changed

    assert show(_seen("mobile", 0), _seen("village", 1)) == ["mobile", "village"]
    assert show(_seen("mobile", 0, sent=9), _seen("village", 1)) == [], "figures are no change of state"
    assert show(_seen("mobile", 0), _seen("village", 1, LinkStatus.DOWN)) == ["village"]
    seconds[0] = 99.0
    assert show(_seen("mobile", 0), _seen("village", 1, LinkStatus.CONNECTING)) == ["village"]
    assert board["village"].away == 10.0
    assert show(_seen("mobile", 0)) == ["village"]
    assert board.get("village") is None
