"""What no browser of ours sends: other methods, other hosts, ways out of a folder, bodies without measure."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.console.world import World, served_on


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_on(tmp_path_factory.mktemp("hostile")) as served:
        yield World(served)


def said(world: World, head: str, body: bytes = b"", cookies: str = "") -> tuple[int, str]:
    """The status and all of the answer to octets as they are; 0 when the connection was closed without one."""
    cookie = f"Cookie: {cookies}\r\n" if cookies else ""
    with socket.create_connection(("127.0.0.1", world.served.port), timeout=20) as peer:
        answer = b""
        with suppress(BrokenPipeError, ConnectionResetError):  # when it has heard enough
            peer.sendall(f"{head}\r\n{cookie}Connection: close\r\n\r\n".encode() + body)
        with suppress(ConnectionResetError):
            while octets := peer.recv(65536):
                answer += octets
    return int(answer[9:12] or 0), answer.decode("utf-8", "replace")


def cookies(world: World, name: str = "root") -> str:
    browser = world.browser(name)
    browser.get("/import")
    return "; ".join(f"{key}={value}" for key, value in browser.cookies.items())


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "DELETE", "CONNECT", "PROPFIND"])
def test_other_methods_are_refused_and_repeat_nothing(world: World, method: str) -> None:
    status, answer = said(world, f"{method} /account HTTP/1.1\r\nHost: x\r\nX-Mine: echo-me", cookies=cookies(world))
    assert status in (405, 501)
    assert "echo-me" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/....//app.py",
        "//etc/passwd",
        "/%00",
        "/",
        "/mark.svg/..",
        "/.git",
    ],
)
def test_no_way_leads_out_of_the_static_folder(world: World, path: str) -> None:
    status, answer = said(world, f"GET /static{path} HTTP/1.1\r\nHost: x")
    assert status == 404
    assert "import" not in answer
    assert "root:" not in answer


def test_the_name_of_the_host_is_believed_nowhere(world: World) -> None:
    for path in ("/members", "/sign-in", "/nothing"):
        for header in ("Host: evil.example", "Host: x\r\nX-Forwarded-Host: evil.example"):
            for who in ("", cookies(world)):
                assert "evil.example" not in said(world, f"GET {path} HTTP/1.1\r\n{header}", cookies=who)[1]


@pytest.mark.parametrize(
    "where", ["/sign-in?next=%2F%0d%0aX-Mine:%201", "/case/%0d%0aX-Mine:%201", "/log?q=%0d%0aX-Mine:%201"]
)
def test_no_address_makes_a_header_line(world: World, where: str) -> None:
    for who in ("", cookies(world), cookies(world, "li")):
        head, _, _ = said(world, f"GET {where} HTTP/1.1\r\nHost: x", cookies=who)[1].partition("\r\n\r\n")
        assert "\r\nX-Mine" not in head


@pytest.mark.parametrize(
    "body",
    [
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 100_000 + b"--x--\r\n",
        b"--x\r\nX-A: " + b"b" * 5_000_000 + b"\r\n\r\n1\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a',
        b"\r\n" * 1_000_000,
        b"",
    ],
    ids=["parts", "header", "cut", "blank", "nothing"],
)
def test_a_form_without_measure_is_turned_away_and_the_rest_goes_on(world: World, body: bytes) -> None:
    kind = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}"
    status, _ = said(world, f"POST /import HTTP/1.1\r\nHost: x\r\n{kind}", body, cookies(world))
    assert status in (400, 403, 413)
    assert world.browser("root").get("/import").status == 200


def test_a_body_whose_length_is_not_told_is_not_taken(world: World) -> None:
    kind = "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked"
    head = f"POST /import HTTP/1.1\r\nHost: x\r\n{kind}"
    status, _ = said(world, head, b"10000\r\n" + b"a" * 0x10000 + b"\r\n0\r\n\r\n", cookies(world))
    assert status in (0, 400, 403, 411, 413)
    assert world.browser("root").get("/import").status == 200


def test_a_name_that_is_none_is_answered_like_a_wrong_password(world: World) -> None:
    answers = []
    for name in ("li", "nobody-at-all"):
        browser = world.browser()
        answer = browser.sign_in(name, "wrong wrong wrong")
        answers.append((answer.status, answer.text))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403
