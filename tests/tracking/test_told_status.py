"""``mlflow run`` overwrites how a run ended; the run itself goes on telling the truth."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from stored import only_run

from shackdoo.tracking import store_runs
from shackdoo.tracking.journal import JOURNAL, last_entry
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.state import make_run_folder, new_run_uid
from shackdoo.tracking.store_runs import Query, search_store

Open = Callable[..., Any]
NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]


def opened_by_mlflow(uri: str, experiment: str) -> str:
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    return str(client.create_run(number, tags={"mlflow.source.type": "PROJECT"}).info.run_id)


def found(uri: str, experiment: str, status: str | None) -> list[tuple[str | None, str]]:
    query = Query(10, experiment=experiment, status=status)
    return [(run.run_uid, run.status) for run in search_store(uri, query).runs]


def test_a_status_that_mlflow_run_writes_afterwards_does_not_hide_the_true_one(
    open_run: Open, every_store: str, experiment: str
) -> None:
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    tracker.end("KILLED")
    assert ship(folder, NOTHING).done
    run = only_run(every_store, experiment)
    MlflowClient(every_store).set_terminated(run.info.run_id, "FAILED")
    assert only_run(every_store, experiment).info.status == "FAILED"
    assert found(every_store, experiment, None) == [(folder.name, "KILLED")]
    assert found(every_store, experiment, "KILLED") == [(folder.name, "KILLED")]
    assert found(every_store, experiment, "FAILED") == []


def test_a_run_killed_with_its_container_is_set_right_after_mlflow_has_closed_it(
    state: Path, every_store: str, experiment: str
) -> None:
    run_id = opened_by_mlflow(every_store, experiment)
    folder = make_run_folder(state, new_run_uid())
    writer = [sys.executable, Path(__file__).with_name("writer.py"), folder, every_store]
    environment = {**os.environ, "MLFLOW_RUN_ID": run_id}
    subprocess.run([*writer, "1", "0", "exit"], check=True, env=environment)
    assert last_entry(folder / JOURNAL)["kind"] == "metrics"
    MlflowClient(every_store).set_terminated(run_id, "FAILED")
    assert ship(folder, NOTHING).done
    run = only_run(every_store, experiment)
    assert (run.info.run_id, run.info.status) == (run_id, "KILLED")
    assert run.data.tags["shackdoo.status"] == "KILLED"
    assert run.data.metrics == {"loss": 0.0, "accuracy": 1.0}


def test_what_is_found_by_status_keeps_its_order_and_limit(
    open_run: Open, every_store: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_runs, "PAGE", 2)
    client, uids = MlflowClient(every_store), []
    for number, loss in enumerate((0.1, 0.4, 0.2, 0.3)):
        folder, tracker = open_run(
            tracking_uri=every_store, experiment=experiment, start_time=1000 + number
        )
        tracker.metrics({"loss": loss}, step=0)
        tracker.end("KILLED")
        shipping = ship(folder, NOTHING)
        if number % 2:
            client.set_terminated(shipping.mlflow_run_id, "FAILED")
        uids.append(folder.name)
    query = Query(3, experiment=experiment, status="KILLED")
    newest = search_store(every_store, query)
    assert ([run.run_uid for run in newest.runs], newest.more) == (uids[:0:-1], True)
    best = search_store(every_store, replace(query, limit=4, metric="loss", ascending=True))
    assert [run.metrics["loss"] for run in best.runs] == [0.1, 0.2, 0.3, 0.4]
    assert not best.more
