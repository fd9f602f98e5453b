"""Start with a million queued messages: the seconds until the first is out.

.venv/bin/python -m bench.start [--count 1000000] [--database postgresql]
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import FIRST_NUMBER, House, arguments, database, folder, resident, rounds, stop
from gateway.core import messages
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.model import Lane, Outbound


def main() -> None:
    options = arguments(__doc__, count=(1_000_000, "messages"))
    with database(options.database) as url, folder() as path:
        house = House(path, url=url)
        _queue(house.url, options.count)
        dump = path / "dump"

        def one() -> dict[str, float]:
            dump.unlink(missing_ok=True)
            with house.operator("--dump", str(dump)):
                began = time.monotonic()
                gateway = house.start()
                bound = time.monotonic() - began
                _until_written(dump)
                first = time.monotonic() - began
                memory = resident(gateway)
                stop(gateway)
            return {"first out s": first, "bound s": bound, "resident MB": memory}

        rounds(options, f"start {options.database} with {options.count:,} queued", one)


def _queue(url: str, count: int) -> None:
    new_id, now = Ids(slot=1), datetime.now(UTC)
    made = engine(url)
    for start in range(0, count, 5000):
        with made.begin() as conn:
            messages.queue(
                conn,
                [
                    Outbound(id=new_id(), to=f"+{FIRST_NUMBER + i}", text="notice", link="mobile", lane=Lane.BULK)
                    for i in range(start, min(start + 5000, count))
                ],
                now,
                actor="bench",
            )
    made.dispose()


def _until_written(dump: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < 60:
        if dump.exists() and dump.stat().st_size:
            return
        time.sleep(0.01)
    raise RuntimeError("nothing came out in a minute")


if __name__ == "__main__":
    main()
