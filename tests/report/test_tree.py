"""Trees of text fit the terminal."""

from __future__ import annotations

import pytest

from shackdoo.report.tree import Node, columns, draw

LEAF = Node([["run 1", "FINISHED"], ["epochs=3"]])


def test_what_is_below_hangs_on_a_line() -> None:
    tree = Node([["mnist"]], [Node([["A"], ["more"]], [LEAF, LEAF]), Node([["B"]], [LEAF])])
    assert draw([tree, Node([["other"]])], None) == [
        "mnist",
        "├─ A",
        "│  │   more",
        "│  ├─ run 1  FINISHED",
        "│  │      epochs=3",
        "│  └─ run 1  FINISHED",
        "│         epochs=3",
        "└─ B",
        "   └─ run 1  FINISHED",
        "          epochs=3",
        "other",
    ]


@pytest.mark.parametrize("width", [30, 40, 80])
def test_a_line_is_broken_between_parts_only(width: int) -> None:
    parts = [f"parameter_{number}=値{number}" for number in range(9)]
    lines = draw([Node([["top"]], [Node([parts])])], width)
    assert max(map(columns, lines)) <= width
    assert [part for line in lines for part in line.split() if "=" in part] == parts


def test_a_part_wider_than_the_terminal_stands_alone() -> None:
    wide = "x" * 200
    assert draw([Node([["a", wide, "b"]])], 40) == ["a", f"    {wide}", "    b"]


def test_a_japanese_character_takes_two_columns() -> None:
    assert columns("手書き数字") == 10
    assert columns("か\u3099") == 2  # with a combining mark


def test_a_name_can_not_paint_the_terminal() -> None:
    assert draw([Node([["\x1b[31mred\nnext"]])], None) == ["?[31mred?next"]
