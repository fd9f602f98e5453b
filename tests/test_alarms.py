"""Alarms: told once, in the organisation's language, to every number, mailbox and address; the end of a trouble too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, insert, select, update
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from commands import standard
from commands.office import Office
from commands.texts import Texts
from config.model import Alarms as Settings
from config.model import Organisation
from gateway.affairs import alarming, cases
from gateway.alarms import Alarms, minor
from gateway.core import audit, deliveries
from gateway.core.database import Inline
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Lane, LinkState, LinkStatus, Outbound
from gateway.core.tables.messages import destination_day, message
from gateway.core.tables.staff import delivery, hotline_case
from gateway.links import Board

NUMBERS = ("+8613800000001", "+8613800000002")


class Link:
    """A link that is what the test says."""

    window, rate = 10, 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = LinkStatus.READY
        self.balance: str | None = None

    @property
    def state(self) -> LinkState:
        since = datetime(2026, 11, 23, tzinfo=UTC)
        return LinkState(link=self.name, status=self.status, since=since, balance=self.balance)

    def split(self, outbound: Outbound) -> tuple[()]:
        return ()

    def send(self, part: Any) -> Deferred[str]:
        raise AssertionError("an alarm goes through the queue")

    def startService(self) -> None:
        pass

    def stopService(self) -> None:
        pass


class House:
    def __init__(self, conn: Connection, language: str = "zh", to: Settings | None = None) -> None:
        self.conn = conn
        organisation = Organisation(name="Anhe", signature={"zh": "安河", "en": "Anhe"}, language=language)
        self.ids = Ids()
        office = Office(
            registry=standard.registry(organisation),
            texts=Texts.load(),
            organisation=organisation,
            keys=Keys(bytes(32)),
            new_id=self.ids,
        )
        board = Board(lambda: 0.0)
        self.link = Link("mobile")
        board.add(self.link, kind="smpp")
        self.now = datetime.now(UTC)
        self.quarantined = 0
        self.sent: list[tuple[str, int]] = []  # to whom and in which lane, what was queued by the last look
        self._make = lambda: Alarms(
            office,
            board,
            Inline(conn),
            to=to or Settings(numbers=NUMBERS),
            quarantined=lambda: self.quarantined,
            now=lambda: self.now,
        )
        self.alarms = self._make()

    def restart(self) -> None:
        self.alarms = self._make()

    def look(self, later: float = 0) -> list[str]:
        """What is told now, once however many hear it."""
        self.now += timedelta(seconds=later)
        self.conn.commit()
        failed: list[object] = []
        Deferred.fromCoroutine(self.alarms.look()).addErrback(failed.append)
        assert failed == []
        return self.goes()

    def goes(self) -> list[str]:
        """The texts that are queued, and go."""
        ours = (message.c.actor == "system:alarms", message.c.state == "queued", message.c.link == "mobile")
        found = self.conn.execute(select(message).where(*ours).order_by(message.c.id)).all()
        self.conn.execute(update(message).where(*ours).values(state="sent"))
        self.sent = [(row.number, row.lane) for row in found]
        return list(dict.fromkeys(row.text for row in found))

    def refused(self, prefix: str, count: int) -> None:
        row = {"day": f"{self.alarms.office.today(self.now)}", "prefix": prefix, "sent": 5, "refused": count}
        self.conn.execute(insert(destination_day), row)
        self.conn.commit()

    def queued(self, ago: float, **values: object) -> int:
        id_ = self.ids()
        at = self.now - timedelta(minutes=ago)
        row = {
            "id": id_, "direction": "out", "state": "queued", "channel": "sms", "link": "mobile", "lane": 1,
            "number": NUMBERS[0], "at": at, "log_class": "A", "text": "x",
        }  # fmt: skip
        self.conn.execute(message.insert().values(row | values))
        return id_


def test_a_link_that_stays_away_is_told_of_once_and_so_is_its_return(conn: Connection) -> None:
    house = House(conn)
    assert house.look() == []
    house.link.status = LinkStatus.DOWN
    assert house.look() == []
    house.link.status = LinkStatus.CONNECTING
    assert house.look(60) == []
    assert house.look(60) == ["【安河】线路mobile中断已超过2分钟，请查看"]
    assert house.sent == [(number, Lane.NOTICE) for number in NUMBERS]
    assert house.look(3600) == []
    house.restart()
    assert house.look(3600) == [], "a restart tells nobody anything twice"
    house.link.status = LinkStatus.THROTTLED
    assert house.look() == ["【安河】线路mobile已恢复"]
    assert house.look() == []


def test_a_short_absence_is_nobodys_business(conn: Connection) -> None:
    house = House(conn)
    house.link.status = LinkStatus.DOWN
    assert house.look() == []
    house.link.status = LinkStatus.READY
    assert house.look(100) == []
    house.link.status = LinkStatus.DOWN
    assert house.look(100) == []


def test_messages_set_aside_are_counted_and_told_at_most_every_hour(conn: Connection) -> None:
    house = House(conn, "en")
    house.quarantined = 1
    assert house.look() == [
        "Anhe: Messages that could not be handled and were set aside: 1. Please look at the log",
    ]
    house.quarantined = 4
    assert house.look(60) == []
    assert house.look(3600) == [
        "Anhe: Messages that could not be handled and were set aside: 3. Please look at the log",
    ]
    assert house.look(7200) == []
    assert len(alarming.standing(conn)) == 2, "they stand until somebody has seen them"
    for alarm in alarming.standing(conn):
        assert alarming.acknowledge(conn, house.ids, alarm.id, "staff:zhao", "", house.now)
    house.look(600)
    house.look(600)
    assert alarming.standing(conn) == ()


def test_what_the_database_did_not_take_is_told_when_it_does(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(conn, "en")
    house.quarantined = 2
    with monkeypatch.context() as away:
        away.setattr(house.alarms, "_record", lambda *_: 1 / 0)
        failed: list[Failure] = []
        Deferred.fromCoroutine(house.alarms.look()).addErrback(failed.append)
        assert [failure.type for failure in failed] == [ZeroDivisionError]
    assert house.look(10) == [
        "Anhe: Messages that could not be handled and were set aside: 2. Please look at the log",
    ]


def test_nobody_to_tell_and_no_way_to_them_are_survived(conn: Connection) -> None:
    lonely = House(conn, to=Settings())
    lonely.quarantined = 1
    assert lonely.look() == []
    house = House(conn)
    house.quarantined, house.link.window = 1, 0
    assert house.look(3600) == []


def test_killed_when_an_alarm_is_committed_and_nobody_was_told_it_goes_all_the_same(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(conn)
    house.quarantined = 1
    run: Any = Inline.run

    def killed(database: Inline, work: Any, *args: Any, **options: Any) -> Deferred[Any]:
        done: Deferred[Any] = run(database, work, *args, **options)
        return Deferred() if work.__name__ == "_record" else done

    with monkeypatch.context() as accident:
        accident.setattr(Inline, "run", killed)
        said = house.look()
    assert len(said) == 1
    assert [to for to, _ in house.sent] == list(NUMBERS)
    house.restart()
    assert len(alarming.standing(conn)) == 1


def test_a_queue_that_wavers_about_the_limit_is_one_alarm(conn: Connection) -> None:
    house = House(conn)
    house.queued(11, lane=4)
    assert house.look() == [], "nobody waits for bulk"
    old = house.queued(11)
    assert house.look() == ["【安河】线路mobile的答复已积压11分钟，请查看"]
    conn.execute(update(message).where(message.c.id == old).values(at=house.now - timedelta(minutes=8)))
    assert house.look() == []
    conn.execute(update(message).where(message.c.id == old).values(state="sent"))
    assert house.look(60) == [], "what is over must stay over for a while"
    again = house.queued(11)
    assert house.look(60) == []
    conn.execute(update(message).where(message.c.id == again).values(state="sent"))
    assert house.look(60) == []
    assert house.look(300) == ["【安河】线路mobile的积压已发完"]


def test_a_sim_without_credit(conn: Connection) -> None:
    from gateway.affairs import settings

    house = House(conn)
    house.link.balance = "Balance: 4.20 CNY"
    assert house.look() == [], "nobody has said what is little"
    settings.change(conn, house.ids, "alarms.balance", 500, actor="test", now=house.now)
    assert house.look() == ["【安河】线路mobile的SIM卡余额不多了，请充值"]
    house.link.balance = "Balance: 5.10 CNY"
    assert house.look(600) == [], "hardly more than little is little"
    house.link.balance = "Balance: 50.00 CNY"
    assert house.look(600) == ["【安河】线路mobile的SIM卡余额够了"]


@pytest.mark.parametrize(
    ("said", "cents"),
    [("Balance: 12.34 CNY", 1234), ("余额12,5元", 1250), ("-3", -300), ("ask us", None), (None, None)],
)
def test_the_credit_in_what_an_operator_says(said: str | None, cents: int | None) -> None:
    assert minor(said) == cents


def test_late_answers(conn: Connection) -> None:
    house = House(conn)
    case = cases.open(
        conn, house.ids, Keys(bytes(32)), number=NUMBERS[0], member=None, language="zh", text="?", message_id=None,
        now=house.now,
    )  # fmt: skip
    due = house.now + timedelta(minutes=30)
    conn.execute(update(hotline_case).where(hotline_case.c.id == case.id).values(due=due))
    assert house.look() == []
    assert house.look(1800) == ["【安河】有1件咨询超过答复时限，请处理"]
    conn.execute(update(hotline_case).values(state="answered"))
    assert house.look(60) == []
    assert house.look(300) == ["【安河】没有超时的咨询了"]


def test_one_phone_that_sends_and_sends(conn: Connection) -> None:
    house = House(conn)
    for _ in range(59):
        house.queued(0, direction="in", state="received", lane=None, number="+8613900004107")
    assert house.look() == []
    house.queued(0, direction="in", state="received", lane=None, number="+8613900004107")
    assert house.look() == ["【安河】尾号4107的号码10分钟内来了60条短信，请查看日志"]
    assert house.look(300) == []
    assert house.look(601) == ["【安河】尾号4107的号码不再大量来信"]


def test_mailbox_and_webhook_hear_the_beginning_and_the_end(conn: Connection) -> None:
    to = Settings(webhook="https://hooks.example.org/m", webhook_key="k", email="hotline@example.org")
    house = House(conn, to=to)
    house.link.status = LinkStatus.DOWN
    house.look()
    assert house.look(121) == []
    house.link.status = LinkStatus.READY
    house.look(10)
    rows = conn.execute(select(delivery).order_by(delivery.c.id)).all()
    assert [(row.account, row.url) for row in rows[:2]] == [
        (deliveries.WEBHOOK, "https://hooks.example.org/m"),
        (deliveries.MAIL, "mailto:hotline@example.org"),
    ]
    told = [orjson.loads(row.body) for row in rows]
    assert [each["state"] for each in told] == ["begun", "begun", "over", "over"]
    assert told[0]["alarm"] == "link"
    assert told[0]["subject"] == "mobile"
    assert deliveries.accounts_due(conn, house.now) == [deliveries.WEBHOOK], "letters are the mailer's"


def test_somebody_sees_to_it_once(conn: Connection) -> None:
    house = House(conn)
    house.link.status = LinkStatus.DOWN
    house.look()
    house.look(121)
    [alarm] = alarming.standing(conn)
    assert alarming.acknowledge(conn, house.ids, alarm.id, "staff:zhao", "叫了运营商", house.now)
    assert not alarming.acknowledge(conn, house.ids, alarm.id, "staff:li", "", house.now)
    [row] = audit.listing(conn, object=f"alarm:{alarm.id}")
    assert (row.actor, row.reason) == ("staff:zhao", "叫了运营商")
    house.link.status = LinkStatus.READY
    house.look(1)
    assert alarming.standing(conn) == ()
    [over] = alarming.past(conn)
    assert over.acknowledged_by == "staff:zhao"


def test_what_is_refused_because_of_where_it_would_go(conn: Connection) -> None:
    house = House(conn, "en")
    house.refused("+882", 7)
    house.refused("+8613800001xxx", 3)
    house.refused("+86", 0)
    budget, adjacent = house.look()
    assert "beginning with +882 in a day is used up: 7" in budget
    assert "in a row, +8613800001xxx: 3" in adjacent
    assert house.look(60) == []
    house.now += timedelta(days=1)
    over = house.look() + house.look(360)
    assert any("beginning with +882 may go again" in said for said in over)
    assert any("numbers +8613800001xxx may go again" in said for said in over)
