"""The words of a report in English and Japanese, from the YAML files beside this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C takes a tenth of the time
FOLDER = Path(__file__).parent / "texts"


@cache
def texts(language: Language) -> dict[str, Any]:
    """Return the words of a language by section and name; they are not to be changed."""
    text = (FOLDER / f"{language}.yaml").read_text("utf-8")
    words: dict[str, Any] = yaml.load(text, LOADER)  # noqa: S506 - a safe loader, and our own file
    return words
