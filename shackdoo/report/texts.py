"""The words of a report in English and Japanese, from the YAML files beside this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FOLDER = Path(__file__).parent / "texts"


@cache
def texts(language: Language) -> dict[str, Any]:
    """Return the words of a language by section and name; they are not to be changed."""
    words: dict[str, Any] = yaml.safe_load((FOLDER / f"{language}.yaml").read_text("utf-8"))
    return words
