"""The door: ``shackdoo COMMAND …``. Each command is loaded when it is called."""

from __future__ import annotations

import atexit
import importlib
import io
import os
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from shackdoo import __version__
from shackdoo.commands.foreign_text import printable
from shackdoo.config.shell_quotes import as_written
from shackdoo.errors import RequestError, ShackdooError, did_you_mean, listing

COMMANDS = {
    "train": "train a task: shackdoo train task=Mnist_B [key=value …]",
    "resume": "carry on a training that was stopped, to the bits it would have ended in",
    "reproduce": "make a run again from its record, and say whether it is the same to the bit",
    "infer": "answer about new inputs: shackdoo infer task=Mnist_B input=scans/ output=answers.csv",
    "runs": "show the runs: experiment > tag > run, with what differs and what is not shipped",
    "report": "make the page of a run, or of several compared",
    "diff": "show what differs between two runs, and what it did: shackdoo diff RUN_A RUN_B",
    "export": "write a run's model as a SavedModel for TF Serving: shackdoo export RUN PATH",
    "register": "put a run's model into the model registry: shackdoo register RUN NAME[@ALIAS]",
    "sync": "ship what the tracking server has not got yet",
    "ui": "open the tracking store in the browser",
    "doctor": "show what this machine has, and what is in the way of a training",
}

USAGE = """usage: shackdoo COMMAND [ARGUMENTS]

Reproducible deep-learning experiments: a task, its YAML, one command, a record of every run.

commands:
{commands}

`shackdoo COMMAND --help` tells more. Exit codes: 0 fine, 1 the run failed, 2 the request is
wrong and nothing was started, 3 a run can't be compared to the bit, 130 Ctrl-C, 143 SIGTERM."""

INTERRUPTED = 130
COMPLETION = ("-sc", "--shell-completion")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(as_written(arguments))
    except ShackdooError as error:
        lines = map(printable, f"error: {error}".split("\n"))  # a record may be somebody else's
        print("\n".join(lines), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has gone; what is left to flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def entry(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command as the process it is, and end the process."""
    _write_whole_lines()
    end(main(argv))


def _write_whole_lines() -> None:
    """Write a line and its end at once, also where Python is told not to buffer.

    What is printed to stderr and to stdout often comes into one pipe (`docker run`), and between
    two writes there is room for a line of the other one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.write_through:
            stream.reconfigure(line_buffering=True, write_through=False)


def end(code: int) -> NoReturn:
    """End the process with ``code``.

    With TensorFlow loaded, the interpreter would spend about a second on taking its objects
    apart; what others asked to be done at the end is done, the rest is left to the system.
    """
    if "tensorflow" in sys.modules:
        # As the interpreter does: pools of threads are told to end before they are waited for.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    if arguments[0] == "--version":
        print(__version__)
        return 0
    if arguments[0] in COMPLETION:
        arguments = ["train", *arguments]  # what a shell asks while `shackdoo train …` is typed
    name, *rest = arguments
    if name not in COMMANDS:
        raise RequestError(
            f"No command '{name}'.{did_you_mean(name, COMMANDS)} Known: {listing(COMMANDS)}. "
            f"`shackdoo --help` tells what each does."
        )
    command = importlib.import_module(f"shackdoo.commands.{name}")
    code: int = command.main(rest)
    return code


def _usage() -> str:
    lines = (f"  {name:<9} {what}" for name, what in COMMANDS.items())
    return USAGE.format(commands="\n".join(lines))


if __name__ == "__main__":
    entry()
