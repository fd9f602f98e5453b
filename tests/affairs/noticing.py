"""An organisation whose notices are played on both engines, with the links played by a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, insert, update

from gateway.affairs import settings
from gateway.affairs.notices import (
    approval,
    drafts,
    expansion,
    progress,
    questions,
    running,
    series,
)
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.affairs.notices.handover import Handover
from gateway.affairs.notices.wording import Voice
from gateway.core import outcomes
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Lane, Outbound, Part, State
from gateway.core.outcomes import Answer
from gateway.core.release import Released, Wanted, release
from gateway.core.tables.organisation import member, number
from smpp.submit import split as smpp_split
from tests.affairs import people

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # ten in the morning in Shanghai
ZONE = ZoneInfo("Asia/Shanghai")
AUTHOR, OTHER, THIRD = (
    Person(actor="staff:qian", phone="+8613800009001"),
    Person(actor="staff:sun", phone="+8613800009002"),
    Person(actor="member:7", phone="+8613800009003"),
)


def split(outbound: Outbound) -> tuple[Part, ...]:
    return smpp_split(outbound, "udh16")


class House:
    """An organisation with members, and one link that takes what it is given."""

    def __init__(self, conn: Connection, ids: Ids, keys: Keys) -> None:
        self.conn, self.ids, self.keys = conn, ids, keys
        voice = Voice({"zh": "安河组织", "en": "Anhe"}, "zh", _money, _month)
        self.place = Place(ids, ZONE, voice)
        self.handover = Handover(self.place)
        self.branch = people.branch(conn, ids, "530102")
        self.other = people.branch(conn, ids, "530103")
        self.now = NOW
        self.members: list[int] = []

    def join(self, count: int, *, branch: int | None = None, phones: bool = True, **values: object) -> list[str]:
        """Members with a phone each; their numbers."""
        found = []
        for _ in range(count):
            index = len(self.members) + 1
            id_ = people.person(self.conn, self.ids, f"A{index:04}", branch or self.branch)
            self.conn.execute(
                update(member).where(member.c.id == id_).values(created=NOW - timedelta(days=1), **values)
            )
            self.members.append(id_)
            if phones:
                text = f"+86138{index:08}"
                self.conn.execute(
                    insert(number), {"number": text, "member_id": id_, "main": True, "bound": NOW - timedelta(days=1)}
                )
                found.append(text)
        return found

    def write(self, text: str = "明晚八点开会", **values: object) -> Notice:
        said = Wording(title="开会", texts={"zh": text}, audience=Audience())
        said = replace(said, **values)  # type: ignore[arg-type]  # its fields
        return drafts.create(self.conn, self.ids, said, AUTHOR, self.now)

    def submitted(self, text: str = "明晚八点开会", **values: object) -> Notice:
        return approval.submit(self.conn, self.place, self.write(text, **values), AUTHOR, self.now)

    def approved(self, text: str = "明晚八点开会", **values: object) -> Notice:
        """Approved, its recipients frozen, running."""
        found = self.submitted(text, **values)
        for who in (OTHER, THIRD):
            if found.state == drafts.WAITING:
                found = approval.approve(self.conn, self.place, found, who, self.now)
        self.freeze()
        running.start(self.conn, self.now)
        return drafts.get(self.conn, found.id)

    def freeze(self, piece: int = 1000) -> None:
        while expansion.step(self.conn, self.place, (("+86", "mobile"),), piece) is not None:
            pass

    def came_round(self) -> int:
        """What the clock brings of the series, counted and sent on its way."""
        found = series.due(self.conn, self.place, self.now)
        for question in questions.waiting(self.conn):
            while series.copy_list(self.conn, question.notice_id):
                pass
            figures = questions.figures(self.conn, self.place, question, self.now)
            assert not isinstance(figures, progress.Progress)
            assert questions.close(self.conn, question)
            series.go_on(self.conn, self.place, drafts.get(self.conn, question.notice_id), figures, self.now)
        return found

    def turn(self, slots: int = 100, chosen: tuple[Part, ...] = (), link: str = "mobile") -> Released:
        """One turn of an outbox."""
        wanted = Wanted(slots=slots, bulk=slots, room=slots, below=len(Lane))
        return release(self.conn, self.keys, link, split, chosen, wanted, self.now, self.handover)

    def answer(self, parts: tuple[Part, ...], state: State = State.SENT, error: str | None = None) -> None:
        outcomes.record(
            self.conn,
            "mobile",
            [Answer(p, state, self.now, remote_id=f"r{p.outbound}-{p.number}", error=error) for p in parts],
        )

    def counted(self, found: Notice) -> progress.Progress:
        return progress.progress(self.conn, drafts.get(self.conn, found.id))


def _money(minor: int, language: str) -> str:
    return f"{minor / 100:.2f}元"


def _month(month: int, language: str) -> str:
    return f"{month % 100}月"


def refused(why: str, work: Callable[[], object]) -> None:
    with pytest.raises(Refused) as found:
        work()
    assert found.value.why == why


def limited(house: House, **written: object) -> None:
    for name, value in written.items():
        settings.change(house.conn, house.ids, f"destinations.{name}", value, actor="test", now=NOW - timedelta(days=1))
