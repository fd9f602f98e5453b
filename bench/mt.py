"""Messages of another system, from the HTTP interface to the operator's answer and its receipt.

    .venv/bin/python -m bench.mt [--list 100] [--receipts 1] [--latency 0] [--window 100] [--database postgresql]

--list 0 posts one message a request. --latency 20 --window 10 shows what a slow operator leaves of it.
"""

from __future__ import annotations

import json
import subprocess
import time

from bench.harness import (
    API_KEY,
    FIRST_NUMBER,
    House,
    arguments,
    database,
    figures,
    folder,
    processor,
    resident,
    rounds,
    stop,
)
from tests.peers import poster


def main() -> None:
    options = arguments(
        __doc__,
        count=(100_000, "messages a round"),
        list=(100, "messages a request, 0 for one that is no list"),
        conc=(4, "connections"),
        window=(100, "of the link"),
        latency=(0.0, "milliseconds until the operator answers"),
        receipts=(0, "1: the operator sends receipts"),
    )
    with database(options.database) as url, folder() as path:
        house = House(path, window=options.window, url=url)
        house.decide("destinations.adjacent", 0)  # strangers' numbers in a row are what it refuses
        first = FIRST_NUMBER

        def one() -> dict[str, float]:
            nonlocal first
            run = f"--exit-submits {options.count} --linger-ms 8000 --latency-ms {options.latency}"
            run += f" --deliver-window {options.window}" + (" --dlr" if options.receipts else "")
            post = f"--port {house.api} --key {API_KEY} --count {options.count} --list {options.list}"
            post += f" --conc {options.conc} --to-base {first}"
            first += options.count
            with house.operator(*run.split()) as operator:
                gateway = house.start("links,api")
                before = processor(gateway)
                posted = json.loads(subprocess.run([poster(), *post.split()], check=True, capture_output=True).stdout)
                counted = figures(operator)
                used = (processor(gateway) - before) / options.count * 1e6
                memory = resident(gateway)
                stop(gateway)
            time.sleep(1)
            if counted["distinct"] != options.count or counted["duplicates"]:
                raise RuntimeError(f"{counted['distinct']} of {options.count} arrived, {counted['duplicates']} twice")
            found = {
                "accepted/s": posted["rate"],
                "sent/s": counted["rate"],
                "processor us": used,
                "resident MB": memory,
            }
            if options.receipts:
                found["receipts/s"] = counted["dlr_rate"]
            return found

        name = f"mt {options.database} list {options.list} window {options.window} latency {options.latency:g}"
        rounds(options, name + (" receipts" if options.receipts else ""), one)


if __name__ == "__main__":
    main()
