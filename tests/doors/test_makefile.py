import os
import re
import subprocess
from pathlib import Path

import pytest

SERVED = ".venv/bin/python scripts/with_server.py"


def make(root: Path, *arguments: str) -> str:
    # As from a shell, although `make test` may be what runs this test.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "TASK", "PYTHON"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(
        ["make", *arguments], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_every_target(root):
    text = (root / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", text.replace("\\\n", ""), re.M).group(1).split()
    assert {"help", "install", "train", "test", "lock"} <= set(targets)
    assert set(re.findall(r"^([a-z-]+):", text, re.M)) == set(targets)
    assert re.findall(r"^  make (\S+)", make(root, "help"), re.M) == targets


def test_help_is_what_make_alone_prints(root):
    assert make(root) == make(root, "help")


def test_train_passes_task_and_overrides_on(root):
    said = make(root, "--dry-run", "train", "TASK=Mnist_A", "ARGS=seed=1 task.parameters.epochs=2")
    command = f"{SERVED} .venv/bin/shackdoo train task=Mnist_A seed=1 task.parameters.epochs=2"
    assert said.splitlines()[-1] == command


def test_infer_passes_input_and_overrides_on(root):
    said = make(root, "--dry-run", "infer", "INPUT=my scans/*.png", "ARGS=output=o.csv")
    command = f'{SERVED} .venv/bin/shackdoo infer task=Mnist_B "input=my scans/*.png" output=o.csv'
    assert said.splitlines()[-1] == command


@pytest.mark.parametrize("what", ["train", "infer"])
def test_runs_in_the_image_get_the_store_in_their_environment(root, what):
    said = make(root, "--dry-run", f"docker-{what}")
    assert said.splitlines()[-1] == f"{SERVED} --export sh docker/run.sh {what}"


def test_train_and_test_make_the_environment_first(checkout):
    for target in ("train", "test"):
        said = make(checkout, "--dry-run", target).splitlines()
        assert "scripts/make_venv.sh" in said[0]
        assert said[-1].startswith(".venv/bin/")


def test_an_environment_made_elsewhere_is_made_anew(checkout):
    stamp = checkout / ".venv" / "installed"
    stamp.parent.mkdir()
    try:
        stamp.write_text(f"{checkout}\n")
        assert make(checkout, "--dry-run", "install").splitlines()[-1:] == [
            "make: Nothing to be done for 'install'."
        ]
        stamp.write_text("/somewhere/else\n")
        assert "scripts/make_venv.sh" in make(checkout, "--dry-run", "install")
    finally:
        stamp.unlink()
        stamp.parent.rmdir()


@pytest.mark.parametrize("script", [".ci/run", "scripts/make_venv.sh", "docker/server.sh"])
def test_shell_scripts_parse(root, script):
    subprocess.run(["bash", "-n", str(root / script)], check=True)
