"""Files fetched from the store: there, not there, too large, and a store that does not answer."""

import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.artifacts import fetch_artifact
from shackdoo.tracking.store import sqlite_file


@pytest.fixture
def run_id(store_uri: str, tmp_path: Path) -> str:
    """A run with the artifact ``kept/a.txt`` of 3 bytes."""
    client = MlflowClient(store_uri)
    experiment = client.create_experiment("digits", (tmp_path / "mlruns").as_uri())
    found: str = client.create_run(experiment).info.run_id
    (tmp_path / "a.txt").write_text("abc")
    client.log_artifact(found, str(tmp_path / "a.txt"), "kept")
    return found


def move_artifacts(store_uri: str, address: str) -> None:
    with sqlite3.connect(sqlite_file(store_uri)) as database:
        database.execute("UPDATE runs SET artifact_uri = ?", (address,))


def test_it_lies_where_it_lay(store_uri: str, run_id: str, tmp_path: Path) -> None:
    fetched = fetch_artifact(store_uri, run_id, "kept/a.txt", tmp_path / "into", 3)
    assert fetched == tmp_path / "into" / "kept" / "a.txt"
    assert fetched.read_text() == "abc"


@pytest.mark.parametrize("name", ["b.txt", "kept/b.txt", "nowhere/a.txt"])
def test_one_that_is_not_there(store_uri: str, run_id: str, tmp_path: Path, name: str) -> None:
    assert fetch_artifact(store_uri, run_id, name, tmp_path / "into", None) is None
    assert not (tmp_path / "into").exists()


def test_one_that_is_too_large(store_uri: str, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        fetch_artifact(store_uri, run_id, "kept/a.txt", tmp_path / "into", 2)
    assert str(caught.value) == (
        f"kept/a.txt of the run {run_id[:8]} has more than 2 bytes; it is not fetched."
    )
    assert not (tmp_path / "into").exists()


def test_a_store_that_does_not_answer(store_uri: str, run_id: str, tmp_path: Path) -> None:
    move_artifacts(store_uri, "http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts/0")
    with pytest.raises(StoreError) as caught:
        fetch_artifact(store_uri, run_id, "kept/a.txt", tmp_path / "into", None)
    said = str(caught.value)
    assert said.startswith("The store sqlite:///")
    assert " does not list artifacts: " in said
    assert "127.0.0.1" in said
