"""Fingerprints differ when a bit, the shape, the type or a name does."""

from __future__ import annotations

import numpy as np

from shackdoo.provenance.fingerprint import array_digest, fingerprint


def test_equal_arrays_have_equal_digests_however_they_lie_in_memory() -> None:
    array = np.arange(12, dtype="float32").reshape(3, 4)
    assert array_digest(array) == array_digest(np.asfortranarray(array))
    assert array_digest(array) == array_digest(array.astype(">f4"))
    assert array_digest(array) == array_digest(np.repeat(array, 2, axis=1)[:, ::2])
    assert array_digest(np.float32(3)) == array_digest(np.array(3, "float32"))


def test_anything_that_differs_is_seen() -> None:
    array = np.zeros((2, 3), "float32")
    one_bit = array.copy()
    one_bit[1, 2] = np.float32(1e-45)
    others = [one_bit, -array, array.reshape(3, 2), array.astype("int32"), array[:, :2]]
    assert len({array_digest(other) for other in [array, *others]}) == 6


def test_names_and_order_count() -> None:
    a, b = np.zeros(2), np.ones(2)
    prints = [
        fingerprint({"a": a, "b": b}),
        fingerprint({"b": b, "a": a}),
        fingerprint({"a": b, "b": a}),
        fingerprint({"a": a, "c": b}),
    ]
    assert len({each["sha256"] for each in prints}) == 4
    assert prints[0]["arrays"] == {"a": array_digest(a), "b": array_digest(b)}
