"""What a page of the console costs while 200 people are signed in and follow the live stream.

    .venv/bin/python -m bench.console [--staff 200] [--members 100000] [--rows 1000000] [--rate 20] [--times 30]

An organisation of a real size; everybody signs in by the form and leaves a page open over a socket of their own, which
asks for its part again at each hint, as a browser does. Meanwhile texts and questions arrive. Then others ask for each
page in turn. Printed by page: p50, p95, p99 in milliseconds and its size; what the gateway used of a processor, and its
memory. The aim is a p95 of 150 ms for every page.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, select

from bench import filling
from bench.harness import FIRST_NUMBER, House, arguments, database, folder, free_port, processor, resident, stop
from bench.staffing import browser, staff
from bench.watchers import Crowd
from gateway.affairs import alarming, cases, figures
from gateway.affairs.notices import drafts
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Member
from gateway.core.tables.messages import message
from gateway.core.tables.staff import hotline_case
from gateway.core.tables.staff import staff as staff_table
from tests.console.served import Browser

_WALK = Path(__file__).parent.parent / "tests" / "console" / "walk.txt"
_SHARES = (("agent", 120), ("lead", 20), ("secretary", 20), ("treasurer", 15), ("publisher", 10), ("auditor", 8),
           ("finance", 4), ("approver", 2), ("admin", 1))  # fmt: skip
_WHOLE = ("agent", "lead", "auditor", "admin", "finance", "treasurer", "publisher", "approver")  # of no one branch
_OPEN = {  # what people of a role leave open, and the topics that the page follows
    "agent": ("/queue", "cases"),
    "lead": ("/overview", "figures,links,cases,alarms"),
    "auditor": ("/log", "messages"),
    "publisher": ("/bulk", "notices"),
}
_DESK = """
[smpp.desk]
endpoint = "tcp:127.0.0.1:{port}"
system_id = "muster"
password = "secret"
source = "10691"

