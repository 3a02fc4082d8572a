"""What MLflow can't hold goes elsewhere whole, and says so."""

from __future__ import annotations

import pytest

from shackdoo.tracking.limits import MAX_KEY, fit, fit_key


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("task.parameters.epochs", "task.parameters.epochs"),
        ("結果/精度", "結果/精度"),
        ("a[0]=b", "a_x5B_0_x5D__x3D_b"),
        ("../up", ".._x2F_up"),
        ("/top", "_x2F_top"),
        ("", "_x_"),
    ],
)
def test_keys(key: str, stored: str) -> None:
    assert fit_key(key) == stored


def test_long_keys_stay_apart() -> None:
    one, other = fit_key("k" * 400 + "1"), fit_key("k" * 400 + "2")
    assert len(one) == len(other) == MAX_KEY
    assert one != other


def test_a_long_value_is_whole_elsewhere() -> None:
    fitted = fit("notes=x", "v" * 7000, longest=6000)
    assert fitted.overflow == "v" * 7000
    assert fitted.value.startswith(
        "[7000 characters, whole in the artifact long_values/notes_x3D_x.txt] vvv"
    )
    assert fit("k", "v" * 6000, longest=6000).value == "v" * 6000
