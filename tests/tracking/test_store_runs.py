"""The runs of real stores, read without MLflow, and nothing in them is touched."""

from __future__ import annotations

import math
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shackdoo.errors import StoreError
from shackdoo.tracking import store_runs
from shackdoo.tracking.listing import list_local
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.store_runs import Found, Query, search_store

Open = Callable[..., Any]
NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]


@pytest.fixture
def shipped(open_run: Open, every_store: str, experiment: str) -> list[str]:
    """Four shipped runs, the oldest first."""
    uids = []
    for number, loss in enumerate((0.5, math.nan, 0.25, None)):
        folder, tracker = open_run(
            tracking_uri=every_store, experiment=experiment, start_time=1000 + number
        )
        tracker.params({"task.parameters.epochs": number})
        tracker.tags({"shackdoo.task": "Mnist_B", "shackdoo.tag": f"it's {number % 2}"})
        if loss is not None:
            tracker.metrics({"val loss": 9.0}, step=0)
            tracker.metrics({"val loss": loss}, step=1)
        tracker.end("FAILED" if number == 3 else "FINISHED")
        assert ship(folder, NOTHING).done
        uids.append(folder.name)
    return uids


def uids(uri: str, query: Query) -> list[str | None]:
    return [run.run_uid for run in search_store(uri, query).runs]


def test_a_store_tells_of_a_run_what_its_journal_does(
    shipped: list[str], every_store: str, experiment: str, state: Path
) -> None:
    found = search_store(every_store, Query(10, experiment=experiment))
    assert experiment in found.experiments
    assert not found.more
    for stored, local in zip(found.runs, list_local(state), strict=True):
        assert stored.metrics.keys() == local.metrics.keys()
        assert str(stored.metrics) == str(local.metrics)  # nan is not nan
        assert local.tags.items() <= stored.tags.items()
        own = {"metrics": {}, "tags": {}, "shipped": None}
        assert replace(stored, **own) == replace(local, **own)


def test_runs_are_found_by_what_they_are(
    shipped: list[str], every_store: str, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_runs, "PAGE", 2)
    first, second, third, fourth = shipped
    query = Query(10, experiment=experiment)
    assert uids(every_store, query) == [fourth, third, second, first]
    assert uids(every_store, replace(query, tag="it's 1")) == [fourth, second]
    both = replace(query, tag="it's 1", task="Mnist_B", status="FAILED")
    assert uids(every_store, both) == [fourth]
    assert uids(every_store, replace(query, task="Mnist_Z")) == []
    assert uids(every_store, replace(query, experiment="no such")) == []
    best = uids(every_store, replace(query, metric="val loss", ascending=True))
    assert best[:2] == [third, first]
    worst = uids(every_store, replace(query, metric="val loss"))
    assert worst[:2] == [first, third]
    assert {*best[2:]} == {second, fourth}
    for limit, more in ((3, True), (4, False)):
        found = search_store(every_store, replace(query, limit=limit))
        assert [run.run_uid for run in found.runs] == [*reversed(shipped)][:limit]
        assert found.more is more


def test_deleted_runs_are_not_shown(open_run: Open, store_uri: str) -> None:
    from mlflow import MlflowClient

    folder, tracker = open_run(tracking_uri=store_uri)
    tracker.end("FINISHED")
    run_id = ship(folder, NOTHING).mlflow_run_id
    assert len(search_store(store_uri, Query(1)).runs) == 1
    MlflowClient(store_uri).delete_run(run_id)
    assert search_store(store_uri, Query(1)).runs == []


def test_a_run_of_somebody_else_has_no_uid(store_uri: str) -> None:
    from mlflow import MlflowClient

    run_id = MlflowClient(store_uri).create_run("0").info.run_id
    (run,) = search_store(store_uri, Query(5)).runs
    assert (run.run_uid, run.uid, run.tag, run.task) == (None, run_id, None, None)
    assert (run.experiment, run.status, run.end_time) == ("Default", "RUNNING", None)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    nothing = Found([], False, frozenset())
    assert search_store(f"sqlite:///{file}", Query(5)) == nothing
    assert list(tmp_path.iterdir()) == []
    file.touch()
    assert search_store(f"sqlite:///{file}", Query(5)) == nothing
    assert file.stat().st_size == 0


def test_a_database_of_something_else_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE mine (value)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    assert search_store(f"sqlite:///{file}", Query(5)).runs == []
    assert file.read_bytes() == before


def test_reading_changes_nothing(store_uri: str, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    connection = sqlite3.connect(file)
    connection.execute("DELETE FROM experiments")  # MLflow's own client makes one then
    connection.commit()
    connection.close()
    before, names = file.read_bytes(), sorted(tmp_path.iterdir())
    assert search_store(store_uri, Query(5)) == Found([], False, frozenset())
    assert (file.read_bytes(), sorted(tmp_path.iterdir())) == (before, names)


def test_a_file_name_that_addresses_have_trouble_with(empty_store: Path, tmp_path: Path) -> None:
    from shackdoo.tracking.store import sqlite_uri

    file = shutil.copyfile(empty_store, tmp_path / "a %20?#b.db")
    assert search_store(sqlite_uri(file), Query(5)).experiments == {"Default"}


def test_a_store_that_can_not_be_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^The tracking store http://127\.0\.0\.1:9 can't be use"):
        search_store("http://somebody:secret@127.0.0.1:9", Query(5))
    with pytest.raises(StoreError) as refused:
        search_store("postgresql+psycopg2://somebody:secret@127.0.0.1:9/x", Query(5))
    assert "postgresql+psycopg2://127.0.0.1:9/x can't be used: " in str(refused.value)
    assert "secret" not in str(refused.value)
    with pytest.raises(StoreError, match="Install that driver"):
        search_store("postgresql+asyncpg://127.0.0.1:9/x", Query(5))
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"SQLite format 3\0 and no more")
    with pytest.raises(StoreError, match="can't be used: "):
        search_store(f"sqlite:///{file}", Query(5))


@pytest.mark.slow
def test_a_large_store_is_read_in_seconds(store_uri: str, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    names = [f"{number:032x}" for number in range(5000)]
    runs = "INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id)"
    connection.executemany(
        f"{runs} VALUES (?, 'x', 'FINISHED', ?, 'active', 0)",
        [(name, number) for number, name in enumerate(names)],
    )
    connection.executemany(
        "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, '1')",
        [(name, f"task.parameters.p{number}") for name in names for number in range(60)],
    )
    connection.commit()
    connection.close()
    began = time.process_time()  # what others do on this machine is not meant
    found = search_store(store_uri, Query(1000))
    assert (len(found.runs), found.more) == (1000, True)
    assert all(len(run.params) == 60 for run in found.runs)
    assert time.process_time() - began < 5


def test_mlflow_is_not_needed() -> None:
    import subprocess

    program = (
        "import sys, shackdoo.tracking.store_runs, shackdoo.tracking.database_runs;"
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
