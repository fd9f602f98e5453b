"""Counts by a reader whom large notices reach and how far they came, for those who wait for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from commands.noticing import answered
from gateway import telling
from gateway.affairs.notices import questions, series
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.questions import Figures, Question
from gateway.core.database import Queue, Runs
from gateway.core.engines import is_engine_failure
from gateway.core.model import LogClass
from gateway.workplace import Workplace


class Counting:
    """One at a time; asked to `go` while it counts, it looks for more when it is done."""

    log = Logger()

    def __init__(
        self, place: Place, workplace: Callable[[], Workplace], database: Runs, now: Callable[[], datetime]
    ) -> None:
        """`workplace` as it is then: the organisation may choose other words while it counts."""
        self._place, self._workplace = place, workplace
        self._database = database
        self._now = now
        self._busy = False

    async def go(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while waiting := await self._database.read(questions.waiting):
                for question in waiting:
                    await self._answer(question)
        finally:
            self._busy = False

    async def _answer(self, question: Question) -> None:
        try:
            if question.number == questions.SERIES:
                while await self._database.run(series.copy_list, question.notice_id, queue=Queue.BACKGROUND):
                    pass
            figures = await self._database.read(questions.figures, self._place, question, self._now())
            await self._database.run(_told, self._place, self._workplace(), question, figures, self._now())
        except CancelledError:
            raise  # the gateway stops: it is counted after the next start
        except Exception as error:
            if is_engine_failure(error):
                raise
            self.log.failure("notice {notice}: not counted", notice=question.notice_id)
            await self._database.run(questions.close, question)  # else nobody behind it would ever be answered


def _told(
    conn: Connection, place: Place, workplace: Workplace, question: Question, figures: Figures, now: datetime
) -> None:
    office = workplace.office
    told = answered(conn, place, office, question, figures, now)
    telling.tell(conn, office, workplace.route, told, now, command="BC", log_class=LogClass.A, actor="system")
