"""Tables of answers: the same in every format, whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shackdoo.catalog.outputs import Output, plan_output
from shackdoo.catalog.table_writers import WRITERS
from shackdoo.errors import RequestError, StoreError

FIRST = {"label": np.array([7, 2]), "probability": np.array([0.1, 1 / 3], np.float32)}
SECOND = {"label": np.array([1]), "probability": np.array([1e-9], np.float32)}


def written(path: Path, *batches: tuple[list[str], dict[str, np.ndarray[Any, Any]]]) -> Path:
    output = plan_output(str(path), lines=False)
    output.open()
    for names, columns in batches:
        output.write(names, columns)
    output.finish(lambda: {name: column[:0] for name, column in FIRST.items()})
    return path


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return pd.DataFrame(dict(arrays))
    readers: dict[str, Any] = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        ".jsonl": lambda file: pd.DataFrame(map(json.loads, file.read_text().splitlines())),
    }
    readers[".ndjson"] = readers[".jsonl"]
    table: pd.DataFrame = readers[path.suffix](path)
    return table


@pytest.mark.parametrize("suffix", WRITERS)
def test_rows_come_back_in_order_to_the_same_bits(tmp_path: Path, suffix: str) -> None:
    long = '写真, "quoted".png'
    batches = ((["a", long], FIRST), (["much longer than the names before it"], SECOND))
    table = read(written(tmp_path / f"o{suffix}", *batches))
    assert list(table) == ["input", "label", "probability"]
    assert list(table["input"]) == ["a", long, "much longer than the names before it"]
    assert list(table["label"]) == [7, 2, 1]
    expected = np.concatenate([FIRST["probability"], SECOND["probability"]])
    np.testing.assert_array_equal(table["probability"].to_numpy().astype(np.float32), expected)
    assert [path.name for path in tmp_path.iterdir()] == [f"o{suffix}"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_a_table_without_rows_has_its_columns(tmp_path: Path, suffix: str) -> None:
    table = read(written(tmp_path / f"o{suffix}"))
    assert list(table) == ["input", "label", "probability"]
    assert len(table) == 0


def test_nothing_has_the_name_before_it_is_whole(tmp_path: Path) -> None:
    output = plan_output(str(tmp_path / "new" / "o.csv"), lines=False)
    output.open()
    output.write(["a", "b"], FIRST)
    assert not (tmp_path / "new" / "o.csv").exists()
    output.abandon()
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    old = tmp_path / "o.csv"
    old.write_text("old")
    output = plan_output(str(old), lines=False)
    output.open()
    output.abandon()
    assert old.read_text() == "old"


def test_names_that_are_no_text_are_written_all_the_same(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    for suffix in WRITERS:
        table = read(written(tmp_path / f"o{suffix}", ([name, "b"], FIRST)))
        assert list(table["input"]) == [r"caf\udce9.png", "b"]


def test_rejects_lie_beside_the_table_and_old_ones_go(tmp_path: Path) -> None:
    output = plan_output(str(tmp_path / "o.parquet"), lines=False)
    listing = tmp_path / "listing"
    listing.write_text("input,reason\n")
    output.write_rejects(listing)
    assert (tmp_path / "o.rejects.csv").read_text() == "input,reason\n"
    output.write_rejects(None)
    assert not (tmp_path / "o.rejects.csv").exists()


def test_standard_output_has_no_file() -> None:
    assert plan_output("-", lines=True).path is None


@pytest.mark.parametrize("wanted", ["o.txt", "o", "o.csv.gz"])
def test_an_ending_that_names_no_format_is_told(wanted: str) -> None:
    with pytest.raises(RequestError, match=r"Its ending decides: \.csv, \.parquet, \.jsonl"):
        plan_output(wanted, lines=False)


def test_places_where_nothing_can_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(RequestError, match=r"is a folder\. Name a file in it"):
        plan_output(str(tmp_path / "f.csv"), lines=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be written: .*file is no folder that you may"):
        plan_output(str(tmp_path / "file" / "o.csv"), lines=False)


def test_an_output_can_be_put_elsewhere_before_it_is_opened(tmp_path: Path) -> None:
    output = Output(None, ".csv")
    output.put(tmp_path / "p.csv")
    assert output.rejects == tmp_path / "p.rejects.csv"


def test_the_input_itself_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "x.csv")
    for name in ("x.csv", "link.csv"):
        output = plan_output(str(tmp_path / name), lines=False)
        with pytest.raises(RequestError, match=r"is the input itself\. Name another"):
            output.check(tmp_path / "x.csv")


def test_somebody_s_file_of_the_rejects_name_is_left_alone(tmp_path: Path) -> None:
    output = plan_output(str(tmp_path / "o.csv"), lines=False)
    rejects = tmp_path / "o.rejects.csv"
    rejects.write_text("input,reason\na,b\n")
    output.check(tmp_path / "x.npy")
    rejects.write_text("mine\n")
    with pytest.raises(RequestError, match=r"o\.rejects\.csv, but that is a file of another kind"):
        output.check(tmp_path / "x.npy")
