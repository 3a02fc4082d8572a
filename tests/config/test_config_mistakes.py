"""Bad input: each mistake gets one message with its place and the way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shackdoo.config.compose import compose
from shackdoo.config.project import Project
from shackdoo.errors import ConfigError
from shackdoo.task import Task

Make = Callable[..., Project]
HEAD = "# @package _global_\ndefaults: [Mnist_A, _self_]\n"
TASK = HEAD + "task:\n  name: X\n"  # what follows is line 5


def message(project: Project, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        compose("train", list(overrides), project)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert "hydra" not in text.lower() or "hydra" in " ".join(overrides).lower()
    assert "search path" not in text.lower()
    return text


ON_THE_COMMAND_LINE = {
    "no task": ([], "No task is named. Known: Mnist_A, Mnist_B, Mnist_C"),
    "unknown task": (
        ["task=Mnist_BB"],
        "the override 'task=Mnist_BB': no task 'Mnist_BB'. Did you mean 'Mnist_B'? Known: "
        "Mnist_A, Mnist_B, Mnist_C. Each is a file in conf/task.",
    ),
    "task in lower case": (["task=mnist_b"], "Did you mean 'Mnist_B'?"),
    "empty task": (["task="], "the override 'task=': task is empty. Known: Mnist_A"),
    "number for a task": (["task=3"], "the override 'task=3': no task '3'. Known: Mnist_A"),
    "unknown optimizer": (
        ["optimizer=adma"],
        "the override 'optimizer=adma': no optimizer 'adma'. Did you mean 'adam'? Known: adam, "
        "adamw, rmsprop, sgd.",
    ),
    "unknown schedule": (
        ["optimizer/schedule=trangle"],
        "no optimizer/schedule 'trangle'. Did you mean 'triangle'? Known: constant, cosine,",
    ),
    "unknown callback": (
        ["callbacks=[none,early_stoping]"],
        "no callbacks 'early_stoping'. Did you mean 'early_stopping'?",
    ),
    "unknown debug": (["debug=quik"], "no debug 'quik'. Did you mean 'quick'? Known: quick."),
    "unknown tracking": (["tracking=of"], "no tracking 'of'. Did you mean 'off'?"),
    "unknown group": (
        ["optimiser=adam"],
        "the override 'optimiser=adam': no key 'optimiser' in the configuration. Did you mean "
        "'optimizer'? Known: best, callbacks,",
    ),
    "unknown group below a group": (
        ["optimizer/shedule=cosine"],
        "no group 'optimizer/shedule'. Did you mean 'optimizer/schedule'?",
    ),
    "unknown group added": (["+foo/bar=x"], "no key 'foo/bar' in the configuration."),
    "misspelt parameter": (
        ["task.parameters.epocs=1"],
        "the override 'task.parameters.epocs=1': no key 'epocs' in task.parameters. Did you mean "
        "'epochs'? Known: batch_norm_momentum,",
    ),
    "misspelt key": (
        ["optimizer.lerning_rate=1"],
        "no key 'lerning_rate' in optimizer. Did you mean 'learning_rate'? Known: _target_, "
        "beta_1, beta_2, epsilon, learning_rate, schedule. To add one that the YAML doesn't "
        "have, write +optimizer.lerning_rate=1.",
    ),
    "misspelt key added": (
        ["+traking.uri=x"],
        "the override '+traking.uri=x': no key 'traking' in the configuration. Did you mean "
        "'tracking'?",
    ),
    "misspelt key added below": (
        ["+tracking.requird=true"],
        "the override '+tracking.requird=true': no key 'requird' in tracking. Did you mean "
        "'required'? Known: also, enabled, every_steps, keep_days, required, system_metrics, "
        "untracked, uri, wait.",
    ),
    "misspelt key of a data set": (
        ["catalog.mnist.fil=x"],
        "no key 'fil' in catalog.mnist. Did you mean 'file'?",
    ),
    "unknown data set": (["catalog.mnst.file=x"], "the override 'catalog.mnst.file=x': catalog"),
    "a key below a number": (["seed.x=3"], "the override 'seed.x=3': seed has no keys below it."),
    "Hydra's own": (["hydra.foo=1"], "Hydra has no setting 'hydra.foo'."),
    "added though there": (
        ["+seed=1"],
        "The override '+seed=1' adds what is there already. Change it without +: seed=1",
    ),
    "group added though there": (["+optimizer=sgd"], "Change it without +: optimizer=sgd"),
    "deleted though not there": (
        ["~sed"],
        "no key 'sed' in the configuration. Did you mean 'seed'?",
    ),
    "deleted though needed": (["~seed"], "the override '~seed': seed is missing; set it"),
    "no value": (["seed"], "The override 'seed' can't be read. Write key=value, as in seed=1"),
    "letters beyond a to z": (
        ["tag=日本語"],
        "The override 'tag=日本語' can't be read. Write key=value, as in seed=1 or "
        "task.parameters.epochs=3; a value with spaces, commas, brackets, quotes or letters beyond "
        "a to z goes into quotes, and those into the shell's: \"tags.note='a, b'\".",
    ),
    "no key": (["=3"], "The override '=3' can't be read."),
    "open bracket": (["task.parameters.epochs=[1"], "epochs=[1' can't be read."),
    "two values": (
        ["task=Mnist_A,Mnist_B"],
        "several values. Add --multirun for one run each, write task=[Mnist_A,Mnist_B] if it is "
        "a list, or \"task='Mnist_A,Mnist_B'\" if it is text.",
    ),
    "range": (["seed=range(1,3)"], "has several values. Add --multirun for one run each."),
    "learning rate negative": (
        ["optimizer.learning_rate=-1"],
        "the override 'optimizer.learning_rate=-1': optimizer.learning_rate is -1, but must be "
        "greater than 0.",
    ),
    "learning rate nan": (["optimizer.learning_rate=nan"], "is nan, but must be a finite number."),
    "learning rate inf": (["optimizer.learning_rate=inf"], "is inf, but must be a finite number."),
    "learning rate text": (["optimizer.learning_rate=fast"], "is 'fast', but must be a number."),
    "learning rate null": (["optimizer.learning_rate=null"], "is null, but must be a number."),
    "seed fraction": (["seed=2.5"], "seed is 2.5, but must be a whole number."),
    "seed boolean": (["seed=true"], "seed is true, but must be a whole number."),
    "seed negative": (["seed=-1"], "seed is -1, but must be greater than or equal to 0."),
    "seed large": (["seed=2147483648"], "must be less than or equal to 2147483647."),
    "mapping replaced": (
        ["task.parameters=3"],
        "task.parameters is 3, but must be a mapping of names to values.",
    ),
    "uri number": (["tracking.uri=5"], "tracking.uri is 5, but must be text."),
    "wait negative": (["tracking.wait=-1"], "tracking.wait is -1, but must be greater than or"),
    "threads": (["determinism.threads=0"], "determinism.threads is 0, but must be greater than 0."),
    "mode": (["best.mode=best"], "best.mode is 'best', but must be 'max' or 'min'."),
    "experiment empty": (["experiment=''"], "experiment is '', but must be something that isn't"),
    "flows": (
        ["flows=[run]"],
        "flows is ['run'], but must be the first one, two or three of: fetch",
    ),
    "flows empty": (["flows=[]"], "flows is [], but must be something that isn't empty."),
    "flows unknown": (["flows=[fetch]"], "flows.0 is 'fetch', but must be 'fetch_data', 'prepro"),
    "resume": (["resume=abc"], "resume is 'abc', but must be 'auto'."),
    "register": (["register=a/b"], "register is 'a/b', but must be NAME or NAME@ALIAS (digits@"),
    "layer": (["catalog.mnist.layer=rw"], "catalog.mnist.layer is 'rw', but must be 'raw', 'inter"),
    "digest": (
        ["catalog.mnist.sha256=abc"],
        "must be 64 hexadecimal digits in lower case, or null",
    ),
    "files": (["catalog.mnist.file=[a]"], "must be text, or a mapping of names to text."),
    "files without their digests": (
        ["catalog.mnist.file={a: x}", "catalog.mnist.sha256={b: " + 64 * "0" + "}"],
        "must have the same names in file and sha256.",
    ),
    "no such key referred to": (
        ["tag=${task.nam}"],
        "the override 'tag=${task.nam}': tag refers to ${task.nam}, and there is no such key.",
    ),
    "no such variable": (
        ["tag=${oc.env:SHACKDOO_NOT_SET}"],
        "tag refers to the environment variable SHACKDOO_NOT_SET, which isn't set. Set it, there "
        "or in .env, or give a value for that case: ${oc.env:SHACKDOO_NOT_SET,value}.",
    ),
    "no such resolver": (["tag=${now:x}${foo:1}"], "tag uses ${foo:…}, and there is no such"),
    "interpolation left open": (["tag='${foo'"], "tag has a ${ that can't be read: is a bracket"),
    "number with 5000 digits": (
        ["seed=" + 5000 * "9"],
        "The configuration of 'task=Mnist_B seed=9",
    ),
}


@pytest.mark.parametrize("case", ON_THE_COMMAND_LINE)
def test_on_the_command_line(case: str, shipped: Project) -> None:
    overrides, expected = ON_THE_COMMAND_LINE[case]
    chosen = [] if case == "no task" or "task=" in " ".join(overrides)[:5] else ["task=Mnist_B"]
    text = message(shipped, *chosen, *overrides)
    assert expected in text
    assert len(text) < 600


IN_A_FILE: dict[str, tuple[str | bytes, str]] = {
    "misspelt key": (
        TASK + "  paramters: {epochs: 1}\n",
        "conf/task/X.yaml:5: no key 'paramters' in task. Did you mean 'parameters'?",
    ),
    "misspelt top key": (
        TASK + "optimiser: {learning_rate: 1}\n",
        "conf/task/X.yaml:5: no key 'optimiser' in the configuration. Did you mean 'optimizer'?",
    ),
    "out of range": (
        TASK + "optimizer:\n  learning_rate: .nan\n",
        "conf/task/X.yaml:6: optimizer.learning_rate is nan, but must be a finite number.",
    ),
    "wrong type": (TASK + "seed: yes\n", "conf/task/X.yaml:5: seed is true, but must be a whole"),
    "bare off": (
        TASK + "best: {metric: off}\n",
        "conf/task/X.yaml:5: best.metric is false, but must be text; in YAML a bare on, off, yes "
        "or no is true or false, so put it in quotes.",
    ),
    "no syntax": (
        TASK + "  parameters: {epochs: 1\n",
        "conf/task/X.yaml:6: this is no valid YAML: while parsing a flow mapping from line 5, "
        "expected ',' or '}', but got 'the end of the file'.",
    ),
    "tab": (TASK + "\tseed: 1\n", "conf/task/X.yaml:5: this is no valid YAML: found character"),
    "twice the same key": (
        TASK + "seed: 1\nseed: 2\n",
        "conf/task/X.yaml:6: this is no valid YAML",
    ),
    "unknown alias": (TASK + "tag: *x\n", "conf/task/X.yaml:5: this is no valid YAML: found undef"),
    "a Python object": (
        TASK + 'tag: !!python/object/apply:os.system ["exit 1"]\n',
        "conf/task/X.yaml:5: this is no valid YAML: could not determine a constructor",
    ),
    "not UTF-8": (
        (TASK + "# é\n").encode("latin1"),
        "conf/task/X.yaml:5: the file isn't UTF-8. Save it as UTF-8.",
    ),
    "a zero byte": (TASK + "\0\n", "conf/task/X.yaml:5: the file holds a character that YAML"),
    "a list": ("- a\n", "conf/task/X.yaml: a list stands where the files before it have a mapping"),
    "a word": ("hello\n", "conf/task/X.yaml: no key 'hello' in task."),
    "empty": ("", "conf/task/X.yaml: task._target_ is missing; set it there or on the command"),
    "task is a number": (
        HEAD + "task: 3\n",
        "conf/task/X.yaml:3: task is 3, but must be a mapping of names to values.",
    ),
    "unknown parent": (
        "# @package _global_\ndefaults:\n  - Mnist_Z\n",
        "conf/task/X.yaml:3: no task 'Mnist_Z'. Did you mean 'Mnist_",
    ),
    "unknown choice": (
        "# @package _global_\ndefaults:\n  - Mnist_A\n  - override /optimizer: sdg\n",
        "conf/task/X.yaml:4: no optimizer 'sdg'. Did you mean 'sgd'?",
    ),
    "unknown group": (
        "# @package _global_\ndefaults:\n  - Mnist_A\n  - override /optimzer: sgd\n",
        "conf/task/X.yaml:4: no group 'optimzer' to override. Did you mean 'optimizer'?",
    ),
    "off without quotes": (
        "# @package _global_\ndefaults:\n  - Mnist_A\n  - override /tracking: off\n",
        "conf/task/X.yaml:4: in YAML a bare on, off, yes or no is true or false; put the file's",
    ),
    "defaults no list": (
        "# @package _global_\ndefaults: Mnist_A\n",
        "conf/task/X.yaml: defaults must be a list, as in defaults: [Mnist_A, _self_].",
    ),
    "twice _self_": (
        "# @package _global_\ndefaults: [_self_, Mnist_A, _self_]\n",
        "conf/task/X.yaml: _self_ stands twice in the defaults list.",
    ),
    "override too early": (
        "# @package _global_\ndefaults: [override /optimizer: sgd, Mnist_A]\n",
        "conf/task/X.yaml: in the defaults list, 'override optimizer : sgd' must stand behind",
    ),
    "circle": ("# @package _global_\ndefaults: [X]\n", "chosen by 'task=X' go in a circle."),
    "bad header": (
        "# @package _global_ foo\ndefaults: [Mnist_A]\n",
        "conf/task/X.yaml: the header '# @package _global_ foo' must name one package",
    ),
    "key is a number": (
        TASK + "  parameters: {1: 2}\n",
        "conf/task/X.yaml:5: the key task.parameters.1 is no text; put it in quotes.",
    ),
    "key is null": (TASK + "null: 2\n", "chosen by 'task=X' a key is null, not text."),
    "no such key referred to": (
        TASK + "tag: ${task.nam}\n",
        "conf/task/X.yaml:5: tag refers to ${task.nam}, and there is no such key.",
    ),
    "no such variable": (
        TASK + "tag: ${oc.env:SHACKDOO_NOT_SET}\n",
        "conf/task/X.yaml:5: tag refers to the environment variable SHACKDOO_NOT_SET, which",
    ),
    "interpolation left open": (
        TASK + "tag: ${task.name\n",
        "conf/task/X.yaml:5: tag has a ${ that can't be read",
    ),
    "interpolation in a circle": (
        TASK + "tag: ${experiment}\nexperiment: ${tag}\n",
        "conf/task/X.yaml:6: experiment refers to itself in a circle.",
    ),
}


@pytest.mark.parametrize("case", IN_A_FILE)
def test_in_a_file(case: str, own: Make) -> None:
    content, expected = IN_A_FILE[case]
    assert expected in message(own({"task/X.yaml": content}), "task=X")


def test_the_last_file_that_sets_a_key_is_blamed(own: Make) -> None:
    files = {
        "task/Y.yaml": "# @package _global_\ndefaults: [X, _self_]\nseed: -2\n",
        "task/X.yaml": TASK + "seed: -1\n",
        "optimizer/schedule/mine.yaml": "warmup: 1\n",
    }
    project = own(files)
    assert message(project, "task=Y").startswith("conf/task/Y.yaml:3: seed is -2")
    assert message(project, "task=X").startswith("conf/task/X.yaml:5: seed is -1")
    text = message(project, "task=X", "seed=1", "optimizer/schedule=mine")
    assert text.startswith(
        "conf/optimizer/schedule/mine.yaml: optimizer.schedule._target_ is missing; set it there"
    )


def test_a_folder_in_place_of_a_file(own: Make) -> None:
    project = own({"task/X.yaml/keep": ""})
    assert message(project, "task=X") == "conf/task/X.yaml is a folder; it has to be a file."


def test_no_root_file(own: Make) -> None:
    project = own()
    with pytest.raises(ConfigError, match=r"No sweep\.yaml in .*/conf or "):
        compose("sweep", [], project)


def test_a_broken_root_file(own: Make) -> None:
    text = message(own({"train.yaml": "a: [\n"}), "task=Mnist_B")
    assert text.startswith("conf/train.yaml:2: this is no valid YAML")


def test_broken_local_settings(own: Make) -> None:
    text = message(own({"local/default.yaml": "tracking: {uri: [\n"}), "task=Mnist_B")
    assert text.startswith("conf/local/default.yaml:2: this is no valid YAML")


def test_several_mistakes_are_told_at_once(own: Make) -> None:
    text = message(own({"task/X.yaml": TASK + "sed: 1\n"}), "task=X", "seed=-1")
    assert sorted(line[:21] for line in text.split("\n")) == [
        "conf/task/X.yaml:5: n",
        "the override 'seed=-1",
    ]


def test_no_conf_at_all(own: Make) -> None:
    root = own().root / "nothing"
    with pytest.raises(ConfigError, match=r"No conf/ in .*nothing\. Run shackdoo in a project"):
        compose("train", [], Project(root, root))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "+task.parameters.epocs=1",
            "the override '+task.parameters.epocs=1': no key 'epocs' in task.parameters. Did you "
            "mean 'epochs'? Known: batch_norm_momentum, ",
        ),
        ("task.parameters.epochs=0", "task.parameters.epochs is 0, but must be greater than 0."),
        ("task.parameters.batch_size=2.5", "batch_size is 2.5, but must be a whole number."),
        ("~task.parameters.epochs", "task.parameters.epochs is missing; set it"),
    ],
)
def test_a_models_refusal_of_parameters(override: str, expected: str, shipped: Project) -> None:
    composed = compose("train", ["task=Mnist_B", override], shipped)
    fields = Task.Parameters.model_fields
    values = {
        name: value
        for name, value in composed.config.task.parameters.items()
        if name in fields or name == "epocs"
    }
    with pytest.raises(ValueError, match="validation error") as caught:
        Task.Parameters.model_validate(values)
    told = composed.explain(caught.value, prefix=("task", "parameters"), known=fields)
    assert expected in str(told)


def test_a_parameter_misspelt_in_a_file(own: Make) -> None:
    project = own({"task/X.yaml": TASK + "  parameters:\n    epocs: 3\n"})
    composed = compose("train", ["task=X"], project)
    with pytest.raises(ValueError, match="validation error") as caught:
        Task.Parameters.model_validate({**_shared(composed.values), "epocs": 3})
    told = composed.explain(caught.value, prefix=("task", "parameters"))
    assert str(told).startswith(
        "conf/task/X.yaml:6: no key 'epocs' in task.parameters. Did you mean 'epochs'?"
    )


def _shared(values: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
    names = Task.Parameters.model_fields
    return {k: v for k, v in values["task"]["parameters"].items() if k in names}
