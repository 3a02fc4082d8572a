"""Docker: its client, its SDK (which MLflow uses), the engine, GPUs inside, and the image."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shackdoo.commands.checkup.finding import SHOWN_COMMIT, Finding, mebibytes
from shackdoo.commands.engine import ANSWER_SECONDS, NoEngineError, engine
from shackdoo.provenance import image as built
from shackdoo.provenance.image import code_state, recipe

IMAGE = "shackdoo"  # as in MLproject
BUILD, BUILD_CPU = "make docker-build", "make docker-build GPU=0"
TOOLKIT = (
    "Install NVIDIA's Container Toolkit: "
    "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/."
)
HOOKS = ("nvidia-container-runtime-hook", "nvidia-ctk")  # either makes `docker run --gpus` work


def look_at_docker(root: Path, has_gpu: bool) -> list[Finding]:
    """Return what `mlflow run` and the docker targets of make need; a training without them not.

    Args:
        root: of the project.
        has_gpu: whether the machine has one.
    """
    if built.in_container():
        return [_inside(root)]
    return [_client(), _sdk(), *_engine(root, has_gpu)]


def _client() -> Finding:
    path = shutil.which("docker")
    if path is None:
        return Finding(
            "docker client",
            "missing",
            "no docker command in PATH; `mlflow run` in Docker calls it",
            "Install Docker: https://docs.docker.com/engine/install/.",
        )
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=ANSWER_SECONDS
        )
        said = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = f"it can't be run: {error}"
    return Finding("docker client", "ok", f"{path}, {said}", None, {"path": path, "version": said})


def _sdk() -> Finding:
    try:
        installed = version("docker")
    except PackageNotFoundError:
        return Finding(
            "docker SDK", "missing", "the package docker is not installed", "make install"
        )
    return Finding("docker SDK", "ok", f"docker {installed}", None, {"version": installed})


def _engine(root: Path, has_gpu: bool) -> list[Finding]:
    """Return what the engine tells: of itself, of GPUs in containers, and of the image."""
    try:
        with engine() as client:
            answer = client.version()
            found = _found_engine(answer, client.api.base_url)
            return [found, _gpus_inside(client.info(), has_gpu), _image(client, root, has_gpu)]
    except NoEngineError as error:
        return [Finding("docker engine", "missing", error.reason, error.way_out)]
    except Exception as error:  # the SDK and requests each raise their own
        why = " ".join(str(error).split())[:200]
        return [Finding("docker engine", "attention", f"it gives no answer: {why}")]


def _found_engine(answer: dict[str, Any], address: str) -> Finding:
    system = f"{answer['Os']}/{answer['Arch']}"
    details = {"version": answer["Version"], "api": answer["ApiVersion"], "system": system}
    fact = f"{answer['Version']}, {system}, API {answer['ApiVersion']}"
    return Finding("docker engine", "ok", fact, None, details)


def _gpus_inside(info: dict[str, Any], has_gpu: bool) -> Finding:
    runtimes = sorted(info.get("Runtimes") or ())
    ready = "nvidia" in runtimes or any(map(shutil.which, HOOKS))
    details = {"runtimes": runtimes, "ready": ready}
    if ready:
        return Finding("GPUs in Docker", "ok", "NVIDIA's container runtime", None, details)
    if not has_gpu:
        return Finding("GPUs in Docker", "missing", "not needed without a GPU", None, details)
    fact = "no NVIDIA container runtime; containers run on the CPU"
    return Finding("GPUs in Docker", "attention", fact, TOOLKIT, details)


def _image(client: Any, root: Path, has_gpu: bool) -> Finding:
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(IMAGE)
    except ImageNotFound:
        fact = f"no image {IMAGE}; `mlflow run` wants it"
        return Finding("image", "missing", fact, BUILD if has_gpu else BUILD_CPU)
    made_of = _MadeOf.of(image.labels or {}, image.id, image.attrs.get("Size", 0))
    tree = None if made_of.requirements is None else recipe(root, made_of.requirements)
    fact = f"{IMAGE}, {made_of.kind}, {mebibytes(made_of.bytes)}, {made_of.code(root)}"
    trouble = made_of.trouble(tree, has_gpu)
    details = {**asdict(made_of), "recipe_of_tree": tree}
    if trouble is None:
        return Finding("image", "ok", fact, None, details)
    way_out = BUILD if has_gpu or made_of.kind == "GPU" else BUILD_CPU
    return Finding("image", "attention", f"{fact}; {trouble}", way_out, details)


@dataclass(frozen=True)
class _MadeOf:
    """What an image says it was made of, in its labels; None where it doesn't."""

    id: str
    bytes: int
    commit: str | None
    dirty: bool
    recipe: str | None
    requirements: str | None

    @classmethod
    def of(cls, labels: dict[str, str], identifier: str, size: int) -> _MadeOf:
        return cls(
            id=identifier,
            bytes=size,
            commit=labels.get("org.opencontainers.image.revision") or None,
            dirty=labels.get("shackdoo.dirty") == "true",
            recipe=labels.get("shackdoo.recipe") or None,
            requirements=labels.get("shackdoo.requirements") or None,
        )

    @property
    def kind(self) -> str:
        return "GPU" if "gpu" in (self.requirements or "") else "CPU"

    def code(self, root: Path) -> str:
        """Return which code it holds, against the tree's: a run without the tree uses it."""
        if self.commit is None:
            return "with code of no commit"
        here = code_state(root)["commit"]
        same = "that of the tree" if here == self.commit else "not the tree's, which a run mounts"
        return f"with code of {self.commit[:SHOWN_COMMIT]}{'+dirty' if self.dirty else ''}, {same}"

    def trouble(self, recipe_of_tree: str | None, has_gpu: bool) -> str | None:
        """Return why it should be built anew, if it should."""
        if self.recipe is None or self.requirements is None:
            return "it does not say what it was made of"
        if recipe_of_tree not in (None, self.recipe):
            return (
                f"the tree has another Dockerfile, {self.requirements} or docker/entrypoint.sh by "
                f"now, and a run refuses that"
            )
        return "this machine has a GPU" if has_gpu and self.kind == "CPU" else None


def _inside(root: Path) -> Finding:
    code = code_state(root)
    details = {"commit": code["commit"], "dirty": code["dirty"], "holds": built.holds(root)}
    whose = "the image's own code" if built.holds(root) else "a mounted tree"
    fact = f"this is one, with {whose}"
    if built.is_stale(root):
        fact += "; its image was made from another Dockerfile, lock file or docker/entrypoint.sh"
        return Finding("container", "broken", fact, BUILD, details)
    return Finding("container", "ok", fact, None, details)
