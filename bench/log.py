"""What staff wait for when they search a message log of ten million rows.

    .venv/bin/python -m bench.log [--rows 10000000] [--members 100000] [--database postgresql] [--keep FOLDER]

Fills the log of an organisation once (`--keep` uses what is filled already), then asks for the same things as staff do,
each `--times` times with other words, numbers, days and branches: as somebody of the whole organisation, of a township,
of one branch and of a township without a message. Milliseconds of the query alone, and of the page over HTTP. The aim
is a p95 of 100 ms for every search.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import Connection, Engine, text

from bench import filling
from bench.chatter import FAILED, RARE, WORDS
from bench.harness import FIRST_NUMBER, House, arguments, database, folder, free_port, stop
from bench.staffing import BRANCH, TOWNSHIP, browser, staff
from gateway.console import log_query
from gateway.console.log_rows import Filter
from gateway.core.engines import engine
from tests.console.served import Browser

Fields = Mapping[str, str]
_COMMANDS = {"11": {"zh": "会费", "en": "Dues"}, "0": {"zh": "帮助", "en": "Help"}, "33": {"zh": "投票", "en": "Vote"}}
WHO = {"whole": None, "township": (TOWNSHIP,), "branch": (BRANCH,), "empty": (filling.EMPTY,)}


def wishes(chance: random.Random, now: datetime) -> dict[str, Callable[[], Fields]]:
    """By name, what somebody asks for: another one each time."""

    def word() -> str:
        return chance.choice([each for each in WORDS if not each.isascii() and len(each) > 1])

    def day() -> str:
        return f"{now - timedelta(days=chance.randrange(1, 75)):%Y-%m-%d}"

    def number() -> str:
        return f"{FIRST_NUMBER % 10**11 + chance.randrange(100_000)}"

    def village() -> str:
        return f"53{chance.randrange(1, 20):02}{chance.randrange(1, 249):03}"

    return {
        "newest": dict,
        "a Chinese word": lambda: {"q": word()},
        "a word that is a command": lambda: {"q": "会费"},
        "a rare word": lambda: {"q": RARE[:2]},
        "two words": lambda: {"q": word() + word()},
        "Latin letters": lambda: {"q": chance.choice(["balance", "wifi", "vote", "months", "Reply 12"])},
        "Latin, nowhere": lambda: {"q": chance.choice(["balcony", "helpless", "reduce", "thereby"])},
        "digits within a text": lambda: {"q": str(chance.randrange(100_000_000, 999_999_999))},
        "a number": lambda: {"q": number()},
        "a member": lambda: {"q": f"{chance.randrange(100_000):08}"},
        "a command": lambda: {"command": chance.choice(["11", "E01", "33", "22"])},
        "a command that nobody uses": lambda: {"command": "94"},
        "a link": lambda: {"link": "village", "direction": chance.choice(["in", "out"])},
        "a state": lambda: {"state": chance.choice(["failed", "expired", "unknown", "delivered", "sent", "cancelled"])},
        "an error": lambda: {"error": chance.choice([FAILED, "0x00000045", "stop"])},
        "a day": lambda: {"from": (found := day()), "to": found},
        "a word and a day": lambda: {"q": word(), "from": (found := day()), "to": found},
        "a word and a state": lambda: {"q": word(), "state": chance.choice(["failed", "received", "expired", "sent"])},
        "a word of no failed one": lambda: {"q": "种子", "state": "failed"},
        "a word and a command": lambda: {"q": word(), "command": chance.choice(["E01", "11"])},
        "a word and a branch": lambda: {"q": word(), "branch": village()},
        "a branch": lambda: {"branch": village()},
        "a branch without messages": lambda: {"branch": f"53{chance.randrange(1, 20):02}250"},
        "a branch and a state": lambda: {"branch": village(), "state": chance.choice(["failed", "delivered", "sent"])},
        "a township and a state": lambda: {"branch": f"53{chance.randrange(1, 20):02}", "state": "failed"},
        "a channel and a class": lambda: {"channel": "ussd", "class": "A"},
        "a class and a day": lambda: {"class": "C", "from": (found := day()), "to": found},
    }


def look(conn: Connection, who: str, fields: Fields, before: int | None, now: datetime) -> int | None:
    """All that a page of the log asks the database for; where the next one begins."""

    def midnight(name: str, later: int) -> datetime | None:
        return datetime.fromisoformat(fields[name]).replace(tzinfo=UTC) + timedelta(later) if name in fields else None

    asked = Filter(
        since=midnight("from", 0),
        until=midnight("to", 1),
        direction=fields.get("direction", ""),
        channel=fields.get("channel", ""),
        link=fields.get("link", ""),
        state=fields.get("state", ""),
        command=fields.get("command", ""),
        error=fields.get("error", ""),
        log_class=fields.get("class", ""),
    )
    asked = log_query.understand(
        conn,
        fields.get("q", ""),
        asked,
        country="CN",
        today=now.date(),
        commands=_COMMANDS,
        branch=fields.get("branch", ""),
    )
    found = log_query.page(conn, asked, WHO[who], before, cases=WHO[who])
    log_query.case_texts(conn, found.rows, WHO[who])
    log_query.part_states(conn, [row.id for row in found.rows if row.direction == "out"])
    log_query.errors(conn)
    return found.older


class Measured:
    """Milliseconds by what was asked for, and by whom."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], list[float]] = {}

    @contextmanager
    def one(self, name: str, who: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.taken.setdefault((name, who), []).append((time.perf_counter() - began) * 1000)

    def show(self, title: str) -> None:
        line = "".join(f"{who:>20}" for who in WHO)
        sys.stdout.write(f"{title}, ms: p50 p95 most\n{'':28}{line}\n")
        for name in dict.fromkeys(name for name, _ in self.taken):
            shown = "".join(_three(self.taken.get((name, who), ())) for who in WHO)
            sys.stdout.write(f"{name:28}{shown}\n")
        every = sorted(value for taken in self.taken.values() for value in taken)
        worst = max(_p95(taken) for taken in self.taken.values())
        sys.stdout.write(f"all {len(every)}: p50 {every[len(every) // 2]:.1f}, p95 {_p95(every):.1f}, ")
        sys.stdout.write(f"most {every[-1]:.1f}; the slowest search has a p95 of {worst:.1f}\n")
        sys.stdout.flush()


def _p95(taken: list[float]) -> float:
    return sorted(taken)[math.ceil(len(taken) * 0.95) - 1]


def _three(taken: object) -> str:
    if not isinstance(taken, list):
        return f"{'-':>20}"
    return f"{statistics.median(taken):8.1f}{_p95(taken):6.0f}{max(taken):6.0f}"


def in_database(made: Engine, times: int, now: datetime) -> Measured:
    measured = Measured()
    asked = wishes(random.Random(7), now)
    with made.connect() as conn:
        for _ in range(times):
            for who in WHO:
                for name, wish in asked.items():
                    fields, older = wish(), None
                    with measured.one(name, who), conn.begin():
                        older = look(conn, who, fields, None, now)
                    if older is not None:
                        with measured.one(f"{name}, page 2", who), conn.begin():
                            look(conn, who, fields, older, now)
    return measured


def by_http(house: House, times: int, now: datetime) -> Measured:
    measured = Measured()
    port = free_port()
    with house.config.open("a") as file:
        file.write(f'[console]\nlisten = "tcp:{port}:interface=127.0.0.1"\npublic_url = "http://127.0.0.1:{port}"\n')
    gateway = house.start("console", ready=b"ready, ")
    try:
        people: dict[str, Browser] = {who: browser(port, f"log-{who}") for who in WHO}
        asked = wishes(random.Random(8), now)
        for _ in range(times):
            for who, person in people.items():
                for name, wish in asked.items():
                    with measured.one(name, who):
                        answer = person.get(f"/log?{urlencode(wish())}")
                    if answer.status != 200:
                        raise RuntimeError(f"{answer.status} to {name}")
    finally:
        stop(gateway)
    return measured


def main() -> None:
    options = arguments(
        __doc__,
        rows=(10_000_000, "of the log"),
        members=(100_000, "in the register"),
        keep=("", "a folder whose database is filled once and kept"),
        times=(20, "each search"),
    )
    now = datetime.now(UTC)
    with database(options.database) as url, folder() as temporary:
        house = House(Path(options.keep or temporary), url=url)
        made = engine(house.url)
        with made.connect() as conn:
            filled = conn.execute(text("SELECT 1 FROM message LIMIT 1")).first() is not None
        if not filled:
            began = time.monotonic()
            with made.begin() as conn:
                filling.organisation(conn, options.members, now)
                staff(conn, {f"log-{who}": scope and scope[0] for who, scope in WHO.items()})
            filling.log(house.url, options.rows, options.members, now)
            sys.stdout.write(f"{options.rows:,} rows filled in {time.monotonic() - began:.0f} s\n")
        made.dispose()
        reading = engine(house.url, read_only=True)
        in_database(reading, options.times, now).show(f"{options.database}: the query")
        reading.dispose()
        by_http(house, options.times, now).show(f"{options.database}: the page")


if __name__ == "__main__":
    main()