[console]
listen = "tcp:{console}:interface=127.0.0.1"
public_url = "http://127.0.0.1:{console}"
"""


def seed(conn: Connection, options: Namespace, keys: Keys, now: datetime) -> dict[str, list[str]]:
    """Branches, members who owe, staff, 2,000 cases, notices and figures; who there is, by role."""
    ids, chance = Ids(), random.Random(3)
    months = [int(f"{now - timedelta(days=30 * back):%Y%m}") for back in range(3)]
    filling.organisation(conn, options.members, now, months)
    names: dict[str, list[str]] = {}
    for role, share in _SHARES:
        names[role] = [f"{role}{number}" for number in range(max(1, share * options.staff // 200))]
        places = {name: f"/53/53{chance.randrange(1, 20):02}/" if role == "secretary" else None for name in names[role]}
        staff(conn, places, role)
    for number in range(options.cases):
        who = chance.randrange(options.members)
        at = now - timedelta(minutes=chance.randrange(1, 40_000))
        made = cases.open(
            conn, ids, keys, number=f"+{FIRST_NUMBER + who}", member=_member(who), language="zh",
            text="低保什么时候到账？村里说要交身份证", message_id=None, now=at,
        )  # fmt: skip
        if number % 4:
            cases.close(conn, ids, made.id, staff_id=_one(conn, "lead0"), reason="已答复", now=at + timedelta(hours=2))
    for number in range(options.notices):
        said = drafts.Wording(
            texts={"zh": f"第{number}号通知：各支部周五到村部开会"}, title=f"通知{number}", audience=Audience()
        )
        made_by = Person(actor="staff:publisher0")
        drafts.create(conn, ids, said, made_by, now - timedelta(hours=number))
    alarming.begin(conn, ids, "late", "", "有7件咨询超过答复时限，请处理", now)
    zone = ZoneInfo("Asia/Shanghai")
    for hours in range(24 * 32):
        hour = figures.hour_of(now - timedelta(hours=hours))
        sample = {("in", "received"): 300 + 7 * hours % 31, ("out", "delivered"): 400 + 11 * hours % 43}
        figures.keep(conn, hour, {**figures.count(conn, hour, zone), **sample, ("out", "failed"): 9})
    return names


def _one(conn: Connection, name: str) -> int:
    found: int = conn.execute(select(staff_table.c.id).where(staff_table.c.name == name)).scalar_one()
    return found


def _member(i: int) -> Member:
    township, village = filling.village_of(i)
    code = f"53{township:02}{village:03}"
    return Member(
        id=i + 1, member_no=f"{i:08}", branch_id=1000 * township + village, branch_code=code, branch_name=code,
        branch_path=filling.path_of(i), language="zh", dues_class="farmer",
    )  # fmt: skip


def addresses(conn: Connection) -> list[tuple[str, str]]:
    """Each page there is, with a role that may see it; what needs an object gets one."""
    case = conn.execute(select(hotline_case.c.case_no).limit(1)).scalar_one()
    newest = conn.execute(select(message.c.id).order_by(message.c.id.desc()).limit(1)).scalar_one()
    known = {"/case/<number>": f"/case/{case}", "/message/<id>": f"/message/{newest}", "/member/<id>": "/member/500",
             "/branches/<code>": "/branches/5303", "/staff/<name>": "/staff/agent0"}  # fmt: skip
    found = []
    for line in _WALK.read_text().splitlines():
        method, _, rest = line.partition(" ")
        rule, _, may = rest.strip().partition(" ")
        held = may.split()
        if method != "GET" or rule in _NO_PAGES or ("<" in rule and rule not in known):
            continue
        role = next((each for each in _WHOLE if each in held), "agent" if held == ["staff"] else "")
        if role:
            found.append((known.get(rule, rule), role))
    more = [("/log?q=会费", "agent"), ("/log?state=failed", "lead"), ("/queue?tab=closed", "agent"),
            ("/queue?q=低保", "agent"), ("/members?q=成员77", "secretary"), ("/members?q=A", "admin")]  # fmt: skip
    return [*found, *more]


_NO_PAGES = {"/", "/events", "/favicon.ico", "/queue/count"}


async def measure(
    options: Namespace, port: int, people: Mapping[str, Sequence[Browser]], pages: list[tuple[str, str]]
) -> Crowd:
    crowd = Crowd(port)
    watching = [
        asyncio.create_task(crowd.watch(who, *_OPEN.get(role, ("/queue/count", "cases"))))
        for role, signed_in in people.items()
        for who in signed_in
        if role in _OPEN or role == "secretary"
    ]
    await asyncio.sleep(3)  # until all of them follow
    pages = [(path, role) for path, role in pages if await crowd.seen(people[role][0], path)]
    left = iter([(path, role, turn) for turn in range(options.times) for path, role in pages])

    async def ask() -> None:
        for path, role, turn in left:
            await crowd.look(people[role][turn % len(people[role])], path)
            await asyncio.sleep(options.pause / 1000)

    await asyncio.gather(*(ask() for _ in range(options.askers)))
    for each in watching:
        each.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return crowd


def show(crowd: Crowd) -> None:
    sys.stdout.write(f"{'page':32}{'p50':>8}{'p95':>8}{'p99':>8}{'kB':>8}\n")
    for path, taken in sorted(crowd.pages.items(), key=lambda page: -_share(page[1], 0.95)):
        figures_ = "".join(f"{_share(taken, share):8.1f}" for share in (0.5, 0.95, 0.99))
        sys.stdout.write(f"{path:32}{figures_}{crowd.sizes[path] / 1000:8.1f}\n")
    every = [value for taken in crowd.pages.values() for value in taken]
    for name, taken in (("all pages", every), ("again at a hint", crowd.refreshed)):
        if taken:
            figures_ = "".join(f"{_share(taken, share):8.1f}" for share in (0.5, 0.95, 0.99))
            sys.stdout.write(f"{name:32}{figures_}{len(taken):8} times\n")


def _share(taken: Sequence[float], share: float) -> float:
    return sorted(taken)[math.ceil(len(taken) * share) - 1]


def main() -> None:
    options = arguments(
        __doc__,
        staff=(200, "who are signed in"),
        members=(100_000, "in the register"),
        rows=(1_000_000, "of the log"),
        cases=(2_000, "of the desk"),
        notices=(300, "written"),
        rate=(20, "texts a second"),
        asks=(1, "questions a second, each of them a case"),
        times=(30, "each page"),
        askers=(3, "people who go from page to page"),
        pause=(50, "milliseconds until they ask for the next one"),
        keep=("", "a folder whose database is filled once and kept"),
    )
    now = datetime.now(UTC)
    with database(options.database) as url, folder() as temporary:
        house = House(Path(options.keep or temporary), url=url)
        desk, port = free_port(), free_port()
        with house.config.open("a") as file:
            file.write(_DESK.format(port=desk, console=port))
        keys = Keys.load(house.folder / "muster.key")
        made = engine(house.url)
        with made.begin() as conn:
            if conn.execute(select(message.c.id).limit(1)).first() is None:
                seed(conn, options, keys, now)
                filled = True
            else:
                filled = False
        if filled:
            filling.log(house.url, options.rows, options.members, now - timedelta(minutes=5))
        with made.begin() as conn:
            pages = addresses(conn)
            names = {role: list(conn.scalars(_of(role))) for role, _ in _SHARES}
        made.dispose()
        busy = f"--mo-count 1000000 --mo-dest 10690 --mo-text DUES --mo-rate {options.rate} --mo-base {FIRST_NUMBER}"
        asks = f"--mo-count 100000 --mo-dest 10691 --mo-rate {options.asks} --mo-base {FIRST_NUMBER + 1000}"
        question = ("--mo-text", "71 when is the water bill due")
        with house.operator(*busy.split()), house.operator(*asks.split(), *question, port=desk):
            gateway = house.start("links,console")
            try:
                began = time.monotonic()
                people = {role: [browser(port, name) for name in known] for role, known in names.items()}
                count = sum(map(len, people.values()))
                sys.stdout.write(f"{count} people signed in within {time.monotonic() - began:.0f} s\n")
                began, used = time.monotonic(), processor(gateway)
                crowd = asyncio.run(measure(options, port, people, pages))
                took = time.monotonic() - began
                show(crowd)
                sys.stdout.write(
                    f"{took:.0f} s, {crowd.hints} hints, processor {(processor(gateway) - used) / took:.0%}, "
                    f"resident {resident(gateway):.0f} MB\n"
                )
            finally:
                with suppress(Exception):
                    stop(gateway)


def _of(role: str) -> Select[str]:
    return select(staff_table.c.name).where(staff_table.c.name.startswith(role)).order_by(staff_table.c.id)


if __name__ == "__main__":
    main()
