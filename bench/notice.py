"""A bulk notice to everybody: made over HTTP, frozen, sent through one link with receipts, while others ask for help.

    .venv/bin/python -m bench.notice [--count 1000000] [--help-rate 20] [--window 200] [--database postgresql]

It prints how long making and freezing took, when the first message was out, the rate to the operator and of its
receipts recorded, what memory the gateway had at most, how long a HELP took meanwhile, and how long after a pause the
last message went out.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from typing import Any

from bench.harness import FIRST_NUMBER, House, arguments, database, figures, folder, processor, resident, rounds, stop

_KEY = "a-notice-key-for-the-benchmark-only"
_STRANGERS = FIRST_NUMBER + 50_000_000  # who ask for help: none of the recipients
_QUIET = 1.0  # seconds without another message are the end


def main() -> None:
    options = arguments(
        __doc__,
        count=(1_000_000, "recipients"),
        window=(200, "of the link"),
        help_rate=(20, "texts with HELP a second meanwhile"),
        pause=(1, "1: pause it once on the way"),
    )

    def one() -> dict[str, float]:
        with database(options.database) as url, folder() as path:
            house = House(path, window=options.window, url=url)
            with house.config.open("a") as file:
                file.write(f'[api.keys.noticing]\nkey = "{_KEY}"\nmay = ["notices", "approve"]\n')
            house.members(options.count)
            house.decide("quiet.hours", "")  # whenever this is run
            seconds = 60 + options.count // 1000
            run = f"--dlr --deliver-window {options.window} --idle-exit 12 --mo-dest 10690 --mo-text HELP"
            run += f" --mo-rate {options.help_rate} --mo-count {options.help_rate * 600} --mo-base {_STRANGERS}"
            run += f" --mo-start-ms 3000 --exit-submits {options.count + options.help_rate * 10} --linger-ms 9000"
            with house.operator(*run.split(), seconds=seconds) as operator:
                gateway = house.start("links,api")
                try:
                    found = _one(house, gateway, options)
                    counted = figures(operator, seconds)
                finally:
                    stop(gateway)
            found["sent/s"] = counted["rate"]
            found["receipts/s"] = counted["dlr_rate"]
            found["help p99 ms"] = counted["mo_reply_ms"]["p99"]
            if counted["duplicates"]:
                raise RuntimeError(f"{counted['duplicates']} went twice")
            return found

    rounds(options, f"notice {options.database} to {options.count}", one)


def _one(house: House, gateway: subprocess.Popen[bytes], options: Any) -> dict[str, float]:
    began, used = time.monotonic(), processor(gateway)
    most = resident(gateway)
    made = _ask(house, "POST", "/v1/notices", {"text": "明晚八点在村部开会，请准时参加", "to": {}, "title": "开会"})
    answered = time.monotonic() - began
    at = f"/v1/notices/{made['id']}"
    first = frozen = paused = stood = 0.0
    while True:
        found = _ask(house, "GET", at)
        most = max(most, resident(gateway))
        now = time.monotonic() - began
        gone = sum(found["messages"].values())
        first = first or (now if gone else 0.0)
        frozen = frozen or (now if found["frozen"] else 0.0)
        if options.pause and not paused and gone > options.count // 2:
            paused, stood = _paused(house, at)
        if found["state"] == "done":
            break
        time.sleep(0.2 if now < 10 or not frozen else 1.0)
    done = time.monotonic() - began
    if found["recipients"] != options.count:
        raise RuntimeError(f"{found['recipients']} recipients of {options.count}")
    return {
        "answered s": answered,
        "first out s": first,
        "frozen s": frozen,
        "done s": done,
        "recipients/s": options.count / (done - first - stood),
        "pause to last s": paused,
        "processor us": (processor(gateway) - used) / options.count * 1e6,
        "resident MB": most,
    }


def _paused(house: House, at: str) -> tuple[float, float]:
    """Seconds from asking for a pause to the last message that still went out, and for which it stood; it goes on."""
    began = last = time.monotonic()
    _ask(house, "POST", f"{at}/pause")
    count = -1
    while time.monotonic() - last < _QUIET:
        gone = sum(_ask(house, "GET", at)["messages"].values())
        if gone != count:
            count, last = gone, time.monotonic()
        time.sleep(0.02)
    _ask(house, "POST", f"{at}/resume")
    return last - began, time.monotonic() - began


def _ask(house: House, method: str, path: str, body: Any = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", house.api, timeout=60)
    connection.request(method, path, json.dumps(body) if body else None, {"Authorization": f"Bearer {_KEY}"})
    answer = connection.getresponse()
    found: dict[str, Any] = json.loads(answer.read())
    connection.close()
    if answer.status >= 300:
        raise RuntimeError(found)
    return found


if __name__ == "__main__":
    main()
