"""Rows of CSV as inputs: labels, separators, and rows that don't fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from shackdoo.catalog.inputs.tables import Table
from shackdoo.errors import DataError, RequestError


def table(tmp_path: Path, text: str, **asked: object) -> Table:
    file = tmp_path / "t.csv"
    file.write_text(text, encoding="utf-8")
    return Table(file, **asked)  # type: ignore[arg-type]


def test_a_column_of_labels_is_found_by_its_name(tmp_path: Path) -> None:
    (batch,) = table(tmp_path, "a,Label,b\n1,seven,2\n3,two,4.5\n").batches(10)
    np.testing.assert_array_equal(batch.inputs, [[1, 2], [3, 4.5]])
    assert batch.labels == ["seven", "two"]
    assert batch.names == [f"{tmp_path}/t.csv:2", f"{tmp_path}/t.csv:3"]


def test_a_column_of_labels_is_named(tmp_path: Path) -> None:
    (batch,) = table(tmp_path, "digit;a;b\n7;1;2\n", label="digit").batches(10)
    assert batch.labels == ["7"]
    with pytest.raises(RequestError, match=r"has no column 'what' for labels. It has: a, b, digit"):
        table(tmp_path, "digit;a;b\n7;1;2\n", label="what")


def test_without_names_one_column_more_is_the_label_in_front(tmp_path: Path) -> None:
    (batch,) = table(tmp_path, "7\t0\t1\t2\t9\n", expected=(2, 2)).batches(10)
    assert batch.labels == ["7"]
    np.testing.assert_array_equal(batch.inputs, [[[0, 1], [2, 9]]])
    (batch,) = table(tmp_path, "0,1,2,9\n", expected=(2, 2)).batches(10)
    assert batch.labels == []
    with pytest.raises(RequestError, match="does not name its columns in a first line"):
        table(tmp_path, "0,1,2,9\n", label="digit")


def test_rows_that_do_not_fit_are_refused_by_their_line(tmp_path: Path) -> None:
    text = "label,a,b\n1,2,3\n1,2\n1,2,3,4\n1,x,3\n1,2,\n\n1,5,6\n"
    first, *rest = table(tmp_path, text, expected=(2,)).batches(2)
    kept = [name for batch in (first, *rest) for name in batch.names]
    refused = {
        each.name.rpartition(":")[2]: each.reason
        for batch in (first, *rest)
        for each in batch.refused
    }
    assert [name.rpartition(":")[2] for name in kept] == ["2", "8"]
    assert refused == {
        "3": "it has 1 columns beside the label, not 2",
        "4": "it has 3 columns beside the label, not 2",
        "5": "'x' is no number",
        "6": "'' is no number",
    }


def test_a_file_whose_rows_all_have_the_wrong_width_is_refused_row_by_row(tmp_path: Path) -> None:
    (batch,) = table(tmp_path, "a,b,c\n1,2,3\n4,5,6\n", expected=(2,)).batches(10)
    assert batch.names == []
    assert [each.reason for each in batch.refused] == ["it has 3 columns, not 2"] * 2


@pytest.mark.parametrize("content", [b"", b"\n1,2\n", b"\xff\xfe\x00"])
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match="can't be read as CSV"):
        Table(tmp_path / "t.csv")


def test_the_digest_is_the_file_s(tmp_path: Path) -> None:
    source = table(tmp_path, "a,b\n1,2\n")
    list(source.batches(1))
    assert source.data().sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()


def test_a_bad_cell_in_the_first_row_makes_no_header_of_it(tmp_path: Path) -> None:
    for cell in ("", "O"):
        (batch,) = table(tmp_path, f"1,{cell},3,4\n1,2,3,4\n", expected=(2, 2)).batches(10)
        assert len(batch.names) == 1
        assert [each.name for each in batch.refused] == [f"{tmp_path}/t.csv:1"]


def test_names_that_are_numbers_are_names_where_they_count_or_stand_beside_a_label(
    tmp_path: Path,
) -> None:
    (batch,) = table(tmp_path, "label,0,1\n7,5,6\n").batches(10)
    assert batch.labels == ["7"]
    (batch,) = table(tmp_path, "0,1\n5,6\n").batches(10)
    np.testing.assert_array_equal(batch.inputs, [[5, 6]])


def test_numbered_columns_out_of_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"are numbered but not in order\. Rows are"):
        table(tmp_path, "label,pixel1,pixel0\n7,5,6\n")


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (batch,) = table(tmp_path, "\ufeff1,2\n3,4\n", expected=(2,)).batches(10)
    np.testing.assert_array_equal(batch.inputs, [[1, 2], [3, 4]])


def test_lines_that_end_in_the_old_way_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\r1,2\r3,4\r")
    with pytest.raises(DataError, match="it can't be read as CSV: "):
        Table(tmp_path / "t.csv")
