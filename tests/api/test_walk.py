"""Every address of the API without a key, with a wrong one, and with one that may not: from the router itself."""

from __future__ import annotations

import re

import pytest

from gateway.api.site import Api
from tests.api.house import BLIND, KEY, NOTICING, Client

# Who may ask: a key that may "send" or "notices", any "key", whoever knows the secret in the path, or anybody.
DECLARED = {
    ("POST", "/v1/messages"): "send",
    ("GET", "/v1/messages/<id_>"): "key",  # any right one; each sees its own messages and 404 for all others
    ("POST", "/v1/notices"): "notices",
    ("GET", "/v1/notices/<id_>"): "notices",
    ("POST", "/v1/notices/<id_>/<what>"): "notices",
    ("POST", "/ussd/<name>/<path_key>"): "secret",
    ("POST", "/payments/<name>/<secret>"): "secret",
    ("PUT", "/payments/<name>/<secret>"): "secret",
    ("GET", "/healthz"): "anybody",
    ("GET", "/readyz"): "anybody",
    ("GET", "/metrics"): "anybody",  # of this machine; else a key
    ("GET", "/openapi.json"): "anybody",
}
_BODY = b'{"to": "+8613800000007", "text": "hi"}'


def routes() -> set[tuple[str, str]]:
    """What the router knows; `POST /v1/messages` stands before it, because it is the one that has to be fast."""
    found = {
        (method, rule.rule)
        for rule in Api.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    return found | {("POST", "/v1/messages")}


def asked(client: Client, method: str, rule: str, key: str | None) -> int:
    path = re.sub(r"<[^>]+>", "1", rule)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    return client.ask(method, path, _BODY if method == "POST" else None, **headers).status


def test_every_route_is_declared_and_nothing_else() -> None:
    assert routes() == set(DECLARED)


@pytest.mark.parametrize("key", [None, "", "wrong" * 5, KEY[:-1], KEY + "x"])
def test_without_a_right_key_only_what_is_for_anybody_answers(client: Client, key: str | None) -> None:
    for (method, rule), who in DECLARED.items():
        status = asked(client, method, rule, key)
        if who == "anybody":
            assert status in (200, 503), rule
        elif who == "secret":
            assert status == 404, rule
        else:
            assert status == 401, rule


def test_a_key_may_what_it_may_and_no_more(client: Client) -> None:
    for (method, rule), who in DECLARED.items():
        if who == "notices":
            assert asked(client, method, rule, KEY) == 403, rule
        elif who == "send":
            assert asked(client, method, rule, BLIND) == 403, rule
    assert asked(client, "POST", "/v1/notices/<id_>/<what>", NOTICING) in (400, 403, 404)
