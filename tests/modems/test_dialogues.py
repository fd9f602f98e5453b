"""Recorded conversations with modems, played as they were and octet by octet."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modems.at import Answered, Command, Condition, Dialogue, Event, TimedOut, Unsolicited

FOLDER = Path(__file__).parent.parent / "dialogues"
RECORDED = sorted(FOLDER.glob("*.txt"))


def whole(octets: bytes) -> Iterator[bytes]:
    yield octets


def octet_by_octet(octets: bytes) -> Iterator[bytes]:
    yield from (octets[n : n + 1] for n in range(len(octets)))


def unescaped(words: str) -> bytes:
    return codecs.escape_decode(words.encode("latin-1"))[0]


def command(words: str) -> Command:
    """`AT+CMGR=1 body=1`."""
    options = dict(re.findall(r" (body|payload|bare|prefix|limit|settles)=(\S*)", words))
    text = re.split(r" (?:body|payload|bare|prefix|limit|settles)=", words)[0]
    return Command(
        text=text,
        body_lines=int(options.get("body", 0)),
        payload=options.get("payload"),
        bare=re.compile(options["bare"]) if "bare" in options else None,
        prefix=options.get("prefix"),
        limit=float(options.get("limit", 5)),
        settles=float(options["settles"]) if "settles" in options else None,
    )


def told(event: Event) -> str:
    match event:
        case Answered(_, lines, None):
            return ("answered " + " | ".join(lines)).strip()
        case Answered(_, _, refusal):
            return f"refused {refusal}"
        case TimedOut(_, written):
            return "timed out, written" if written else "timed out"
        case Unsolicited(line, body):
            return "notice " + line.replace("\n", r"\n") + (f" | {body}" if body else "")
        case Condition():
            return event.name.lower()


class Player:
    """Plays one recording, with a clock that only `wait` moves."""

    def __init__(self, cut: Callable[[bytes], Iterator[bytes]]) -> None:
        self._dialogue, self._cut = Dialogue(), cut
        self._now = 100.0
        self._events: list[str] = []

    def play(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        match verb:
            case "ask":
                self._dialogue.ask(command(rest), self._now)
            case "<":
                for octets in self._cut(unescaped(rest)):
                    self._events += map(told, self._dialogue.receive(octets, self._now))
            case ">":
                assert self._dialogue.outgoing() == unescaped(rest)
            case "wait":
                self._wait(float(rest))
            case "=":
                assert self._events[:1] == [rest]
                del self._events[0]
            case _:
                raise AssertionError(f"what is {verb}?")

    def _wait(self, seconds: float) -> None:
        end = self._now + seconds
        while (due := self._dialogue.due) is not None and due <= end:
            self._now = max(due, self._now)
            self._events += map(told, self._dialogue.tick(self._now))
        self._now = end

    def end(self) -> None:
        assert self._events == []


@pytest.mark.parametrize("cut", [whole, octet_by_octet])
@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
def test_recorded(recording: Path, cut: Callable[[bytes], Iterator[bytes]]) -> None:
    player = Player(cut)
    for number, line in enumerate(recording.read_text(encoding="utf-8").splitlines(), start=1):
        if line and not line.startswith("#"):
            try:
                player.play(line)
            except AssertionError as error:
                raise AssertionError(f"{recording.name}:{number}: {line}\n{error}") from error
    player.end()


def test_there_are_recordings() -> None:
    assert len(RECORDED) >= 20
