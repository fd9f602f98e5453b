"""Bulk notices from the draft to the approval, and to the last recipient, on both engines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from gateway.affairs.notices import (
    approval,
    drafts,
    running,
)
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person, Refused, Wording
from gateway.core.model import Lane
from gateway.core.tables.notices import notice
from tests.affairs.noticing import AUTHOR, NOW, OTHER, THIRD, House, refused


def test_a_notice_goes_to_everybody_once(house: House) -> None:
    numbers = house.join(5)
    found = house.approved()
    released = house.turn()
    assert sorted(p.to for p in released.write) == numbers
    assert {p.lane for p in released.write} == {Lane.BULK}
    assert released.write[0].octets.decode("utf-16-be") == "【安河组织】明晚八点开会"
    house.answer(released.write)
    assert house.turn().write == ()
    assert running.finish(house.conn, house.now) == 1
    assert drafts.get(house.conn, found.id).state == drafts.DONE
    counted = house.counted(found)
    assert (counted.recipients, counted.waiting, counted.messages) == (5, 0, {"sent": 5})


def test_it_waits_for_somebody_else(house: House) -> None:
    house.join(3)
    found = house.submitted()
    assert (found.state, found.needed) == (drafts.WAITING, 1)
    refused("author", lambda: approval.approve(house.conn, house.place, found, AUTHOR, house.now))
    same = Person(actor="member:99", phone=AUTHOR.phone)  # the author's own phone
    refused("author", lambda: approval.approve(house.conn, house.place, found, same, house.now))
    assert approval.approve(house.conn, house.place, found, OTHER, house.now).state == drafts.SCHEDULED


def test_a_small_one_needs_nobody(house: House) -> None:
    house.join(2)
    assert house.submitted().state == drafts.SCHEDULED


def test_an_emergency_needs_two_whatever_its_size(house: House) -> None:
    house.join(1)
    found = house.submitted(emergency=True)
    assert found.needed == 2
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    assert found.state == drafts.WAITING
    assert approval.approve(house.conn, house.place, found, THIRD, house.now).state == drafts.SCHEDULED


def test_two_approvers_at_once_are_one_campaign(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    # The second has read it before the first one's commit.
    refused("state", lambda: approval.approve(house.conn, house.place, drafts.get(house.conn, found.id), THIRD, NOW))
    with pytest.raises(Refused):
        approval.schedule(house.conn, house.place, found, house.now)
    house.freeze()
    assert drafts.get(house.conn, found.id).recipients == 3


def test_denied_it_is_a_draft_again(house: House) -> None:
    house.join(3)
    found = approval.deny(house.conn, house.place, house.submitted(), OTHER, "日期不对", house.now)
    assert (found.state, found.reason) == (drafts.DRAFT, "日期不对")
    found = approval.submit(house.conn, house.place, found, AUTHOR, house.now)
    assert found.state == drafts.WAITING


def test_who_decides_about_a_draft_follows_its_audience(house: House) -> None:
    found = house.write(audience=Audience(paths=("/530102/",)))
    assert found.paths == ("/530102/",)
    said = Wording(title="开会", texts={"zh": "开会"}, audience=Audience(paths=("",)))
    assert drafts.change(house.conn, found.id, said).paths == ("",)


def test_a_small_branch_finds_its_notices_behind_many_of_others(house: House) -> None:
    """Also from behind one of them, and no more of them than were asked for."""
    theirs = Audience(paths=("/530103/",))
    first, second = (house.write(text, audience=theirs) for text in ("一", "二"))
    made = house.write("别人的")
    rows = [made.id + at for at in range(1, 1200)]
    copied = house.conn.execute(select(notice).where(notice.c.id == made.id)).mappings().one()
    house.conn.execute(
        insert(notice), [dict(copied) | {"id": id_, "number": made.number + at} for at, id_ in enumerate(rows, 1)]
    )
    within = theirs.paths
    assert [each.id for each in drafts.listing(house.conn, within=within)] == [second.id, first.id]
    assert [each.id for each in drafts.listing(house.conn, within=within, before=second.number)] == [first.id]
    assert [each.id for each in drafts.listing(house.conn, within=within, limit=1)] == [second.id]
    assert len(drafts.listing(house.conn, limit=31)) == 31


def test_the_same_form_twice_is_one_notice(house: House) -> None:
    said = Wording(title="x", texts={"zh": "x"}, audience=Audience())
    one = drafts.create(house.conn, house.ids, said, AUTHOR, house.now, request_key="form:1")
    assert drafts.create(house.conn, house.ids, said, AUTHOR, house.now, request_key="form:1") == one
    assert house.conn.scalar(select(func.count()).select_from(notice)) == 1


def test_the_same_text_within_hours_is_a_slip(house: House) -> None:
    house.join(3)
    house.approved("防汛值班")
    refused("same", lambda: house.submitted("防 汛值班"))
    again = approval.submit(house.conn, house.place, house.write("防汛值班"), AUTHOR, house.now, repeat=True)
    assert again.state == drafts.WAITING
    house.now += timedelta(hours=13)
    assert house.submitted("防汛值班").state == drafts.WAITING


def test_the_same_text_is_a_slip_though_the_first_was_written_days_before(house: House) -> None:
    house.join(3)
    house.approved("防汛值班", starts=NOW + timedelta(days=2))
    house.now += timedelta(days=2, hours=1)
    refused("same", lambda: house.submitted("防汛值班"))
    house.now += timedelta(hours=12)
    assert house.submitted("防汛值班").state == drafts.WAITING
