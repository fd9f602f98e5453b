"""The catalogs hold everything the pages say, and nothing else; who reads what is decided in one order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from gateway import demo
from gateway.console.language import Languages, accepted
from gateway.console.templates import FOLDER


def extracted() -> set[str | tuple[str, ...]]:
    """Every message of the console's templates and modules."""
    found = extract_from_dir(
        FOLDER,
        method_map=[("templates/**.html", "jinja2"), ("**.py", "python")],
        options_map={"templates/**.html": {"silent": "false", "trimmed": "true"}},
        keywords={"gettext": None, "ngettext": (1, 2), "N_": None},
    )
    return {message for _, _, message, _, _ in found}


def catalog(language: str) -> Catalog:
    """All files of a language as one; no two may hold the same message."""
    whole = Catalog(locale=language)
    for path in sorted((FOLDER / "translations" / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language):
                if message.id:
                    assert message.id not in whole, f"{path.name}: {message.id!r} is in another file too"
                    whole[message.id] = message
    return whole


def test_the_chinese_catalog_holds_every_message_and_no_other() -> None:
    known = {message.id for message in catalog("zh") if message.id}
    wanted = extracted()
    assert wanted - known == set()
    assert known - wanted == set()


def test_every_message_is_translated_with_the_same_values() -> None:
    for message in catalog("zh"):
        if not message.id:
            continue
        originals = [message.id] if isinstance(message.id, str) else list(message.id)
        translations = [message.string] if isinstance(message.string, str) else list(message.string or ())
        for translated in translations:
            assert translated, message.id
            wanted = set(re.findall(r"%\(\w+\)s", originals[0]))
            assert set(re.findall(r"%\(\w+\)s", translated)) == wanted, message.id
            assert not message.fuzzy


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages([FOLDER / "translations"], default="zh")


def test_the_order_is_person_browser_header_organisation(languages: Languages) -> None:
    assert languages.choose(staff="en", cookie="zh", accept="zh") == "en"
    assert languages.choose(staff=None, cookie="en", accept="zh") == "en"
    assert languages.choose(staff=None, cookie="xx", accept="en-GB,en;q=0.9") == "en"
    assert languages.choose(staff=None, cookie=None, accept="fr,de;q=0.8") == "zh"
    assert languages.choose(staff="tlh", cookie=None, accept=None) == "zh"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.1, zh;q=0.9", "zh"),
        ("en;q=0", None),
        ("en;q=nonsense,zh", "zh"),
        ("", None),
        (",,;;", None),
        ("*", None),
    ],
)
def test_accept_language_is_read_by_weight(header: str, language: str | None) -> None:
    assert accepted(header) == language


def test_the_demo_says_nothing_of_the_consoles_otherwise() -> None:
    ours = catalog("zh")
    path = Path(demo.__path__[0]) / "translations" / "zh" / "LC_MESSAGES" / "console.po"
    with path.open("rb") as file:
        theirs = [message for message in read_po(file, locale="zh") if message.id]
    assert len(theirs) > 10
    for message in theirs:
        assert message.id not in ours or ours[message.id].string == message.string, message.id


def test_an_extension_brings_its_own_words(tmp_path: Path) -> None:
    folder = tmp_path / "zh" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "console.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Handset"\nmsgstr "手机"\n', "utf-8"
    )
    both = Languages([FOLDER / "translations", tmp_path])
    assert both.gettext("zh", "Handset") == "手机"
    assert both.gettext("zh", "Queue") == "答复台"
    assert both.gettext("en", "Handset") == "Handset"
    assert both.ngettext("zh", "%(num)s SMS", "%(num)s SMS", 2) == "2 条短信"
    assert both.ngettext("en", "%(num)s unit", "%(num)s units", 1) == "1 unit"
