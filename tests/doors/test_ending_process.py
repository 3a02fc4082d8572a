"""How the program writes to its streams, and ends its process once TensorFlow is in it."""

from __future__ import annotations

import os
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


def test_a_line_is_written_whole_where_nothing_is_buffered() -> None:
    reader, writer = os.pipe2(os.O_DIRECT)  # gives back each write by itself
    command = [sys.executable, "-m", "shackdoo.cli", "nonsense"]
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, stderr=writer, env=unbuffered)
    os.close(writer)
    said = os.read(reader, 1 << 16)
    os.close(reader)
    assert done.returncode == 2
    assert said.startswith(b"error: No command 'nonsense'.")
    assert said.count(b"\n") == 1 and said.endswith(b"\n")
