"""Bad input: one message with the place and the way out, exit 2, nothing heavy, nothing started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shackdoo.cli import main
from shackdoo.commands.train import expand
from shackdoo.errors import RequestError

TASK = "task=Mnist_B"
NO_DIGEST = "0" * 64

OVERRIDES = {
    "unknown task": (
        ["task=Mnist_X"],
        r"the override 'task=Mnist_X': no task 'Mnist_X'. Did you mean 'Mnist_[ABC]'\? "
        r"Known: Mnist_A, Mnist_B, Mnist_C",
    ),
    "no task": ([], r"No task is named. Known: Mnist_A, Mnist_B, Mnist_C. Name one: task="),
    "misspelt parameter": (
        [TASK, "task.parameters.epoch=3"],
        r"the override 'task.parameters.epoch=3': no key 'epoch' in task.parameters. "
        r"Did you mean 'epochs'\? Known: batch_norm",
    ),
    "misspelt parameter with +": (
        [TASK, "+task.parameters.dropuot=0.2"],
        r"the override '\+task.parameters.dropuot=0.2': no key 'dropuot' in task.parameters. "
        r"Did you mean 'dropout'\?",
    ),
    "misspelt key": ([TASK, "sede=1"], r"the override 'sede=1': no key 'sede'.*'seed'\?"),
    "wrong type": (
        [TASK, "task.parameters.dropout=much"],
        r"'task.parameters.dropout=much': task.parameters.dropout is 'much', but must be a number",
    ),
    "no epochs": (
        [TASK, "task.parameters.epochs=0"],
        r"'task.parameters.epochs=0': task.parameters.epochs is 0, but must be greater than 0",
    ),
    "negative rate": (
        [TASK, "optimizer.learning_rate=-1"],
        r"optimizer.learning_rate is -1, but must be greater than 0",
    ),
    "rate that is no number": (
        [TASK, "optimizer.learning_rate=nan"],
        r"optimizer.learning_rate is nan, but must be a finite number",
    ),
    "fraction of a batch": (
        [TASK, "task.parameters.batch_size=2.5"],
        r"task.parameters.batch_size is 2.5, but must be a whole number",
    ),
    "batch larger than the data": (
        [TASK, "task.parameters.batch_size=60000"],
        r"the override 'task.parameters.batch_size=60000': task.parameters.batch_size is 60000, "
        r"but 'mnist' has 54000 training examples .* Choose at most 54000",
    ),
    "an odd number of waves in pairs": (
        ["task=Mnist_B", "task.parameters.stem_filters=25"],
        r"'task.parameters.stem_filters=25': task.parameters.stem_filters is 25, but stem=cosine "
        r"takes an even number of at most 72, as waves come in pairs. Choose such a one, or set "
        r"task.parameters.stem=learned",
    ),
    "convolutions that leave nothing to halve": (
        ["task=Mnist_A", "task.parameters.body_size=4"],
        r"'task.parameters.body_size=4': task.parameters.stem_size=5, stem_stride=2 and "
        r"body_size=4 leave 7 places each way of an image's 24 pixels; they are halved, so it must "
        r"be an even number, at least 2. Choose others, such as 5, 2 and 3, or 6, 3 and 2",
    ),
    "a convolution larger than the image": (
        ["task=Mnist_A", "task.parameters.stem_size=25"],
        r"stem_size=25, stem_stride=2 and body_size=3 leave 0 places each way",
    ),
    "unknown optimizer": (
        [TASK, "optimizer=adm"],
        r"no optimizer 'adm'. Did you mean 'adam'\? Known: adam, adamw, rmsprop, sgd",
    ),
    "misspelt argument": (
        [TASK, "+optimizer.beta1=0.9"],
        r"'\+optimizer.beta1=0.9': Adam takes no 'beta1' here. Did you mean 'beta_1'\?",
    ),
    "argument out of range": (
        [TASK, "optimizer.beta_1=1.5"],
        r"optimizer.beta_1 is 1.5; it must be at least 0 and less than 1",
    ),
    "argument that the program gives": (
        [TASK, "+optimizer.schedule.peak=1"],
        r"Triangle takes no 'peak' here",
    ),
    "argument that is missing": (
        [
            TASK,
            "optimizer/schedule=constant",
            "+optimizer.schedule._target_=keras.optimizers.schedules.CosineDecay",
        ],
        r"CosineDecay needs decay_steps; set optimizer.schedule.decay_steps",
    ),
    "unknown data": (
        [TASK, "task.data=minst"],
        r"the override 'task.data=minst': No data named 'minst' in conf/catalog.yaml. "
        r"Did you mean 'mnist'\? Known: mnist",
    ),
    "missing file": (
        [TASK, "catalog.mnist.file=data/raw/none.gz"],
        r"The file of 'mnist' in conf/catalog.yaml is missing: .*data/raw/none.gz",
    ),
    "another digest": (
        [TASK, f"catalog.mnist.sha256={NO_DIGEST}"],
        rf"is not the file pinned for 'mnist'.*its sha256 is 54b95e.*, expected is {NO_DIGEST}",
    ),
    "pickle without a digest": (
        [TASK, "catalog.mnist.sha256=null"],
        r"sha256",
    ),
    "task that can't be imported": (
        [TASK, "task._target_=nowhere.Task"],
        r"the override 'task._target_=nowhere.Task': the task's class 'nowhere.Task' can't be "
        r"imported: ModuleNotFoundError: No module named 'nowhere'",
    ),
    "misspelt class": (
        [TASK, "task._target_=shackdoo.tasks.mnist.Mnist_Q"],
        r"no class 'Mnist_Q' in the module 'shackdoo.tasks.mnist'. Did you mean 'Mnist_[ABC]'",
    ),
    "task that is not admitted": (
        [TASK, "task._target_=os.system"],
        r"'os.system' is not admitted as a task: it is no subclass of shackdoo.task.Task",
    ),
    "optimizer that is not admitted": (
        [TASK, "optimizer._target_=keras.callbacks.EarlyStopping"],
        r"'keras.callbacks.EarlyStopping' is not admitted as optimizer: it is no subclass of keras",
    ),
    "optimizer that can't be imported": (
        [TASK, "optimizer._target_=os.system"],
        r"'os.system' can't be imported as optimizer|no class 'system' in the module 'os'",
    ),
    "misspelt callback": (
        [TASK, "+callbacks.mine._target_=keras.callbacks.EarlyStoping"],
        r"no class 'EarlyStoping' in the module 'keras.callbacks'. Did you mean 'EarlyStopping'\?",
    ),
    "callback and schedule at odds": (
        [TASK, "callbacks=reduce_lr_on_plateau"],
        r"conf/callbacks/reduce_lr_on_plateau.yaml:3: keras.callbacks.ReduceLROnPlateau sets the "
        r"learning rate, and so does optimizer.schedule .* optimizer/schedule=constant leaves",
    ),
    "malformed store": ([TASK, "tracking.uri=htp://x"], r"begins with 'htp:'.*'http'\?"),
    "file store": ([TASK, "tracking.uri=file:./mlruns"], r"a folder of files, which MLflow no"),
    "flows out of order": ([TASK, "flows=[run]"], r"flows is \['run'\], but must be the first"),
    "a run to be resumed": ([TASK, "resume=abc"], r"resume is 'abc', but must be 'auto'"),
    "weights of no run": ([TASK, "init_from=abcd"], r"'init_from=abcd': No run 'abcd' on this mac"),
    "an option that is none": ([TASK, "--epochs=3"], r"No option '--epochs=3' of `shackdoo train`"),
    "overrides that can't be split": (["overrides=task='Mnist_B"], r"can't be split into words"),
    "an override that can't be read": ([TASK, "seed=[1"], r"seed=\[1' can't be read"),
}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the message; check that it is one, with exit code 2 and nothing started."""
    assert main(["train", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    assert not (Path(os.environ["SHACKDOO_STATE"]) / "runs").exists()
    return err


@pytest.mark.parametrize("mistake", OVERRIDES)
def test_mistakes_on_the_command_line(
    mistake: str, own_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = OVERRIDES[mistake]
    (own_project / "mlflow.db").unlink()
    told = refused(capsys, *arguments)
    assert re.search(message, told, re.DOTALL), told
    assert not (own_project / "mlflow.db").exists()


def test_a_name_in_the_registry_needs_a_model_and_a_record(
    own_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, TASK, "register=digits", "tracking=off")
    assert "the override 'register=digits': register is 'digits', but nothing is recorded" in told
    told = refused(capsys, TASK, "register=digits", "flows=[fetch_data]")
    assert "register is 'digits', but no model is trained (flows ends before run)." in told


YAMLS = {
    "misspelt parameter": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: Mine\n"
        "  parameters:\n    dropuot: 0.1\n",
        r"conf/task/Mine.yaml:6: no key 'dropuot' in task.parameters. Did you mean 'dropout'\?",
    ),
    "misspelt key": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {name: Mine}\nsede: 1\n",
        r"conf/task/Mine.yaml:4: no key 'sede'.* Did you mean 'seed'\?",
    ),
    "wrong type": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: Mine\n"
        "  parameters: {epochs: many}\n",
        r"conf/task/Mine.yaml:5: task.parameters.epochs is 'many', but must be a whole number",
    ),
    "batch larger than the data": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: Mine\n"
        "  parameters: {batch_size: 99999}\n",
        r"conf/task/Mine.yaml:5: task.parameters.batch_size is 99999, but 'mnist' has 54000",
    ),
    "unknown data": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: Mine\n  data: minst\n",
        r"conf/task/Mine.yaml:5: No data named 'minst'",
    ),
    "unknown parent": (
        "# @package _global_\ndefaults: [Mnist_Z, _self_]\ntask: {name: Mine}\n",
        r"conf/task/Mine.yaml.*Mnist_Z.*Known: .*Mnist_A",
    ),
    "no header": (
        "# mine\n# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {name: Mine}\n",
        r"conf/task/Mine.yaml:1: a task's file begins with the line '# @package _global_', above",
    ),
    "no YAML": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask: {name: Mine\nseed: 1\n",
        r"conf/task/Mine.yaml:\d",
    ),
    "class that is not there": (
        "# @package _global_\ndefaults: [Mnist_A, _self_]\ntask:\n  name: Mine\n"
        "  _target_: nowhere.Mine\n",
        r"conf/task/Mine.yaml:5: the task's class 'nowhere.Mine' can't be imported",
    ),
}


