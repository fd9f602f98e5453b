"""Which PIN was tried on which SIM, so that a wrong one is tried once and not at every start: three make a PUK."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Protocol


class PinsLost(Exception):
    """The memory of tried PINs cannot be read or written; without it none is tried."""


class Pins(Protocol):
    """Remembers tries across restarts. `sim` is the ICCID, or the IMEI of a modem that hides it while locked."""

    def tried(self, sim: str, pin: str) -> bool:
        """Whether this very PIN was typed into this SIM and not accepted."""

    def remember(self, sim: str, pin: str) -> None:
        """Called before the try, so that a crash in between counts as a failure."""

    def forget(self, sim: str) -> None:
        """The SIM accepted its PIN."""


class PinMemory:
    """For tools that run once."""

    def __init__(self) -> None:
        self._tried: set[tuple[str, str]] = set()

    def tried(self, sim: str, pin: str) -> bool:
        return (sim, pin) in self._tried

    def remember(self, sim: str, pin: str) -> None:
        self._tried.add((sim, pin))

    def forget(self, sim: str) -> None:
        self._tried = {each for each in self._tried if each[0] != sim}


class PinFile:
    """A small JSON file beside the configuration, of salted digests; those that stay are of PINs that are wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tried(self, sim: str, pin: str) -> bool:
        salt, _, digest = self._read().get(sim, "").partition("$")
        return bool(digest) and secrets.compare_digest(digest, _digest(salt, sim, pin))

    def remember(self, sim: str, pin: str) -> None:
        salt = secrets.token_hex(8)
        self._write({**self._read(), sim: f"{salt}${_digest(salt, sim, pin)}"})

    def forget(self, sim: str) -> None:
        kept = self._read()
        if kept.pop(sim, None) is not None:
            self._write(kept)

    def _read(self) -> dict[str, str]:
        try:
            return {str(sim): str(tried) for sim, tried in json.loads(self._path.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise PinsLost(f"{self._path} cannot be read: {error}") from error

    def _write(self, tried: dict[str, str]) -> None:
        beside = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(tried, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise PinsLost(f"{self._path} cannot be written: {error.strerror}") from error


def _digest(salt: str, sim: str, pin: str) -> str:
    return hashlib.scrypt(pin.encode(), salt=f"{salt}{sim}".encode(), n=2**12, r=8, p=1, dklen=16).hex()
