"""MO -> DUES from the register -> reply at the operator.

    .venv/bin/python -m bench.mo [--database postgresql] [--count 100000] [--members 427000] [--rate 0]

Each text comes from another number; each deliver_sm is answered after its commit. With --rate 50 it shows the round
trip of a quiet hour instead of the most that fits through.
"""

from __future__ import annotations

import time

from bench.harness import FIRST_NUMBER, House, arguments, database, figures, folder, processor, resident, rounds, stop


def main() -> None:
    options = arguments(
        __doc__,
        count=(100_000, "texts a round"),
        members=(427_000, "in the register"),
        window=(100, "of both sides"),
        rate=(0, "texts a second, 0 for all that fits"),
    )
    with database(options.database) as url, folder() as path:
        house = House(path, window=options.window, url=url)
        house.members(options.members)
        first = FIRST_NUMBER

        def one() -> dict[str, float]:
            nonlocal first
            run = (
                f"--mo-count {options.count} --mo-rate {options.rate} --mo-base {first} --mo-dest 10690 --mo-text DUES"
            )
            run += f" --deliver-window {options.window} --idle-exit 3"
            first += options.count
            with house.operator(*run.split()) as operator:
                gateway = house.start()
                before = processor(gateway)
                counted = figures(operator)
                used = (processor(gateway) - before) / options.count * 1e6
                memory = resident(gateway)
                stop(gateway)
            time.sleep(1)
            if counted["mo_replies"] != options.count:
                raise RuntimeError(f"{counted['mo_replies']} replies to {options.count} texts")
            return {
                "replies/s": counted["mo_reply_rate"],
                "round trip p50 ms": counted["mo_reply_ms"]["p50"],
                "p99 ms": counted["mo_reply_ms"]["p99"],
                "processor us": used,
                "resident MB": memory,
            }

        rounds(options, f"mo {options.database} window {options.window} rate {options.rate or 'max'}", one)


if __name__ == "__main__":
    main()
