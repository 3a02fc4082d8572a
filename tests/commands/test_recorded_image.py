"""The command that runs a program in a recorded image; no engine is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shackdoo.commands.recorded_image import docker_command, image_for
from shackdoo.errors import IngredientError, RequestError

IMAGE = "sha256:" + "a" * 64
RECORDED: dict[str, Any] = {"python": "3.11.2", "packages": {}, "image": IMAGE}


def silent(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "a, tree"
    folder.mkdir()
    return folder


def command(
    tree: Path,
    uri: str | None,
    gpus: bool = False,
    mounts: tuple[Path, ...] = (),
    links: tuple[Path, ...] = (),
    **more: str,
) -> list[str]:
    (tree.parent / "state").mkdir(exist_ok=True)
    environment = {"PATH": "/bin", "HOME": "/root", **more}
    state = tree.parent / "state"
    return docker_command(
        *(IMAGE, tree, state, uri, ["runs"], environment), gpus=gpus, mounts=mounts, links=links
    )


def after(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


@pytest.mark.parametrize(
    ("uri", "network"),
    [
        (None, "none"),
        ("sqlite:////tmp/x.db", "none"),
        ("http://127.0.0.1:5000", "host"),
        ("http://LOCALHOST:5000", "host"),
        ("https://mlflow.example.org/x", "bridge"),
    ],
)
def test_the_network_is_what_the_store_needs(tree: Path, uri: str | None, network: str) -> None:
    assert after(command(tree, uri), "--network") == [network]


def test_all_has_its_own_name_inside_and_what_is_linked_can_be_read_only(
    tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.npz").touch()
    (tmp_path / "stores").mkdir()
    (tree / "inside").touch()
    (tree / "secret").symlink_to("/etc/passwd")  # a link of the recorded commit is not followed
    links = (tmp_path / "data.npz", tree / "inside")
    words = command(
        tree,
        f"sqlite:///{tmp_path}/stores/x.db",
        mounts=(tree, tmp_path / "stores"),
        links=links,
    )
    quoted = [f'"{what}={tree}"' for what in ("source", "target")]
    assert after(words, "--mount") == [
        f"type=bind,{quoted[0]},target=/mlflow/projects/code",
        f"type=bind,{quoted[0]},{quoted[1]}",
        f"type=bind,source={tmp_path}/state,target={tmp_path}/state",
        f"type=bind,source={tmp_path}/stores,target={tmp_path}/stores",
        f"type=bind,source={tmp_path}/data.npz,target={tmp_path}/data.npz,readonly",
    ]
    assert words[-4:] == ["python3", "-m", "shackdoo.cli", "runs"]
    with pytest.raises(IngredientError, match="nowhere is not there, which the run would see"):
        command(tree, None, mounts=(tmp_path / "nowhere",))


def test_only_what_concerns_a_run_is_passed_on_and_no_value_is_on_the_command_line(
    tree: Path,
) -> None:
    told = {"MLFLOW_TRACKING_PASSWORD": "secret", "TF_DETERMINISTIC_OPS": "1", "AWS_KEY": "x"}
    words = command(tree, "http://127.0.0.1:5000", SHACKDOO_STATE="/s", **told)
    assert set(after(words, "--env")) == {
        "NVIDIA_VISIBLE_DEVICES=void",
        f"SHACKDOO_PROJECT={tree}",
        f"SHACKDOO_IMAGE={IMAGE}",
        "SHACKDOO_STATE",
        "MLFLOW_TRACKING_PASSWORD",
        "TF_DETERMINISTIC_OPS",
    }
    assert after(command(tree, None, gpus=True), "--gpus") == ["all"]


def test_without_an_engine_the_image_is_named(tree: Path, tmp_path: Path) -> None:
    # A fresh process: Docker's SDK leaves its socket to the collector of garbage.
    code = (
        "from pathlib import Path; from shackdoo.commands.recorded_image import image_for\n"
        "from shackdoo.errors import IngredientError\n"
        f"try: image_for({RECORDED!r}, Path({str(tree)!r}), print)\n"
        "except IngredientError as error: print(error)\n"
    )
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    said = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert said == (
        "The run was computed in the Docker image aaaaaaaaaaaa: no engine is running here: its "
        "socket is not there. Start Docker, or install it: "
        "https://docs.docker.com/engine/install/. --here runs it in the present environment; "
        "`shackdoo diff` then tells what differs.\n"
    )


@pytest.mark.parametrize("image", ["alpine", "sha256:../x", "--privileged", f"{IMAGE}\n", ""])
def test_only_an_id_of_an_image_is_followed(tree: Path, image: str) -> None:
    with pytest.raises(RequestError, match="which is no id of one"):
        image_for({**RECORDED, "image": image}, tree, silent)
