"""``shackdoo export``: what TF Serving would serve gives what the Keras model gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def test_a_saved_model_gives_the_outputs_of_the_keras_model(
    trained: Any, digits: np.ndarray, tmp_path: Path
) -> None:
    import keras
    import tensorflow as tf

    done = trained.shackdoo("export", "latest", tmp_path / "a" / "digits")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'a' / 'digits' / '1'}\n"
    assert done.stderr == ""
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["digits"]
    assert (tmp_path / "a" / "digits" / "1" / "saved_model.pb").is_file()
    served = tf.saved_model.load(str(tmp_path / "a" / "digits" / "1"))
    found = served.signatures["serving_default"](tf.constant(digits))
    (outputs,) = found.values()
    model = keras.saving.load_model(trained.keras_file, compile=False)
    np.testing.assert_allclose(outputs, model(digits, training=False), rtol=1e-5, atol=1e-5)


def test_nothing_is_written_over(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("precious")
    done = trained.shackdoo("export", "latest", tmp_path / "there")
    assert done.returncode == 2
    assert f"{tmp_path / 'there'} exists already, and nothing is written over." in done.stderr
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]


def test_mistakes_are_told(trained: Any, tmp_path: Path) -> None:
    done = trained.shackdoo("export", "latest")
    assert (done.returncode, done.stdout) == (2, "")
    assert "`shackdoo export` takes RUN and PATH, not 'latest'." in done.stderr
    done = trained.shackdoo("export", "nobody", tmp_path / "new")
    assert done.returncode == 2
    assert "No run 'nobody' on this machine or in the store." in done.stderr
    assert not (tmp_path / "new").exists()


def test_help_says_what_goes_in_and_out(trained: Any) -> None:
    done = trained.shackdoo("export", "--help")
    assert done.returncode == 0
    assert "takes inputs that are prepared already" in done.stdout
    assert "gives the network's raw outputs (logits)" in done.stdout


def test_a_model_that_is_gone_from_this_machine_comes_from_the_store(
    trained: Any, tmp_path: Path
) -> None:
    environment = {**trained.environment, "SHACKDOO_STATE": str(tmp_path / "state")}
    elsewhere = type(trained)(**{**vars(trained), "environment": environment})
    done = elsewhere.shackdoo("export", trained.run_id, tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "1" / "saved_model.pb").is_file()
