"""What a page of the message log costs with many rows in it, on SQLite or on the server of --url.

Run `python -m bench.log [--rows 1000000] [--url postgresql+psycopg://...]`: milliseconds, the median and the worst of
nine, in the database alone. The aim is 100 ms at 2,000,000 rows for every search a person waits for.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Engine, insert, text

from gateway.console import log_query
from gateway.console.log_query import Filter
from gateway.core import search
from gateway.core.engines import engine
from gateway.core.ids import first_of
from gateway.core.tables.everything import METADATA
from gateway.core.tables.messages import bigram, message

START = datetime(2026, 1, 1, tzinfo=UTC)
BETWEEN = timedelta(seconds=10)
CHUNK = 20_000
RARE = "鳜鱼养殖"
WORDS = ("会费", "困难补助", "请问", "怎么交", "投票", "到账", "五里桥", "低保", "DUES", "help", "选举", "通知", "水费")

Look = Callable[[Connection], Any]


def row(number: int, chance: random.Random) -> dict[str, Any]:
    at = START + number * BETWEEN
    out = number % 2 == 1
    return {
        "id": first_of(at),
        "direction": "out" if out else "in",
        "state": "failed" if number == CHUNK // 2 else "delivered" if out else "received",
        "channel": "sms",
        "link": "mobile" if number % 10 else "village",
        "number": f"+86138{chance.randrange(400_000):08d}",
        "at": at,
        "branch_path": f"/53/{number % 500:04d}/",
        "command": "11" if number % 3 else "E01",
        "log_class": "A",
        "text": RARE if number == 1000 else "".join(chance.choices(WORDS, k=3)),
    }


def fill(made: Engine, rows: int) -> None:
    chance = random.Random(1)
    with made.connect() as conn:
        for start in range(0, rows, CHUNK):
            chunk = [row(number, chance) for number in range(start, min(rows, start + CHUNK))]
            pairs = [{"gram": pair, "message_id": r["id"]} for r in chunk for pair in search.pairs(r["text"])]
            with conn.begin():
                conn.execute(insert(message), chunk)
                conn.execute(insert(bigram), sorted(pairs, key=lambda pair: pair["gram"]))
        with conn.begin():
            conn.execute(text("ANALYZE"))


def page(before: int | None = None, scope: tuple[str, ...] | None = None, **wishes: Any) -> Look:
    return lambda conn: log_query.page(conn, Filter(**wishes), scope, before)


def looks(rows: int) -> dict[str, Look]:
    middle = START + rows // 2 * BETWEEN
    commands = {"11": {"zh": "会费"}}
    return {
        "newest": page(),
        "from the middle": page(first_of(middle)),
        "one number": page(numbers=("+8613800000007",)),
        "one link": page(link="village", direction="in"),
        "a state that is rare": page(state="failed"),
        "a branch of 500": page(scope=("/53/0007/",)),
        "a branch without messages": page(scope=("/99/",)),
        "two characters, common": page(text="会费"),
        "two characters, rare": page(text="鳜鱼"),
        "four characters": page(text="困难补助"),
        "a phrase over two words": page(text="水费会费"),
        "pairs, but no such text": page(text="困会水"),
        "Latin letters": page(text="helpDUES"),
        "a text and a state": page(text="会费", state="failed"),
        "one message with its neighbours": lambda conn: log_query.detail(conn, first_of(middle), None),
        "what was typed": lambda conn: log_query.understand(
            conn, "13800000007", Filter(), country="CN", today=date(2026, 1, 1), commands=commands, branch=""
        ),
    }


def measure(made: Engine, look: Look, times: int = 9) -> list[float]:
    spent = []
    for _ in range(times):
        with made.connect() as conn, conn.begin():
            began = time.perf_counter()
            look(conn)
            spent.append((time.perf_counter() - began) * 1000)
    return spent


@click.command()
@click.option("--rows", default=1_000_000, show_default=True)
@click.option("--url", help="An empty database; a file of SQLite by default.")
def main(rows: int, url: str | None) -> None:
    """Pages of the message log."""
    with tempfile.TemporaryDirectory(prefix="muster-bench-") as folder:
        url = url or f"sqlite:///{Path(folder) / 'muster.db'}"
        made = engine(url, create=True)
        METADATA.create_all(made)
        began = time.perf_counter()
        fill(made, rows)
        click.echo(f"{rows:,} rows with their index in {time.perf_counter() - began:.0f} s")
        reading = engine(url, read_only=True)
        for name, look in looks(rows).items():
            spent = measure(reading, look)
            click.echo(f"{name:32}{statistics.median(spent):9.1f} ms{max(spent):9.1f} ms")
        for opened in (made, reading):
            opened.dispose()


if __name__ == "__main__":
    main()
