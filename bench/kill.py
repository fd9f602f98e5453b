"""kill -9 at random instants while messages come in and go out, and count what is lost, doubled or unknown.

    .venv/bin/python -m bench.kill [--count 10000] [--kills 20] [--url postgresql+psycopg://...]

The neutral operator (bench/peers/smsc_sim.c) keeps running; it delivers again what was not acknowledged. Every MO comes
from a number of its own and every MT goes to one of its own, so each can be accounted for.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from bench.harness import House, figures, stop
from gateway.core import messages
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.model import Lane, Outbound
from gateway.core.tables.messages import message, part

_MO, _MT = 8613800000000, 8613900000000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the two sides say at the end."""

    kills: int
    acknowledged: int  # MO the operator saw acknowledged
    logged: int  # MO in our log
    doubled: int  # MO logged twice
    unanswered: int  # MO in the log without a reply row
    replies_doubled: int  # numbers that got their reply twice
    sent: int  # MT the operator has
    sent_twice: int
    unknown: int  # parts of unknown fate
    missing: int  # MT neither at the operator nor known to be unknown
    left: int  # still queued, leased or inflight
    window: int

    @property
    def good(self) -> bool:
        return (
            self.logged >= self.acknowledged
            and not (self.doubled or self.unanswered or self.replies_doubled or self.sent_twice or self.missing)
            and not self.left
            and self.unknown <= self.window * self.kills
        )


def run(
    folder: Path,
    *,
    count: int,
    kills: int,
    window: int = 10,
    latency: float = 2.0,
    url: str | None = None,
    seed: int | None = None,
) -> Outcome:
    chance = random.Random(seed)
    house = House(folder, window=window, url=url)
    _queue(house.url, count)
    rate = max(count / (kills * 1.5 + 4), 50)
    options = f"--deliver-window {window} --mo-count {count} --mo-rate {rate} --mo-base {_MO} --mo-dest 10690"
    options += f" --mo-text HELP --latency-ms {latency} --dlr --dump {folder}/dump"
    with house.operator(*options.split()) as operator:
        for _ in range(kills):
            gateway = house.start()
            time.sleep(chance.uniform(0.2, 2.0))
            gateway.send_signal(signal.SIGKILL)
            gateway.wait()
        gateway = house.start()
        _until_quiet(house.url)
        stop(gateway)
        operator.send_signal(signal.SIGTERM)
        counted = figures(operator, 10)
    return _compare(house.url, folder, counted, count, kills, window)


def _queue(url: str, count: int) -> None:
    new_id = Ids(slot=1)
    now = datetime.now(UTC)
    made = engine(url)
    with made.begin() as conn:
        for start in range(0, count, 1000):
            outbounds = [
                Outbound(id=new_id(), to=f"+{_MT + i}", text="notice", link="mobile", lane=Lane.REMINDER)
                for i in range(start, min(start + 1000, count))
            ]
            messages.queue(conn, outbounds, now, actor="bench")
    made.dispose()


def _until_quiet(url: str) -> None:
    """Until nothing moves any more, and at most three minutes."""
    made = engine(url)
    last, since = (-1, -1), time.monotonic()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        with made.connect() as conn:
            now = (
                conn.scalar(select(func.count()).select_from(message)) or 0,
                conn.scalar(select(func.count()).where(part.c.state.in_(("sent", "delivered")))) or 0,
            )
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 3:
            break
        time.sleep(0.3)
    made.dispose()


def _compare(url: str, folder: Path, counted: dict[str, int], count: int, kills: int, window: int) -> Outcome:
    arrived = Counter(line.split()[0] for line in (folder / "dump").read_text().splitlines())
    made = engine(url)
    with made.connect() as conn:
        inbound = Counter(conn.scalars(select(message.c.number).where(message.c.direction == "in")))
        answered = Counter(
            conn.scalars(select(message.c.number).where(message.c.direction == "out", message.c.answers.is_not(None)))
        )
        unknown = set(
            conn.scalars(
                select(message.c.number).join(part, part.c.message_id == message.c.id).where(part.c.state == "unknown")
            )
        )
        left = conn.scalar(
            select(func.count()).where(message.c.state.in_(("queued", "leased")), message.c.direction == "out")
        )
    made.dispose()
    targets = [str(_MT + i) for i in range(count)]
    return Outcome(
        kills=kills,
        acknowledged=counted["mo_acked"],
        logged=len(inbound),
        doubled=sum(times - 1 for times in inbound.values()),
        unanswered=len(inbound.keys() - answered.keys()),
        replies_doubled=sum(1 for number in inbound if arrived[number.lstrip("+")] > 1),
        sent=sum(1 for target in targets if arrived[target]),
        sent_twice=sum(1 for target in targets if arrived[target] > 1),
        unknown=len(unknown),
        missing=sum(1 for target in targets if not arrived[target] and f"+{target}" not in unknown),
        left=left or 0,
        window=window,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="messages each way")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--window", type=int, default=10)
    parser.add_argument("--latency", type=float, default=2.0, help="milliseconds until the operator answers")
    parser.add_argument("--url", help="of an empty database; a SQLite file in a temporary folder without it")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-kill-") as name:
        outcome = run(
            Path(name),
            count=options.count,
            kills=options.kills,
            window=options.window,
            latency=options.latency,
            url=options.url,
            seed=options.seed,
        )
    sys.stdout.write(f"{outcome}\n{'good' if outcome.good else 'NOT GOOD'}\n")
    sys.exit(not outcome.good)


if __name__ == "__main__":
    main()
