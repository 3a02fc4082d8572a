"""Charts as SVG elements that take their colours from the page around them.

A series is told by its colour, its dashes and its markers; each alone is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

from markupsafe import Markup

WIDTH, HEIGHT = 360.0, 232.0  # units of the drawing; it grows with its place
LEFT, RIGHT, TOP, BOTTOM = 50.0, 20.0, 12.0, 40.0
TICKS = 5  # about so many on an axis
MOST_EPOCHS = 30  # from there on, or for steps, the axis has round numbers
MOST_MARKERS = 24  # on a line
NAME_HEIGHT = 12.0  # of a line's name at its end
COLOURS, DASHES = 6, ("", "7 3", "2 3", "9 3 2 3")
# Around (0, 0): circle, square, triangle, diamond, cross, plus.
MARKERS = (
    "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z",
    "M-3.2 -3.2h6.4v6.4h-6.4z",
    "M0 -4.2l4 7h-8z",
    "M0 -4.6l4.2 4.6l-4.2 4.6l-4.2 -4.6z",
    "M-3.4 -3.4l6.8 6.8M-3.4 3.4l6.8 -6.8",
    "M-4.4 0h8.8M0 -4.4v8.8",
)


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: stands at its end; may be empty.
        values: one each epoch, or step; what is not finite interrupts the line.
        look: number of its colour, dashes and marker.
        at: where each value stands on the horizontal axis; empty for 1, 2, 3, …
    """

    name: str
    values: Sequence[float]
    look: int
    at: Sequence[float] = ()

    @property
    def places(self) -> list[tuple[float, float]]:
        """Return where each value stands, and the value."""
        return list(zip(self.at or range(1, len(self.values) + 1), self.values, strict=True))


@dataclass(frozen=True)
class _Axis:
    """Values from ``low`` to ``high`` on the drawing's units from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers that cover the range, about five of them."""
    if not high > low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{place * step:.10g}") for place in range(first, last + 1)]


def line_chart(series: Sequence[Series], x_name: str, label: str) -> Markup:
    """Return lines over the epochs, or the steps of one.

    Args:
        series: at least one, with at least one finite value.
        x_name: name of the horizontal axis.
        label: what the chart shows, for those who don't see it.
    """
    finite = [value for each in series for value in each.values if math.isfinite(value)]
    if not finite:
        raise ValueError("no finite value to draw")
    last = max(place for each in series for place, _ in each.places)
    marks = ticks(min(finite), max(finite))
    x = _Axis(1, max(last, 2), LEFT, WIDTH - RIGHT)
    y = _Axis(marks[0], marks[-1], HEIGHT - BOTTOM, TOP)
    chart = _frame(label, x, y, _epochs(int(last)), marks, x_name)
    for each in series:
        chart.append(_line(each, x, y))
    _name_ends(chart, series, x, y)
    return _markup(chart)


def _name_ends(chart: Xml.Element, series: Sequence[Series], x: _Axis, y: _Axis) -> None:
    """Write the names of lines at their ends, moved apart where they would overlap."""
    named = [(_points(each, x, y), each.name) for each in series if each.name]
    ends = sorted((points[-1][::-1], name) for points, name in named if points)
    tops = _apart([top for (top, _), _ in ends])
    for place, ((_, left), name) in zip(tops, ends, strict=True):
        _text(chart, left + 7, place + 4, name, "name")


def _apart(tops: Sequence[float]) -> list[float]:
    """Return places from the top down, moved so that names there do not overlap."""
    places: list[float] = []
    for top in reversed(tops):
        places.append(min(top, places[-1] - NAME_HEIGHT) if places else top)
    places.reverse()
    for number, place in enumerate(places):
        least = places[number - 1] + NAME_HEIGHT if number else TOP
        places[number] = max(place, least)
    return places


