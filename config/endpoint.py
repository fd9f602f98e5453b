"""Twisted's endpoint strings, read as far as it takes to refuse a wrong one before anything starts."""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

_SERVER_OPTIONS = {
    "tcp": {"port", "interface", "backlog"},
    "tcp6": {"port", "interface", "backlog"},
    "ssl": {"port", "interface", "backlog", "privateKey", "certKey", "extraCertChain", "sslmethod", "dhParameters"},
    "unix": {"address", "mode", "backlog", "lockfile"},
    "systemd": {"domain", "index", "name"},
}
_CLIENT_OPTIONS = {
    "tcp": {"host", "port", "timeout", "bindAddress"},
    "tls": {"host", "port", "timeout", "bindAddress", "certificate", "privateKey", "trustRoots"},
}


class Reach(Enum):
    """From where a server can be reached, and whether by TLS."""

    LOCAL = "local"
    SECURE = "secure"
    CLEAR = "clear"


def server(text: str) -> Reach:
    """Return how far `text` opens a door; raise ValueError with the reason when it is no server endpoint."""
    kind, arguments, options = _parsed(text)
    if kind == "haproxy" and arguments:
        return server(text.split(":", 1)[1])
    _known(kind, options, _SERVER_OPTIONS, 'an endpoint as in "tcp:8080:interface=127.0.0.1"')
    if kind == "unix":
        return Reach.LOCAL
    if kind == "systemd":
        return Reach.LOCAL if options.get("domain") == "UNIX" else Reach.CLEAR
    _port(options.get("port") or (arguments[0] if arguments else ""), least=0)
    if kind == "ssl":
        for key in ("privateKey", "certKey", "extraCertChain", "dhParameters"):
            if key in options and not Path(options[key]).is_file():
                raise ValueError(f"{key}: there is no file {options[key]}")
        return Reach.SECURE
    interface = options.get("interface") or (arguments[1] if len(arguments) > 1 else "")
    return Reach.LOCAL if interface == "localhost" or _is_loopback(interface) else Reach.CLEAR


def client(text: str) -> None:
    """Raise ValueError with the reason when `text` is not where a client can connect."""
    kind, arguments, options = _parsed(text)
    _known(kind, options, _CLIENT_OPTIONS, "tcp:HOST:PORT or tls:HOST:PORT")
    host = options.get("host") or (arguments[0] if arguments else "")
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
        raise ValueError(f"{host!r} is no host; write {kind}:HOST:PORT")
    _port(options.get("port") or (arguments[1] if len(arguments) > 1 else ""), least=1)


def is_safe_url(text: str) -> bool:
    """Whether it is an address by TLS, or one on this machine; raise ValueError when it is no address at all."""
    parts = urlsplit(text)
    _ = parts.port
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        return False
    here = parts.hostname == "localhost" or _is_loopback(parts.hostname)
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _parsed(text: str) -> tuple[str, list[str], dict[str, str]]:
    """Split at colons that no backslash protects, as Twisted does."""
    kind, *rest = (piece.replace("\\:", ":") for piece in re.split(r"(?<!\\):", text))
    options = dict(piece.split("=", 1) for piece in rest if "=" in piece)
    return kind, [piece for piece in rest if "=" not in piece], options


def _known(kind: str, options: dict[str, str], kinds: dict[str, set[str]], wants: str) -> None:
    if kind not in kinds:
        raise ValueError(f"is not {wants}")
    unknown = sorted(options.keys() - kinds[kind])
    if unknown:
        raise ValueError(f"{kind}: has no option {unknown[0]}; there is {', '.join(sorted(kinds[kind]))}")


def _port(text: str, *, least: int) -> None:
    if not (re.fullmatch(r"\d{1,5}", text, re.ASCII) and least <= int(text) <= 65535):
        raise ValueError(f"{text!r} is no port" if text else "the port is missing")


def _is_loopback(interface: str) -> bool:
    try:
        return ipaddress.ip_address(interface).is_loopback
    except ValueError:
        return False
