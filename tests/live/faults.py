"""Switches for what a machine may do to a gateway: a disk that is full, a clock that jumps. See faults.c."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.peers import need


class Faults:
    """`environment` is what a gateway is started with; the rest may be used at any time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.environment = {"LD_PRELOAD": _library(), "FAULTS": str(folder)}

    @property
    def syncs(self) -> int:
        """How often the disk was asked to keep what it had been given."""
        path = self._folder / "syncs"
        return path.stat().st_size if path.exists() else 0

    def full(self, yes: bool) -> None:
        """No file has room for a further page, or has again."""
        self._switch("full", yes)

    def read_only(self, yes: bool) -> None:
        """Databases can be opened for reading only."""
        self._switch("readonly", yes)

    def clock(self, seconds: int) -> None:
        """The wall clock is so many seconds ahead."""
        half = self._folder / "clock.half"
        half.write_text(str(seconds))
        half.replace(self._folder / "clock")

    def die_before_commit(self) -> None:
        """The next that SQLite would commit is not: the process ends as by kill -9."""
        self._die("log")

    def die_before_sending(self, octets: bytes) -> None:
        """The next packet with these octets does not go out: the process ends as by kill -9."""
        self._die(octets.hex())

    def _die(self, how: str) -> None:
        half = self._folder / "die.half"
        half.write_text(how)
        half.replace(self._folder / "die")

    def _switch(self, name: str, yes: bool) -> None:
        path = self._folder / name
        path.touch() if yes else path.unlink()


@cache
def _library() -> str:
    made = Path(mkdtemp(prefix="muster-faults-")) / "faults.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([need("cc"), "-O2", "-shared", "-fPIC", "-o", str(made), str(source)], check=True, timeout=120)
    return str(made)
