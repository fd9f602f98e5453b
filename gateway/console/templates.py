"""The console's templates: escaped by default, one environment a language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from gateway.console.language import LANGUAGES, Languages, tag
from gateway.console.show import Clockface, audited, masked, said, who
from gateway.console.words import translated

FOLDER = Path(__file__).parent


class Templates:
    def __init__(
        self, languages: Languages, *, zone: str, static: Callable[[str], str], extras: Mapping[str, Path]
    ) -> None:
        loader = ChoiceLoader(
            [
                FileSystemLoader(FOLDER / "templates"),
                PrefixLoader({name: FileSystemLoader(folder / "templates") for name, folder in extras.items()}),
            ]
        )
        self._environments = {
            language: _environment(loader, languages, language, zone, static) for language in LANGUAGES
        }

    def render(self, name: str, language: str, values: Mapping[str, Any]) -> str:
        return self._environments[language].get_template(name).render(values)


def _environment(
    loader: ChoiceLoader, languages: Languages, language: str, zone: str, static: Callable[[str], str]
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
