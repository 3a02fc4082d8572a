"""A logged model answers as shackdoo does, where there is no shackdoo."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# In a process that has neither shackdoo nor what only its commands need.
FRESH = """
import json, sys
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("hydra", "omegaconf", "pooch", "platformdirs"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
checkout = Path(sys.argv[1])
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != checkout]
try:
    import shackdoo
    raise SystemExit("shackdoo can be imported")
except ImportError:
    pass
import mlflow
import numpy as np

model = mlflow.pyfunc.load_model(sys.argv[2])
digits = np.load(sys.argv[3])
several = np.empty(2, object)
several[0] = 255 - digits[0]
several[1] = np.pad(digits[1] / 255.0, 30)
refused = {}
wrong = {"blank": digits * [[[0]]], "shape": np.zeros((2, 3, 4, 5)), "none": []}
for name, inputs in wrong.items():
    try:
        model.predict(np.asarray(inputs))
    except mlflow.exceptions.MlflowException as error:
        refused[name] = [error.error_code, str(error)]
import shackdoo
print(json.dumps({
    "answers": model.predict(digits).to_dict("list"),
    "several": model.predict(several)["label"].tolist(),
    "refused": refused,
    "from": shackdoo.__file__,
}))
"""


@pytest.fixture(scope="module")
def fresh(trained: Any, digits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the logged model does in a process without shackdoo."""
    import shackdoo

    folder = tmp_path_factory.mktemp("fresh")
    (folder / "fresh.py").write_text(FRESH)
    np.save(folder / "digits.npy", digits)
    checkout = Path(shackdoo.__file__).parents[1]
    model = f"{trained.uri}\n"
    done = subprocess.run(
        [sys.executable, "-I", "fresh.py", checkout, trained.model, "digits.npy"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr + model
    return json.loads(done.stdout.splitlines()[-1])


def test_it_answers_as_shackdoo_does_from_the_code_that_trained_it(
    fresh: Any, trained: Any, own_answers: dict[str, list[Any]]
) -> None:
    assert fresh["from"] == str(trained.model / "code" / "shackdoo" / "__init__.py")
    assert fresh["answers"] == own_answers
    assert list(own_answers)[:4] == ["label", "probability", "zero", "one"]
    assert set(own_answers["label"]) <= {"zero", "one", "two", "three", *list(own_answers)[2:]}


def test_pictures_of_several_sizes_and_either_polarity_are_prepared(
    fresh: Any, own_answers: dict[str, list[Any]]
) -> None:
    assert fresh["several"] == own_answers["label"][:2]


def test_what_can_t_be_understood_is_refused_with_position_and_reason(fresh: Any) -> None:
    code, text = fresh["refused"]["blank"]
    assert code == "INVALID_PARAMETER_VALUE"
    assert "8 inputs can't be understood (positions count from 0). input 0: there is noth" in text
    code, text = fresh["refused"]["shape"]
    assert code == "INVALID_PARAMETER_VALUE"
    assert "input 1: it is no picture: its shape is 3 x 4 x 5" in text
    assert fresh["refused"]["none"] == ["INVALID_PARAMETER_VALUE", "There are no inputs."]


def test_it_says_what_it_takes_and_gives(trained: Any) -> None:
    from mlflow.models import Model

    signature = Model.load(str(trained.model)).signature
    assert [spec.to_dict()["tensor-spec"] for spec in signature.inputs.inputs] == [
        {"dtype": "object", "shape": (-1,)}
    ]
    outputs = [(spec.name, spec.type.name) for spec in signature.outputs.inputs]
    assert outputs[:3] == [("label", "string"), ("probability", "float"), ("zero", "float")]
    assert len(outputs) == 12


def test_its_files_hold_no_pickle_and_all_its_code(trained: Any) -> None:
    files = [path for path in trained.model.rglob("*") if path.is_file()]
    names = {path.relative_to(trained.model).as_posix() for path in files}
    own = {
        "code/my_tasks.py",
        "code/names.py",
        "code/shackdoo/tasks/mnist.py",
        "artifacts/task.json",
    }
    assert own <= names
    kinds = {path.suffix for path in files if "__pycache__" not in path.parts}
    assert kinds == {"", ".keras", ".json", ".py", ".txt", ".yaml"}
    for path in files:
        assert not _is_pickle(path.read_bytes()), path
    with zipfile.ZipFile(trained.model / "artifacts" / "model.keras") as archive:
        for name in archive.namelist():
            assert not _is_pickle(archive.read(name)), name
        assert b"__lambda__" not in archive.read("config.json")


def _is_pickle(content: bytes) -> bool:
    """Return whether it is one as Python, Torch or NumPy write them."""
    return content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5")


def test_its_packages_are_pinned(trained: Any) -> None:
    pins = (trained.model / "requirements.txt").read_text().split()
    assert [pin.partition("==")[0] for pin in pins] == [
        *("mlflow", "tensorflow", "keras", "numpy", "pydantic", "pillow"),
    ]
    assert all("==" in pin for pin in pins)


@pytest.fixture(scope="module")
def address(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's scoring server with the model, by its name in the registry."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    command = ["models", "serve", "-m", "models:/digits@champion", "--env-manager", "local"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command, "-p", str(port)],
            env={
                **trained.environment,
                "MLFLOW_TRACKING_URI": trained.uri,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # uvicorn
            },
            cwd=log.parent,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/ping", process, log)
            yield address
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(f"the scoring server did not come up: {log.read_text()}")


def ask(address: str, content: object) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{address}/invocations",
        data=json.dumps(content).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def png(picture: np.ndarray) -> str:
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "PNG")
    return base64.b64encode(target.getvalue()).decode()


@pytest.mark.slow
def test_a_server_answers_about_pictures_in_every_form(
    address: str, digits: np.ndarray, own_answers: dict[str, list[Any]]
) -> None:
    labels = own_answers["label"][:2]
    first, second = digits[0], np.pad(255 - digits[1], 20, constant_values=255)
    texts = [png(first), f"data:image/png;base64,{png(second)}"]
    for content in (
        {"inputs": digits[:2].tolist()},
        {"instances": digits[:2].tolist()},
        {"inputs": [first.tolist(), second.tolist()]},
        {"inputs": (digits[:2] / 255).tolist()},
        {"inputs": texts},
        {"instances": texts},
        {"inputs": [first.tolist(), texts[1]]},
        {"dataframe_split": {"columns": ["picture"], "data": [[text] for text in texts]}},
        {"dataframe_records": [{"picture": text} for text in texts]},
    ):
        status, answer = ask(address, content)
        assert status == 200, answer
        assert [each["label"] for each in answer["predictions"]] == labels
    status, answer = ask(address, {"inputs": digits.tolist()})
    for place, each in enumerate(answer["predictions"]):
        assert each == {name: column[place] for name, column in own_answers.items()}


@pytest.mark.slow
def test_a_server_refuses_what_it_can_t_understand_with_400(
    address: str, digits: np.ndarray
) -> None:
    wrong = {
        "input 1: there is nothing on it": [digits[0].tolist(), np.zeros((28, 28)).tolist()],
        "input 0: its numbers go from 0 to 2": (digits[:1].astype(int) * 10).tolist(),
        "input 1: it is text, and no base64": [png(digits[0]), "hello!"],
        "input 0: it is no picture": [base64.b64encode(b"hello").decode()],
        "input 0: its rows differ in their lengths": [[[1, 2], [3]]],
        "Failed to enforce schema": [],  # MLflow itself refuses it
    }
    for reason, inputs in wrong.items():
        status, answer = ask(address, {"inputs": inputs})
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer
        assert reason in answer["message"]


LATER = """
import sys
import shackdoo.errors
import mlflow

mlflow.pyfunc.load_model(sys.argv[1])
"""


def test_another_version_that_was_loaded_before_is_warned_of(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "later.py").write_text(LATER)
    same = trained.python(tmp_path / "later.py", trained.model)
    assert same.returncode == 0, same.stderr
    assert "in another version than" not in same.stderr
    model = Path(shutil.copytree(trained.model, tmp_path / "model"))
    with (model / "code" / "shackdoo" / "errors.py").open("a") as file:
        file.write("# as it was when the model was trained\n")
    other = trained.python(tmp_path / "later.py", model)
    assert other.returncode == 0, other.stderr
    assert "This process had loaded shackdoo.errors before the model, in another" in other.stderr
