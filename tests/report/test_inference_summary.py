"""What is said of an inference in the tracking store."""

from __future__ import annotations

from dataclasses import replace

from shackdoo.report.inference_summary import InferenceFacts, inference_summary

FACTS = InferenceFacts(
    model="Mnist_B-1234",
    uid="0123456789abcdef",
    data="scans",
    inputs=1200,
    refused=3,
    forms={"100 x 80, dark on light": 1197},
    metrics={"accuracy": 0.99, "known": 1000},
)


def test_it_tells_model_inputs_and_result() -> None:
    assert inference_summary(FACTS, "en") == (
        "- **Model**: Mnist\\_B-1234, trained by the run 01234567\n"
        "- **Inputs**: 1,200, scans; 3 refused, see `answers/`\n"
        "- **As read**: 100 x 80, dark on light: 1,197\n"
        "- **Result**: accuracy 0.9900 of 1,000 whose truth is known\n"
        "\n"
        "Answers: artifact `answers/`; pictures: `report/`."
    )


def test_without_truth_it_says_so_and_in_japanese_it_is_japanese() -> None:
    plain = replace(FACTS, metrics={}, refused=0, forms={})
    assert "- **Result**: it is not known what is true" in inference_summary(plain, "en")
    assert "- **結果**: 正解は不明" in inference_summary(plain, "ja")


def test_names_are_no_markup() -> None:
    hostile = replace(FACTS, data="<script>", model="**bold**")
    assert "\\<script\\>" in inference_summary(hostile, "en")
    assert "\\*\\*bold" in inference_summary(hostile, "en")