def _epochs(count: int) -> list[float]:
    if count > MOST_EPOCHS:
        return [mark for mark in ticks(0, count) if 1 <= mark <= count]
    step = -(-count // 6)
    return [float(epoch) for epoch in range(1, count + 1, step)]


def _line(series: Series, x: _Axis, y: _Axis) -> Xml.Element:
    group = Xml.Element("g", {"class": f"series c{series.look % COLOURS}"})
    path = _path(series, x, y)
    Xml.SubElement(
        group, "path", {"d": path, "class": "line", "stroke-dasharray": dashes(series.look)}
    )
    points = _points(series, x, y)
    for left, top in points[:: -(-len(points) // MOST_MARKERS) or 1]:
        group.append(marker(series.look, left, top))
    return group


def _points(series: Series, x: _Axis, y: _Axis) -> list[tuple[float, float]]:
    return [(x.at(place), y.at(value)) for place, value in series.places if math.isfinite(value)]


def _path(series: Series, x: _Axis, y: _Axis) -> str:
    parts, pen = [], "M"
    for place, value in series.places:
        if math.isfinite(value):
            parts.append(f"{pen}{x.at(place):g} {y.at(value):g}")
        pen = "L" if math.isfinite(value) else "M"
    return "".join(parts)


def dashes(look: int) -> str:
    """Return the dashes of a series' line, empty for a solid one."""
    return DASHES[look % len(DASHES)]


def marker(look: int, left: float, top: float) -> Xml.Element:
    """Return the marker of a series at a place."""
    shape = MARKERS[(look + look // COLOURS) % len(MARKERS)]
    return Xml.Element(
        "path", {"d": shape, "class": "mark", "transform": f"translate({left:g} {top:g})"}
    )


def key(look: int) -> Markup:
    """Return a short piece of a series' line, for a legend."""
    chart = Xml.Element(
        "svg", {"viewBox": "0 0 34 12", "class": "key", "aria-hidden": "true", "focusable": "false"}
    )
    group = Xml.SubElement(chart, "g", {"class": f"series c{look % COLOURS}"})
    path = {"d": "M1 6H33", "class": "line", "stroke-dasharray": dashes(look)}
    Xml.SubElement(group, "path", path)
    group.append(marker(look, 17, 6))
    return _markup(chart)


def scatter(true: Sequence[float], predicted: Sequence[float], x_name: str, label: str) -> Markup:
    """Return predicted numbers over true ones, with the line where both are equal."""
    marks = ticks(min(*true, *predicted), max(*true, *predicted))
    x = _Axis(marks[0], marks[-1], LEFT, WIDTH - RIGHT)
    y = _Axis(marks[0], marks[-1], HEIGHT - BOTTOM, TOP)
    chart = _frame(label, x, y, marks, marks, x_name)
    diagonal = f"M{x.start:g} {y.start:g}L{x.end:g} {y.end:g}"
    Xml.SubElement(chart, "path", {"d": diagonal, "class": "even"})
    dots = "".join(f"M{x.at(a):g} {y.at(b):g}h0" for a, b in zip(true, predicted, strict=True))
    Xml.SubElement(chart, "path", {"d": dots, "class": "dots"})
    return _markup(chart)


def histogram(edges: Sequence[float], counts: Sequence[int], x_name: str, label: str) -> Markup:
    """Return bars: how often values lie between two edges."""
    marks = ticks(0, max(counts))
    x = _Axis(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    y = _Axis(0, marks[-1], HEIGHT - BOTTOM, TOP)
    inside = [mark for mark in ticks(edges[0], edges[-1]) if edges[0] <= mark <= edges[-1]]
    chart = _frame(label, x, y, inside, marks, x_name)
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        width = max(x.at(right) - x.at(left) - 1, 0.5)
        box = {"x": x.at(left), "y": y.at(count), "width": width, "height": y.start - y.at(count)}
        Xml.SubElement(chart, "rect", {k: f"{v:g}" for k, v in box.items()} | {"class": "bar"})
    return _markup(chart)


def _frame(
    label: str, x: _Axis, y: _Axis, x_marks: Iterable[float], y_marks: Iterable[float], x_name: str
) -> Xml.Element:
    chart = Xml.Element(
        "svg",
        {"viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}", "role": "img", "aria-label": label},
    )
    for mark in y_marks:
        line = f"M{LEFT:g} {y.at(mark):g}H{WIDTH - RIGHT:g}"
        Xml.SubElement(chart, "path", {"d": line, "class": "grid"})
        _text(chart, LEFT - 7, y.at(mark) + 4, f"{mark:.6g}", "tick end")
    for mark in x_marks:
        _text(chart, x.at(mark), HEIGHT - BOTTOM + 16, f"{mark:.6g}", "tick mid")
    _text(chart, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_name, "axis mid")
    return chart


def _text(parent: Xml.Element, left: float, top: float, text: str, kind: str) -> None:
    place = {"x": f"{left:g}", "y": f"{top:g}", "class": kind}
    Xml.SubElement(parent, "text", place).text = text


def _markup(element: Xml.Element) -> Markup:
    """Return the element as it stands in a page: ElementTree has escaped every text in it."""
    return Markup(Xml.tostring(element, encoding="unicode"))  # noqa: S704
