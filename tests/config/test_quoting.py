"""Text in quotes comes back as it was."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from shackdoo.config.quoting import quoted


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "it's",
        "日本語, [1] = {a: b} 100 %",
        "C:\\folder\\",
        "two\\\\",
        "a\\b\\'c",
        "\\'",
        "'",
        '"double"',
        "",
    ],
)
def test_hydra_reads_the_same_text(text: str) -> None:
    (override,) = OverridesParser.create().parse_overrides([f"key={quoted(text)}"])
    assert override.value() == text
