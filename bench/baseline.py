"""What the machine gives today, by things that are not ours: a ratio to these tells more than a rate.

    .venv/bin/python -m bench.baseline

twisted.web answering a constant (on a good day 15,600 a second), smpplib encoding a submit_sm with 70 Chinese
characters (36 us), the neutral operator answering the neutral load tool.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from smpplib import smpp

from bench.harness import arguments, free_port, rounds
from tests.peers import loadtool, smsc_sim

_SITE = """
import sys
from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site

class Constant(Resource):
    isLeaf = True
    def render_GET(self, request):
        return b"ok"

reactor.listenTCP(int(sys.argv[1]), Site(Constant()), interface="127.0.0.1")
reactor.run()
"""


class _Sequence:
    sequence = 1

    def next_sequence(self) -> int:
        return 1


def main() -> None:
    options = arguments(__doc__, count=(30_000, "requests a round"))

    def one() -> dict[str, float]:
        return {"twisted.web/s": _web(options.count), "smpplib us": _smpplib(), "operator/s": _operator()}

    rounds(options, "baseline", one)


def _web(count: int) -> float:
    port = free_port()
    site = subprocess.Popen([sys.executable, "-c", _SITE, str(port)])
    try:
        time.sleep(1.5)
        run = [loadtool(), "http", "--port", str(port), "--path", "/", "--count", str(count), "--conc", "50"]
        out = subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout
        return float(json.loads(out.strip().splitlines()[-1])["rate"])
    finally:
        site.terminate()
        site.wait(10)


def _smpplib(count: int = 3000) -> float:
    text = ("会费" * 35).encode("utf-16-be")
    began = time.process_time()
    for _ in range(count):
        smpp.make_pdu(
            "submit_sm",
            client=_Sequence(),
            source_addr="10690001",
            destination_addr="8613800000007",
            short_message=text,
            data_coding=8,
            registered_delivery=1,
        ).generate()
    return (time.process_time() - began) / count * 1e6


def _operator(count: int = 200_000) -> float:
    port = free_port()
    operator = subprocess.Popen(
        [smsc_sim(), "--port", str(port), "--quiet", "--max-seconds", "60"], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(0.3)
        run = [loadtool(), "smpp", "--port", str(port), "--count", str(count), "--window", "100"]
        out = subprocess.run(run, check=True, capture_output=True, text=True, timeout=60).stdout
        return float(json.loads(out.strip().splitlines()[-1])["rate"])
    finally:
        operator.terminate()
        operator.wait(10)


if __name__ == "__main__":
    main()
