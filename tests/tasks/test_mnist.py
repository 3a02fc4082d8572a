"""The shipped tasks: their classes, their network, and what they reach."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import numpy as np
import pytest

from shackdoo.commands.checking import check
from shackdoo.config.compose import compose
from shackdoo.config.project import find_project
from shackdoo.task import Task
from shackdoo.tasks import mnist
from shackdoo.tasks.mnist import Mnist_A, Mnist_B, Mnist_C


def test_mnist_b_differs_in_hyperparameters_only() -> None:
    definition = ast.parse(inspect.getsource(Mnist_B)).body[0]
    assert isinstance(definition, ast.ClassDef)
    assert [type(statement) for statement in definition.body] == [ast.Expr]
    assert ast.get_docstring(definition)
    assert Mnist_B.lineage() == [Mnist_B, Mnist_A, Task]


def test_mnist_c_is_mnist_b_for_longer() -> None:
    assert Mnist_C.lineage() == [Mnist_C, Mnist_B, Mnist_A, Task]


def test_tasks_are_checked_without_tensorflow() -> None:
    code = "import sys, shackdoo.tasks.mnist; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_pool_by_slices_is_max_pooling() -> None:
    keras = pytest.importorskip("keras")
    images = np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype("float32")
    inputs = keras.Input((8, 6, 3))
    pooled = keras.Model(inputs, mnist.pool_by_slices(inputs)).predict(images, verbose=0)
    np.testing.assert_array_equal(pooled, keras.layers.MaxPooling2D(2)(images))


def test_smoothed_crossentropy_is_keras_own_on_one_hot_targets() -> None:
    keras = pytest.importorskip("keras")
    from shackdoo.training.losses import SmoothedCrossentropy

    random = np.random.default_rng(0)
    labels, logits = random.integers(0, 10, 32), random.normal(size=(32, 10)).astype("float32")
    ours = SmoothedCrossentropy(0.1)(labels, logits)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    np.testing.assert_allclose(ours, theirs(np.eye(10)[labels], logits), rtol=1e-6)


def test_cosine_waves_are_orthogonal_from_slow_to_fast_and_the_faster_the_louder() -> None:
    waves = mnist.cosine_waves(36, 6)
    assert waves.shape == (6, 6, 36)
    flat = waves.reshape(36, 36)
    lengths = np.linalg.norm(flat, axis=0)
    np.testing.assert_allclose(flat.T @ flat, np.diag(lengths**2), atol=1e-4)
    assert np.all(np.diff(lengths) > -1e-6)
    assert lengths[[0, 1, -1]] == pytest.approx([1, 2, 1 + 5 * 2**0.5])
    np.testing.assert_array_equal(mnist.cosine_waves(3, 6), waves[..., :3])
    assert np.ptp(waves[..., 0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("stem", "learned"), [("learned", True), ("cosine", False)])
def test_the_stem_is_learned_or_made_of_waves(stem: str, learned: bool) -> None:
    pytest.importorskip("keras")
    request = ["task=Mnist_B", f"task.parameters.stem={stem}"]
    project = find_project()
    model = check(compose("train", request, project), project).task.build_model()
    kernel = model.weights[0]
    assert any(kernel is weight for weight in model.trainable_weights) == learned
    waves = mnist.cosine_waves(12, kernel.shape[0])
    assert np.array_equal(kernel.numpy()[:, :, 0], waves) != learned
