"""Classes are read from their source: what is told here is compared with what Python does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from shackdoo.config.static_class import StaticClass, class_names, find_class, find_module


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "static_example"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    (folder / "__init__.py").write_text("raise SystemExit('this module was run')\n")
    return folder


def write(folder: Path, **modules: str) -> None:
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))


def found(dotted: str) -> StaticClass:
    result = find_class(dotted)
    assert result is not None
    return result


def lineage(dotted: str) -> list[str]:
    return [ancestor.name for ancestor in found(dotted).lineage()]


def test_keras_classes_through_their_reexports() -> None:
    assert found("keras.optimizers.Adam").is_a(found("keras.optimizers.Optimizer"))
    assert found("keras.callbacks.EarlyStopping").is_a(found("keras.callbacks.Callback"))
    assert not found("keras.callbacks.EarlyStopping").is_a(found("keras.optimizers.Optimizer"))


def test_constructors_of_keras_classes() -> None:
    adam = found("keras.optimizers.Adam").constructor()
    assert {"learning_rate", "beta_1", "amsgrad", "clipnorm", "weight_decay"} <= adam.names
    assert not adam.open  # what its parents don't take either, they refuse
    decay = found("keras.optimizers.schedules.CosineDecay").constructor()
    assert decay.required == {"initial_learning_rate", "decay_steps"}


def test_what_importing_gives_is_what_is_found() -> None:
    code = (
        "import inspect, keras\n"
        "for c in (keras.optimizers.SGD, keras.callbacks.EarlyStopping):\n"
        "    print(inspect.getsourcefile(c), c.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for dotted, line in zip(
        ["keras.optimizers.SGD", "keras.callbacks.EarlyStopping"],
        done.stdout.splitlines(),
        strict=True,
    ):
        path, name = line.rsplit(" ", 1)
        assert found(dotted).place == (Path(path), name)


def test_a_class_of_ones_own_is_not_run(package: Path) -> None:
    write(
        package,
        a="""
            import keras
            from keras.callbacks import Callback as Base
            raise RuntimeError("run")
            class Plain(keras.callbacks.Callback): ...
            class Named(Base): ...
            Other = Named
        """,
        b="from .a import *\nfrom . import a\nclass Far(a.Plain): ...\n",
    )
    for name in ("a.Plain", "a.Named", "a.Other", "b.Plain", "b.Far"):
        assert found(f"static_example.{name}").is_a(found("keras.callbacks.Callback"))
    assert "static_example" not in sys.modules


def test_what_is_passed_on_to_the_parent_counts(package: Path) -> None:
    write(
        package,
        c="""
            class Top:
                def __init__(self, top, *, size=1): ...
            class Closed(Top):
                def __init__(self, own): ...
            class Passing(Top):
                def __init__(self, own=1, **kwargs):
                    super().__init__(**kwargs)
            class Swallowing(Top):
                def __init__(self, own, **kwargs): ...
            class Refusing(Top):
                def __init__(self, own, **kwargs):
                    if kwargs:
                        raise ValueError(kwargs)
            class Bare: ...
            class Unknown(somewhere.Else): ...
        """,
    )
    told = {
        name: found(f"static_example.c.{name}").constructor()
        for name in ("Closed", "Passing", "Swallowing", "Refusing", "Bare", "Unknown")
    }
    assert (told["Closed"].names, told["Closed"].open) == ({"own"}, False)
    assert told["Passing"].names == {"own", "top", "size"}
    assert told["Passing"].required == {"top"}
    assert told["Swallowing"].open
    assert (told["Refusing"].names, told["Refusing"].open) == ({"own"}, False)
    assert (told["Bare"].names, told["Bare"].open) == (set(), False)
    assert told["Unknown"].open


@pytest.mark.parametrize(
    "dotted", ["nope", "nope.Adam", "keras.optimizers.Nope", "os.path.join", "math.sqrt", "..", ""]
)
def test_what_is_no_class(dotted: str) -> None:
    assert find_class(dotted) is None


def test_sources_that_cannot_be_read(package: Path) -> None:
    write(package, broken="class A(:\n")
    (package / "binary.py").write_bytes(b"\0\xff")
    assert find_class("static_example.broken.A") is None
    assert find_class("static_example.binary.A") is None


def test_circles_end(package: Path) -> None:
    write(
        package,
        e="from static_example.f import A\nB = C\nC = B\n",
        f="from static_example.e import A\n",
    )
    assert find_class("static_example.e.A") is None
    assert find_class("static_example.e.B") is None


def test_a_class_that_inherits_from_itself_ends(package: Path) -> None:
    write(package, g="class A(B): ...\nclass B(A): ...\n")
    assert set(lineage("static_example.g.A")) == {"A", "B"}


def test_names_to_choose_from() -> None:
    module = find_module("keras.callbacks")
    assert module is not None
    assert {"EarlyStopping", "Callback"} <= class_names(module)
