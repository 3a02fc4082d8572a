"""Which of several differences is the likeliest cause of another result.

The order goes by how surely a thing reaches the numbers, and how much it moves them:

1. What is asked for: class, data set, flows, parameters, optimizer, callbacks, the weights that are
   begun with. Nearly all of them change what is computed, so everything after it.
2. The seed: it surely changes all numbers, but not what they mean.
3. The data: one byte is enough, if it is of an example that is trained on.
4. Code: first the task's own classes, then what they import, then what of shackdoo's reads data or
   computes. A digest tells of a comment as well, so a value that was changed comes before it.
5. How is computed: threads, devices, XLA, determinism. The sums are the same, their order is not:
   last digits differ, and grow as the training goes on.
6. TensorFlow, Keras and NumPy of another version: other kernels, other defaults.
7. Variables that choose kernels, the instructions a CPU has, the architecture, GPUs: last digits.
8. Packages that TensorFlow and Keras compute or read with, Python, the image.
9. Other packages: the task may import them.
10. Other variables; configuration that names or describes; shackdoo's own code around the training.
11. What can't be seen to have a part in either result: tools, packages that only one run has, CPU
    flags that no kernel asks for.

What is known about two runs decides nothing here that a name can't tell: the first of the list is
where to look first, and no proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from shackdoo.provenance.compare import MAIN, Difference

ASKED = ("task._target_", "task.data", "flows", "init_from")
PARAMETERS = ("task.parameters.", "optimizer.", "callbacks")
NAMES = re.compile(r"task\.name|catalog\..+\.(layer|file|source|description|examples|sha256)")
COMPUTING = ("shackdoo/training/", "shackdoo/tasks/", "shackdoo/catalog/", "shackdoo/task.py")
CORE = re.compile(r"(tensorflow|tf-nightly|keras|numpy|jax|jaxlib|torch)(-(cpu|gpu|macos|intel))?")
NEAR = re.compile(
    r"ml-dtypes|h5py|optree|opt-einsum|gast|astunparse|flatbuffers|protobuf|scipy|pillow|pandas"
    r"|pyarrow|scikit-learn|threadpoolctl|nvidia-.+|tensorflow-.+|tensorrt.*|triton|intel-.+|mkl.*"
)
# They record, show, check and serve; no training imports them, and a task hardly does.
TOOLS = re.compile(
    r"mlflow.*|pytest.*|ruff|mypy.*|types-.+|import-linter|grimp|pip|uv|wheel|build|hatchling"
    r"|jupyter.*|ipy.+|nb.+|debugpy|jedi|matplotlib.*|fonttools|kiwisolver|contourpy|cycler"
    r"|sqlalchemy|alembic|sqlparse|flask.*|werkzeug|gunicorn|uvicorn|fastapi|starlette|waitress"
    r"|databricks-.+|opentelemetry-.+|graphql.*|graphene|docker|kubernetes.*|selenium|trio.*"
    r"|detect-secrets|psycopg.*|google-auth|gitpython|gitdb|smmap|tqdm|rich|pygments|iniconfig"
    r"|pluggy|tomlkit|hydra-core|omegaconf|antlr4-.+|pydantic.*|platformdirs|pooch|psutil"
)
KERNELS = re.compile(
    r"KERAS_BACKEND|TF_(DETERMINISTIC|CUDNN|ENABLE|DISABLE|XLA|NUM|USE).*|XLA_.*|ONEDNN_.*|DNNL_.*"
    r"|OMP_.*|MKL_.*|CUBLAS_.*|CUDA_VISIBLE_DEVICES|NVIDIA_TF32.*|PYTHONHASHSEED"
)
VECTORS = re.compile(r"(avx|sse|ssse|fma|f16c|amx|neon|asimd|sve|bf16|i8mm|fphp|fp16).*")
DIGEST = re.compile(r"[0-9a-f]{64}")
WIDTH = 44  # characters of a value that is shown
DIGITS = 12  # of a digest
NONE = "-"  # where a run has no such thing


class Rank(IntEnum):
    """How likely a difference changes results, the likeliest first."""

    ASKED = 0
    PARAMETER = 1
    SEED = 2
    DATA = 3
    TASK_CODE = 4
    OWN_CODE = 5
    COMPUTING_CODE = 6
    OTHER_VALUE = 7
    SWITCH = 8
    CORE_PACKAGE = 9
    KERNEL = 10
    NEAR_PACKAGE = 11
    OTHER_PACKAGE = 12
    AROUND = 13
    IDLE = 14


class Row(NamedTuple):
    """A difference as it is printed."""

    ingredient: str
    recorded: str
    now: str


def ranked(differences: Iterable[Difference]) -> list[Difference]:
    """Return the differences, the likeliest cause of another result first."""
    return sorted(differences, key=rank)


def rank(each: Difference) -> Rank:
    """Return how likely a difference changes results."""
    if each.role == "idle":
        return Rank.IDLE
    if each.ingredient == "config":
        return _of_config(each.name)
    if each.ingredient == "code":
        return _of_code(each)
    if each.ingredient == "environment":
        return _of_environment(each.name)
    if each.ingredient == "machine":
        return Rank.KERNEL if _computes(each) else Rank.IDLE
    return {"seed": Rank.SEED, "data": _of_data(each.name)}.get(each.ingredient, Rank.SWITCH)


def table(differences: Iterable[Difference]) -> list[Row]:
    """Return rows to print, in the same order: what differs, its two values, shortened."""
    return [Row(_title(each), *_values(each)) for each in differences]


def _of_config(name: str) -> Rank:
    if name in ASKED:
        return Rank.ASKED
    if name.startswith(PARAMETERS):
        return Rank.PARAMETER
    return Rank.AROUND if NAMES.fullmatch(name) else Rank.OTHER_VALUE


def _of_data(name: str) -> Rank:
    return Rank.ASKED if name in ("init_from", "trained_run") else Rank.DATA


def _of_code(each: Difference) -> Rank:
    if each.role == "task":
        return Rank.TASK_CODE
    if each.name != MAIN and each.name.startswith("shackdoo/"):
        return Rank.COMPUTING_CODE if each.name.startswith(COMPUTING) else Rank.AROUND
    return Rank.OWN_CODE


def _of_environment(name: str) -> Rank:
    package = re.sub(r"[-_.]+", "-", name).lower()
    if name.isupper():  # a variable
        return Rank.KERNEL if KERNELS.fullmatch(name) else Rank.AROUND
    for known, found in ((CORE, Rank.CORE_PACKAGE), (NEAR, Rank.NEAR_PACKAGE), (TOOLS, Rank.IDLE)):
        if known.fullmatch(package):
            return found
    return Rank.NEAR_PACKAGE if package in ("python", "image") else Rank.OTHER_PACKAGE


def _computes(each: Difference) -> bool:
    """Return whether a kernel may be chosen by what differs of the machine."""
    if each.name != "cpu_flags":
        return True
    return any(VECTORS.fullmatch(str(flag)) for side in _only(each) for flag in side)


def _only(each: Difference) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return what only one of two lists has, of each."""
    recorded, now = (side if isinstance(side, list) else [] for side in (each.recorded, each.now))
    return [x for x in recorded if x not in now], [x for x in now if x not in recorded]


def _title(each: Difference) -> str:
    return each.ingredient if each.name == each.ingredient else f"{each.ingredient} {each.name}"


def _values(each: Difference) -> tuple[str, str]:
    if each.name == "cpu_flags":
        recorded, now = _only(each)
        return _shown(" ".join(map(str, recorded)) or None), _shown(" ".join(map(str, now)) or None)
    return _shown(each.recorded), _shown(each.now)


def _shown(value: Any) -> str:
    if value is None:
        return NONE
    text = str(value)
    if isinstance(value, bool):
        return text.lower()
    if DIGEST.fullmatch(text):
        return text[:DIGITS]
    clean = "".join(each if each.isprintable() else "?" for each in text)
    return clean if len(clean) <= WIDTH else f"{clean[: WIDTH - 1]}…"
