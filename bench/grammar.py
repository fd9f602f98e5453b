"""What it costs to understand a text and to answer it, without the database.

Run `python -m bench.grammar`: microseconds of CPU, the best of five rounds. The budget for a plain DUES is 20 us.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import click
from sqlalchemy import Connection

from commands.answer import answer, prepare
from commands.grammar import parse
from commands.office import Office
from commands.standard import registry
from commands.texts import Texts
from config.model import Organisation
from gateway.affairs.dues import Owed
from gateway.affairs.members import Sender
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Ask, Channel, Member, Request

ROUNDS, TIMES = 5, 5_000
NOW = datetime(2026, 8, 18, 2, 0, tzinfo=UTC)
TEXTS = (
    ("the keyword", "DUES"),
    ("in Chinese", "会费"),
    ("in wide letters", "ｄｕｅｓ。"),
    ("a question", "问 水费怎么交？我家在村东头，以前都是到村部交的"),
    ("a slip", "DUSE"),
    ("a sound", "會費"),
    ("nothing known", "明天早上八点在村部开会，请带上笔和本子"),
    ("300 characters", "很" * 300),
)


def microseconds(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(TIMES):
            work()
        best = min(best, time.process_time() - begun)
    return best / TIMES * 1e6


def main() -> None:
    organisation = Organisation(name="Bench", ussd_code="*123#", hotline="12345")
    office = Office(registry(organisation), Texts.load(), organisation, Keys(bytes(32)), Ids())
    dialog = Ask(expires=NOW + timedelta(minutes=10), command="71", parameter="question")
    for name, text in TEXTS:
        alone = microseconds(partial(parse, text, office.registry))
        asked = microseconds(partial(parse, text, office.registry, dialog=dialog))
        click.echo(f"{name:18} {alone:7.1f} us, with a dialogue open {asked:7.1f} us")
    member = Member(
        id=1,
        member_no="530102014107",
        branch_id=1,
        branch_code="530102017",
        branch_name="安河村支部",
        branch_path="/530102017/",
        language="zh",
        dues_class="A",
    )
    sender = Sender("+8613800000007", member, "zh")
    request = Request(
        number=sender.number,
        member=member,
        language="zh",
        channel=Channel.SMS,
        arguments={},
        now=NOW,
        organisation=organisation,
        random=random.Random(1),
        text="DUES",
        desk=office,
    )
    prepared, owed = prepare(office, "DUES", sender), Owed(3, 900, 300, None)
    nothing = cast(Connection, None)  # DUES has read all it needs
    whole = microseconds(lambda: answer(nothing, office, prepared, request, read=owed))
    click.echo(f"DUES prepared {microseconds(lambda: prepare(office, 'DUES', sender)):.1f} us, answered {whole:.1f} us")


if __name__ == "__main__":
    main()
