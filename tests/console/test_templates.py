"""Templates are those that the process began with, whatever becomes of their files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound

from gateway.console import templates
from gateway.console.language import Languages
from gateway.console.templates import FOLDER, Templates


def made(**extras: Path) -> Templates:
    return Templates(
        Languages([FOLDER / "translations"]), zone="Asia/Shanghai", static=lambda name: f"/{name}", extras=extras
    )


def test_an_upgrade_underneath_changes_no_page_of_a_running_process(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.html").write_text("{% include 'extra/row.html' %} of then", "utf-8")
    (folder / "row.html").write_text("{{ number }} rows", "utf-8")
    running = made(extra=tmp_path)
    (folder / "page.html").write_text("{{ what_this_version_knows_nothing_of }}", "utf-8")
    (folder / "row.html").unlink()
    for language in ("zh", "en"):
        assert running.render("extra/page.html", language, {"number": 7}) == "7 rows of then"


def test_the_consoles_own_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(FOLDER / "templates", tmp_path / "templates")
    monkeypatch.setattr(templates, "FOLDER", tmp_path)
    running = made()
    shutil.rmtree(tmp_path)
    values = {"status": 404, "reason": "", "reference": ""}
    assert "404" in running.render("error_fragment.html", "zh", values)
    with pytest.raises(TemplateNotFound):
        running.render("nothing.html", "zh", {})


def test_a_traceback_names_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    page = tmp_path / "templates" / "page.html"
    page.write_text("\n{{ 1 // 0 }}", "utf-8")
    with pytest.raises(ZeroDivisionError) as failed:
        made(extra=tmp_path).render("extra/page.html", "en", {})
    where = failed.traceback[-1]
    assert (Path(where.path), where.lineno + 1) == (page, 2)
