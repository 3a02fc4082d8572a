"""Recorded environments, made again by the real uv from an index of the tests' own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance import environments, packages, uv
from shackdoo.provenance.environment import installed_packages

HERE = platform.python_version()
WAY_OUT = "--here runs it in the present environment"
# A process of its own that builds, and prints what came of it.
BUILDER = """
import sys; from pathlib import Path; from shackdoo.provenance.environments import python_for
recorded = {"python": sys.argv[2], "packages": {"alpha": "1.0", "beta-b": "2.0"}}
print(python_for(recorded, Path(sys.argv[1]), lambda text: print(text, file=sys.stderr)).built)
"""


def recorded(python: str = HERE, **versions: str) -> dict[str, Any]:
    return {"python": python, "implementation": "CPython", "packages": versions}


def put_wheel(index: Path, name: str, version: str, tag: str = "py3-none-any") -> None:
    """Put a package of one line into the index."""
    stem = f"{name}-{version}"
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as wheel:
        about = f"{stem}.dist-info"
        code = f"VERSION = '{version}'\n"
        digest = base64.urlsafe_b64encode(hashlib.sha256(code.encode()).digest()).rstrip(b"=")
        wheel.writestr(f"{name}.py", code)
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{about}/RECORD", f"{name}.py,sha256={digest.decode()},{len(code)}\n")
    list_files(folder)


def list_files(folder: Path) -> None:
    names = sorted(file.name for file in folder.iterdir() if file.name != "index.html")
    (folder / "index.html").write_text("".join(f'<a href="{n}">{n}</a>\n' for n in names))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index with two packages; uv knows no other."""
    folder = tmp_path / "simple"
    put_wheel(folder, "alpha", "1.0")
    put_wheel(folder, "alpha", "1.1")
    put_wheel(folder, "beta-b".replace("-", "_"), "2.0")
    (folder / "beta_b").rename(folder / "beta-b")
    for name in uv.TOLD:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", folder.as_uri())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def made(state: Path) -> list[str]:
    folder = state / environments.ENVIRONMENTS
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


def silent(text: str) -> None:
    raise AssertionError(text)


def version_in(python: Path, module: str) -> str:
    ask = f"import {module}; print({module}.VERSION)"
    return subprocess.check_output([python, "-c", ask], text=True).strip()


def start(state: Path, python: str = HERE) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(state), python]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_present_python_is_taken_if_it_has_the_packages(state: Path) -> None:
    few = dict(list(installed_packages().items())[:20])
    few = {name.upper().replace("-", "_"): version for name, version in few.items()}
    found = environments.python_for(recorded(**few), state, silent)
    assert (found.python, found.built) == (Path(sys.executable), False)
    assert environments.missing(recorded(**few)) == []
    assert not state.exists()


def test_what_is_linked_to_a_folder_is_not_asked_for(state: Path) -> None:
    ask = recorded(shackdoo="0.0.1")
    assert environments.python_for(ask, state, silent).python == Path(sys.executable)
    root = Path(__file__).parents[2]
    assert packages.own_names(root) == {"shackdoo"}
    assert packages.own_names(state) == frozenset()


def test_an_environment_is_built_once(index: Path, state: Path) -> None:
    said: list[str] = []
    ask = recorded(Alpha="1.0", beta_b="2.0", shackdoo="0.0.1")
    first = environments.python_for(ask, state, said.append, own={"shackdoo"})
    assert first.built
    assert (version_in(first.python, "alpha"), version_in(first.python, "beta_b")) == ("1.0", "2.0")
    (line,) = said
    assert line == (
        f"building an environment: Python {HERE} with the 2 recorded packages, not as here: "
        f"alpha 1.0 (here: none), beta-b 2.0 (here: none)"
    )
    assert made(state) == [first.python.parents[1].name]
    assert state.stat().st_mode & 0o777 == 0o700
    again = environments.python_for(ask, state, silent, own={"shackdoo"})
    assert (again.python, again.built) == (first.python, False)
    other = environments.python_for(recorded(alpha="1.1"), state, said.append)
    assert version_in(other.python, "alpha") == "1.1"
    # Another project's link here belongs on the path, since the record has it.
    assert [path.resolve() for path in again.paths] == []
    linked = environments.python_for(ask, state, silent)
    assert linked.paths == (packages.editable_folders()["shackdoo"],)


