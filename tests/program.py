"""The program as the tests run it: in new processes, or in forks that have TensorFlow already.

Its import is half of a short training. ``python -P program.py SOCKET`` imports it once and forks a
process for each request; it ends with the process that started it. A fork differs from a new
process in what is imported and in the seed of Python's hashes: what must hold between processes is
tested with new ones.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

COMPUTING = ("train", "resume", "infer", "register", "export")  # commands
SECONDS = 300.0


class Program:
    """Runs ``shackdoo``.

    Args:
        folder: makes the folder of the process that is forked.
        anew: only new processes.
    """

    def __init__(self, folder: Callable[[], Path], anew: bool) -> None:
        self._folder = folder
        self._anew = anew
        self._warm: Warm | None = None

    def run(
        self,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str],
        anew: bool = False,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and return what came of it."""
        if arguments[0] in COMPUTING and stdin is None and not (anew or self._anew):
            self._warm = self._warm or Warm(self._folder())
            return self._warm.run(arguments, cwd, environment)
        return subprocess.run(
            [sys.executable, "-m", "shackdoo.cli", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=cwd,
            env=environment,
        )

    def end(self) -> None:
        """End the process that is forked; what it has started goes on."""
        if self._warm is not None:
            self._warm.end()


class Warm:
    """Forks of a process that has imported TensorFlow."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "socket")
        plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-P", __file__, self._address]
        self._server = subprocess.Popen(
            command, cwd=folder, env=plain, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._server.stdout is not None
        assert self._server.stdout.readline()  # it listens

    def run(
        self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``shackdoo`` as :func:`subprocess.run` would, with nothing on its stdin."""
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as errors,
            Path(os.devnull).open("rb") as nothing,
            socket.socket(socket.AF_UNIX) as line,
        ):
            line.settimeout(SECONDS)
            line.connect(self._address)
            files = [nothing.fileno(), output.fileno(), errors.fileno()]
            socket.send_fds(line, [b"."], files)
            line.sendall(json.dumps(request).encode())
            line.shutdown(socket.SHUT_WR)
            code = int(line.recv(16))
            said = [(file.seek(0), file.read().decode())[1] for file in (output, errors)]
        return subprocess.CompletedProcess(list(arguments), code, *said)

    def end(self) -> None:
        """End the process."""
        self._server.communicate()  # closes its stdin


def serve(address: str) -> None:
    """Fork a process for each request, until stdin is closed."""
    from shackdoo.training.runtime import load_tensorflow

    load_tensorflow()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                answer(line)
            line.close()


def answer(line: socket.socket) -> NoReturn:
    """Start what is asked for, wait for it and tell its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(line, 1, 3)
    asked = b""
    while piece := line.recv(1 << 16):
        asked += piece
    child = os.fork()
    if child == 0:
        line.close()
        become(json.loads(asked), files)
    _, status = os.waitpid(child, 0)
    line.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def become(request: Mapping[str, Any], files: list[int]) -> NoReturn:
    """Be the process that was asked for."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [request["cwd"], *filter(None, named)]
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    sys.argv[1:] = request["arguments"]
    runpy.run_module("shackdoo.cli", run_name="__main__", alter_sys=True)
    raise AssertionError("the program ends its process")


if __name__ == "__main__":
    serve(sys.argv[1])
