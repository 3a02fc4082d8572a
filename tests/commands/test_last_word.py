"""SIGTERM is obeyed in time, whatever the main thread does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

CODE = """
import hashlib, signal, sys
from shackdoo.commands import last_word

last_word.SECONDS = 0.5
word = last_word.LastWord(lambda: print("closed", flush=True))
signal.signal(signal.SIGTERM, {handler})
word.start()
print("ready", flush=True)
{work}
word.stop()
print("by itself", flush=True)
"""
# One call into C: Python's own handlers wait until it returns.
LONG = "hashlib.pbkdf2_hmac('sha256', b'', b'', 200_000_000)"
RAISES = "lambda number, frame: sys.exit(7)"


def ended(handler: str, work: str, *, number: signal.Signals | None) -> tuple[int, list[str]]:
    code = CODE.format(handler=handler, work=work)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = [run.stdout.readline().strip()]
        if number is not None:
            time.sleep(0.5)  # until it is at work
            run.send_signal(number)
        said += run.stdout.read().split("\n")[:-1]
    return run.returncode, said


def test_a_main_thread_that_does_not_answer_is_spoken_for() -> None:
    code, said = ended(RAISES, LONG, number=signal.SIGTERM)
    assert (code, said) == (128 + signal.SIGTERM, ["ready", "closed"])


def test_one_that_answers_has_the_word() -> None:
    handler = "lambda *_: word.stop()"
    code, said = ended(handler, "import time; time.sleep(1.5)", number=signal.SIGTERM)
    assert (code, said) == (0, ["ready", "by itself"])


@pytest.mark.parametrize("number", [None, signal.SIGUSR1])
def test_nothing_happens_without_a_signal(number: signal.Signals | None) -> None:
    handler = "lambda *_: None)\nsignal.signal(signal.SIGUSR1, lambda *_: None"
    code, said = ended(handler, "import time; time.sleep(1)", number=number)
    assert (code, said) == (0, ["ready", "by itself"])
