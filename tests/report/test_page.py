"""The page of a run says what there is to say, in both languages, and stands alone."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from shackdoo.report.content import Content, read_content
from shackdoo.report.page import comparison_page, draw_page, run_page
from shackdoo.report.texts import LANGUAGES, texts
from tests.report.runs_shown import EVIL, class_parts, content, evil_content, manifest, value_parts

WITHOUT_CONTENT = {"meta", "link", "br", "img", "path", "rect"}


class Read(HTMLParser):
    """A page taken apart: every tag with its attributes, and the text outside of the style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in WITHOUT_CONTENT:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def named(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


def pages() -> Iterator[tuple[str, str]]:
    for language in LANGUAGES:
        yield f"run {language}", run_page(content(), language)
        yield f"numbers {language}", run_page(content(parts=value_parts()), language)
        yield f"evil {language}", run_page(evil_content(), language)
        yield f"compared {language}", comparison_page([content(), evil_content()], language)


PAGES = dict(pages())


def test_both_languages_say_the_same_things() -> None:
    def said(words: Any, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
        for name, value in words.items():
            if isinstance(value, dict):
                yield from said(value, f"{path}{name}.")
            else:
                assert isinstance(value, str)
                yield f"{path}{name}", frozenset(re.findall(r"{(\w+)}", value))

    assert dict(said(texts("en"))) == dict(said(texts("ja")))


def test_what_ran_and_what_came_of_it_is_told() -> None:
    text = Read(PAGES["run en"]).text
    for told in (
        "Mnist_A tuned.",
        "mnist > Mnist_B",
        "Mnist_B < Mnist_A < Task",
        "2026-11-24 14:38 UTC",
        "16.3 s",
        "note two words",
        "val_accuracy 0.8700 ranks the runs of this task best 0.8800, epoch 2",
        "accuracy 0.9000 0.8700 0.8600",
        "80 of 120 test examples are right (66.67 %)",
        "40 of 120 test examples are wrong. These are the 24 the model was surest of.",
        "task.parameters.epochs 1 3 command line",
        "optimizer.nesterov not set false its YAML",
        "Its class has no code of its own; only settings differ.",
        "e" * 64,
        "uint8[60, 2]",
        "0 24 12",
        "train and evaluate 7.90 79.00 %",
        "3 epochs, 1.03 s each; 1,000 examples a second.",
        "host: x86_64, 2 cores, 16.0 GiB",
        f"{'a' * 40} (with changes that are not committed)",
        "Files that git did not track were there as well (1)",
        "f" * 64,
    ):
        assert told in text, told


def test_it_is_told_in_japanese() -> None:
    page = Read(PAGES["run ja"])
    assert page.named("html") == [{"lang": "ja"}]
    for told in (
        "結果",
        "混同行列",
        "テストデータ 120 件のうち 80 件が正解です",
        "16.3 秒",
        "完了",
    ):
        assert told in page.text
    left = re.findall(r"\b(?:Results|Learning|Held out|finished|predicted|Settings)\b", page.text)
    assert left == []


def test_the_commands_are_ready_for_a_shell() -> None:
    (commands,) = re.findall(r"<pre><code>(.*?)</code></pre>", PAGES["run en"], re.DOTALL)
    lines = Read(commands).text
    assert "git clone https://example.com/digits.git project && cd project" in lines
    assert f"git checkout {'a' * 40} git apply code.diff" in lines
    words = shlex.split(lines[lines.index("shackdoo train") :])
    assert words == ["shackdoo", "train", *manifest()["overrides"]]


def test_what_is_no_training_is_run_again_by_its_own_command() -> None:
    assert "shackdoo infer task=Mnist_B" in run_page(content(run={"kind": "infer"}), "en")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_outside_of_the_file_is_needed(name: str) -> None:
    page = Read(PAGES[name])
    used = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "action", "data")]
    assert used
    assert [v for v in used if v is None or not v.startswith(("data:", "#"))] == []
    assert page.named("script", "iframe", "object", "form", "base") == []
    style = PAGES[name].split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert len(PAGES[name].encode()) < 200_000


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("run")])
def test_names_are_text_and_no_markup(name: str) -> None:
    page = Read(PAGES[name])
    assert "<script" not in PAGES[name]
    assert [k for _, attributes in page.tags for k in attributes if k.startswith("on")] == []
    assert (EVIL in page.text) == (not name.startswith("numbers"))
    assert page.open == []


@pytest.mark.parametrize("name", PAGES)
def test_a_screen_reader_finds_its_way(name: str) -> None:
    page = Read(PAGES[name])
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(b - a for a, b in itertools.pairwise(levels)) <= 1
    assert all(image.get("alt") for image in page.named("img"))
    drawings = page.named("svg")
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in drawings)
    assert all(cell.get("scope") for cell in page.named("th"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a["href"])[1:] for a in page.named("a")]
    assert set(links) <= set(ids)
    assert len(links) > 2


def test_a_model_of_one_number_shows_its_errors() -> None:
    page = Read(PAGES["numbers en"])
    assert "Predicted against true" in page.text
    labels = [str(svg.get("aria-label")) for svg in page.named("svg")]
    assert any(label.startswith("Histogram of the errors of 200 test examples") for label in labels)
    assert "Confusion matrix" not in page.text


def test_a_task_of_another_kind_has_curves_and_metrics_only() -> None:
    text = Read(run_page(content(parts=[{"kind": "of a later version"}]), "en")).text
    assert "Learning curves" in text
    assert "Worst mistakes" not in text


