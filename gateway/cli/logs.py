"""Where the daemon's log goes: standard error, for a person or as JSON. It holds no text and no whole number."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

from twisted.logger import (
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    LogLevelFilterPredicate,
    PredicateResult,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import implementer

_NUMBER = re.compile(r"(?<![\w.+-])(\+?\d{2,5})\d{4}(\d{4})(?![\w.])")
_REQUEST = re.compile(r"\b(GET|POST|PUT|HEAD|DELETE) (/[^/? ]*)[/?][^ ]* HTTP")  # in an access log
# Controls, what turns the direction of writing, and the separators that some tools take for the end of a line.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LEGACY = frozenset({"format", "time", "system", "message", "isError", "failure", "why"})  # of Twisted's older log
_PLAIN = (str, int, float, bool, type(None))


def begin(form: str, *, least: str = "info", out: TextIO = sys.stderr) -> None:
    """Send everything from `least` upwards to `out`, in the form "text" or "json"."""
    observer: ILogObserver = JsonLines(out) if form == "json" else Lines(out)
    threshold = LogLevelFilterPredicate(defaultLogLevel=LogLevel.levelWithName(least))
    for chatter in ("twisted", "log_legacy"):
        threshold.setLogLevelForNamespace(chatter, LogLevel.warn)
    globalLogBeginner.beginLoggingTo([FilteringLogObserver(observer, [Wanted(), threshold])], redirectStandardIO=False)


@implementer(ILogFilterPredicate)
class Wanted:
    """Not that Twisted's factories start and stop, which they say under our names."""

    def __call__(self, event: LogEvent) -> Any:
        chatter = str(event.get("log_format", "")).startswith(("Starting factory", "Stopping factory"))
        return PredicateResult.no if chatter else PredicateResult.maybe


def masked(text: str) -> str:
    """`text` without what others write into a log: whole phone numbers, what was looked for, one-time links."""
    return _NUMBER.sub(r"\1****\2", _REQUEST.sub(r"\1 \2/... HTTP", text))


def one_line(text: str) -> str:
    """`text` without what makes a second line, or colours a terminal, or turns the rest of the line around."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # as JSON does


@implementer(ILogObserver)
class Lines:
    """A line an event; the lines of its traceback, if it has one, are indented, so that no text makes a line of its
    own."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        at = datetime.fromtimestamp(event["log_time"], UTC).strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = [f"{at} {one_line(masked(formatEvent(event)))}"]
        if (failure := event.get("log_failure")) is not None:
            lines += [f"  {one_line(line)}" for line in masked(failure.getTraceback()).rstrip().split("\n")]
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()


@implementer(ILogObserver)
class JsonLines:
    """An object an event: time, level, system, message, and the fields it was formatted with."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: LogEvent) -> None:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": event["log_level"].name,
            "system": event["log_namespace"],
            "message": masked(formatEvent(event)),
        }
        for key, value in event.items():
            if not key.startswith("log_") and key not in _LEGACY:
                line.setdefault(key, masked(value) if isinstance(value, str) else _shown(value))
        if (failure := event.get("log_failure")) is not None:
            line["traceback"] = masked(failure.getTraceback())
        self._out.write(one_line(json.dumps(line, ensure_ascii=False)) + "\n")
        self._out.flush()


def _shown(value: object) -> object:
    return value if isinstance(value, _PLAIN) else masked(repr(value))
