"""Lines of JSON as inputs."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from shackdoo.catalog.inputs.batch import Batch
from shackdoo.catalog.inputs.json_lines import JsonLines

PICTURE = np.array([[0, 255], [9, 8]], np.uint8)


def read(*lines: str, size: int = 100) -> list[Batch]:
    content = "\n".join(lines).encode()
    return list(JsonLines(lambda: io.BytesIO(content), "-").batches(size))


def base64_png() -> str:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_arrays_and_objects_with_name_and_label() -> None:
    (batch,) = read("[[0, 255], [9, 8]]", "", json.dumps({"input": [1], "name": "a", "label": 3}))
    assert batch.names == ["-:1", "a"]
    np.testing.assert_array_equal(batch.inputs[0], PICTURE)
    assert batch.labels == [None, 3]


def test_text_is_a_picture() -> None:
    lines = [
        json.dumps({"input": prefix + base64_png()}) for prefix in ("", "data:image/png;base64,")
    ]
    (batch,) = read(*lines)
    for picture in batch.inputs:
        np.testing.assert_array_equal(picture, PICTURE)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "it is no JSON"),
        ("[" * 200_000, "it is no JSON"),
        ("[[1, 2], [3]]", "its rows differ in length"),
        ('["a"]', "its input is no array of numbers"),
        ("[]", "its input is no array of numbers"),
        ('{"label": 3}', "it has no 'input'"),
        ('{"input": [1], "lable": 3}', "it has the key 'lable'; known are input, label and name"),
        ('{"input": [1], "label": [3]}', "its label is neither text nor a number"),
        ('{"input": "not base64!"}', "its input is text but no base64"),
        ('{"input": "aGVsbG8="}', "it is no picture"),
    ],
)
def test_what_can_t_be_understood_is_refused_by_its_line(line: str, reason: str) -> None:
    (batch,) = read("[1]", line)
    assert batch.names == ["-:1"]
    (refusal,) = batch.refused
    assert refusal.name == "-:2"
    assert reason in refusal.reason


def test_lines_come_in_batches() -> None:
    assert [len(batch.names) for batch in read(*["[1]"] * 5, size=2)] == [2, 2, 1]