def test_an_environment_that_was_changed_since_is_built_anew(index: Path, state: Path) -> None:
    ask = recorded(alpha="1.0")
    python = environments.python_for(ask, state, lambda _: None).python
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    about = site / "alpha-1.0.dist-info"
    about.rename(site / "alpha-1.1.dist-info")
    (site / "alpha-1.1.dist-info" / "METADATA").unlink()
    assert environments.python_for(ask, state, lambda _: None).built
    # In place, so it is another in uv's cache as well.
    (site / "alpha.py").write_text("VERSION = 'edited'\n")
    assert environments.python_for(ask, state, lambda _: None).built
    assert version_in(python, "alpha") == "1.0"
    python.unlink()
    python.symlink_to(state / "gone")
    assert environments.python_for(ask, state, lambda _: None).built
    assert version_in(python, "alpha") == "1.0"
    assert made(state) == [python.parents[1].name]


def test_each_package_that_cant_be_had_is_named_with_the_reason(index: Path, state: Path) -> None:
    (index / "source").mkdir()
    (index / "source" / "source-1.0.tar.gz").write_bytes(b"")
    list_files(index / "source")
    put_wheel(index, "old", "1.0", tag="cp27-cp27m-manylinux1_x86_64")
    ask = recorded(alpha="9.0", absent="1.0", source="1.0", old="1.0", **{"beta.b": "2.0"})
    with pytest.raises(IngredientError) as caught:
        environments.python_for(ask, state, lambda _: None)
    assert str(caught.value) == (
        "4 of the 5 packages of the run can't be had: absent==1.0 (not served), alpha==9.0 (this "
        "version is not served), old==1.0 (served without a wheel for this Python and system), "
        "source==1.0 (source only, built only if the same version is here). If you have their "
        "wheels, UV_FIND_LINKS names the folder. --here runs it in the present environment; "
        "`shackdoo diff` then tells what differs."
    )
    assert made(state) == []
    assert environments.missing(ask) == [
        "absent==1.0: not served",
        "alpha==9.0: this version is not served",
        "old==1.0: served without a wheel for this Python and system",
        "source==1.0: source only, built only if the same version is here",
    ]


@pytest.mark.parametrize("columns", ["40", "100"])
def test_a_python_that_is_not_here_is_named(
    index: Path, state: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)  # as a shell exports it
    ask = recorded("3.11.99", alpha="1.0")
    with pytest.raises(IngredientError) as caught:
        environments.python_for(ask, state, lambda _: None)
    assert str(caught.value) == (
        f"The run was made with Python 3.11.99. This is Python {HERE}, and that one is not on this "
        f"machine; uv can't have it either: No interpreter found for CPython 3.11.99 in managed "
        f"installations or search path. Install it, e.g. uv python install 3.11.99, or pyenv "
        f"install 3.11.99. {WAY_OUT}; `shackdoo diff` then tells what differs."
    )
    assert environments.missing(ask) == [
        "Python 3.11.99: not on this machine, uv would have to download it"
    ]
    assert made(state) == []


def test_an_index_that_does_not_answer_is_told(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    for attempt in (
        lambda: environments.python_for(recorded(alpha="1.0"), state, lambda _: None),
        lambda: environments.missing(recorded(alpha="1.0")),
    ):
        with pytest.raises(IngredientError) as caught:
            attempt()
        text = str(caught.value)
        assert text.startswith("The packages of the run can't be had: ")
        assert "127.0.0.1:9" in text
        assert "Connection refused" in text
        assert "Check the network, and where uv looks for packages (UV_DEFAULT_INDEX" in text
    assert made(state) == []


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("alpha --index-url=http://x", "1.0"),
        ("--editable", "1.0"),
        ("alpha @ https://x/alpha.whl", "1.0"),
        ("../alpha", "1.0"),
        ("alpha\n", "1.0"),
        ("alpha[extra]", "1.0"),
        ("alpha", "1.0\n-r /etc/passwd"),
        ("alpha", "1.0; sys_platform"),
        ("alpha", "*"),
        ("alpha", "file:///x"),
        ("alpha", ""),
    ],
)
def test_only_names_and_versions_are_followed(state: Path, name: str, version: str) -> None:
    with pytest.raises(RequestError) as caught:
        environments.python_for(recorded(**{name: version}), state, silent)
    assert "which is none. Its environment is not built; --here runs it" in str(caught.value)
    assert not state.exists()


