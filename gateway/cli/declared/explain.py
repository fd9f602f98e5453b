"""`muster explain`: what can be typed; `gateway.explain` does it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from gateway.cli.problems import Group


@click.group(cls=Group)
def explain() -> None:
    """Say what octets or a text mean, as one JSON object a line. `-` reads lines from standard input."""


@explain.command("sms")
@click.argument("hexadecimal", nargs=-1, required=True, metavar="HEX")
@click.option("--tpdu", is_flag=True, help="HEX begins with the TPDU: no service centre's number before it.")
def explain_sms(hexadecimal: tuple[str, ...], tpdu: bool) -> None:
    """Decode a short message as AT+CMGR prints it."""
    from gateway import explain as explaining

    _explain(lambda line: explaining.sms(line, with_smsc=not tpdu), hexadecimal)


@explain.command("smpp")
@click.argument("hexadecimal", nargs=-1, required=True, metavar="HEX")
def explain_smpp(hexadecimal: tuple[str, ...]) -> None:
    """Decode one SMPP PDU."""
    from gateway import explain as explaining

    _explain(explaining.smpp, hexadecimal)


@explain.command(
    "command", short_help="Say which command a member's text is.", context_settings={"ignore_unknown_options": True}
)
@click.argument("text", nargs=-1, required=True)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def explain_command(text: tuple[str, ...], language: str) -> None:
    """Say which command a member's text is, with its arguments, or the error and its suggestion."""
    from gateway import explain as explaining

    _explain(explaining.commands(language), text)


@explain.command("text", context_settings={"ignore_unknown_options": True})
@click.argument("text", nargs=-1, required=True)
def explain_text(text: tuple[str, ...]) -> None:
    """Say how a text will be coded, and the units and parts it takes."""
    from gateway import explain as explaining

    _explain(explaining.text, text)


def _explain(explaining: Callable[[str], dict[str, Any]], words: tuple[str, ...]) -> None:
    import json

    from gateway.explain import explained

    out = sys.stdout.buffer
    for line in _stdin_lines() if words == ("-",) else (" ".join(words),):
        out.write(json.dumps(explained(explaining, line), ensure_ascii=False).encode() + b"\n")
        out.flush()


def _stdin_lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
