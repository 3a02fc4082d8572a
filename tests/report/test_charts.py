"""Axes have round numbers; a chart is well-formed whatever its words and values."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree as Xml

import pytest

from shackdoo.report.charts import (
    COLOURS,
    MARKERS,
    Series,
    dashes,
    histogram,
    key,
    line_chart,
    marker,
    scatter,
    ticks,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 1, [0, 0.25, 0.5, 0.75, 1]),
        (0.81, 0.98, [0.8, 0.85, 0.9, 0.95, 1]),
        (-3, 12, [-5, 0, 5, 10, 15]),
        (0, 12345, [0, 5000, 10000, 15000]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low: float, high: float, marks: list[float]) -> None:
    assert ticks(low, high) == marks


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-12, 1e12])
def test_a_single_value_has_an_axis_around_it(value: float) -> None:
    marks = ticks(value, value)
    assert marks[0] < value < marks[-1]


def test_a_line_lies_inside_its_frame_and_ends_with_its_name() -> None:
    chart = line_chart([Series("<A>", [3, NAN, 1, 2, math.inf], 1)], "epoch", "a & b")
    drawn = Xml.fromstring(str(chart))
    assert drawn.get("aria-label") == "a & b"
    (line,) = [each for each in drawn.iter("path") if each.get("class") == "line"]
    path = str(line.get("d"))
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert [text.text for text in drawn.iter("text") if text.get("class") == "name"] == ["<A>"]


def test_long_runs_have_no_marker_at_every_epoch() -> None:
    chart = line_chart([Series("", list(range(1000)), 0)], "epoch", "")
    assert 10 < str(chart).count('class="mark"') <= 24
    assert len(chart) < 20_000


def test_without_a_finite_value_there_is_no_chart() -> None:
    with pytest.raises(ValueError, match="no finite value"):
        line_chart([Series("", [NAN], 0)], "epoch", "")


def test_a_dozen_runs_differ_without_colour_and_within_a_colour() -> None:
    looks = range(12)
    shapes = [(marker(look, 0, 0).get("d"), dashes(look)) for look in looks]
    assert len(set(shapes)) == len(shapes)
    coloured = [(look % COLOURS, shape) for look, (shape, _) in zip(looks, shapes, strict=True)]
    assert len(set(coloured)) == len(coloured)
    assert len(set(MARKERS)) == len(MARKERS)
    assert "aria-hidden" in key(3)


def test_points_and_bars_are_drawn() -> None:
    points = Xml.fromstring(str(scatter([1, 2, 3], [1, 2.5, 2], "x", "")))
    (dots,) = [each.get("d") for each in points.iter("path") if each.get("class") == "dots"]
    assert str(dots).count("M") == 3
    bars = Xml.fromstring(str(histogram([0, 1, 2], [5, 0], "x", "")))
    heights = [float(str(bar.get("height"))) for bar in bars.iter("rect")]
    assert heights[0] > 0
    assert heights[1] == 0


def test_names_of_lines_that_end_together_stand_apart() -> None:
    series = [
        Series(name, [0, 1 + place / 1000], place) for place, name in enumerate("ABCDEFGHIJKL")
    ]
    drawn = Xml.fromstring(str(line_chart(series, "epoch", "")))
    names = [each for each in drawn.iter("text") if each.get("class") == "name"]
    heights = sorted(float(str(each.get("y"))) for each in names)
    assert len(heights) == 12
    assert min(b - a for a, b in pairwise(heights)) >= 12
    assert heights[0] > 0
