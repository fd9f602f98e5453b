"""Chromium, driven against a console that really runs on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from gateway.core.engines import engine
from gateway.core.model import Member
from gateway.core.tables.everything import METADATA
from tests.console.served import PASSWORD, Served, people
from tests.demo.test_demo import CHEN, Visit
from tests.peers import need
from tests.reactors import running
from tests.smpp.test_simulator import until

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    program = found or need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """The demo, with its phones."""
    with running() as own:
        it = Visit(own, tmp_path_factory.mktemp("demo"))
        until(lambda: len(it.phone(CHEN).notes) >= 2, 60)  # the first texts are answered
        yield it
        it.stop()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    url = f"sqlite:///{tmp_path}/muster.db"
    made = engine(url, create=True)
    METADATA.create_all(made)
    made.dispose()
    with Served(url, demo=True) as running:
        yield running


@pytest.fixture
def member(served: Served) -> Member:
    return served.run(lambda conn: people(conn, served.ids))


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of: a refused script or style, an error in ours, a failed request."""
    return []


@pytest.fixture
def opened(chromium: Browser, served: Served, member: Member, complaints: list[str]) -> Iterator[Opened]:
    """`opened(name)` is a page of a browser of its own, signed in as `name`."""
    contexts: list[BrowserContext] = []

    def open_(
        name: str | None = "zhao", *, locale: str = "zh-CN", width: int = 1280, script: bool = True, dark: bool = False
    ) -> Page:
        context = chromium.new_context(
            base_url=f"http://127.0.0.1:{served.port}",
            locale=locale,
            viewport={"width": width, "height": 800},
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(f"http://127.0.0.1:{served.port}/") else complaints.append(request.url)
            ),
        )
        if name is not None:
            page.goto("/sign-in")
            page.fill("[name=name]", name)
            page.fill("[name=password]", PASSWORD)
            page.click("button.main")
            page.wait_for_url(lambda address: "/sign-in" not in address)
        return page

    yield open_
    for context in contexts:
        context.close()
