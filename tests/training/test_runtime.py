"""TensorFlow is made ready once: lean, quiet, with its threads and switches set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import gc
import sys
from pathlib import Path
from shackdoo.config.schema import DeterminismSpec, GpuSpec
from shackdoo.errors import RunError
from shackdoo.training.runtime import start_tensorflow

cache = Path(sys.argv[1])
gpu = GpuSpec(memory_growth=True)
print("threads", start_tensorflow(DeterminismSpec(enabled=True, threads=1), gpu, 7, cache))
print("lean", not {"sklearn", "matplotlib", "pandas", "scipy"} & set(sys.modules))
print("collector", gc.isenabled(), gc.get_freeze_count() > 0)
import pandas, tensorflow as tf
print("pandas", pandas.__name__, tf.config.threading.get_intra_op_parallelism_threads())
print("cache", [len(folder.name) for folder in cache.iterdir()])
tf.constant(1) + 1
try:
    start_tensorflow(DeterminismSpec(enabled=True, threads=2), gpu, 7, cache)
except RunError as error:
    print("refused", error)
"""


def test_a_process_starts_tensorflow_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.splitlines() == [
        "threads 1",
        "lean True",
        "collector True True",
        "pandas pandas 1",
        "cache [16]",
        "refused TensorFlow computes with 1 threads in this process already and can't change to "
        "2. Runs that differ in determinism.threads need a process each.",
    ], done.stderr
    assert "cuda" not in done.stderr.lower()
