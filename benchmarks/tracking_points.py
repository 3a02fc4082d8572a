"""100,000 points from one run: what the training pays, and when the store has them all.

Three ways into an SQLite store of their own, in turns: shackdoo's journal and shipper,
``mlflow.log_metric`` point by point, and MLflow's asynchronous mode with its buffer. One process
each; counted is the logging alone, without imports and the opening of the run. As the point by
point way takes an hour for all, it logs fewer and its rate is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from measure import (
    HERE,
    Place,
    adopt_orphans,
    figure,
    interleave,
    place,
    print_machine,
    print_table,
    reap,
    run,
)

WAYS = ("shackdoo", "mlflow.log_metric", "mlflow asynchronous, buffered")
ONE_BY_ONE = 1000  # points that mlflow.log_metric logs


def main() -> None:
    """Run one way (``--way``), or all in turns."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--points", type=int, default=100_000, help="points (default: 100000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (default: 3)")
    parser.add_argument("--way", choices=WAYS, help="log there, print JSON")
    parser.add_argument("--in", dest="folder", type=Path)
    arguments = parser.parse_args()
    if arguments.way:
        log = _shackdoo if arguments.way == WAYS[0] else _mlflow
        print(json.dumps(log(arguments.folder, arguments.way, arguments.points)))
        return
    adopt_orphans()
    results = interleave(
        {way: lambda way=way: _measured(way, arguments.points) for way in WAYS}, arguments.rounds
    )
    _print(arguments.points, results)
    print_machine()


def _measured(way: str, points: int) -> dict[str, float]:
    count = ONE_BY_ONE if way == "mlflow.log_metric" else points
    with place() as somewhere:
        _make_tables(somewhere)
        command: list[str | Path] = [sys.executable, HERE / "tracking_points.py", "--way", way]
        command += ["--in", somewhere.folder, "--points", str(count)]
        environment = {**somewhere.environment, "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1"}
        took: dict[str, float] = run(command, environment, somewhere.folder).result()
        reap()
        stored = _stored(somewhere)
        if stored != count:
            sys.exit(f"{way}: {stored} of {count} points are in the store")
    return {
        "trainer": count / took["logged"],
        "store": count / took["stored"],
        "trainer_seconds": took["logged"],
        "cpu_seconds": took["cpu"],
    }


def _make_tables(somewhere: Place) -> None:
    program = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1]).search_experiments()"
    uri = somewhere.environment["MLFLOW_TRACKING_URI"]
    subprocess.run([sys.executable, "-c", program, uri], check=True, stderr=subprocess.DEVNULL)


def _stored(somewhere: Place) -> int:
    with sqlite3.connect(somewhere.folder / "mlflow.db") as database:
        (count,) = database.execute("SELECT COUNT(*) FROM metrics").fetchone()
    return int(count)


def _shackdoo(folder: Path, way: str, points: int) -> dict[str, float]:
    from shackdoo.tracking.journal import Header, JournalTracker, now_ms
    from shackdoo.tracking.shipping import start_shipper, wait_shipped
    from shackdoo.tracking.state import make_run_folder, new_run_uid

    uid = new_run_uid()
    uri = os.environ["MLFLOW_TRACKING_URI"]
    kept = make_run_folder(Path(os.environ["SHACKDOO_STATE"]), uid)
    header = Header(uid, "points", way, uri, None, "me", way, str(folder), now_ms(), None, None)
    tracker = JournalTracker(kept, header)
    start_shipper(kept)
    began, cpu = time.perf_counter(), time.thread_time()
    for step in range(points):
        tracker.metrics({"loss": 1 / (step + 1)}, step)
    logged, cpu = time.perf_counter() - began, time.thread_time() - cpu
    tracker.end("FINISHED")
    if not wait_shipped(kept, 3600).done:
        sys.exit((kept / "shipper.log").read_text())
    return {"logged": logged, "stored": time.perf_counter() - began, "cpu": cpu}


def _mlflow(folder: Path, way: str, points: int) -> dict[str, float]:
    import mlflow

    mlflow.set_experiment("points")
    synchronous = way == "mlflow.log_metric"
    with mlflow.start_run():
        began, cpu = time.perf_counter(), time.thread_time()
        for step in range(points):
            mlflow.log_metric("loss", 1 / (step + 1), step, synchronous=synchronous)
        logged, cpu = time.perf_counter() - began, time.thread_time() - cpu
        if not synchronous:
            mlflow.flush_async_logging()
    return {"logged": logged, "stored": time.perf_counter() - began, "cpu": cpu}


def _print(points: int, results: dict[str, list[dict[str, Any]]]) -> None:
    rows = [
        (
            way,
            figure((one["trainer"] for one in runs), 0),
            figure((one["store"] for one in runs), 0),
            figure(one["trainer_seconds"] * points / _count(way, points) for one in runs),
            figure(one["cpu_seconds"] * points / _count(way, points) for one in runs),
        )
        for way, runs in results.items()
    ]
    columns = ("way", "points/s for the trainer", "points/s until stored")
    columns += (f"trainer's wall s for {points}", "trainer's CPU s")
    print_table(f"{points} points, {len(results[WAYS[0]])} runs each", columns, rows)
    ours = results[WAYS[0]]
    ratios = [
        (
            f"shackdoo against {way}",
            figure((a["trainer"] / b["trainer"] for a, b in zip(ours, theirs, strict=True)), 1),
            figure((a["store"] / b["store"] for a, b in zip(ours, theirs, strict=True)), 1),
        )
        for way, theirs in results.items()
        if way != WAYS[0]
    ]
    print_table("How many times faster", ("pair", "for the trainer", "until stored"), ratios)


def _count(way: str, points: int) -> int:
    return ONE_BY_ONE if way == "mlflow.log_metric" else points


if __name__ == "__main__":
    main()
