"""The shipper against a real store: everything arrives, once, whatever is killed or away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shackdoo.tracking import shipper
from shackdoo.tracking.journal import JOURNAL, JournalTracker, read_entries
from shackdoo.tracking.shipper import Workshop, _alone, ship
from shackdoo.tracking.shipping import Shipping, lock_file, read_shipping
from shackdoo.tracking.state import close_if_dead, read_run
from shackdoo.tracking.tracker import Artifact, DataInput, Figure, Model, Tensor

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras")

STEPS = 30
NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]


def write_run(tracker: JournalTracker, folder: Path) -> None:
    tracker.params({"task.parameters.epochs": 3, "config.seed": 42})
    tracker.tags({"shackdoo.task": "Mnist_B"})
    for step in range(STEPS):
        tracker.metrics({"loss": 1 / (step + 3), "accuracy": step / 7}, step=step)
    (folder / "config.yaml").write_text("seed: 42\n")
    tracker.attach(Artifact(folder / "config.yaml", ""))


def only_run(uri: str) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("digits")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def history(uri: str, run: Any, name: str) -> list[tuple[int, float, int]]:
    from mlflow import MlflowClient

    points = MlflowClient(uri).get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value, point.timestamp) for point in points)


def test_a_run_arrives_whole_and_a_second_time_adds_nothing(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    folder, tracker = open_run(tracking_uri=store_uri)
    before = int(time.time() * 1000)
    write_run(tracker, tmp_path)
    tracker.attach(DataInput("mnist", "ab" * 32, "data/raw/mnist.pkl.gz", "training"))
    tracker.tags({"note": "x" * 9000})
    tracker.end("FINISHED")

    assert ship(folder, NOTHING, follow=True).done
    (folder / "shipping.json").unlink()  # as if the cursor had been lost: all is sent again
    assert ship(folder, NOTHING).done

    client, run = MlflowClient(store_uri), only_run(store_uri)
    header = read_run(folder).header  # type: ignore[union-attr]
    assert run.info.status == "FINISHED"
    assert run.info.start_time == header["start_time"]
    assert run.info.end_time >= before
    assert run.data.params == {"task.parameters.epochs": "3", "config.seed": "42"}
    assert run.data.tags["shackdoo.run_uid"] == header["run_uid"]
    assert run.data.tags["shackdoo.data.mnist"] == "ab" * 32
    points = history(store_uri, run, "loss")
    assert [(step, value) for step, value, _ in points] == [(s, 1 / (s + 3)) for s in range(STEPS)]
    assert all(before <= timestamp <= run.info.end_time for _, _, timestamp in points)
    (data,) = run.inputs.dataset_inputs
    assert {tag.key: tag.value for tag in data.tags}["sha256"] == "ab" * 32
    artifacts = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert artifacts == {"config.yaml", "long_values"}
    whole = client.download_artifacts(run.info.run_id, "long_values/note.txt", str(tmp_path))
    assert Path(whole).read_text() == "x" * 9000
    assert "whole in the artifact long_values/note.txt" in run.data.tags["note"]


def test_who_follows_a_run_waits_for_another_shipper(
    open_run: Callable[..., Any], store_uri: str
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri)
    tracker.metrics({"loss": 1.0}, step=1)
    with ThreadPoolExecutor() as pool:
        with _alone(folder / lock_file()):  # a sync, which leaves when nothing more is there
            assert ship(folder, NOTHING) == Shipping()
            following = pool.submit(ship, folder, NOTHING, follow=True)
            with pytest.raises(FutureTimeout):
                following.result(timeout=3 * shipper.IDLE_SECONDS)
        tracker.metrics({"loss": 0.5}, step=2)
        tracker.end("FINISHED")
        assert following.result().done
    assert [value for _, value, _ in history(store_uri, only_run(store_uri), "loss")] == [1.0, 0.5]


def test_model_and_pictures(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import mlflow

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "tiny.keras")
    (tmp_path / "curve.json").write_text(json.dumps({"points": [1, 2]}))
    folder, tracker = open_run(tracking_uri=store_uri)
    inputs, outputs = Tensor(None, "float32", (-1, 3)), Tensor(None, "float32", (-1, 2))
    pins = (f"keras=={keras.__version__}",)
    tracker.attach(Model(tmp_path / "tiny.keras", (inputs,), (outputs,), pins))
    picture = tmp_path / "report" / "curve.png"
    tracker.attach(Figure("curve", tmp_path / "curve.json", picture, "report"))
    tracker.end("FINISHED")

    def draw(content: dict[str, Any], file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(content["points"]))

    assert ship(folder, Workshop({"curve": draw}, redact=shutil.copyfile)).done
    assert picture.read_text() == "[1, 2]"
    run = only_run(store_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri)
    mlflow.set_tracking_uri(store_uri)
    loaded = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    batch = np.float32([[1, 2, 3]])
    np.testing.assert_allclose(loaded.predict(batch), model.predict(batch, verbose=0), rtol=1e-6)
    assert loaded.metadata.signature.inputs.inputs[0].shape == (-1, 3)
    pinned = mlflow.pyfunc.get_model_dependencies(f"runs:/{run.info.run_id}/model")
    assert f"keras=={keras.__version__}" in Path(pinned).read_text().split()


def test_a_picture_that_can_not_be_drawn_holds_up_nothing(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "curve.json").write_text("{}")
    folder, tracker = open_run(tracking_uri=store_uri)
    tracker.attach(Figure("curve", tmp_path / "curve.json", tmp_path / "curve.png", "report"))
    tracker.metrics({"loss": 1.0}, step=0)
    tracker.end("FINISHED")

    def draw(content: dict[str, Any], file: Path) -> None:
        raise ValueError("no points")

    assert ship(folder, Workshop({"curve": draw}, redact=shutil.copyfile)).done
    run = only_run(store_uri)
    assert (run.info.status, run.data.metrics["loss"]) == ("FINISHED", 1.0)
    assert run.data.tags["shackdoo.not_drawn.curve"] == "not drawn: ValueError: no points"


def test_a_joined_run_is_not_opened_a_second_time(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(store_uri)
    given = client.create_run(client.create_experiment("digits"))
    folder, tracker = open_run(tracking_uri=store_uri, mlflow_run_id=given.info.run_id)
    write_run(tracker, tmp_path)
    tracker.end("FAILED")
    assert ship(folder, NOTHING).mlflow_run_id == given.info.run_id
    run = only_run(store_uri)
    assert (run.info.run_id, run.info.status) == (given.info.run_id, "FAILED")
    assert run.data.tags["shackdoo.run_uid"] == folder.name


def test_a_dead_writers_run_is_shipped_as_killed(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri)
    write_run(tracker, tmp_path)
    os.close(tracker._journal._file)  # the kernel does this to a process that is killed
    assert ship(folder, NOTHING, follow=True).done
    run = only_run(store_uri)
    assert run.info.status == "KILLED"
    assert len(history(store_uri, run, "loss")) == STEPS


SHIPPER = """
import sys
from pathlib import Path
from shackdoo.tracking.shipper import Workshop, ship
print(ship(Path(sys.argv[1]), Workshop({}, None), follow=True).done)
"""


def test_it_rests_while_the_run_goes_on_and_not_after_its_end(
    store_uri: str,
    open_run: Callable[..., tuple[Path, JournalTracker]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri)
    monkeypatch.setattr(shipper, "SHARE", 1e-9)
    monkeypatch.setattr(shipper, "LONGEST_REST", 3600.0)
    tracker.metrics_at_steps([(step, {"loss": 1.0}) for step in range(shipper.BATCH + 10)])
    first_piece = list(read_entries(folder / JOURNAL))[shipper.BATCH - 1][1]
    with ThreadPoolExecutor(1) as beside:
        try:
            following = beside.submit(ship, folder, NOTHING, follow=True)
            deadline = time.monotonic() + 60
            while read_shipping(folder).offset < first_piece and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(1.0)
            assert read_shipping(folder).offset == first_piece
        finally:
            tracker.end("FINISHED")
        assert following.result(timeout=60).done
    steps = [step for step, _, _ in history(store_uri, only_run(store_uri), "loss")]
    assert steps == list(range(shipper.BATCH + 10))


def start_shipper(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SHIPPER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_two_shippers_make_one_run_and_a_killed_one_is_taken_over(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    folder, tracker = open_run(tracking_uri=store_uri)
    write_run(tracker, tmp_path)
    both = [start_shipper(folder), start_shipper(folder)]
    deadline = time.monotonic() + 120
    while read_shipping(folder).offset == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    for each in both:
        each.send_signal(signal.SIGKILL)
        each.communicate()
    tracker.metrics({"loss": 0.5}, step=STEPS)
    tracker.end("FINISHED")
    assert ship(folder, NOTHING).done
    run = only_run(store_uri)
    assert [step for step, _, _ in history(store_uri, run, "loss")] == list(range(STEPS + 1))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(store: str, port: int, folder: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder), "--port", str(port), "--workers", "1"]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            wait_healthy(port)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def wait_healthy(port: int) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the MLflow server did not come up")


def test_a_server_that_is_away_loses_nothing(
    open_run: Callable[..., Any], store_uri: str, tmp_path: Path
) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    folder, tracker = open_run(tracking_uri=uri)
    write_run(tracker, tmp_path)
    away = ship(folder, NOTHING)
    assert not away.done
    assert away.error is not None
    assert "refused" in away.error
    tracker.end("FINISHED")
    with server(store_uri, port, tmp_path / "artifacts"):
        assert ship(folder, NOTHING).done
        run = only_run(uri)
        assert len(history(uri, run, "loss")) == STEPS
        assert run.info.status == "FINISHED"
    assert close_if_dead(read_run(folder))  # type: ignore[arg-type]
