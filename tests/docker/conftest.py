"""A real engine, an image of the tests' own, and clones of the tree for a user who is not root."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from persons import BIN, IMAGE, ROOT, USER, Person, build, git
from shared_server import SharedServer


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip without a Docker engine."""
    if shutil.which("docker") is None:
        pytest.skip("Docker is not installed (Debian: apt-get install docker.io)")
    said = subprocess.run(["docker", "version"], capture_output=True, text=True)
    if said.returncode:
        pytest.skip(f"the Docker engine can't be used: {said.stderr.strip()}")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory, engine: None) -> Path:
    """This tree as a commit; its MLproject names the tests' own image."""
    copy = tmp_path_factory.mktemp("tree") / "shackdoo"
    listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in filter(None, git(ROOT, *listed).split("\0")):
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    project = copy / "MLproject"
    project.write_text(project.read_text().replace("image: shackdoo\n", f"image: {IMAGE}\n"))
    git(copy, "init", "--quiet", "--initial-branch", "main")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "the tree under test")
    return copy


@pytest.fixture(scope="session")
def image(tree: Path) -> str:
    """The image of the tree, without CUDA. It stays: the next time it is there in a moment."""
    done = build(tree)
    assert done.returncode == 0, done.stderr
    return IMAGE


@pytest.fixture
def compiled(pytestconfig: pytest.Config) -> Path:
    """What XLA has compiled for other tests: it takes up to a minute of each that begins anew."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("xla")


def keep_compiled(new: Path, kept: Path) -> None:
    """Add what is new to what is kept, whole or not at all: others may be reading."""
    for file in new.glob("*.pb"):
        if not (kept / file.name).exists():
            part = kept / f".{file.name}.{os.getpid()}"
            shutil.copyfile(file, part)
            part.replace(kept / file.name)


@pytest.fixture
def person(tree: Path, image: str, empty_store: Path, compiled: Path) -> Iterator[Person]:
    # Not under pytest's own folder: each session that begins shuts that to everybody else.
    folder = Path(tempfile.mkdtemp(prefix="shackdoo-person-"))
    folder.chmod(0o755)
    home = folder / "home"
    clone = home / "shackdoo"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", tree, clone], check=True)
    shutil.copyfile(empty_store, clone / "mlflow.db")
    with contextlib.closing(sqlite3.connect(clone / "mlflow.db")) as store, store:
        files = (f"{clone}/mlruns/0",)
        store.execute("UPDATE experiments SET artifact_location = ?", files)
    state = home / ".local" / "state" / "shackdoo"
    state.mkdir(parents=True)
    state.chmod(0o700)
    (state / "xla").mkdir()
    keep_compiled(compiled, state / "xla")
    for path in (home, *home.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, USER, USER, follow_symlinks=False)
    environment = {
        "HOME": str(home),
        "LOGNAME": "somebody",
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "GPU": "0",
        "IMAGE": IMAGE,
        "PYTHONWARNINGS": "ignore",
    }
    yield Person(home, clone, environment)
    keep_compiled(state / "xla", compiled)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def containers(image: str) -> Callable[[], list[str]]:
    """The ids of the running containers of the tests' image."""

    def listed() -> list[str]:
        command = ["docker", "ps", "--quiet", "--filter", f"ancestor={image}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    return listed


@pytest.fixture(scope="module")
def server(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    """A shared tracking server that is up, started by docker alone; it goes with all it made."""
    server = SharedServer(tmp_path_factory.mktemp("server"))
    try:
        yield server.up()
    finally:
        server.remove()


@pytest.fixture
def second(engine: None, tmp_path: Path) -> Iterator[SharedServer]:
    """Another server, which the test starts."""
    server = SharedServer(tmp_path)
    try:
        yield server
    finally:
        server.remove()
