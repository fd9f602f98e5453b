"""The commands that every organisation starts with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from commands.approving import APPROVE, DENY
from commands.ask import ASK
from commands.bind import BIND
from commands.collect import COLLECT
from commands.dayclose import CLOSE
from commands.dues import DUES
from commands.halting import KILL, PAUSE, RESUME
from commands.help import HELP
from commands.hotline import ANSWER, CALL, DONE, FORWARD
from commands.me import ME
from commands.mine import DATA, LOCK, NOT_MINE
from commands.noticing import BROADCAST
from commands.pay import PAY
from commands.payback import PAYBACK
from commands.payfor import PAYFOR
from commands.reading import ACK, MORE, NOTICES
from commands.receipt import RECEIPT
from commands.refund import REFUND
from commands.registry import Registry
from commands.remit import ARRIVED, MISSING, REMIT
from commands.settings import START, STOP, lang
from commands.shown import decimals
from commands.topics import QUIET, SUB, TOPICS, UNSUB
from commands.voucher import VOUCHER
from commands.waiver import WAIVER
from config.model import LANGUAGES, Organisation

_NOTICES = (NOTICES, ACK, SUB, UNSUB, MORE, TOPICS, QUIET, BROADCAST, APPROVE, DENY, PAUSE, RESUME, KILL)
SHIPPED = (
    HELP,
    *(DUES, PAY, RECEIPT, VOUCHER, PAYFOR, REFUND, WAIVER),
    *_NOTICES,
    *(ASK, CALL),
    *(BIND, ME, DATA, LOCK, NOT_MINE),
    *(lang(LANGUAGES), STOP, START),
    *(COLLECT, PAYBACK, CLOSE, REMIT, ARRIVED, MISSING),
    *(ANSWER, DONE, FORWARD),
)
ALWAYS = frozenset({"0", "92", "93"})  # never switched off


def registry(
    organisation: Organisation,
    *,
    off: Collection[str] = (),
    words: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
) -> Registry:
    """The organisation's commands: those it has not switched off, with the words of its own by code and language."""
    own = words or {}
    commands = []
    for command in SHIPPED:
        if command.code in off and command.code not in ALWAYS:
            continue
        if added := own.get(command.code):
            spoken = {key: (*command.words.get(key, ()), *added.get(key, ())) for key in command.words.keys() | added}
            command = replace(command, words=spoken)
        commands.append(command)
    return Registry(commands, decimals=decimals(organisation.currency))
