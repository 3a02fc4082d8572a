from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from shackdoo.config.compose import compose, run_hydra
from shackdoo.config.project import PACKAGE, Project
from shackdoo.config.targets import check_targets
from shackdoo.errors import ConfigError, RunError

Make = Callable[..., Project]
CHECKOUT = PACKAGE.parent
TASK = "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: X\n"

TASKS = sorted(path.stem for path in (CHECKOUT / "conf" / "task").glob("*.yaml"))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_composes(task: str, shipped: Project) -> None:
    composed = compose("train", [f"task={task}"], shipped)
    check_targets(composed)
    assert composed.config.task.name == composed.config.tag == task


@pytest.mark.parametrize("schedule", ["constant", "triangle", "cosine", "exponential"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimizer_and_schedule(optimizer: str, schedule: str, shipped: Project) -> None:
    choice = ["task=Mnist_B", f"optimizer={optimizer}", f"optimizer/schedule={schedule}"]
    composed = compose("train", choice, shipped)
    check_targets(composed)
    spec = composed.config.optimizer
    assert spec.target.rpartition(".")[2].lower() == optimizer
    assert (spec.schedule is None) == (schedule == "constant")


def test_a_child_inherits_and_an_optimizer_keeps_the_tasks_learning_rate(shipped: Project) -> None:
    parent = compose("train", ["task=Mnist_A"], shipped).values
    child = compose("train", ["task=Mnist_B", "optimizer=sgd"], shipped).values
    own = yaml.safe_load((CHECKOUT / "conf/task/Mnist_B.yaml").read_text())
    assert child["optimizer"]["learning_rate"] == own["optimizer"]["learning_rate"]
    assert child["experiment"] == parent["experiment"] == "mnist"
    assert child["task"]["parameters"].keys() == parent["task"]["parameters"].keys()


def test_several_callbacks(shipped: Project) -> None:
    chosen = ["callbacks=[early_stopping,reduce_lr_on_plateau]", "optimizer/schedule=constant"]
    composed = compose("train", ["task=Mnist_A", *chosen], shipped)
    check_targets(composed)
    assert list(composed.config.callbacks) == ["early_stopping", "reduce_lr_on_plateau"]
    assert composed.config.callbacks["early_stopping"].arguments["patience"] == 3


def test_debug_is_quick_and_records_nothing(shipped: Project) -> None:
    config = compose("train", ["task=Mnist_B", "debug=quick"], shipped).config
    assert not config.tracking.enabled
    assert config.task.parameters["max_steps_per_epoch"] == 20


def test_an_own_project_is_seen_first_and_shackdoos_behind_it(own: Make) -> None:
    project = own(
        {
            "task/X.yaml": TASK + "seed: 7\n",
            "optimizer/adam.yaml": "_target_: keras.optimizers.Adam\nlearning_rate: 0.5\n",
            "local/default.yaml": "tracking: {wait: 30.0}\n",
        }
    )
    config = compose("train", ["task=X"], project).config
    assert (config.seed, config.tracking.wait, config.task.data) == (7, 30.0, "mnist")
    assert dict(config.optimizer.arguments) == {}
    assert compose("train", ["task=Mnist_B"], project).config.seed == 42


def test_debug_and_overrides_come_after_local_settings(own: Make) -> None:
    project = own({"local/default.yaml": "seed: 5\ntask: {parameters: {max_steps_per_epoch: 9}}\n"})
    config = compose("train", ["task=Mnist_B", "debug=quick", "seed=6"], project).config
    assert (config.seed, config.task.parameters["max_steps_per_epoch"]) == (6, 20)


def test_values_are_what_is_recorded(shipped: Project) -> None:
    composed = compose("train", ["task=Mnist_B", "+tags.note=3"], shipped)
    assert yaml.safe_load(composed.to_yaml()) == composed.values
    assert list(composed.values) == [
        field.alias or name for name, field in type(composed.config).model_fields.items()
    ]
    assert composed.config.tags["note"] == "3"


def test_a_configuration_is_frozen(shipped: Project) -> None:
    composed = compose("train", ["task=Mnist_B"], shipped)
    with pytest.raises(ValidationError, match="frozen"):
        composed.config.seed = 1
    with pytest.raises(TypeError):
        composed.config.task.parameters["epochs"] = 2  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        composed.name = "x"  # type: ignore[misc]


def test_place_of_a_key(shipped: Project, own: Make) -> None:
    composed = compose("train", ["task=Mnist_B", "seed=3", "task.parameters.epochs=2"], shipped)
    assert composed.place(("seed",)) == "the override 'seed=3'"
    assert composed.place(("task", "parameters", "epochs")) == (
        "the override 'task.parameters.epochs=2'"
    )
    for key, file, text in [
        (("task", "name"), "task/Mnist_B.yaml", "  name:"),
        (("task", "parameters", "drop_remainder"), "parameters.yaml", "drop_remainder:"),
        (("task", "data"), "task/Mnist_A.yaml", "  data:"),
        (("catalog", "mnist", "file"), "catalog.yaml", "  file:"),
        (("optimizer", "schedule", "warmup"), "optimizer/schedule/triangle.yaml", "warmup:"),
        (("flows", 1), "train.yaml", "flows:"),
    ]:
        lines = (CHECKOUT / "conf" / file).read_text().splitlines()
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(text))
        assert composed.place(key) == f"conf/{file}:{number}"
    elsewhere = compose("train", ["task=Mnist_B"], own())
    assert elsewhere.place(("seed",)).startswith(f"{CHECKOUT}/conf/train.yaml:")


def run_multi(project: Project, arguments: list[str], fail: tuple[int, ...] = ()) -> list[int]:
    seeds = []

    def job(composed: object) -> None:
        seed = composed.config.seed  # type: ignore[attr-defined]
        seeds.append(seed)
        if seed in fail:
            raise RunError(f"no luck with {seed}")

    run_hydra("train", arguments, job, project)
    return seeds


def test_multirun_leaves_nothing_behind(
    own: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    project = own()
    argv, variables = list(sys.argv), dict(os.environ)
    assert run_multi(project, ["-m", "task=Mnist_B", "seed=1,2,3"]) == [1, 2, 3]
    assert (sys.argv, dict(os.environ)) == (argv, variables)
    assert {path for path in tmp_path.rglob("*") if path not in before} == {
        project.root,
        project.root / "conf",
    }


def test_multirun_goes_on_after_a_job_that_failed(shipped: Project) -> None:
    with pytest.raises(RunError, match=r"^no luck with 1$"):
        run_multi(shipped, ["-m", "task=Mnist_B", "seed=1,2"], fail=(1,))
    with pytest.raises(RunError, match=r"2 jobs failed\.\ntask=Mnist_B seed=1: no luck with 1\n"):
        run_multi(shipped, ["-m", "task=Mnist_B", "seed=1,2,3"], fail=(1, 3))


def test_a_mistake_under_multirun(shipped: Project) -> None:
    with pytest.raises(ConfigError, match=r"no task 'Mnist_X'\. Did you mean 'Mnist_"):
        run_multi(shipped, ["-m", "task=Mnist_B,Mnist_X"])


def test_hydras_own_flags(shipped: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_multi(shipped, ["task=Mnist_B", "--cfg", "all"]) == []
    assert "output_subdir: null" in capsys.readouterr().out


def test_composing_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom shackdoo.config.compose import compose\n"
        "from shackdoo.config.project import find_project\n"
        "from shackdoo.config.targets import check_targets\n"
        "check_targets(compose('train', ['task=Mnist_B'], find_project()))\n"
        "print(*{'tensorflow', 'keras', 'mlflow', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.split() == []


def test_the_package_alone_loads_neither_hydra_nor_pydantic() -> None:
    code = (
        "import sys, shackdoo.config, shackdoo.config.project\n"
        "print(*{'hydra', 'omegaconf', 'pydantic', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.split() == []
