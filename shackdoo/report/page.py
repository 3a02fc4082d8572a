"""Pages of runs: one HTML file each, with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shackdoo.report.charts import key
from shackdoo.report.comparison import comparison_view
from shackdoo.report.content import Content
from shackdoo.report.texts import Language, texts
from shackdoo.report.view import run_view

TEMPLATES = Path(__file__).parent / "templates"


def run_page(content: Content, language: Language) -> str:
    """Return the page of a run."""
    words = texts(language)
    return _rendered("run.html.j2", view=run_view(content, words), t=words)


def comparison_page(contents: Sequence[Content], language: Language) -> str:
    """Return the page that compares runs, two or more."""
    words = texts(language)
    return _rendered("comparison.html.j2", view=comparison_view(contents, words), t=words)


def draw_page(content: Content, path: Path) -> None:
    """Write the page of a run in its own language; the file is whole or absent."""
    write_page(run_page(content, content["language"]), path)


def write_page(page: str, path: Path) -> None:
    """Write a page so that the file is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        # A surrogate (a file name that is no UTF-8) must not lose the whole page.
        part.write_text(page, encoding="utf-8", errors="replace")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _rendered(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own file: the only text beside the charts that is not escaped.
    environment.globals["style"] = Markup((TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704
    environment.globals["key"] = key
    return environment
