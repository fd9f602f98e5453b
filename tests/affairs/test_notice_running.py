"""A notice on its way: paused, cancelled, killed, and how little of it each turn looks at."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from gateway.affairs.notices import (
    approval,
    drafts,
    expansion,
    running,
)
from gateway.affairs.notices.handover import DUE
from gateway.core import recovery
from gateway.core.tables.messages import message, part
from gateway.core.tables.notices import notice, notice_recipient
from tests.affairs.noticing import AUTHOR, NOW, OTHER, House, refused


def test_a_pause_holds_at_the_next_turn_and_what_was_held_goes_back(house: House) -> None:
    house.join(4)
    text = "长" * 100  # two parts each
    found = house.approved(text)
    first = house.turn(3)
    assert len(first.write) == 3
    assert len(first.hold) == 3
    running.pause(house.conn, house.place, found, OTHER, house.now)
    second = house.turn(10, chosen=first.hold)
    assert second.write == ()
    assert {p.outbound for p in first.hold} == second.parked
    house.answer(first.write)
    found = running.resume(house.conn, house.place, drafts.get(house.conn, found.id), OTHER, house.now)
    assert found.state == drafts.RUNNING
    rest = house.turn(20)
    sent = [(p.to, p.number) for p in (*first.write, *rest.write)]
    assert len(sent) == len(set(sent)) == 8


def test_a_pause_that_came_too_late_ends_with_the_last_report(house: House) -> None:
    house.join(3)
    found = house.approved()
    parts_ = house.turn().write
    paused = running.pause(house.conn, house.place, found, AUTHOR, house.now)
    assert running.finish(house.conn, house.now) == 0
    house.answer(parts_)
    assert running.finish(house.conn, house.now) == 1
    assert drafts.get(house.conn, paused.id).state == drafts.DONE


def test_a_cancelled_notice_stops_for_good(house: House) -> None:
    house.join(5)
    found = house.approved()
    house.answer(house.turn(2).write)
    found = running.kill(house.conn, house.place, found, OTHER, house.now)
    assert house.turn().write == ()
    refused("state", lambda: running.resume(house.conn, house.place, found, OTHER, house.now))
    assert running.kill(house.conn, house.place, found, OTHER, house.now) == found


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_a_restart_in_the_middle_of_the_expansion(house: House, piece: int) -> None:
    numbers = house.join(20)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    running.start(house.conn, house.now)
    went: list[str] = []
    for step in range(40):
        expansion.step(house.conn, house.place, (("", "mobile"),), piece)
        house.conn.commit()
        # The kill: a piece that was not committed leaves nothing behind.
        expansion.step(house.conn, house.place, (("", "mobile"),), piece)
        house.conn.rollback()
        if step % 3 == 0:
            released = house.turn(2)
            went += [p.to for p in released.write]
            house.answer(released.write)
    house.freeze(piece)
    released = house.turn()
    went += [p.to for p in released.write]
    assert sorted(went) == numbers


def test_a_turn_that_was_rolled_back_comes_again(house: House) -> None:
    """The page goes on behind those who had their turn, and what is left behind is found at the end."""
    numbers = house.join(7)
    house.approved()
    with house.conn.begin_nested() as lost:
        house.turn(3)
        lost.rollback()
    went: list[str] = []
    while released := house.turn(2):
        went += [p.to for p in released.write]
        if not released.more:
            break
    assert sorted(went) == numbers


def test_who_comes_from_another_link_waits_for_nobody(house: House) -> None:
    """Also when their numbers lie ahead of those who had their turn already."""
    numbers = house.join(6)
    found = house.approved()
    moved = notice_recipient.c.number.in_(numbers[:2])
    house.conn.execute(update(notice_recipient).where(moved).values(link="other"))
    house.turn(2)
    house.conn.execute(update(notice_recipient).where(moved).values(link="mobile"))
    while house.turn(2).more:
        pass
    assert house.counted(found).waiting == 0


def test_after_a_kill_what_was_leased_goes_and_what_was_written_is_unknown(house: House) -> None:
    house.join(2)
    found = house.approved("长" * 100)
    first = house.turn(2)  # one message inflight, one leased
    assert (len(first.write), len(first.hold)) == (2, 2)
    assert recovery.recover(house.conn, house.now) == (1, 2)
    second = house.turn()
    assert {p.outbound for p in second.write} == {p.outbound for p in first.hold}
    assert house.counted(found).messages == {"unknown": 1, "leased": 1}


def test_a_link_that_goes_away_gives_its_recipients_to_another(house: House) -> None:
    house.join(3)
    house.approved()
    assert expansion.reroute(house.conn, "mobile", lambda number: "other") is None
    assert house.turn().write == ()
    assert len(house.turn(link="other").write) == 3


def test_nothing_of_a_part_is_left_behind(house: House) -> None:
    house.join(3)
    house.approved()
    house.answer(house.turn().write)
    states = set(house.conn.scalars(select(part.c.state))) | set(house.conn.scalars(select(message.c.state)))
    assert states == {"sent"}


def test_the_look_at_the_clock_walks_no_recipients(house: House) -> None:
    """It comes every second, in the thread that writes: of a million handed over it must find the first that waits."""
    if house.conn.dialect.name != "sqlite":
        return  # PostgreSQL plans by statistics, which an empty table has not
    question = (
        select(notice.c.id).where(running._finished()).compile(house.conn, compile_kwargs={"literal_binds": True})
    )
    plan = [row[3] for row in house.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}")]
    assert any("ix_notice_recipient_due" in line for line in plan)
    assert not any("notice_recipient USING PRIMARY" in line for line in plan)


def test_a_window_of_recipients_is_read_in_the_order_of_the_index(house: House) -> None:
    """Else all of a million would be sorted for each window."""
    if house.conn.dialect.name == "sqlite":
        rows = house.conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {DUE}", (1, "mobile", 1, 0, "", 160, 0))
        plan = [row[3] for row in rows]
        assert any("ix_notice_recipient_due" in line and "(due,number)>" in line for line in plan)
        return
    house.join(2)
    house.approved()
    written = DUE.replace("?", "%s")
    house.conn.exec_driver_sql("SET LOCAL enable_seqscan = off")
    asked = (1, "mobile", NOW, NOW, "", 160, 0)
    plan = [row[0] for row in house.conn.exec_driver_sql(f"EXPLAIN {written}", asked)]
    page = next(index for index, line in enumerate(plan) if "ix_notice_recipient_due" in line)
    assert "Limit" in plan[page - 1]
