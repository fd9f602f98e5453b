"""The console's templates: escaped by default, one environment a language.

They are read once, at the start: what an upgrade puts in their place belongs to the process that comes after.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from gateway.console.language import LANGUAGES, Languages, tag
from gateway.console.show import Clockface, audited, masked, said, who
from gateway.console.words import translated

FOLDER = Path(__file__).parent
Source = tuple[str, str, None]  # text, the file that a traceback names, and nothing that looks whether it has changed


class Templates:
    def __init__(
        self, languages: Languages, *, zone: str, static: Callable[[str], str], extras: Mapping[str, Path]
    ) -> None:
        kept = _read("", FOLDER) | {
            name: source for prefix, folder in extras.items() for name, source in _read(f"{prefix}/", folder).items()
        }
        loader = FunctionLoader(kept.get)
        self._environments = {
            language: _environment(loader, languages, language, zone, static) for language in LANGUAGES
        }

    def render(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        return self._environments[language].get_template(name).render(values)


def _read(prefix: str, folder: Path) -> dict[str, Source]:
    found = folder / "templates"
    return {
        prefix + path.relative_to(found).as_posix(): (path.read_text("utf-8"), str(path), None)
        for path in sorted(found.rglob("*.html"))
    }


def _environment(
    loader: FunctionLoader, languages: Languages, language: str, zone: str, static: Callable[[str], str]
) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    catalog = languages.catalog(language)
    environment.install_gettext_callables(catalog.ugettext, catalog.ungettext, newstyle=True)  # type: ignore[attr-defined]  # i18n's
    clockface = Clockface(zone, language)
    environment.filters.update(
        said=said,
        masked=masked,
        audited=audited,
        time=clockface.time,
        hour=clockface.hour,
        clock=clockface.clock,
        day=clockface.day,
        ago=clockface.ago,
        lasting=clockface.lasting,
        number=clockface.number,
        who=partial(who, catalog.ugettext),
    )
    environment.globals.update(
        words=translated(catalog.ugettext), static=static, language=language, languages=LANGUAGES, tag=tag(language)
    )
    return environment
