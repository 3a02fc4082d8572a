"""The lock files hold what pyproject.toml asks for, agree, and name no machine and no index."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SERVER_LOCK = "docker/server/requirements.lock"
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-gpu.lock"]


def pins(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.M))


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(("lock", "fewest"), [*((lock, 100) for lock in LOCKS), (SERVER_LOCK, 80)])
def test_lock_is_complete_and_anonymous(root, lock, fewest):
    text = (root / lock).read_text()
    assert "#    make lock" in text.splitlines()[:2]
    entries = re.split(r"\n(?=[a-z])", text)[1:]
    assert len(entries) == len(pins(text)) > fewest
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|file:|--index|--find-links|/[a-z]+/", text) == []


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_locks_agree(root, lock):
    assert pins((root / LOCKS[0]).read_text()) <= pins((root / lock).read_text())


@pytest.mark.parametrize(
    ("lock", "extra"), [(LOCKS[0], None), (LOCKS[1], "dev"), (LOCKS[2], "gpu")]
)
def test_lock_holds_what_pyproject_asks_for(root, project, lock, extra):
    asked = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    locked = pins((root / lock).read_text())
    for requirement in map(Requirement, asked):
        versions = [pin for name, pin in locked if name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement.name} is not in {lock}: run make lock"
        assert all(pin in requirement.specifier for pin in versions), (
            f"{requirement}: run make lock"
        )


def test_server_lock_holds_mlflow_as_it_is_tested_and_no_tensorflow(root):
    text = (root / SERVER_LOCK).read_text()
    group = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]["server"]
    locked = dict(pins(text))
    assert all(locked[canonicalize_name(Requirement(each).name)] for each in group)
    assert pins(text) <= pins((root / LOCKS[1]).read_text())
    assert "tensorflow" not in locked


def test_the_gpu_lock_brings_cuda_to_linux(root):
    entries = re.split(r"\n(?=[a-z])", (root / LOCKS[2]).read_text())[1:]
    linux = {"sys_platform": "linux", "platform_machine": "x86_64"}
    asked = (Requirement(entry.partition(" \\")[0]) for entry in entries)
    brought = {each.name for each in asked if each.marker is None or each.marker.evaluate(linux)}
    cuda = {"cublas", "cuda-cupti", "cuda-nvcc", "cuda-nvrtc", "cuda-runtime", "cudnn"}
    cuda |= {"cufft", "curand", "cusolver", "cusparse", "nccl", "nvjitlink"}
    assert {f"nvidia-{library}-cu12" for library in cuda} | {"nvidia-ml-py"} <= brought
