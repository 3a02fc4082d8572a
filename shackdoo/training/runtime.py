"""TensorFlow made ready for a deterministic run: imported lean, threads pinned, switches set."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from shackdoo.errors import RunError
from shackdoo.imports import uncollected
from shackdoo.training.cores import available_cores

if TYPE_CHECKING:
    from shackdoo.config.schema import DeterminismSpec, GpuSpec

# Keras and TensorFlow import these when they are installed (about a third of their import time)
# although training needs none of them.
OPTIONAL_FOR_KERAS = ("sklearn", "matplotlib", "pandas", "scipy")


def start_tensorflow(determinism: DeterminismSpec, gpu: GpuSpec, seed: int, xla_cache: Path) -> int:
    """Import TensorFlow and set threads, GPUs, determinism and every random seed.

    Args:
        determinism: switches and the number of threads of the run.
        gpu: how the memory of GPUs is taken.
        seed: seeds Python's, NumPy's and Keras' random generators.
        xla_cache: folder in which compiled programs are kept from run to run.

    Returns:
        The number of threads TensorFlow computes with. It is part of the result: another
        number sums in another order.
    """
    _announce_xla_cache(xla_cache)
    load_tensorflow()
    import keras
    import tensorflow as tf

    threads = determinism.threads or available_cores()
    _set_threads(tf, threads)
    _set_memory_growth(tf, gpu.memory_growth)
    if determinism.enabled:
        tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return threads


def load_tensorflow() -> None:
    """Import TensorFlow and Keras without what they print."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _absent(OPTIONAL_FOR_KERAS), _quiet(), uncollected("tensorflow"):
        import keras  # noqa: F401
        import tensorflow  # noqa: F401


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what TensorFlow's libraries print while they load; show it if that fails.

    They print before their own log level is set, on the file descriptor itself.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)


@contextmanager
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """Let the named packages look uninstalled, unless somebody has imported them already.

    Afterwards they can be imported as usual; only the optional bridges to them (Keras'
    scikit-learn wrapper, data frames and sparse matrices as input) stay off in this process.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None blocks an import
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _announce_xla_cache(root: Path) -> None:
    """Name the persistent cache to XLA; it reads the variable once, when TensorFlow loads."""
    folder = root / _machine_key()
    folder.mkdir(parents=True, exist_ok=True)
    flags = (
        f"--tf_xla_persistent_cache_directory={folder} --tf_xla_persistent_cache_read_only=false"
    )
    given = os.environ.get("TF_XLA_FLAGS", "")
    if "tf_xla_persistent_cache_directory" not in given:
        os.environ["TF_XLA_FLAGS"] = f"{given} {flags}".strip()


def _machine_key() -> str:
    """Name what a compiled program depends on, since a state folder may be shared by machines."""
    from importlib.metadata import version

    cpu = next((line for line in _cpuinfo() if line.startswith("flags")), platform.processor())
    key = f"{platform.machine()} {cpu} {version('tensorflow')}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return []


def _set_threads(tf: ModuleType, threads: int) -> None:
    config = tf.config.threading
    if config.get_intra_op_parallelism_threads() == threads:
        return  # a second run in one process: TensorFlow can't change them any more, nor must it
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(threads)
    except RuntimeError:
        raise RunError(
            f"TensorFlow computes with {config.get_intra_op_parallelism_threads()} threads in "
            f"this process already and can't change to {threads}. Runs that differ in "
            f"determinism.threads need a process each."
        ) from None


def _set_memory_growth(tf: ModuleType, grow: bool) -> None:
    config = tf.config.experimental
    for gpu in tf.config.list_physical_devices("GPU"):
        if bool(config.get_memory_growth(gpu)) == grow:
            continue
        try:
            config.set_memory_growth(gpu, grow)
        except (RuntimeError, ValueError):  # in use already, or divided up; no result depends on it
            print(
                f"gpu.memory_growth={str(grow).lower()} comes too late for {gpu.name}: this "
                f"process has set it up already. It goes on with that.",
                file=sys.stderr,
            )
