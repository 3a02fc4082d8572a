"""``shackdoo train --same-as RUN``: a run begins with the whole configuration of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from shackdoo.tracking.continued import read_recorded
from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import LocalRun, local_runs

Program = Callable[..., subprocess.CompletedProcess[str]]
SHOW = ("train", "--cfg", "job", "--same-as")
SECONDS = 120.0

FAILS = """
from pathlib import Path

from shackdoo.tasks.mnist import Mnist_B


class Fails(Mnist_B):
    '''It has no data until somebody brings it.'''

    def fetch_data(self):
        if Path(__file__).with_name("brought").exists():
            return super().fetch_data()
        raise RuntimeError("no data yet")
"""
FAILS_YAML = """\
# @package _global_
defaults: [Mnist_B, _self_]
task: {name: Fails, _target_: fails.Fails}
flows: [fetch_data]
"""
SCRIPT = """
import shackdoo
from shackdoo.errors import RequestError
from shackdoo.tasks.mnist import Mnist_B


class Own(Mnist_B):
    '''A class of a notebook.'''


run = shackdoo.train(Own, "flows=[fetch_data]", epochs=3)
other = shackdoo.compose(same_as=run, seed=2)
print(other.config.seed, other.config.task.parameters["epochs"], type(other.task) is Own)
for wrong in ({}, {"task": Own, "same_as": run}, {"task": "Mnist_A", "same_as": run}):
    try:
        shackdoo.compose(**wrong)
    except RequestError as error:
        print(error)
"""


def newest() -> LocalRun:
    return local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]


def manifest(run: LocalRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.folder / "files" / "manifest.json").read_text())
    return found


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = yaml.safe_load(done.stdout)
    return values


@pytest.fixture
def failed(own_project: Path, shackdoo: Program, monkeypatch: pytest.MonkeyPatch) -> LocalRun:
    """A run that ends before anything heavy is loaded, with a secret and a variable."""
    monkeypatch.setenv("SOMEBODY", "somebody")
    (own_project / "fails.py").write_text(FAILS)
    (own_project / "conf" / "task" / "Fails.yaml").write_text(FAILS_YAML)
    typed = ("+tags.token=sekret-1", "+tags.who=${oc.env:SOMEBODY}", "seed=3")
    done = shackdoo("train", "task=Fails", *typed)
    assert done.returncode == 1 and "no data yet" in done.stderr
    return newest()


@pytest.mark.usefixtures("store_away")
def test_it_ends_in_the_same_bits(shackdoo: Program, own_project: Path) -> None:
    asked = ("task=Mnist_B", "task.parameters.max_steps_per_epoch=5", "optimizer.beta_1=0.8")
    first = shackdoo("train", *asked, "report.page=false", "+tags.note=first")
    assert first.returncode == 0, first.stderr
    source = newest()
    (own_project / "conf" / "task" / "Mnist_B.yaml").write_text(
        "# @package _global_\ndefaults: [Mnist_A, _self_]\noptimizer: {learning_rate: 7}\n"
    )
    second = shackdoo("train", "--same-as", source.uid[:8], "~tags.note")
    assert second.returncode == 0, second.stderr
    run, found = newest(), [manifest(each) for each in (source, newest())]
    assert found[0]["results"]["weights"] == found[1]["results"]["weights"]
    assert found[0]["config_digest"] == found[1]["config_digest"]
    assert found[1]["same_as"] == {"run": source.uid}
    tags = read_recorded(run.journal).tags
    assert tags["shackdoo.same_as"] == source.uid and "note" not in tags


def test_secrets_come_from_the_request_and_are_asked_for_elsewhere(
    shackdoo: Program, failed: LocalRun, tmp_path: Path
) -> None:
    values = printed(shackdoo(*SHOW, "latest", SOMEBODY="another"))
    assert values["tags"] == {"token": "sekret-1", "who": "another"}
    assert values["seed"] == 3
    again = shackdoo("train", "--same-as=latest", "+tags.note=x")
    assert again.returncode == 1 and "sekret" not in again.stderr + again.stdout
    assert printed(shackdoo(*SHOW, newest().uid))["tags"]["token"] == "sekret-1"
    assert wait_shipped(failed.folder, SECONDS).done
    elsewhere = {"SHACKDOO_STATE": str(tmp_path / "other machine")}
    done = shackdoo(*SHOW, failed.uid[:8], **elsewhere)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: the configuration of the run {failed.uid[:8]}: the record does not have the "
        f"value of tags.token, since it is a secret. Give it: tags.token=…\n",
    )
    given = shackdoo(*SHOW, failed.uid[:8], "tags.token=other", "seed=4", **elsewhere)
    assert printed(given)["seed"] == 4


@pytest.mark.usefixtures("store_away")
def test_such_a_run_is_resumed(shackdoo: Program, own_project: Path, failed: LocalRun) -> None:
    shackdoo("train", "--same-as", "latest", "+tags.note=x", "seed=5")
    run = newest()
    (own_project / "conf" / "task" / "Fails.yaml").unlink()
    (own_project / "brought").touch()
    done = shackdoo("resume", run.uid[:8])
    assert done.returncode == 0, done.stderr
    found = manifest(run)
    assert found["config"]["seed"] == 5 and found["same_as"] == {"run": failed.uid}
    assert found["config"]["tags"]["note"] == "x"


def test_a_file_of_a_configuration(shackdoo: Program, failed: LocalRun, tmp_path: Path) -> None:
    path = tmp_path / "a recorded=one.yaml"
    path.write_bytes((failed.folder / "files" / "config.yaml").read_bytes())
    show = (*SHOW, str(path))
    assert printed(shackdoo(*show, "tags.token=x"))["tags"] == {"token": "x", "who": "somebody"}
    wrong = shackdoo(*show, "seed=-1", "tags.token=x")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "error: the override 'seed=-1': seed is -1, but must be greater than or equal to 0.\n",
    )
    asked = shackdoo(*show)
    assert asked.stderr.startswith(f"error: the configuration in {path}: the record does not have")
    path.write_text("seed: 1\n")
    damaged = shackdoo(*show)
    assert (damaged.returncode, damaged.stderr) == (
        3,
        f"error: the configuration in {path} can't be used: {path} is no whole configuration of "
        f"a training. Give the config.yaml that a run has recorded.\n",
    )


MISTAKES = {
    "no run": (["--same-as", "ffff0000"], "No run 'ffff0000' on this machine or in the store."),
    "nothing": (["seed=1", "--same-as"], "--same-as names no run. Give a run's id, its beginning,"),
    "several": (["-m", "--same-as=latest", "seed=1,2"], "--same-as goes with one run at a time:"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, shackdoo: Program) -> None:
    arguments, expected = MISTAKES[case]
    done = shackdoo("train", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {expected}")


@pytest.mark.usefixtures("store_away")
def test_a_class_of_a_notebook(shackdoo: Program, own_project: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:] == [
        "2 3 True",
        "Name a task, as in compose('Mnist_B'), or a run: same_as='latest'.",
        "same_as brings its task along; Own can't be another one. Give one of both.",
        "the override 'task=Mnist_A': a run that is to be the same as another has its task, Own. "
        "Leave 'task=Mnist_A' away, or train without --same-as.",
    ]
    refused = shackdoo("train", "--same-as", "latest")
    assert (refused.returncode, refused.stderr) == (
        2,
        f"error: the configuration of the run {newest().uid[:8]}: task._target_ is 'Own', a class "
        f"that was written in a notebook or in a script, where no command can import it. Train "
        f"there: shackdoo.train(same_as='latest'), or put the class into a module.\n",
    )
