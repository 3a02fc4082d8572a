"""What must hold on a database of one's own and on servers with either database."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from stored import check_whole, only_run, runs_of

from shackdoo.tracking.blobs import BLOBS
from shackdoo.tracking.journal import JOURNAL, JournalTracker
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import entries_left, read_shipping, shipping_file
from shackdoo.tracking.tracker import Artifact, DataInput, Model, Tensor

NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]
STEPS = 25


def write(tracker: JournalTracker, folder: Path) -> None:
    tracker.params({"task.parameters.epochs": 3, "config.seed": 42})
    tracker.tags({"shackdoo.task": "Mnist_B", "note": "日本語"})
    tracker.attach(DataInput("mnist", "ab" * 32, 'data/"raw"/mnist.pkl.gz', "training"))
    for step in range(STEPS):
        tracker.metrics({"loss": 1 / (step + 3), "accuracy": step / 7}, step=step)
    (folder / "config.yaml").write_text("seed: 42\n")
    tracker.attach(Artifact(folder / "config.yaml", "conf of run"))
    (folder / "tiny.keras").write_bytes(b"weights" * 1000)
    tensor = Tensor(None, "float32", (-1, 3))
    tracker.attach(Model(folder / "tiny.keras", (tensor,), (tensor,), ("keras==3.15.1",)))


def artifact(uri: str, run: Any, path: str, folder: Path) -> str:
    return Path(
        MlflowClient(uri).download_artifacts(run.info.run_id, path, str(folder))
    ).read_text()


def test_a_run_arrives_whole_and_twice_in_a_row_adds_nothing(
    open_run: Callable[..., Any], every_store: str, experiment: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    write(tracker, tmp_path)
    tracker.end("FINISHED")
    for _ in range(2):
        assert ship(folder, NOTHING).done
        (folder / shipping_file()).unlink()  # as if the cursor had been lost
    run = check_whole(every_store, experiment, folder, range(STEPS))
    assert run.info.status == "FINISHED"
    assert run.data.params == {"task.parameters.epochs": "3", "config.seed": "42"}
    assert run.data.tags["note"] == "日本語"
    assert artifact(every_store, run, "conf of run/config.yaml", tmp_path) == "seed: 42\n"
    (data,) = run.inputs.dataset_inputs
    assert json.loads(data.dataset.source) == {"uri": 'data/"raw"/mnist.pkl.gz'}
    models = MlflowClient(every_store).search_logged_models(
        [run.info.experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"
    )
    assert [str(model.status) for model in models] == ["READY"]


def test_parts_find_their_parent(
    open_run: Callable[..., Any], every_store: str, experiment: str, state: Path
) -> None:
    whole, parent = open_run(tracking_uri=every_store, experiment=experiment)
    part, child = open_run(tracking_uri=every_store, experiment=experiment, parent_uid=whole.name)
    child.end("FINISHED")
    early = ship(part, NOTHING)
    assert not early.done
    assert "of which this is a part, is not in the store yet" in str(early.error)
    parent.end("FINISHED")
    above = ship(whole, NOTHING)
    assert ship(part, NOTHING).done
    runs = {run.data.tags["shackdoo.run_uid"]: run for run in runs_of(every_store, experiment)}
    assert runs[part.name].data.tags["mlflow.parentRunId"] == above.mlflow_run_id
    assert len(runs) == 2


def test_what_the_store_refuses_is_kept_beside_and_the_rest_arrives(
    open_run: Callable[..., Any], every_store: str, experiment: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    write(tracker, tmp_path)
    tracker.params({"config.seed": 43, "config.tag": "later"})  # a param has one value in MLflow
    tracker.end("FINISHED")
    assert ship(folder, NOTHING).done
    run = check_whole(every_store, experiment, folder, range(STEPS))
    assert run.data.params["config.seed"] == "42"
    assert run.data.params["config.tag"] == "later"
    assert run.data.tags["shackdoo.refused"] == "see the artifacts in refused/"
    kept = artifact(every_store, run, "refused/config.seed.txt", tmp_path)
    assert kept.startswith("43\n\nparam config.seed was refused: ")


def test_a_run_that_was_deleted_is_not_sent_again(
    open_run: Callable[..., Any], every_store: str, experiment: str
) -> None:
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    tracker.metrics({"loss": 1.0}, step=0)
    run_id = ship(folder, NOTHING).mlflow_run_id
    MlflowClient(every_store).delete_run(run_id)
    tracker.end("FINISHED")
    shipping = ship(folder, NOTHING)
    assert shipping.done
    assert f"the run {run_id} was deleted in the store" in str(shipping.error)
    assert runs_of(every_store, experiment) == []


def test_lost_and_damaged_parts_are_told_and_hold_up_nothing(
    open_run: Callable[..., Any], every_store: str, experiment: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=every_store, experiment=experiment)
    for name in ("gone", "changed", "whole"):
        (tmp_path / name).write_text(name)
        tracker.attach(Artifact(tmp_path / name, ""))
    for name in ("gone", "changed"):
        (blob,) = (b for b in (folder / BLOBS).iterdir() if b.read_text() == name)
        blob.unlink() if name == "gone" else blob.write_text("something else")
    with (folder / JOURNAL).open("ab") as journal:
        journal.write(b'{"kind": "metr\x00\xff\n')
    tracker.metrics({"loss": 1.0, "accuracy": 0.5}, step=0)
    tracker.end("FINISHED")
    assert ship(folder, NOTHING).done
    run = check_whole(every_store, experiment, folder, [0])
    told = sorted(v for k, v in run.data.tags.items() if k.startswith("shackdoo.lost."))
    assert [why.split(" ", 4)[4] for why in told] in (
        ["can't be read: No such file or directory", "is damaged"],
        ["is damaged", "can't be read: No such file or directory"],
    )
    assert run.data.tags["shackdoo.journal"] == "damaged"
    assert artifact(every_store, run, "whole", tmp_path) == "whole"


def test_another_store_gets_all_of_it_and_the_first_keeps_it(
    open_run: Callable[..., Any],
    every_store: str,
    experiment: str,
    empty_store: Path,
    tmp_path: Path,
) -> None:
    """A laptop's own store first, the team's later."""
    laptop = f"sqlite:///{shutil.copyfile(empty_store, tmp_path / 'laptop.db')}"
    folder, tracker = open_run(tracking_uri=laptop, experiment=experiment)
    write(tracker, tmp_path)
    tracker.end("FAILED")
    assert ship(folder, NOTHING).done
    assert entries_left(folder, every_store) > STEPS
    for _ in range(2):
        assert ship(folder, NOTHING, to=every_store).done
    assert entries_left(folder, every_store) == 0
    for uri in (laptop, every_store):
        run = check_whole(uri, experiment, folder, range(STEPS))
        assert run.info.status == "FAILED"
    one, other = (only_run(uri, experiment).info for uri in (laptop, every_store))
    assert (one.start_time, one.end_time) == (other.start_time, other.end_time)
    assert read_shipping(folder).mlflow_run_id != read_shipping(folder, every_store).mlflow_run_id


def test_a_store_that_was_made_anew_gets_the_run_again(
    open_run: Callable[..., Any], store_uri: str, empty_store: Path, experiment: str
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri, experiment=experiment)
    tracker.metrics({"loss": 1.0, "accuracy": 0.5}, step=0)
    ship(folder, NOTHING)
    tracker.metrics({"loss": 0.5, "accuracy": 0.6}, step=1)
    tracker.end("FINISHED")
    client = MlflowClient(store_uri)
    run = only_run(store_uri, experiment)
    client.delete_run(run.info.run_id)
    client._tracking_client.store._hard_delete_run(run.info.run_id)
    assert ship(folder, NOTHING).done
    check_whole(store_uri, experiment, folder, [0, 1])
