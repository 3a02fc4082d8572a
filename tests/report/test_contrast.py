"""Text can be read on what it stands on, in light and in dark: 4.5 to 1, drawings 3 to 1."""

from __future__ import annotations

import re

import pytest

from shackdoo.report.page import TEMPLATES

STYLE = (TEMPLATES / "style.css").read_text()
GROUNDS = ("page", "raised", "wash", "code")
TEXTS = ("text", "muted", "accent", "good", "bad", "warn")
CELLS = [(f"shade{n}", "on-light") for n in (1, 2, 3)] + [(f"shade{n}", "on-dark") for n in (4, 5)]


def colours(theme: str) -> dict[str, str]:
    """The colours that hold in a theme: dark ones replace light ones of the same name."""
    light, dark = re.findall(r":root {(.*?)}", STYLE, re.DOTALL)
    pairs = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light + (dark if theme == "dark" else ""))
    return dict(pairs)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text(theme: str, ground: str, text: str) -> None:
    known = colours(theme)
    assert contrast(known[text], known[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ground", "text"), CELLS)
def test_cells_of_the_confusion_matrix(theme: str, ground: str, text: str) -> None:
    known = colours(theme)
    assert f".{ground} {{ background: var(--{ground}); color: var(--{text}); }}" in STYLE
    assert contrast(known[text], known[ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("line", [f"c{n}" for n in range(6)])
def test_lines_of_charts(theme: str, line: str) -> None:
    known = colours(theme)
    assert contrast(known[line], known["page"]) >= 3


def test_no_colour_but_those_that_have_names() -> None:
    rules = STYLE[STYLE.index("* { box-sizing") :]
    assert set(re.findall(r"#[0-9a-f]{3,6}\b", rules)) == {"#000"}  # behind pictures
