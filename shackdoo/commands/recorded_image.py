"""The image that a run was computed in, had again, and the command that runs a program in it."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shackdoo.commands.engine import NoEngineError, engine, image_id
from shackdoo.commands.left_containers import CONTAINERS
from shackdoo.errors import IngredientError, RequestError
from shackdoo.provenance.environment import IMAGE, MATTERS
from shackdoo.provenance.image import CODE, PROJECT
from shackdoo.provenance.packages import Wanted, shortened
from shackdoo.provenance.uv import WAY_OUT

ID = re.compile(r"sha256:[0-9a-f]{64}")
NAME = "shackdoo-reproduced"  # of what is built, with the beginning of the recorded id
BUILD = Path("docker") / "build.sh"
SHOWN = 12  # digits of an id, for people
CUDA = "nvidia-"  # begins the names of packages that only an image for GPUs has
# Prints what the image has; shackdoo's own code there may be older than this.
ASK = """
import json, platform
from importlib.metadata import distributions
packages = {each.metadata["Name"]: each.version for each in distributions()}
print(json.dumps({"python": platform.python_version(), "packages": packages}))
"""
# What a container is told of the environment that it is started from.
PASSED = (*MATTERS, "SHACKDOO_", "MLFLOW_TRACKING_", "LOGNAME", "TZ")
HERE = ("localhost", platform.node().lower())
Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """An image with the recorded packages.

    Attributes:
        id: the engine's.
        rebuilt: whether it is another than the recorded, made from the recorded tree.
    """

    id: str
    rebuilt: bool


def image_for(
    recorded: Mapping[str, Any], tree: Path, say: Say, own: Collection[str] = ()
) -> Image:
    """Return the image that an environment of a manifest names, or one with the same packages.

    Args:
        recorded: the environment of a manifest that names an image.
        tree: the recorded code, from which it is built if it is not here.
        say: is told what takes long.
        own: normalized names of packages whose code is the project's own.

    Raises:
        RequestError: if what is recorded is no image, or no packages.
        IngredientError: if it can't be had.
    """
    wanted, packages = str(recorded["image"]), Wanted.of(recorded, own)
    if not ID.fullmatch(wanted):
        raise RequestError(
            f"The record of the run names the image {wanted[:80]!r}, which is no id of one. "
            f"{WAY_OUT}"
        )
    try:
        with engine() as client:
            if image_id(client, wanted):
                return Image(wanted, False)
            name = f"{NAME}:{wanted.removeprefix('sha256:')[:SHOWN]}"
            built = image_id(client, name)
            if built is None or _other(built, packages):
                built = _build(client, name, wanted, tree, packages, say)
    except NoEngineError as error:
        raise IngredientError(
            f"The run was computed in the Docker image {_short(wanted)}: {error} {WAY_OUT}"
        ) from None
    return Image(built, True)


def _short(identifier: str) -> str:
    return identifier.removeprefix("sha256:")[:SHOWN]


def _build(client: Any, name: str, wanted: str, tree: Path, packages: Wanted, say: Say) -> str:
    """Build an image from the tree; return its id."""
    gone = f"The image {_short(wanted)} of the run is not on this machine"
    fetch = "`docker save` where it is and `docker load` here bring it"
    if not (tree / BUILD).is_file():
        raise IngredientError(
            f"{gone}, and the recorded tree has no {BUILD} that makes one. {fetch}. {WAY_OUT}"
        )
    gpu = "1" if any(package.startswith(CUDA) for package in packages.packages) else "0"
    say(f"building the image {name} from the recorded tree, since {_short(wanted)} is not here")
    done = subprocess.run(
        ["sh", str(BUILD)],
        cwd=tree,
        env={**os.environ, "IMAGE": name, "GPU": gpu},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
    )
    built = image_id(client, name)
    if done.returncode or built is None:
        raise IngredientError(
            f"{gone}, and {BUILD} of the recorded tree could not build it; what it said stands "
            f"above. {fetch}. {WAY_OUT}"
        )
    if other := _other(built, packages):
        raise IngredientError(
            f"{gone}, and what {BUILD} of the recorded tree makes now has other software: "
            f"{shortened(other)}. {fetch}. {WAY_OUT}"
        )
    return built


def _other(image: str, packages: Wanted) -> list[str]:
    """Return what an image has otherwise than it is wanted, a text each."""
    asked = ["--entrypoint", "python3", image, "-I", "-c", ASK]
    alone = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--user", "65534:65534"]
    done = subprocess.run(["docker", "run", "--rm", *alone, *asked], capture_output=True, text=True)
    try:
        inside = json.loads(done.stdout)
    except ValueError:
        return [f"no Python that starts ({' '.join(done.stderr.split())[:200]})"]
    python = inside["python"]
    texts = [] if python == packages.python else [f"Python {python} for {packages.python}"]
    differing = packages.differing(inside["packages"]).items()
    return texts + [f"{name} {now or 'none'} for {was}" for name, (was, now) in differing]


def docker_command(
    image: str,
    tree: Path,
    state: Path,
    uri: str | None,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    gpus: bool,
    mounts: Iterable[Path] = (),
    links: Iterable[Path] = (),
) -> list[str]:
    """Return the command that runs shackdoo on a tree in a container, as its owner.

    Tree, state folder and store have the names inside that they have here. Whoever runs the command
    gives it ``environment``: values are not on the command line.

    Args:
        image: its id.
        tree: the project.
        state: the state folder, which takes note of the container.
        uri: of the store; None for none.
        arguments: of shackdoo.
        environment: of which the variables that concern a run are passed on.
        gpus: whether the container has the GPUs of this machine.
        mounts: other files and folders that it is to see and to write to.
        links: others that it may read: what links of the tree lead to.

    Raises:
        IngredientError: if what is to be mounted is not there.
    """
    folders = _outermost([state, tree, *_store_folder(uri), *mounts])
    linked = [path for path in links if _outermost([*folders, path]) != folders]
    told = {PROJECT: str(tree), IMAGE: image}
    names = [name for name in environment if name.startswith(PASSED) and name not in told]
    return [
        *("docker", "run", "--rm", "--cidfile", str(_note(state))),
        *("--network", _network(uri)),
        *(("--gpus", "all") if gpus else ("--env", "NVIDIA_VISIBLE_DEVICES=void")),
        *_mount(tree, CODE),
        *(word for folder in folders for word in _mount(folder, folder)),
        *(word for path in linked for word in _mount(path, path, "readonly")),
        *(word for name, value in told.items() for word in ("--env", f"{name}={value}")),
        *(word for name in names for word in ("--env", name)),
        *(image, "python3", "-m", "shackdoo.cli", *arguments),
    ]


def _note(state: Path) -> Path:
    """Return the file that takes the container's id, by which it is stopped if this is killed."""
    folder = state / CONTAINERS
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = folder / f"{os.getpid()}.cid"
    note.unlink(missing_ok=True)
    return note


def _network(uri: str | None) -> str:
    """Return the network by which a container reaches the store; a file needs none."""
    host = urlsplit(uri or "").hostname
    if host is None:
        return "none"
    near = host in HERE or host.startswith("127.") or host in ("::1", "0.0.0.0")  # noqa: S104
    return "host" if near else "bridge"


def _store_folder(uri: str | None) -> Iterator[Path]:
    if uri and uri.startswith("sqlite:////"):
        yield Path(uri.removeprefix("sqlite:///")).parent


def _outermost(folders: Iterable[Path]) -> list[Path]:
    """Return the folders without those that lie in another of them."""
    every = {folder.absolute() for folder in folders}
    return sorted(each for each in every if not any(parent in every for parent in each.parents))


def _mount(source: Path, target: Path, *options: str) -> tuple[str, str]:
    if not source.exists():
        raise IngredientError(f"{source} is not there, which the run would see in its container.")
    words = io.StringIO()
    csv.writer(words, lineterminator="").writerow(
        ["type=bind", f"source={source}", f"target={target}", *options]
    )
    return "--mount", words.getvalue()