def test_many_classes_are_told_by_their_confusions() -> None:
    page = run_page(content(parts=class_parts([f"class {n}" for n in range(100)], 400)), "en")
    assert "The table has 100 classes" in page
    assert 'class="confusion"' not in page
    assert "class 0 taken for class 1" in page
    assert len(page.encode()) < 200_000


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("FAILED", "The run failed: this page shows what it had by then."),
        ("KILLED", "The run was stopped before its end"),
        ("RUNNING", "The run has not ended"),
    ],
)
def test_a_run_without_results_has_a_page_that_says_so(status: str, said: str) -> None:
    ended = None if status == "RUNNING" else 1_795_531_090_000
    facts = {"status": status, "ended": ended, "error": "ValueError: no such luck", "hooks": None}
    nothing: dict[str, Any] = {"history": {}, "metrics": {}, "parts": [], "parent": None}
    for known in (manifest(seconds={}, results=None), {}):
        text = Read(run_page(content(run=facts, manifest=known, **nothing), "en")).text
        assert said in text
        assert "ValueError: no such luck" in text
        assert "There are no results." in text


def test_a_run_that_shackdoo_has_not_made_has_a_page() -> None:
    facts = {"task": None, "tag": None, "lineage": [], "hooks": None, "doc": None, "tags": {}}
    bare = content(run=facts, manifest={}, best={}, parts=[], parent=None)
    assert "<h1>Mnist_B-01234567</h1>" in run_page(bare, "en")


def test_numbers_that_are_none_are_shown_and_interrupt_a_curve() -> None:
    history = {"loss": [1.0, float("nan"), 0.5, float("inf")], "mae": [float("nan")] * 4}
    shown = content(history=history, metrics={"loss": float("inf"), "mae": float("nan")})
    back = read_content(json.dumps(shown, allow_nan=False))
    assert back is not None
    page = run_page(back, "en")
    chart = page.split("<figcaption>loss")[1].split("</figure>")[0].split("</figcaption>")[1]
    (line,) = re.findall(r'd="([^"]*)" class="line"', chart)
    assert line.count("M") == 2
    assert "<figcaption>mae" not in page
    assert "loss inf" in Read(page).text


def test_one_epoch_alone_makes_no_curve() -> None:
    page = run_page(content(history={"loss": [0.5], "val_loss": [0.4]}), "en")
    assert "The run has one epoch, so there is no curve to draw." in page


def test_the_steps_of_the_only_epoch_make_a_curve() -> None:
    within = {"steps": [1, 50, 500], "metrics": {"loss": [2.5, "nan", 0.5]}}
    one = content(history={"loss": [0.5], "val_loss": [0.4]}) | {"within": within}
    page = run_page(one, "en")
    assert "loss over the 500 steps of the only epoch." in page
    assert "Training, mean up to the step: from 2.5000 to 0.5000." in page
    assert "Held out: from 0.4000 to 0.4000." in page
    assert "no curve to draw" not in page
    assert "唯一のエポックの 500 ステップ" in run_page(one, "ja")


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        (None, "The run did not record what differs."),
        ({"parent": None, "skipped": []}, "builds on Task directly"),
        ({"parent": None, "skipped": ["Base"]}, "Base has no YAML of its own"),
        ({"parent": "Mnist_A", "skipped": []}, "Every setting is the same."),
        ({"parent": "Mnist_A", "skipped": [], "error": "bad file"}, "be composed: bad file"),
    ],
)
def test_what_is_known_of_the_parent_is_told(parent: Any, said: str) -> None:
    known = parent and {"changes": [], "error": None, **parent}
    assert said in Read(run_page(content(parent=known, run={"hooks": ["loss"]}), "en")).text


def test_compared_runs_are_told_apart() -> None:
    other = content(
        run={"uid": "f" * 32, "name": "other"},
        metrics={"val_accuracy": 0.95, "loss": 0.4, "val_loss": 0.2},
        manifest=manifest(seed=1, config={"seed": 1}, environment={"python": "3.12.1"}),
    )
    text = Read(comparison_page([content(), other], "en")).text
    assert "val_accuracy 0.8700 ★ best 0.9500" in text
    assert "val_loss 0.4500 ★ best 0.2000" in text
    assert "test_accuracy 0.8600 -" in text
    assert "loss 0.4000 0.4000" in text
    assert "seed 42 1" in text
    assert "task.parameters.epochs 3 -" in text
    assert "python 3.11.7 3.12.1" in text
    assert "hostname" not in text


def test_runs_that_are_equal_are_said_to_be() -> None:
    text = Read(comparison_page([content(), content()], "en")).text
    assert "Nothing that was recorded differs." in text
    assert "best" not in text


def test_the_same_content_makes_the_same_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw_page(content(language="ja"), tmp_path / "new" / name)
    first, second = sorted((tmp_path / "new").iterdir())
    assert first.read_bytes() == second.read_bytes()
    assert '<html lang="ja">' in first.read_text()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"schema_version": 1}', json.dumps(content() | {"schema_version": 99})],
)
def test_what_is_no_content_is_not_taken_for_one(text: str) -> None:
    assert read_content(text) is None


def test_a_language_that_there_is_not_is_no_content() -> None:
    for language, known in (("en", True), ("../en", False)):
        read: Content | None = read_content(json.dumps(content() | {"language": language}))
        assert (read is not None) == known
