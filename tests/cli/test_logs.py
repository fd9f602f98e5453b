from __future__ import annotations

import io
import json

import pytest
from twisted.logger import ILogObserver, Logger

from gateway.cli.logs import JsonLines, Lines, masked


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("from +8613800000007 at last", "from +86138****0007 at last"),
        ("8613800000007", "86138****0007"),
        ('"GET /log?text=pension HTTP/1.1" 200', '"GET /log/... HTTP/1.1" 200'),
        ('"GET /sign-in/link/AbC_d HTTP/1.1" 303', '"GET /sign-in/... HTTP/1.1" 303'),
        ('"POST /ussd/africastalking/secret HTTP/1.1" 200', '"POST /ussd/... HTTP/1.1" 200'),
        ('"GET /healthz HTTP/1.1" 200', '"GET /healthz HTTP/1.1" 200'),
        ("2026-11-23T09:57:51 works 12345, 0.25", "2026-11-23T09:57:51 works 12345, 0.25"),
    ],
)
def test_what_a_log_must_not_hold(written: str, shown: str) -> None:
    assert masked(written) == shown


def _logged(observer: type[Lines] | type[JsonLines]) -> str:
    out = io.StringIO()
    made: ILogObserver = observer(out)
    log = Logger(namespace="smpp.link", observer=made)
    log.info("{link}: {number} is away", link="mobile", number="+8613800000007")
    try:
        raise ValueError("about +8613800000007")
    except ValueError:
        log.failure("{link}: went wrong", link="mobile")
    return out.getvalue()


def test_json_lines_carry_fields_and_tracebacks_without_numbers() -> None:
    first, second = map(json.loads, _logged(JsonLines).splitlines())
    assert (first["level"], first["system"], first["link"]) == ("info", "smpp.link", "mobile")
    assert first["message"] == "mobile: +86138****0007 is away"
    assert first["number"] == "+86138****0007"
    assert second["level"] == "critical"
    assert "ValueError: about +86138****0007" in second["traceback"]


def test_text_lines() -> None:
    written = _logged(Lines)
    assert "mobile: +86138****0007 is away" in written
    assert "+8613800000007" not in written
    assert "Traceback" in written


HOSTILE = "bound to \r\n2026-01-01T00:00:00+0000 all is well \x1b[31m \u202eno\u2028\x85 \ud800"


@pytest.mark.parametrize("observer", [Lines, JsonLines])
def test_no_text_makes_a_line_of_its_own(observer: type[Lines] | type[JsonLines]) -> None:
    """What an operator calls itself, what a modem says, what a member wrote into an exception."""
    out = io.StringIO()
    made: ILogObserver = observer(out)
    log = Logger(namespace="smpp.link", observer=made)
    log.info("{link}: {detail}", link="mobile", detail=HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.failure("{link}: went wrong", link="mobile")
    written = out.getvalue()
    written.encode()
    lines = written.splitlines()
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert not set("\r\x1b\u202e\u2028\x85") & set(written)
    if observer is JsonLines:
        first, second = map(json.loads, lines)
        assert first["detail"] == HOSTILE
        assert HOSTILE in second["traceback"]
    else:
        assert len([line for line in lines if not line.startswith("  ")]) == 2
