"""A new experiment has a text and a view of its own; what a user wrote stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from shackdoo.tracking.experiment_page import (
    FIRST_COLUMNS,
    NOTE,
    VIEW_TAG,
    Recipe,
    note,
    saved_view,
)
from shackdoo.tracking.shipper import Workshop, ship

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
MOST_CHARACTERS = 5000  # that MLflow holds in a tag of an experiment


@pytest.fixture
def tags_after_a_run(open_run: Callable[..., Any], store_uri: str) -> Callable[..., dict[str, str]]:
    """Record and ship a run; return the tags of its experiment."""

    def run(**changes: Any) -> dict[str, str]:
        from mlflow import MlflowClient

        folder, tracker = open_run(tracking_uri=store_uri, **changes)
        tracker.end("FINISHED")
        assert ship(folder, NOTHING).done
        return dict(MlflowClient(store_uri).get_experiment_by_name("digits").tags)

    return run


def of_the_page(tags: dict[str, str]) -> dict[str, str]:
    return {key: tags[key] for key in (NOTE, VIEW_TAG) if key in tags}


def test_the_first_run_writes_both_and_later_ones_neither(
    tags_after_a_run: Callable[..., dict[str, str]],
) -> None:
    first = tags_after_a_run(experiment_note="# 数字\nwritten by hand")
    assert first[NOTE] == "# 数字\nwritten by hand"
    assert first[VIEW_TAG] == saved_view()
    assert of_the_page(tags_after_a_run(experiment_note="something else")) == of_the_page(first)


def test_what_a_user_has_made_stays_as_it_is(
    tags_after_a_run: Callable[..., dict[str, str]], store_uri: str
) -> None:
    from mlflow import MlflowClient

    MlflowClient(store_uri).create_experiment("digits", tags={NOTE: "mine"})
    assert of_the_page(tags_after_a_run(experiment_note="ours")) == {NOTE: "mine"}


def test_a_run_without_a_text_makes_an_experiment_without_one(
    tags_after_a_run: Callable[..., dict[str, str]],
) -> None:
    assert [*of_the_page(tags_after_a_run())] == [VIEW_TAG]


def test_the_text_says_how_to_add_a_run_in_words_for_a_shell() -> None:
    text = note(
        Recipe(
            experiment="two words",
            task="Mnist_B",
            about="Digits.",
            lineage="Mnist_B < Mnist_A < Task",
            data="mnist",
            command="shackdoo train task=Mnist_B 'experiment=\"two words\"'",
        )
    )
    assert text.startswith("**Mnist_B** (Mnist_B < Mnist_A < Task) on the data `mnist`: Digits.\n")
    assert "`shackdoo train task=Mnist_B 'experiment=\"two words\"' seed=1`" in text
    assert "`shackdoo runs --experiment 'two words'`" in text
    assert len(text) < MOST_CHARACTERS


def test_the_view_is_what_the_front_end_reads() -> None:
    view = json.loads(saved_view())
    assert len(saved_view()) < MOST_CHARACTERS
    state = json.loads(view["state"])
    assert state["columnOrder"] == list(FIRST_COLUMNS)
    assert set(state["columnOrder"]) - set(state["selectedColumns"]) == {"duration"}
