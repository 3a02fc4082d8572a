"""A run that is told to end while its process is deep in a long computation."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

SECONDS = 2.0  # until the end is made here; who stops a run waits 3 seconds or more


class LastWord:
    """Between start and stop, SIGTERM is obeyed in time, whatever the main thread does.

    Python handles a signal between two steps of its own; the compilation of a large model is one
    step. A thread learns of the signal from the system and gives the main thread a while.
    """

    def __init__(self, speak: Callable[[], None]) -> None:
        """Prepare.

        Args:
            speak: closes the record; called if the main thread has not done so in time.
        """
        self._speak = speak
        self._stopped = threading.Event()
        self._reader = -1

    def start(self) -> None:
        """Begin to listen; nothing is done where somebody else does already (a notebook)."""
        if threading.current_thread() is not threading.main_thread():
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
            os.close(reader)
            os.close(writer)
            return
        self._reader, self._writer = reader, writer
        threading.Thread(target=self._listen, name="last-word", daemon=True).start()

    def stop(self) -> None:
        """End: the main thread has come to close the record by itself."""
        if self._stopped.is_set() or self._reader == -1:
            return
        self._stopped.set()
        signal.set_wakeup_fd(-1)
        os.close(self._writer)  # ends the thread

    def _listen(self) -> None:
        while (told := os.read(self._reader, 1)) and told[0] != signal.SIGTERM:
            pass
        if told and not self._stopped.wait(SECONDS):
            try:
                self._speak()
            finally:
                os._exit(128 + signal.SIGTERM)
        os.close(self._reader)
