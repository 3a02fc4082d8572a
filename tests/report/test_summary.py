"""The description of a run is short, and its Markdown shows names as they are."""

from __future__ import annotations

from shackdoo.report.summary import summary
from tests.report.runs_shown import content, evil_content


def test_a_run_in_a_few_lines() -> None:
    assert summary(content(), "en", page=True).splitlines() == [
        r"- **Task**: Mnist\_B (Mnist\_B < Mnist\_A < Task)",
        r"- **Result**: finished; val\_accuracy 0.8700, test\_accuracy 0.8600, val\_loss 0.4500",
        r"- **Differs from Mnist\_A**: task.parameters.epochs 1 → 3, optimizer.nesterov - → false",
        f"- **Data**: mnist (sha256 {'e' * 12})",
        "- **Took**: 16.3 s",
        "",
        "The whole report: artifact `report/report.html`.",
    ]


def test_it_is_japanese_where_that_is_wanted() -> None:
    text = summary(content(), "ja", page=True)
    assert "- **結果**: 完了; " in text
    assert r"Mnist\_A との違い" in text
    assert "16.3 秒" in text


def test_without_a_page_none_is_named() -> None:
    assert "report.html" not in summary(content(), "en", page=False)


def test_many_changes_are_counted() -> None:
    changes = [{"key": f"k{n}", "old": [0], "new": [1], "typed": False} for n in range(20)]
    parent = {"parent": "Mnist_A", "skipped": [], "changes": changes, "error": None}
    text = summary(content(parent=parent), "en", page=True)
    assert "k7 0 → 1, and 12 more" in text
    assert "k8" not in text


def test_a_name_can_not_be_markup() -> None:
    text = summary(evil_content(), "en", page=True)
    assert "<script>" not in text
    assert r"\<script\>" in text
