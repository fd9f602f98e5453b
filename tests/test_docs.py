"""The documentation is complete: every setting, command, and error text is in it, and nothing that is gone."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from commands.texts import FOLDER
from config import model
from config.load import load
from tests.reference import DOCS, command_line_page, settings_page

ROOT = DOCS.parent
SECTIONS = {
    "[organisation]": model.Organisation,
    "[security]": model.Security,
    "[database]": model.Database,
    "[console]": model.Console,
    "[api]": model.Api,
    "[api.keys.NAME]": model.ApiKey,
    "[smpp.NAME]": model.SmppLink,
    "[modem.NAME]": model.ModemLink,
    "[receipts]": model.Receipts,
    "[bank.NAME]": model.Bank,
    "[ussd_http.NAME]": model.UssdHttp,
    "[providers.NAME]": model.Provider,
    "[callbacks]": model.Callbacks,
    "[alarms]": model.Alarms,
}
NO_SETTINGS = {("[modem.NAME]", "window")}


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in `text`, by what their first cell says in code."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            found[cells[0].strip("`")] = cells[1:]
    return found


def documented() -> dict[str, dict[str, list[str]]]:
    page = (DOCS / "configuration.md").read_text("utf-8")
    pieces = re.split(r"^##+ (\[.*\])$", page, flags=re.MULTILINE)
    return {title: rows(body) for title, body in zip(pieces[1::2], pieces[2::2], strict=True)}


def test_the_page_of_the_command_line_is_up_to_date() -> None:
    written = (DOCS / "command-line.md").read_text("utf-8")
    assert written == command_line_page(), "docs/command-line.md is old; `python -m tests.reference` writes it"


def test_the_page_of_the_settings_is_up_to_date() -> None:
    written = (DOCS / "settings.md").read_text("utf-8")
    assert written == settings_page(), "docs/settings.md is old; `python -m tests.reference` writes it"


def test_every_table_of_the_configuration_is_documented() -> None:
    assert documented().keys() == SECTIONS.keys()
    tables = {field.name for field in fields(model.Gateway)} - {"path"}
    assert tables == {re.split(r"[].]", title[1:])[0] for title in SECTIONS}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_documented_with_its_default(section: str) -> None:
    settings = documented()[section]
    known = {
        field.name: field.default
        for field in fields(SECTIONS[section])
        if field.name != "name" and (section, field.name) not in NO_SETTINGS
    }
    if section == "[organisation]":
        known["name"] = MISSING
    assert settings.keys() == known.keys()
    for key, default in known.items():
        told = settings[key][0]
        if default is True or default is False:
            assert told == f"`{str(default).lower()}`", key
        elif isinstance(default, int | float):
            assert told == f"`{default:g}`", key
        elif isinstance(default, str) and default:
            assert told == f'`"{default}"`', key


def test_the_example_has_every_setting() -> None:
    """Those that exclude each other stand in comments."""
    example = (ROOT / "config" / "example.toml").read_text("utf-8")
    for section, settings in documented().items():
        for key in settings:
            assert re.search(rf"\b{key}(_file)? = |[.[]{key}[].]", example), f"{section} {key}"


def test_the_example_is_right(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text((ROOT / "config" / "example.toml").read_text("utf-8"), "utf-8")
    assert load(tmp_path / "muster.toml").smpp


def test_every_error_text_is_documented() -> None:
    known = rows((DOCS / "errors.md").read_text("utf-8").partition("## What the log says")[0])
    for path in FOLDER.glob("*.toml"):
        with path.open("rb") as file:
            errors = tomllib.load(file)["errors"]
        assert errors.keys() == known.keys(), path.name
        if path.stem == "en":
            for key, text in errors.items():
                told = known[key][0].strip("`").replace("\\|", "|")
                # The piece that only shows where there is a hotline, or another command, may be left out.
                assert told in (text, re.sub(r"\[(hotline|71|81)\|[^]]*\]", "", text), _unasked(text)), key


def _unasked(text: str) -> str:
    """Without the piece about the hotline only."""
    return re.sub(r"\[hotline\|[^]]*\]", "", text)


def test_every_state_of_a_message_is_documented() -> None:
    from gateway.core.model import State

    page = (DOCS / "errors.md").read_text("utf-8").partition("## What the log says")[2]
    for state in set(State) - {State.RECEIVED}:
        assert f"`{state}`" in page, state


def pages() -> Iterator[Path]:
    yield from DOCS.glob("*.md")
    yield from ROOT.glob("*.md")


@pytest.mark.parametrize("page", list(pages()), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    for anchor in re.findall(r"\]\(#([^)]*)\)", text):
        assert anchor in anchors, anchor


def test_every_picture_is_small_and_shown() -> None:
    shown = {
        found
        for page in (ROOT / "README.md", *DOCS.glob("*.md"))
        for found in re.findall(r"images/([\w-]+\.png)", page.read_text("utf-8"))
    }
    assert {path.name for path in (DOCS / "images").iterdir()} == shown
    for name in shown:
        assert (DOCS / "images" / name).stat().st_size < 150_000, name


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    from gateway.version import VERSION

    assert version("muster") == VERSION
    assert "[Unreleased]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_http_api_is_documented() -> None:
    from gateway.api.openapi import document

    page = (DOCS / "http-api.md").read_text("utf-8")
    described = document()
    for path in described["paths"]:
        assert path.replace("{id}", "ID") in page, path
    for field in described["components"]["schemas"]["Message"]["properties"]:
        assert f"| `{field}` |" in page, field
    for status in described["paths"]["/v1/messages"]["post"]["responses"]:
        assert status in page, status


def test_every_figure_is_documented() -> None:
    source = (ROOT / "gateway" / "api" / "metrics.py").read_text("utf-8")
    page = (DOCS / "http-api.md").read_text("utf-8")
    assert set(re.findall(r'"(muster_\w+)"', source)) == set(re.findall(r"`(muster_\w+)`", page))


def _tests(path: Path) -> set[str]:
    """The tests of a module as pytest names them."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, _FUNCTION)}
        elif isinstance(node, _FUNCTION):
            found.add(node.name)
    return found


_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_case_of_bad_luck_has_a_test_that_exists() -> None:
    page = (DOCS / "reliability.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", page)
    assert len(named) > 60
    missing = [f"{file}::{test}" for file, test in named if test not in _tests(ROOT / file)]
    assert not missing
    shown = {int(case) for case in re.findall(r"^\| (\d+) .*`tests/", page, re.MULTILINE)}
    ranges = [(1, 13), (17, 18), (19, 34), (43, 61), (63, 66)]
    assert shown == {case for first, last in ranges for case in range(first, last + 1)}


def test_every_test_that_the_security_checklist_names_exists() -> None:
    page = (DOCS / "asvs.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", page)
    assert len(named) > 80
    assert [f"{file}::{test}" for file, test in named if test not in _tests(ROOT / file)] == []
    items = re.findall(r"^\| (\d+\.[\d.*]+) \| (met|partly|not met|n/a) \|", page, re.MULTILINE)
    assert len(items) == len({item for item, _ in items}) > 200


def test_what_plays_bad_luck_is_documented() -> None:
    page = (DOCS / "reliability.md").read_text("utf-8")
    for path in (ROOT / "tests" / "live").glob("test_*.py"):
        for test in (test for test in _tests(path) if test.startswith("test_")):
            assert f"`tests/live/{path.name}::{test}`" in page, test
