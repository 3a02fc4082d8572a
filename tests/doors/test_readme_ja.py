"""README.ja.md says the same as README.md: the same commands, code, names, figures and links."""

import re
from collections import Counter
from pathlib import Path

import pytest

COMMENT = re.compile(r"(^|\s)# .*$", re.M)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(shackdoo|make|mlflow|python|…) ")
LINK = re.compile(r"\]\(([^)]+)\)|<(http[^>]+)>")
FIGURE = re.compile(r"(?<![\w.])\d[\d.,]*\d|(?<![\w.])\d")
OTHER_LANGUAGE = {"README.md", "README.ja.md"}  # each may link to the other


@pytest.fixture
def both(root: Path) -> tuple[str, str]:
    return (root / "README.md").read_text("utf-8"), (root / "README.ja.md").read_text("utf-8")


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """The code between fences: its language and its lines, without comments."""
    return [
        (language, [line.rstrip() for line in COMMENT.sub("", code).splitlines()])
        for language, code in BLOCK.findall(text)
    ]


def sections(text: str) -> list[str]:
    """The prose and tables below each heading."""
    return re.split(r"^## .*$", BLOCK.sub("", text), flags=re.M)


def commands(text: str) -> list[str]:
    return [code for code in CODE.findall(BLOCK.sub("", text)) if COMMAND.match(code)]


def rows(text: str) -> list[list[str]]:
    """The code in each row of each table."""
    return [CODE.findall(line) for line in text.splitlines() if line.startswith("|")]


def links(text: str) -> Counter[str]:
    found = Counter(one or other for one, other in LINK.findall(text))
    return Counter({link: count for link, count in found.items() if link not in OTHER_LANGUAGE})


def figures(text: str) -> Counter[str]:
    return Counter(FIGURE.findall(CODE.sub("", text)))


def test_the_code_between_fences_is_the_same(both: tuple[str, str]) -> None:
    english, japanese = map(blocks, both)
    assert len(english) >= 5
    assert japanese == english


def test_the_commands_in_the_text_are_the_same_in_the_same_order(both: tuple[str, str]) -> None:
    english, japanese = map(commands, both)
    assert len(english) >= 10
    assert japanese == english


def test_the_rows_of_tables_have_the_same_code(both: tuple[str, str]) -> None:
    english, japanese = map(rows, both)
    assert len(english) >= 10
    assert japanese == english


def test_the_sections_name_the_same_things_and_give_the_same_figures(
    both: tuple[str, str],
) -> None:
    english, japanese = map(sections, both)
    assert len(japanese) == len(english) >= 5
    for one, other in zip(english, japanese, strict=True):
        assert Counter(CODE.findall(other)) == Counter(CODE.findall(one))
        # Japanese writes some numbers in digits that are words in English; none is left out.
        assert figures(one) - figures(other) == Counter()


def test_the_links_are_the_same(both: tuple[str, str]) -> None:
    english, japanese = map(links, both)
    assert japanese == english
