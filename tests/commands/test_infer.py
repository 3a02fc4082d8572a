"""``shackdoo infer`` from the command line: a trained model answers about real digits."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from program import Program

from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import local_runs

Array = np.ndarray[Any, Any]
Run = Callable[..., subprocess.CompletedProcess[str]]
MNIST = Path(__file__).resolve().parents[2] / "data" / "raw" / "mnist.pkl.gz"
COLUMNS = ["input", "label", "probability", *map(str, range(10))]
SHIPPED_SECONDS = 120.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Iterator[Path]:
    """A project with a trained Mnist_B."""
    folder = tmp_path_factory.mktemp("infer")
    root = folder / "project"
    (root / "conf" / "task").mkdir(parents=True)
    (root / "MLproject").write_text("name: own\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHACKDOO_ROOT", str(root))
        patch.setenv("SHACKDOO_STATE", str(folder / "state"))
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
            patch.delenv(variable, raising=False)
        done = program.run("train", "task=Mnist_B", cwd=root, environment=os.environ)
        assert done.returncode == 0, done.stderr
        yield root


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    """The first 300 of MNIST's test digits, which training never sees."""
    _, (images, labels) = pickle.loads(gzip.decompress(MNIST.read_bytes()))
    return images[:300], labels[:300]


@pytest.fixture
def store_away(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is answered: to carry an inference takes longer than to make it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")


@pytest.fixture
def infer(project: Path, tmp_path: Path, program: Program) -> Run:
    def run(
        *arguments: str, stdin: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, **environment}
        return program.run("infer", *arguments, cwd=tmp_path, environment=variables, stdin=stdin)

    return run


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    lines = (line.split(None, 1) for line in done.stdout.splitlines())
    return dict(lines)  # type: ignore[arg-type]


def trained_run() -> Any:
    """The only run that is a training."""
    runs = local_runs(Path(os.environ["SHACKDOO_STATE"]))
    (trained,) = (run for run in runs if "infer" not in run.header["run_name"])
    return trained


def newest_run(project: Path) -> Any:
    """The newest run, from its store, once it is there whole."""
    from mlflow import MlflowClient

    run = local_runs(Path(os.environ["SHACKDOO_STATE"]))[0]
    shipping = wait_shipped(run.folder, SHIPPED_SECONDS)
    assert shipping.done, (run.folder / "shipper.log").read_text()
    return MlflowClient(f"sqlite:///{project}/mlflow.db").get_run(shipping.mlflow_run_id)


def test_photographed_digits_of_another_size_dark_on_light_and_off_centre(
    infer: Run, project: Path, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    for place, (image, label) in enumerate(zip(*digits, strict=True)):
        side = int(random.integers(36, 76))
        left, top = random.integers(0, 101 - side), random.integers(0, 81 - side)
        paper = Image.new("L", (100, 80), 255)
        ink = Image.fromarray(255 - image).resize((side, side), Image.Resampling.BICUBIC)
        paper.paste(ink, (int(left), int(top)))
        file = tmp_path / "scans" / str(label) / f"{place:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        paper.save(file)
    done = infer("task=Mnist_B", "input=scans", "output=o.csv")
    assert done.returncode == 0, done.stderr
    result = printed(done)
    assert result["inputs"] == "300"
    assert "100 x 80, dark on light: 300" in done.stdout
    table = pd.read_csv(tmp_path / "o.csv")
    assert list(table) == COLUMNS
    truth = [int(Path(name).parent.name) for name in table["input"]]
    right = np.mean(table["label"] == truth)
    assert right >= 0.95
    assert result["accuracy"] == f"{right:.4f} of 300 whose truth is known"
    np.testing.assert_allclose(table[COLUMNS[3:]].sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(table["probability"], table[COLUMNS[3:]].max(axis=1))

    from mlflow import MlflowClient

    run = newest_run(project)
    trained = trained_run()
    tags, metrics = run.data.tags, run.data.metrics
    assert run.info.status == "FINISHED"
    assert tags["shackdoo.kind"] == "infer"
    assert tags["shackdoo.trained_run"] == trained.uid
    assert json.loads(tags["shackdoo.forms"]) == {"100 x 80, dark on light": 300}
    assert metrics["accuracy"] == pytest.approx(right)
    assert (metrics["inputs"], metrics["refused"]) == (300, 0)
    (data,) = run.inputs.dataset_inputs
    lines = "".join(
        f"{file.relative_to(tmp_path / 'scans')} {hashlib.sha256(file.read_bytes()).hexdigest()}\n"
        for file in sorted((tmp_path / "scans").rglob("*.png"))
    )
    assert tags["shackdoo.data.scans"] == hashlib.sha256(lines.encode()).hexdigest()
    assert data.dataset.name == "scans"
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    pictures = {item.path for item in client.list_artifacts(run.info.run_id, "report")}
    names = {"predictions", "confusion_matrix", "worst_mistakes"}
    assert pictures == {f"report/{name}.png" for name in names}
    answers = client.download_artifacts(run.info.run_id, "answers/o.csv")
    assert Path(answers).read_bytes() == (tmp_path / "o.csv").read_bytes()


def test_digits_as_coloured_jpegs(
    infer: Run, project: Path, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    random = np.random.default_rng(2)
    (tmp_path / "photos").mkdir()
    for place, image in enumerate(digits[0]):
        ink, ground = random.integers(0, 256, (2, 3))
        while np.abs(ink - ground).sum() < 200:
            ink, ground = random.integers(0, 256, (2, 3))
        share = image[..., None] / 255
        colours = np.round(share * ink + (1 - share) * ground).astype(np.uint8)
        Image.fromarray(colours).save(tmp_path / "photos" / f"{place:03}.jpg")
    done = infer("input=photos/*.jpg", "output=o.parquet")
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "o.parquet")
    assert list(table["input"]) == [f"photos/{place:03}.jpg" for place in range(300)]
    assert np.mean(table["label"] == digits[1]) >= 0.97
    assert newest_run(project).info.status == "FINISHED"  # a pattern is an odd name in a store


@pytest.fixture
def files(digits: tuple[Array, Array], tmp_path: Path) -> dict[str, Path]:
    """The same digits in every kind of file that can hold them."""
    images, labels = digits[0][:60], digits[1][:60]
    paths = {
        n: tmp_path / n for n in ("x.npy", "x.npz", "x-images-idx3-ubyte.gz", "x.csv", "x.jsonl")
    }
    np.save(paths["x.npy"], images)
    np.savez(paths["x.npz"], images=images, labels=labels)
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", *images.shape)
    paths["x-images-idx3-ubyte.gz"].write_bytes(gzip.compress(header + images.tobytes()))
    rows = pd.DataFrame(images.reshape(60, -1))
    rows.insert(0, "label", labels)
    rows.to_csv(paths["x.csv"], index=False)
    lines = ({"input": x.tolist(), "label": int(y)} for x, y in zip(images, labels, strict=True))
    paths["x.jsonl"].write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return paths


@pytest.mark.usefixtures("store_away")
def test_each_kind_of_file_gives_the_same_answers_in_each_format(
    infer: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    outputs = ("a.csv", "b.parquet", "c.jsonl", "d.npz", "e.csv")
    tables = []
    for (name, file), output in zip(files.items(), outputs, strict=True):
        done = infer(f"input={file}", f"output={output}", "batch=7")
        assert done.returncode == 0, done.stderr
        labelled = name in ("x.npz", "x.csv", "x.jsonl")
        assert ("accuracy" in printed(done)) == labelled
        tables.append(read(tmp_path / output))
    for table in tables:
        assert list(table["label"]) == list(tables[0]["label"])
        np.testing.assert_allclose(table["probability"], tables[0]["probability"], rtol=1e-5)
    assert tables[0]["input"][3] == f"{files['x.npy']}[3]"
    assert tables[3]["input"][3] == f"{files['x.csv']}:5"


def read(path: Path) -> Any:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return pd.DataFrame(dict(arrays))
    readers: dict[str, Any] = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    return readers.get(path.suffix, lambda file: pd.read_json(file, lines=True))(path)


@pytest.mark.usefixtures("store_away")
def test_a_pipe_in_and_a_pipe_out(infer: Run, digits: tuple[Array, Array]) -> None:
    lines = [json.dumps(image.tolist()) for image in digits[0][:3]]
    done = infer("input=-", "output=-", stdin="\n".join(lines))
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["input"] for answer in answers] == ["-:1", "-:2", "-:3"]
    assert [answer["label"] for answer in answers] == digits[1][:3].tolist()
    assert "inputs          3" in done.stderr
    assert infer("input=-", stdin="\n".join(lines)).stdout == done.stdout
    refused = infer("input=-", stdin=f"{lines[0]}\nrubbish\n")
    assert refused.returncode == 1
    assert len(refused.stdout.splitlines()) == 1
    assert "-:2: it is no JSON" in refused.stderr


def test_a_reader_that_has_seen_enough_is_no_error(infer: Run, project: Path) -> None:
    command = f"{sys.executable} -m shackdoo.cli infer input=mnist output=- batch=50 | head -2"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, cwd=project
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr
    assert newest_run(project).info.status == "KILLED"


@pytest.mark.usefixtures("store_away")
def test_a_name_of_the_catalog_is_its_test_split(infer: Run, project: Path) -> None:
    done = infer("input=mnist", "run=best", "task=Mnist_B")
    assert done.returncode == 0, done.stderr
    result = printed(done)
    assert result["inputs"] == "10000"
    manifest = json.loads((trained_run().folder / "files" / "manifest.json").read_text())
    accuracy = manifest["results"]["metrics"]["test_accuracy"]
    assert result["accuracy"] == f"{accuracy:.4f} of 10000 whose truth is known"
    default = project / "data" / "report" / f"Mnist_B-infer-{result['run'][:8]}" / "predictions.csv"
    assert result["output"] == str(default)
    assert len(pd.read_csv(default)) == 10000


@pytest.mark.usefixtures("store_away")
def test_what_can_t_be_understood_is_refused_by_name_and_the_rest_is_answered(
    infer: Run, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(digits[0][0]).save(folder / "a fine one.png")
    (folder / "notes.txt").write_text("milk, bread")
    (folder / "empty.png").touch()
    Image.new("L", (40, 40), 255).save(folder / "blank.png")
    buffer = io.BytesIO()
    Image.fromarray(digits[0][1]).save(buffer, "PNG")
    (folder / "torn.png").write_bytes(buffer.getvalue()[:100])
    done = infer(f"input={folder}", "output=o.jsonl")
    assert done.returncode == 1, done.stderr
    assert printed(done)["refused"] == f"4, listed in {tmp_path}/o.rejects.csv"
    rejects = pd.read_csv(tmp_path / "o.rejects.csv").set_index("input")["reason"]
    reasons = {Path(name).name: reason for name, reason in rejects.items()}
    assert set(reasons) == {"notes.txt", "empty.png", "blank.png", "torn.png"}
    assert reasons["notes.txt"].startswith("it is no picture")
    assert reasons["empty.png"] == "the file is empty"
    assert reasons["blank.png"].startswith("there is nothing on it")
    assert reasons["torn.png"].startswith("the picture is damaged")
    (answer,) = (json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines())
    assert Path(answer["input"]).name == "a fine one.png"
    assert answer["label"] == digits[1][0]

    (folder / "notes.txt").unlink()
    for name in ("empty.png", "blank.png", "torn.png"):
        (folder / name).unlink()
    assert infer(f"input={folder}", "output=o.jsonl").returncode == 0
    assert not (tmp_path / "o.rejects.csv").exists()


@pytest.mark.usefixtures("store_away")
def test_rows_of_the_wrong_width_are_refused_even_if_all_are(infer: Run, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2,3\n4,5,6\n")
    done = infer("input=t.csv", "output=o.csv")
    assert done.returncode == 1
    rejects = pd.read_csv(tmp_path / "o.rejects.csv")
    assert list(rejects["input"]) == ["t.csv:1", "t.csv:2"]
    assert set(rejects["reason"]) == {"it has 3 columns, not 784"}
    assert list(pd.read_csv(tmp_path / "o.csv")) == COLUMNS


def test_a_file_that_ends_too_early_fails_the_run_and_leaves_no_output(
    infer: Run, digits: tuple[Array, Array], tmp_path: Path, project: Path
) -> None:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 100, 28, 28)
    (tmp_path / "x.idx").write_bytes(header + digits[0][:50].tobytes())
    done = infer("input=x.idx", "output=o.csv", "batch=10")
    assert done.returncode == 1
    assert (
        "x.idx can't be read: it ends before all the numbers that its header promises"
        in done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.idx"]
    assert newest_run(project).info.status == "FAILED"


@pytest.mark.usefixtures("store_away")
def test_polarity_can_be_set_and_the_model_keeps_its_own_parameters(
    infer: Run, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", digits[0][:20])
    done = infer("input=x.npy", "output=o.csv", "task.parameters.image_polarity=dark_on_light")
    assert done.returncode == 0, done.stderr
    assert "28 x 28, dark on light: 20" in done.stdout


@pytest.mark.usefixtures("store_away")
def test_a_file_may_be_called_anything(
    infer: Run, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    name = "写真 [1], it's = 100% ${x}.png"
    Image.fromarray(digits[0][0]).save(tmp_path / name)
    done = infer(f"input={name}", "output=答え, 1.csv")
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(tmp_path / "答え, 1.csv")["input"]) == [name]


def test_scripts_infer_is_the_same_door(
    infer: Run, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", digits[0][:5])
    script = Path(__file__).resolve().parents[2] / "scripts" / "infer.py"
    arguments = ["input=x.npy", "output=", "task=", "run=", "overrides=output=o.csv batch=2"]
    done = subprocess.run(
        [sys.executable, script, *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "o.csv")) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No input is named. Name one: input=PATH; `shackdoo infer --help` tells"),
        (["input=nowhere"], "No input 'nowhere': no such file or folder, and no such name in"),
        (["x.npy"], "'x.npy' is nothing that shackdoo infer knows. An input is named so: input=x"),
        (
            ["--fast", "input=x.npy"],
            "'--fast' is nothing that shackdoo infer knows. Values are set",
        ),
        (["input=x.npy", "output=o.txt"], "The output 'o.txt' ends with no format that is known."),
        (["input=x.npy", "run=ffff"], "No run 'ffff' on this machine or in the store. The newest:"),
        (["input=x.npy", "run=f"], "'f' is too short for a run's id: give at least 4 characters"),
        (["input=x.npy", "run=best"], "run=best needs a task: task=NAME."),
        (["input=x.npy", "task=Mnist_A"], "No trained run of the task Mnist_A of this project is"),
        (["input=x.npy", "task=Mnits_B"], "no task 'Mnits_B'. Did you mean 'Mnist_B'?"),
        (["input=x.npy", "run=models:/no@champion"], "No registered model 'no' in sqlite:///"),
        (["input=x.npy", "batch=0"], "the override 'batch=0': batch is 0, but must be greater"),
        (["input=x.npy", "splt=train"], "no key 'splt' in the configuration. Did you mean 'split'"),
        (["input=x.npz", "label=y"], "x.npz has no array 'y' for labels. It has: images."),
        (["input=x.npz", "output=x.npz"], "x.npz is the input itself. Name another: output=PATH."),
        (["input=torn.npy"], "torn.npy can't be read: "),
        (["input=x.npy", "batch_size=3"], "batch_size is a parameter of the task. Write task.par"),
    ],
)
def test_a_wrong_request_gets_one_message_and_nothing_is_started(
    infer: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28), np.uint8))
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 28, 28), np.uint8))
    (tmp_path / "torn.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:20])
    before = {path.name for path in tmp_path.iterdir()}, recorded()
    done = infer(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr
    assert ({path.name for path in tmp_path.iterdir()}, recorded()) == before


def recorded() -> int:
    return len(local_runs(Path(os.environ["SHACKDOO_STATE"])))


def test_a_run_of_another_task_is_not_taken(infer: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28), np.uint8))
    uid = trained_run().uid
    done = infer("input=x.npy", "task=Mnist_A", f"run={uid}")
    assert done.returncode == 2
    assert f"The run {uid[:8]} has trained the task Mnist_B, not Mnist_A." in done.stderr


def test_a_model_of_another_machine_comes_from_the_store(
    infer: Run, project: Path, digits: tuple[Array, Array], tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", digits[0][:40])
    newest_run(project)
    trained = trained_run()
    wait_shipped(trained.folder, SHIPPED_SECONDS)
    elsewhere = {"SHACKDOO_STATE": str(tmp_path / "elsewhere")}
    done = infer("input=x.npy", "output=o.csv", f"run={trained.uid[:10]}", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert infer("input=x.npy", "output=p.csv", f"run={trained.uid[:10]}").returncode == 0
    here, there = (pd.read_csv(tmp_path / name) for name in ("p.csv", "o.csv"))
    pd.testing.assert_frame_equal(here, there)
