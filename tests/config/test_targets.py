from __future__ import annotations

from collections.abc import Callable

import pytest

from shackdoo.config.compose import compose
from shackdoo.config.project import Project
from shackdoo.config.targets import check_targets
from shackdoo.errors import ConfigError

Make = Callable[..., Project]
PLATEAU = "callbacks=[reduce_lr_on_plateau]"
REFUSED = {
    "unknown class": (
        ["optimizer._target_=keras.optimizers.Adm"],
        "the override 'optimizer._target_=keras.optimizers.Adm': no class 'Adm' in the module "
        "'keras.optimizers'. Did you mean 'Adam'?",
    ),
    "unknown module": (
        ["optimizer._target_=nope.Adam"],
        "'nope.Adam' can't be imported as optimiz",
    ),
    "no class at all": (
        ["optimizer._target_=os.system"],
        "'os.system' can't be imported as optimi",
    ),
    "a program": (
        ["+callbacks.x={_target_: subprocess.Popen, args: [ls]}"],
        "'subprocess.Popen' is not admitted as callbacks.x: it is no subclass of "
        "keras.callbacks.Callback.",
    ),
    "a callback for an optimizer": (
        ["optimizer._target_=keras.callbacks.EarlyStopping"],
        "is not admitted as optimizer: it is no subclass of keras.optimizers.Optimizer.",
    ),
    "an optimizer for a schedule": (
        ["optimizer.schedule._target_=keras.optimizers.Adam"],
        "is not admitted as optimizer.schedule: it is no subclass of",
    ),
    "misspelt argument": (
        ["+optimizer.beta1=0.5"],
        "the override '+optimizer.beta1=0.5': Adam takes no 'beta1' here. Did you mean 'beta_1'?",
    ),
    "misspelt argument of a callback": (
        ["callbacks=[early_stopping]", "+callbacks.early_stopping.patiens=2"],
        "EarlyStopping takes no 'patiens' here. Did you mean 'patience'?",
    ),
    "argument the program gives": (
        ["+optimizer.schedule.peak=3"],
        "Triangle takes no 'peak' here. Known: end, start, warmup.",
    ),
    "argument missing": (
        ["~optimizer.schedule.warmup"],
        "Triangle needs warmup; set optimizer.schedule.warmup.",
    ),
    "out of range": (
        ["optimizer.beta_1=1.5"],
        "optimizer.beta_1 is 1.5; it must be at least 0 and",
    ),
    "nan": (["optimizer.beta_1=nan"], "optimizer.beta_1 is nan; it must be a number."),
    "text": (["optimizer.beta_1=high"], "optimizer.beta_1 is 'high'; it must be a number."),
    "momentum": (["optimizer=sgd", "optimizer.momentum=-0.1"], "optimizer.momentum is -0.1; it"),
    "decay": (["optimizer=adamw", "optimizer.weight_decay=-1"], "optimizer.weight_decay is -1; it"),
    "two that set the learning rate": (
        [PLATEAU],
        "keras.callbacks.ReduceLROnPlateau sets the learning rate, and so does "
        "optimizer.schedule (shackdoo.training.schedules.Triangle). Keep one: "
        "optimizer/schedule=constant leaves it to the callback.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, shipped: Project) -> None:
    overrides, expected = REFUSED[case]
    composed = compose("train", ["task=Mnist_B", *overrides], shipped)
    with pytest.raises(ConfigError) as caught:
        check_targets(composed)
    assert expected in str(caught.value)


def test_refused_in_a_file(own: Make) -> None:
    adam = "_target_: keras.optimizers.Adam\nlearning_rate: 0.1\nbeta1: 0.5\n"
    composed = compose("train", ["task=Mnist_B"], own({"optimizer/adam.yaml": adam}))
    with pytest.raises(ConfigError, match=r"^conf/optimizer/adam\.yaml:3: Adam takes no 'beta1'"):
        check_targets(composed)


ADMITTED = {
    "a further argument": ["+optimizer.clipnorm=1.0"],
    "another optimizer": ["optimizer._target_=keras.optimizers.Nadam"],
    "a schedule of Keras": [
        "optimizer/schedule=constant",
        "optimizer.schedule={_target_: keras.optimizers.schedules.CosineDecay, decay_steps: 9}",
    ],
    "a callback that sets a constant rate": [PLATEAU, "optimizer/schedule=constant"],
}


@pytest.mark.parametrize("case", ADMITTED)
def test_admitted(case: str, shipped: Project) -> None:
    composed = compose("train", ["task=Mnist_B", *ADMITTED[case]], shipped)
    assert check_targets(composed) is None
