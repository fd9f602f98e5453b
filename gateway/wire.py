"""What a link knows of its parts and the database not yet, kept as long as this machine runs.

An outbox may mark the next window of parts inflight while the operator still thinks about the one before, and writes
them the moment it answers, before those answers are recorded. After kill -9 the database alone could not tell what was
never written and what was answered from what is on the wire, and two windows would be unknown instead of one. A mapped
file outlives the process without a single fsync. It does not outlive the machine, so it names the boot it was written
in, and after another boot it says nothing: what it does not name is unknown.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from gateway.core.messages import Key
from gateway.core.model import Part
from gateway.core.recovery import Left

_ENDING = ".wire"
_HEAD = 64
_ENTRY = struct.Struct("<qqB79s")  # message, part number, what is known, the operator's id; zeros are nobody
_UNWRITTEN, _ANSWERED = 1, 2
_LONGEST_ID = 79
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Wire:
    """The file of one link with a window of `window` parts. An OSError means: this folder cannot keep it."""

    def __init__(self, folder: Path, link: str, window: int, boot: str) -> None:
        room = 2 * window  # as many as are ever inflight: one window on the wire, one that stands ready
        size = _HEAD + room * _ENTRY.size
        path = folder / f"{quote(link, safe='')}{_ENDING}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)  # a full disk is found now, not as SIGBUS later
            self._map = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self._map[:_HEAD] = _head(boot)
        self._free = [_HEAD + index * _ENTRY.size for index in range(room)]
        self._places: dict[Key, int] = {}
        self._lock = threading.Lock()  # what stands ready is noted in the database's thread

    def ready(self, parts: Sequence[Part]) -> None:
        """These are inflight with the commit that follows, and none of them is written."""
        for part in parts:
            self._note(part, _UNWRITTEN)

    def answered(self, part: Part, remote_id: str) -> None:
        """The operator has taken it; that is not recorded yet."""
        octets = remote_id.encode()
        if len(octets) <= _LONGEST_ID:
            self._note(part, _ANSWERED, octets)

    def forget(self, part: Part) -> None:
        """It is about to be written, or what became of it is recorded."""
        with self._lock:
            place = self._places.pop((part.outbound, part.number), None)
            if place is not None:
                _ENTRY.pack_into(self._map, place, 0, 0, 0, b"")
                self._free.append(place)

    def _note(self, part: Part, known: int, octets: bytes = b"") -> None:
        key = part.outbound, part.number
        with self._lock:
            if key not in self._places and self._free:
                self._places[key] = self._free.pop()
            place = self._places.get(key)
            if place is not None:
                _ENTRY.pack_into(self._map, place, *key, known, octets)


def left(folder: Path, boot: str) -> Left:
    """What the last process knew when it ended, if that was in this boot of the machine."""
    unwritten: set[Key] = set()
    answered: dict[Key, str] = {}
    for path in folder.glob(f"*{_ENDING}") if boot else ():
        for key, known, remote_id in _entries(path, boot):
            if known == _UNWRITTEN:
                unwritten.add(key)
            elif known == _ANSWERED:
                answered[key] = remote_id
    return Left(unwritten, answered)


def discard(folder: Path) -> None:
    """What they said is recorded. Of a link that is no longer configured it would still be said after the next kill,
    when the same part is on the wire of another."""
    for path in folder.glob(f"*{_ENDING}"):
        if path.is_file():
            path.unlink()


def boot() -> str:
    """What this run of the machine is called; empty where the kernel does not say."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""


def _entries(path: Path, boot: str) -> Iterator[tuple[Key, int, str]]:
    try:
        octets = path.read_bytes()
    except OSError:
        return
    if octets[:_HEAD] != _head(boot):
        return
    rest = octets[_HEAD:]
    for message, number, known, remote_id in _ENTRY.iter_unpack(rest[: len(rest) - len(rest) % _ENTRY.size]):
        if message:
            yield (message, number), known, remote_id.rstrip(b"\0").decode("utf-8", "replace")


def _head(boot: str) -> bytes:
    return b"muster 1 " + boot.encode("ascii").ljust(_HEAD - 9, b"\0")[: _HEAD - 9]
