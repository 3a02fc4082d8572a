"""Runs of a store without a journal: what is read is what was measured."""

from __future__ import annotations

import math

import pytest

from shackdoo.errors import StoreError
from shackdoo.tracking.mlflow_run import close_run, metric_curves, metric_points


@pytest.fixture
def run_id(store_uri: str) -> str:
    """A run whose loss was infinite once, and was measured twice at one step."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(store_uri)
    run = client.create_run("0").info.run_id
    values = ((3.0, 7, 1), (math.inf, 8, 2), (1.0, 9, 1))
    loss = [Metric("loss", value, time, step) for value, time, step in values]
    client.log_batch(run, [*loss, Metric("other", 1.0, 1, 1)])
    return str(run)


def test_all_points_come_sorted_and_an_infinity_is_one_again(store_uri: str, run_id: str) -> None:
    points = metric_points(store_uri, run_id)
    assert points == [
        ("loss", 1, 7, 3.0),
        ("loss", 1, 9, 1.0),
        ("loss", 2, 8, math.inf),
        ("other", 1, 1, 1.0),
    ]


def test_curves_have_the_latest_value_of_each_step(store_uri: str, run_id: str) -> None:
    assert metric_curves(store_uri, run_id, ["loss"]) == {"loss": {1: 1.0, 2: math.inf}}


def test_a_run_is_ended(store_uri: str, run_id: str) -> None:
    from mlflow import MlflowClient

    close_run(store_uri, run_id, "FAILED", {"why": "nobody knows"})
    run = MlflowClient(store_uri).get_run(run_id)
    assert (run.info.status, run.data.tags["why"]) == ("FAILED", "nobody knows")


def test_what_the_store_does_not_have_is_told_in_one_line(store_uri: str) -> None:
    with pytest.raises(StoreError) as told:
        metric_points(store_uri, "0" * 32)
    assert str(told.value).startswith(f"The store {store_uri} does not give the metrics: Run with")
    assert "\n" not in str(told.value)
    with pytest.raises(StoreError, match="does not close the run: "):
        close_run(store_uri, "0" * 32, "FAILED", {})
