"""The month before the demo: what members texted, staff answered and the publisher sent, so that there is something to
find, to draw and to read.

All of it goes the real way, with a clock that stands in the past: texts are handled, answers queued and released to the
link as they would be now. Only the link is played here, and takes everything at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import count
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from commands import chosen, voice
from config.model import Gateway
from gateway.affairs import assessing, cases, dues, figures, replies, settings, staff
from gateway.affairs.books import Books
from gateway.affairs.cases import Case
from gateway.affairs.notices import approval, drafts, expansion, running
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person, Wording
from gateway.affairs.notices.handover import Handover
from gateway.core import outcomes, search
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Address, AddressKind, Inbound, Lane, Outbound, Part, Report, State
from gateway.core.outcomes import Answer
from gateway.core.release import Wanted, release
from gateway.core.tables.organisation import number
from gateway.core.text import signed
from gateway.demo.organisation import STAFF
from gateway.handling import handle
from gateway.limits import Limits
from gateway.workplace import Taken, Workplace
from menus.engine import Engine
from menus.sessions import Sessions
from menus.tree import load as load_menus
from smpp.submit import split

DAYS = 30
_LINK = "mobile"
_OPENS, _LENGTH = time(7, 30), timedelta(hours=14)  # when people text
_LAST = timedelta(hours=1)  # of a question, so that each is answered before the demo begins
_A_DAY = (14, 34)  # texts
_SLOTS = 1000
_FAILS, _LATE = 0.03, timedelta(seconds=4)  # of what is sent; until its report
# How often each text comes, among a hundred.
_TEXTS = (
    (34, "会费"),
    (6, "DUES"),
    (9, "hf"),
    (10, "82"),
    (9, "帮助"),
    (7, "13"),
    (4, "22"),
    (5, "谢谢"),
    (2, "退订"),
    (4, "咨询 医保卡丢了在哪里补办？"),
    (4, "咨询 低保什么时候发放？"),
    (3, "咨询 村东的路灯坏了，找谁修？"),
    (3, "咨询 会费可以让孩子代交吗？"),
)
_ANSWERS = {
    "医保": "带身份证到镇便民服务中心3号窗口，当天可取。",
    "低保": "每月20日前发放，遇节假日提前。",
    "路灯": "已报镇供电所，三天内派人来修。",
    "代交": "可以。孩子发“代交”加您的编号和金额即可。",
}


class _Sent(NamedTuple):
    """A notice to all who owe so many months."""

    title: str
    text: str
    owing: int = 0


_NOTICES = {  # by days ago
    24: _Sent("防火", "{branch}：进入冬季防火期，请勿在林边用火。发现火情拨119。"),
    11: _Sent("体检", "{branch}：65岁以上成员免费体检，本月28日前到镇卫生院。收到回22"),
    3: _Sent("会费", "{branch}：{month}会费未交清，应交{due}。交费回12，收据回13。", owing=1),
}


class Past:
    """The organisation's last days, one after the other."""

    def __init__(self, conn: Connection, gateway: Gateway, keys: Keys, *, random: Random, slot: int) -> None:
        self._conn, self._keys, self._random = conn, keys, random
        self._organisation = gateway.organisation
        self._zone = ZoneInfo(gateway.organisation.time_zone)
        self._now = datetime.now(UTC)  # as it is told: `live` turns it back
        self._ids = Ids(self._seconds, slot=slot)
        self._numbers = list(conn.scalars(select(number.c.number).where(number.c.number.startswith("+86139"))))
        self._books = Books(gateway.organisation, keys, self._ids)
        self._place = voice.place(gateway.organisation, self._ids)
        self._handover = Handover(self._place)
        self._waiting: list[tuple[datetime, Case]] = []
        self._names = count(1)  # of what the operator took
        conn.rollback()

    def live(self, until: datetime, days: int = DAYS) -> None:
        """The days before `until`, each in a transaction of its own."""
        notices = dict(_NOTICES)
        self._now = began = until - timedelta(days=days)
        with self._conn.begin():
            workplace = self._workplace()
        month = dues.month_of(began.astimezone(self._zone).date())
        for back in range(days, -1, -1):
            day = until.astimezone(self._zone) - timedelta(days=back)
            moments = self._moments(day, began, until)
            with self._conn.begin():
                if dues.month_of(day.date()) != month:
                    month = dues.month_of(day.date())
                    assessing.assess_month(self._conn, self._books, month, day)
                for moment in moments:
                    self._staff_answer(moment)
                    self._now = moment
                    if back in notices and moment.hour >= 10:
                        self._notice(notices.pop(back))
                    self._text(workplace)
                for hour in {figures.hour_of(moment.astimezone(UTC)) for moment in moments}:
                    figures.keep(self._conn, hour, figures.count(self._conn, hour, self._zone))
            while self._index():
                pass
        with self._conn.begin():
            self._staff_answer(until)

    def _seconds(self) -> float:
        return self._now.timestamp()

    def _moments(self, day: datetime, began: datetime, until: datetime) -> tuple[datetime, ...]:
        opens = datetime.combine(day.date(), _OPENS, self._zone)
        texts = self._random.randint(*_A_DAY) // (2 if day.weekday() > 4 else 1)
        moments = sorted(opens + _LENGTH * self._random.random() for _ in range(texts))
        return tuple(moment for moment in moments if began < moment < until - _LAST)

    def _workplace(self) -> Workplace:
        """As the gateway works, with the settings of the first day."""
        choice = chosen.chosen(settings.snapshot(self._conn), self._now)
        office = chosen.office(self._organisation, self._keys, self._ids, choice)
        engine = Engine(load_menus(), office.registry, office, language=self._organisation.language)
        return Workplace(
            office=office, engine=engine, sessions=Sessions(), limits=Limits(), random=self._random,
            route=lambda _, __: _LINK,
        )  # fmt: skip

    # --- what happens ---------------------------------------------------------------------------------------------

    def _text(self, workplace: Workplace) -> None:
        """Somebody texts, and is answered."""
        moment = self._now
        (text,) = self._random.choices([text for _, text in _TEXTS], [weight for weight, _ in _TEXTS])
        sender = self._random.choice(self._numbers)
        message = Inbound(
            id=self._ids(),
            link=_LINK,
            sender=Address(kind=AddressKind.E164, text=sender),
            recipient=Address(kind=AddressKind.SHORT, text="10690001"),
            received=moment,
            sent_at=moment,
            text=text,
        )
        handle(self._conn, workplace, [Taken(message, None, _LINK)], {}, moment, moment.timestamp())
        if text.startswith("咨询"):
            case = cases.of_number(self._conn, sender, limit=1)[0]
            self._waiting.append((moment + timedelta(minutes=self._random.randint(12, 50)), case))
        self._send()

    def _staff_answer(self, until: datetime) -> None:
        """The hotline answers what has waited its time, and closes it."""
        due, self._waiting = (
            [each for each in self._waiting if each[0] <= until], [each for each in self._waiting if each[0] > until]
        )  # fmt: skip
        for self._now, case in due:
            agent = staff.find(self._conn, STAFF["agent"])
            entries = cases.entries(self._conn, case.id)
            said = next((said for word, said in _ANSWERS.items() if word in (entries[0].text or "")), None)
            if agent is None or said is None or not cases.claim(self._conn, case.id, agent.id, self._now):
                continue
            replies.send(
                self._conn, self._ids, case,
                id=self._ids(), said=said, signed=signed(said, self._organisation.signature.get("zh", "")),
                link=_LINK, actor=f"staff:{agent.name}", staff_id=agent.id, now=self._now,
            )  # fmt: skip
            cases.close(self._conn, self._ids, case.id, staff_id=agent.id, reason="", now=self._now)
            self._send()

    def _notice(self, sent: _Sent) -> None:
        """The publisher writes, and somebody else approves."""
        moment = self._now
        said = Wording(
            title=sent.title, texts={"zh": sent.text}, audience=Audience(languages=("zh",), owing=sent.owing)
        )
        author, other = (Person(actor=f"staff:{STAFF[role]}") for role in ("publisher", "approver"))
        made = drafts.create(self._conn, self._ids, said, author, moment)
        made = approval.submit(self._conn, self._place, made, author, moment)
        if made.state == drafts.WAITING:
            approval.approve(self._conn, self._place, made, other, moment)
        while expansion.step(self._conn, self._place, (("+", _LINK),)) is not None:
            pass
        running.start(self._conn, moment)
        self._send()
        running.finish(self._conn, moment + timedelta(minutes=1))

    # --- the link -------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        """What waits goes out; the operator takes it, and reports a little later."""
        wanted = Wanted(slots=_SLOTS, bulk=_SLOTS, room=_SLOTS, below=len(Lane))
        while True:
            released = release(self._conn, self._keys, _LINK, self._split, (), wanted, self._now, self._handover)
            if not released.write:
                return
            self._reported(released.write)

    @staticmethod
    def _split(outbound: Outbound) -> tuple[Part, ...]:
        return split(outbound, "udh16")

    def _reported(self, parts: tuple[Part, ...]) -> None:
        named = {part: f"{next(self._names):x}" for part in parts}
        answers = [Answer(part, State.SENT, self._now, remote_id=name) for part, name in named.items()]
        outcomes.record(self._conn, _LINK, answers)
        reports = []
        for part, name in named.items():
            failed = self._random.random() < _FAILS
            state, error = (State.FAILED, "UNDELIV:001") if failed else (State.DELIVERED, None)
            reports.append(
                Report(link=_LINK, remote_id=name, to=part.to, state=state, error=error, at=self._now + _LATE)
            )
        outcomes.report(self._conn, _LINK, reports, self._ids)

    def _index(self) -> int:
        with self._conn.begin():
            return search.index(self._conn)