@pytest.mark.parametrize("python", ["3.11", "/bin/sh", "3.11.2 --x", ">=3", None, 3])
def test_only_a_version_of_python_is_followed(state: Path, python: Any) -> None:
    with pytest.raises(RequestError, match="as the version of Python, which is none"):
        environments.python_for(recorded(python, alpha="1.0"), state, silent)
    with pytest.raises(RequestError, match="'PyPy' as the implementation of Python"):
        ask = {**recorded(), "implementation": "PyPy"}
        environments.python_for(ask, state, silent)


def test_two_at_once_build_once(index: Path, state: Path) -> None:
    processes = [start(state) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert sorted(out for out, _ in outputs) == ["False\n", "True\n"], outputs
    assert len(made(state)) == 1


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An index that takes every call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for one in taken:
            one.close()


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_a_killed_builder_leaves_is_removed_when_its_uv_is_gone(
    silent_index: None, state: Path
) -> None:
    builder = start(state)
    installing: list[psutil.Process] = []

    def is_installing() -> bool:
        with contextlib.suppress(psutil.Error):  # one that ends meanwhile
            children = psutil.Process(builder.pid).children()
            installing[:] = [each for each in children if "install" in each.cmdline()]
        return bool(installing)

    wait_for(is_installing)
    os.kill(builder.pid, signal.SIGKILL)
    builder.communicate()
    environments.clear_half_built(state)
    assert len(made(state)) == 1  # uv is at work in it
    installing[0].kill()

    def is_cleared() -> bool:
        environments.clear_half_built(state)
        return made(state) == []

    wait_for(is_cleared)


def test_a_half_built_one_does_not_stop_the_next(index: Path, state: Path) -> None:
    ask = recorded(alpha="1.0")
    python = environments.python_for(ask, state, lambda _: None).python
    folder = python.parents[1]
    folder.rename(folder.with_name(f".{folder.name}.part"))
    (folder.with_name(".x.1.gone") / "inside").mkdir(parents=True)
    assert environments.python_for(ask, state, lambda _: None).built
    assert version_in(python, "alpha") == "1.0"
    environments.clear_half_built(state)
    assert made(state) == [folder.name]


def test_what_pip_was_told_holds(index: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    uv._settings_of_pip.cache_clear()
    try:
        found = environments.python_for(recorded(alpha="1.1"), state, lambda _: None)
    finally:
        uv._settings_of_pip.cache_clear()
    assert version_in(found.python, "alpha") == "1.1"


def test_other_packages_than_the_recorded_are_refused(
    index: Path, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_wheel(index, "alpha", "1.2+mine")
    with pytest.raises(IngredientError) as caught:
        environments.python_for(recorded(alpha="1.2"), state, lambda _: None)
    assert str(caught.value) == (
        "The environment that was built is not the recorded one: alpha 1.2+mine for 1.2. "
        "Settings of uv on this machine, as UV_OVERRIDE or UV_CONSTRAINT, may be why. --here runs "
        "it in the present environment; `shackdoo diff` then tells what differs."
    )
    assert made(state) == []


def test_real_packages_of_the_real_index(state: Path) -> None:
    ask = recorded(six="1.15.0", idna="2.10")
    try:
        environments.missing(ask)
    except IngredientError as error:
        pytest.skip(f"no package index is reached: {error}")
    plan = str(environments.plan(ask, state))
    assert plan.startswith(f"one that is built: Python {HERE} with the 2 recorded packages")
    found = environments.python_for(ask, state, lambda _: None)
    ask_them = "import six, idna; print(six.__version__, idna.__version__)"
    said = subprocess.check_output([found.python, "-c", ask_them], text=True)
    assert said == "1.15.0 2.10\n"
    assert str(environments.plan(ask, state)) == f"{found.python}, which was built before"


def test_what_two_environments_dont_share() -> None:
    was = recorded(**{"Ruamel.YAML": "1", "keras": "3.1", "gone": "1", "own": "1"})
    now = recorded(**{"ruamel-yaml": "1", "keras": "3.2", "new": "1"})
    assert packages.differing_packages(was, now, {"own"}) == {
        "gone": ("1", None),
        "keras": ("3.1", "3.2"),
    }
