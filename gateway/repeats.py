"""Whether an inbound message is one we had before: an operator sends again what it did not see acknowledged.

An MO carries no id. On SMPP what was recorded in the last 30 seconds of a link's session is at risk; after the next
bind an equal message absorbs one of these, for 15 minutes. A modem's message is recognised by its SMSC time as well,
for as long as it may still be stored. Otherwise two equal texts are two messages (DESIGN 4).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from hashlib import blake2b

from twisted.internet.defer import Deferred

from gateway.core.model import Inbound

AT_RISK = 30.0  # seconds before the loss of a session
ABSORBS = 900.0  # seconds after the loss
_STORED = 2_000  # messages a modem can possibly hold, and then some


def fingerprint(message: Inbound) -> int:
    """63 bits of sender, recipient, header, octets, and on a modem the SMSC's time."""
    digest = blake2b(digest_size=8)
    digest.update(f"{message.sender.text}\0{message.recipient.text}\0".encode())
    digest.update(len(message.udh).to_bytes(2) + message.udh + message.octets)
    return int.from_bytes(digest.digest()) >> 1


def stored_fingerprint(message: Inbound) -> int:
    digest = blake2b(digest_size=8)
    digest.update(f"{message.sender.text}\0{message.sent_at}\0".encode())
    digest.update(len(message.udh).to_bytes(2) + message.udh + message.octets)
    return int.from_bytes(digest.digest()) >> 1


class SessionRepeats:
    """For links whose operator redelivers after a lost session."""

    fingerprint = staticmethod(fingerprint)

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque()
        self._pending: dict[int, list[Deferred[None]]] = {}  # taken, not committed yet
        self._risk: dict[int, list[Deferred[None] | None]] = {}
        self._until = 0.0

    def restore(self, found: dict[int, int], now: float) -> None:
        """At the start: what the log says of the last session."""
        for print_, count in found.items():
            self._risk.setdefault(print_, []).extend([None] * count)
        self._until = now + ABSORBS

    def absorbs(self, print_: int, now: float) -> Deferred[None] | bool:
        """True when `print_` is a repeat; a Deferred when it is one of a message still on its way to disk."""
        if not self._risk:
            return False
        if now > self._until:
            self._risk.clear()
            return False
        entries = self._risk.get(print_)
        if not entries:
            return False
        entry = entries.pop()
        if not entries:
            del self._risk[print_]
        return True if entry is None else entry

    def taken(self, print_: int, safe: Deferred[None]) -> None:
        self._pending.setdefault(print_, []).append(safe)

    def finished(self, print_: int, safe: Deferred[None], now: float, *, committed: bool) -> None:
        waiting = self._pending.get(print_)
        if not waiting or safe not in waiting:
            return  # its session is over, and it is at risk already
        waiting.remove(safe)
        if not waiting:
            del self._pending[print_]
        if committed:
            self._recent.append((now, print_))
        while self._recent and self._recent[0][0] < now - AT_RISK:
            self._recent.popleft()

    def lost(self, now: float) -> None:
        """The session ended: what it may not have seen acknowledged is at risk from now on."""
        if now > self._until:
            self._risk.clear()
        self._until = now + ABSORBS
        for at, print_ in self._recent:
            if at >= now - AT_RISK:
                self._risk.setdefault(print_, []).append(None)
        for print_, waiting in self._pending.items():
            self._risk.setdefault(print_, []).extend(waiting)
        self._recent.clear()
        self._pending.clear()


class StoredRepeats:
    """For modems, which keep a message until it is deleted and may show it again."""

    fingerprint = staticmethod(stored_fingerprint)

    def __init__(self) -> None:
        self._known: OrderedDict[int, None] = OrderedDict()
        self._pending: dict[int, Deferred[None]] = {}

    def restore(self, found: dict[int, int], now: float) -> None:
        for print_ in found:
            self._known[print_] = None

    def absorbs(self, print_: int, now: float) -> Deferred[None] | bool:
        return self._pending.get(print_) or print_ in self._known

    def taken(self, print_: int, safe: Deferred[None]) -> None:
        self._pending[print_] = safe

    def finished(self, print_: int, safe: Deferred[None], now: float, *, committed: bool) -> None:
        self._pending.pop(print_, None)
        if committed:
            self._known[print_] = None
        while len(self._known) > _STORED:
            self._known.popitem(last=False)

    def lost(self, now: float) -> None:
        """Nothing changes: the messages are where they were."""
