"""How the program ends its process once TensorFlow is in it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import atexit, sys
from concurrent.futures import ThreadPoolExecutor

from shackdoo.cli import end

sys.modules["tensorflow"] = sys  # it is what is in there that counts
pool = ThreadPoolExecutor(2)
pool.submit(print, "worked", flush=True).result()
atexit.register(print, "asked for")
end(3)
"""


def test_a_pool_of_threads_that_somebody_left_open_holds_nothing_up() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, "worked\nasked for\n")
