"""`muster send`: one message through the API of the gateway that runs."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from config.load import load
from config.model import Api, ApiKey
from gateway.cli.problems import Problem

_SECONDS = 30


def send(config: Path, number: str, text: str, *, key: str | None = None) -> str:
    """The message's id, once the gateway has it safe."""
    api = load(config).api
    chosen = _key(api, key)
    address = f"{base_url(api.listen)}/v1/messages"
    request = Request(
        address,
        data=json.dumps({"to": number, "text": text}).encode(),
        headers={"Authorization": f"Bearer {chosen.key}", "Content-Type": "application/json"},
    )
    try:
        # The gateway is on this machine: a proxy of the environment has no business in between.
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as answer:
            found = json.load(answer)
    except HTTPError as error:
        raise Problem(f"the gateway refused: {_reason(error)}") from None
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise Problem(f"no gateway answers at {address} ({reason}); start it with `muster run {config}`") from None
    messages = found.get("messages", [found]) if isinstance(found, dict) else found
    return "\n".join(str(message["id"]) for message in messages)


def base_url(listen: str) -> str:
    """Where a client on this machine reaches the endpoint."""
    kind, *rest = listen.split(":")
    options = dict(piece.split("=", 1) for piece in rest if "=" in piece)
    port = options.get("port") or next((piece for piece in rest if "=" not in piece), "")
    if kind not in ("tcp", "ssl") or not port.isdecimal():
        raise Problem(f"[api] listen = {listen!r} is not reached by TCP; `muster send` cannot use it")
    host = options.get("interface") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"{'https' if kind == 'ssl' else 'http'}://{host}:{port}"


def _key(api: Api, name: str | None) -> ApiKey:
    if name is not None:
        if name not in api.keys:
            raise Problem(f"[api.keys] has no {name}")
        return api.keys[name]
    for key in api.keys.values():
        if "send" in key.may:
            return key
    raise Problem("[api.keys] has no key that may send; add one, and restart the gateway")


def _reason(error: HTTPError) -> str:
    """What the API says, or the status when it says nothing readable."""
    try:
        said = json.load(error)
        reason = said["error"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
    if not isinstance(reason, dict):
        return str(reason)
    wrong = [f"{field['field']}: {field['message']}" for field in reason.get("fields", ())]
    return "; ".join(wrong) or str(reason.get("message", reason))