@pytest.mark.parametrize("mistake", YAMLS)
def test_mistakes_in_a_file(
    mistake: str, own_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, message = YAMLS[mistake]
    (own_project / "conf" / "task" / "Mine.yaml").write_text(text)
    told = refused(capsys, "task=Mine")
    assert re.search(message, told, re.DOTALL), told


def test_a_file_that_is_not_text(own_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_project / "conf" / "task" / "Mine.yaml").write_bytes(b"task: \xff\xfe\n")
    assert "conf/task/Mine.yaml" in refused(capsys, "task=Mine")


def test_folders_that_cannot_be_written(
    own_project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_project / "data").write_text("a file in the way")
    assert re.search(r"The folder .*data/model can't be made", refused(capsys, TASK))
    (own_project / "data").unlink()
    state = own_project / "state"
    state.write_text("a file in the way")
    monkeypatch.setenv("SHACKDOO_STATE", str(state / "inside"))
    assert "set SHACKDOO_STATE to a folder of yours" in refused(capsys, TASK)


def test_a_root_that_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SHACKDOO_ROOT", str(tmp_path / "nowhere"))
    assert main(["train", TASK]) == 2
    assert "SHACKDOO_ROOT is '" in capsys.readouterr().err


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    told = capsys.readouterr().err
    assert "No command 'trian'. Did you mean 'train'? Known: diff, doctor, export, infer, " in told
    assert "register, report, reproduce, resume, runs, sync, train, ui." in told


@pytest.mark.parametrize(
    ("given", "expanded"),
    [
        (["overrides=a=1 b='two words'", "task=X"], ["a=1", "b=two words", "task=X"]),
        (["optimizer=", "overrides=", ""], []),
        (["--task", "X", "optimizer=sgd"], ["task=X", "optimizer=sgd"]),
        (["--task=X"], ["task=X"]),
        (["overrides=+tags.note='a; $(b) `c`'"], ["+tags.note='a; $(b) `c`'"]),
        (
            ["tag=日本語 の 実験", "experiment=größer"],
            ["tag='日本語 の 実験'", "experiment='größer'"],
        ),
        (
            ["tag=[日本,語]", "tag='日本語'", "+tags.x=a=é"],
            ["tag=[日本,語]", "tag='日本語'", "+tags.x=a=é"],
        ),
        (
            ["overrides=+tags.note='a b; $(touch x) & 日本' seed=1"],
            ["+tags.note='a b; $(touch x) & 日本'", "seed=1"],
        ),
    ],
)
def test_arguments_are_expanded(given: list[str], expanded: list[str]) -> None:
    assert expand(given) == expanded


def test_overrides_with_an_open_quote() -> None:
    with pytest.raises(RequestError, match="can't be split into words: No closing quotation"):
        expand(["overrides=a='b"])


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["train", "--help"],
        ["train", TASK, "--cfg", "job"],
        ["train", TASK, "task.parameters.batch_size=60000"],  # found by the last of the checks
    ],
)
def test_help_composing_and_mistakes_load_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys; from shackdoo.cli import main; main(sys.argv[1:]); "
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib'}; "
        "print('heavy', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy []"


def test_completion_of_the_shell_knows_tasks_and_keys(
    own_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "shackdoo train task=Mn"
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert main(["-sc", "query=bash"]) == 0
    names = ["Mnist_A", "Mnist_B", "Mnist_C"]
    assert capsys.readouterr().out.split() == [f"task={name}" for name in names]
