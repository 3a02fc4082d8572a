"""The wheel carries what it needs, and an editable install carries nothing."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

UV = Path(sys.executable).with_name("uv")


def build(checkout: Path, folder: Path, hook: str) -> Path:
    """Build with the project's own backend; return the wheel."""
    code = f"import sys, hatchling.build as b; b.{hook}(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    own = checkout / "conf" / "local" / "default.yaml"
    own.write_text("tracking: {uri: http://a.user.s.own}\n")
    login = own.with_name("server.env")
    login.write_text("MLFLOW_TRACKING_PASSWORD=a-user-s-own\n")
    try:
        return build(checkout, tmp_path_factory.mktemp("wheel"), "build_wheel")
    finally:
        own.unlink()
        login.unlink()


def test_wheel_carries_configuration_and_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "shackdoo/_bundle/conf/train.yaml" in names
    assert "shackdoo/_bundle/conf/task/Mnist_B.yaml" in names
    assert "shackdoo/_bundle/data/raw/mnist.pkl.gz" in names
    assert "shackdoo/_bundle/data/raw/README.md" in names


def test_wheel_carries_nobody_s_own_settings_and_nothing_at_the_top(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [
        name for name in names if "conf/local/" in name and name.endswith((".yaml", ".env"))
    ]
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"shackdoo"}


def test_editable_install_is_a_path_and_no_copy(checkout, tmp_path):
    names = zipfile.ZipFile(build(checkout, tmp_path, "build_editable")).namelist()
    assert [name for name in names if ".dist-info/" not in name] == ["_shackdoo.pth"]


def test_installed_wheel_works_far_from_the_checkout(wheel, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([UV, "venv", "-q", "-p", sys.executable, tmp_path / "env"], check=True)
    subprocess.run([UV, "pip", "install", "-q", "-p", python, "--no-deps", wheel], check=True)
    packages = next((tmp_path / "env").glob("lib/*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    listed = subprocess.run(
        [UV, "pip", "list", "-p", python], check=True, capture_output=True, text=True
    ).stdout
    assert "shackdoo " in listed
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(empty), "PYTHONSAFEPATH": "1"}
    composed = subprocess.run(
        [python.with_name("shackdoo"), "train", "task=Mnist_B", "--cfg", "job"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert composed.returncode == 0, composed.stderr
    assert "shackdoo.tasks.mnist.Mnist_B" in composed.stdout
    assert list(empty.iterdir()) == []


def test_no_copy_of_the_bundle_lies_in_the_checkout(root):
    assert not (root / "shackdoo" / "_bundle").exists()
