"""Every page stays small when there is much of everything, and what does not fit on one is on the next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from html import unescape
from typing import NamedTuple
from urllib.parse import quote

import pytest

from tests.browser.test_look import LARGEST, PAGES
from tests.console import plenty
from tests.console.served import Browser, Served, people
from tests.console.world import served_on

_LOADED = re.compile(r'(?:href|src)="(/static/[^"]+)"')
_MORE = (  # what is long only when there is much
    ("zhao", "/queue?tab=calls"),
    ("zhao", "/queue?tab=answered"),
    ("zhao", "/queue?q=低保"),
    ("zhao", "/case/{case}?about=第3类"),
    ("root", "/branches/53"),
    ("root", "/branches/53/below"),
    ("root", "/branches?q=联合"),
    ("root", "/members?q=欧阳"),
    ("root", "/settings?group=canned"),
    ("root", "/staff/zhao"),
    ("sun", "/audit?action=reveal"),
    ("wen", "/bulk?tab=over"),
    ("wen", "/groups"),
    ("wu", "/dues"),
    ("wu", "/dues/texts"),
    ("wu", "/dues/wallets"),
)


class County(NamedTuple):
    served: Served
    filled: dict[str, str]


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Iterator[County]:
    with served_on(tmp_path_factory.mktemp("plenty")) as served:
        member = served.run(lambda conn: people(conn, served.ids))
        yield County(served, served.run(partial(plenty.fill, served, member)))


def _visited(browser: Browser, path: str, known: dict[str, int]) -> int:
    """Octets of the page and of all that it names, nothing kept from before."""
    answer = browser.get(quote(path, safe="/?=&"))
    assert answer.status == (404 if path == "/nowhere" else 200), path
    size = len(answer.octets)
    for each in set(_LOADED.findall(answer.body)):
        if each not in known:
            known[each] = len(browser.get(each).octets)
        size += known[each]
    return size


def test_every_page_is_small_with_much_of_everything(county: County) -> None:
    browsers: dict[str | None, Browser] = {}
    known: dict[str, int] = {}
    sizes = {}
    for name, path in (*PAGES, *_MORE):
        browser = browsers.get(name) or browsers.setdefault(name, county.served.browser(name))
        sizes[f"{name} {path}"] = _visited(browser, path.format(**county.filled), known)
    assert sum(known.values()) > 50_000, "the style and the scripts were not counted"
    assert {path: size for path, size in sizes.items() if size >= LARGEST} == {}


def _turned(browser: Browser, path: str, link: str) -> Iterator[str]:
    """The pages that follow each other by links with this `rel`."""
    following: str | None = path
    while following is not None:
        body = browser.get(following).body
        yield body
        found = re.search(rf'href="([^"]+)" rel="{link}"', body)
        following = unescape(found[1]) if found is not None else None


def test_a_case_of_hundreds_of_texts_is_read_page_by_page(county: County) -> None:
    browser = county.served.browser("zhao")
    pages = list(_turned(browser, f"/case/{county.filled['case']}", "prev"))
    said = [body.count('<div class="bubble"') for body in pages]
    assert sum(said) == plenty.SAID + 1  # with the question that opened it
    assert len(pages) > 10
    assert 'data-live="cases messages"' in pages[0]
    assert 'data-live="cases messages"' not in pages[1], "an older page must not turn into the newest by itself"


def test_canned_answers_of_the_other_topics_are_a_link_away(county: County) -> None:
    browser, at = county.served.browser("zhao"), f"/case/{county.filled['case']}"
    first = browser.get(at).body
    assert "答复0</a>" in first
    assert "答复3</a>" not in first
    wanted = re.search(r'href="([^"]+about=%E7%AC%AC3%E7%B1%BB)#answer"', first)
    assert wanted is not None
    assert "答复3</a>" in browser.get(unescape(wanted[1])).body
    fragment = browser.get(unescape(wanted[1]), {"HX-Request": "true"}).body
    assert "答复3</a>" in fragment
    assert "<html" not in fragment


@pytest.mark.parametrize(
    ("name", "path", "row", "least"),
    [
        ("root", "/staff", r'class="over" href="/staff/', plenty.STAFF),
        ("wen", "/groups", r'<td class="code">G\d', plenty.MANY),
        ("root", "/branches/53", r'<li><a href="/branches/', plenty.BRANCHES),
        ("wu", "/dues", r'<th scope="row">.*<span class="muted code">53', plenty.BRANCHES),
        ("sun", "/audit", r'<td class="time"', plenty.AUDIT),
        ("wen", "/bulk?tab=over", r"<tr data-row", plenty.NOTICES // 3),
    ],
)
def test_long_lists_are_turned_to_their_end(county: County, name: str, path: str, row: str, least: int) -> None:
    pages = list(_turned(county.served.browser(name), path, "next"))
    assert len(pages) > 1
    assert sum(len(re.findall(row, body)) for body in pages) >= least
