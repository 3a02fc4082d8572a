"""A writer without TensorFlow: journals numbers at a rate and says which are acknowledged.

``writer.py FOLDER URI POINTS PAUSE [ENDING]``: each acknowledged step is printed at once; with
ENDING ``finish`` the run is closed, with ``exit`` the process ends by ``os._exit`` and with
``memory`` it runs out of memory. In the end the longest time that one write took is printed.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from shackdoo.tracking.journal import Header, JournalTracker, now_ms
from shackdoo.tracking.shipping import start_shipper


def main(folder: Path, uri: str, points: int, pause: float, ending: str) -> None:
    """Write, then end as asked."""
    experiment, root = os.environ.get("EXPERIMENT", "digits"), str(folder.parent)
    joined = os.environ.get("MLFLOW_RUN_ID")
    header = Header(
        folder.name, experiment, "name", uri, joined, "u", "s", root, now_ms(), None, None
    )
    tracker = JournalTracker(folder, header)
    if "SHIP" in os.environ:
        start_shipper(folder)
    longest = 0.0
    for step in range(points):
        began = time.perf_counter()
        tracker.metrics({"loss": step / 7, "accuracy": 1 - step / 11}, step=step)
        longest = max(longest, time.perf_counter() - began)
        print(step, flush=True)
        time.sleep(pause)
    if ending == "exit":
        os._exit(0)
    if ending == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))
        print(len(bytearray(1 << 40)))
    tracker.end("FINISHED")
    print(f"longest {longest}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5])
