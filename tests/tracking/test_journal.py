"""The journal: on disk before the call returns, whole lines only, readable by its owner."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shackdoo.errors import RequestError, StoreError
from shackdoo.tracking.journal import (
    JOURNAL,
    LOCK_SECONDS,
    Journal,
    cut_torn_tail,
    last_entry,
    read_entries,
    writer_is_gone,
)
from shackdoo.tracking.state import (
    close_if_dead,
    find_run,
    local_runs,
    make_run_folder,
    prune,
    read_run,
)
from shackdoo.tracking.tracker import Artifact

WRITER = """
import sys
from dataclasses import asdict
from pathlib import Path
from shackdoo.tracking.journal import Header, JournalTracker
folder = Path(sys.argv[1])
uri = "sqlite:////x/y.db"
header = Header(folder.name, "digits", "name", uri, None, "u", "s", "/", 1, None, None)
tracker = JournalTracker(folder, header)
for step in range(10**9):
    tracker.metrics({"loss": step / 7}, step=step)
    print(step, flush=True)
"""


def killed_writer(folder: Path, after: int) -> int:
    """Kill a writing process; return the last step it had acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= after:
                break
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
    return int(rest[-1]) if rest else after


def test_every_acknowledged_entry_survives_kill_and_the_run_is_closed(state: Path) -> None:
    folder = make_run_folder(state, "a" * 32)
    last = killed_writer(folder, after=50)
    run = read_run(folder)
    assert run is not None
    assert run.status is None
    assert close_if_dead(run)
    entries = [entry for entry, _ in read_entries(folder / JOURNAL)]
    steps = [entry["step"] for entry in entries if entry["kind"] == "metrics"]
    assert steps[: last + 1] == list(range(last + 1))
    assert entries[-1]["status"] == "KILLED"
    assert entries[-1]["died"] == entries[-2]["time"]
    assert sum(entry["kind"] == "end" for entry in entries) == 1


def test_a_living_run_is_left_alone(open_run: Callable[..., Any], state: Path) -> None:
    folder, tracker = open_run()
    assert not writer_is_gone(folder / JOURNAL)
    assert not close_if_dead(local_runs(state)[0])
    tracker.end("FINISHED")
    assert writer_is_gone(folder / JOURNAL)
    assert local_runs(state)[0].status == "FINISHED"


def test_who_looks_at_a_journal_is_taken_for_no_writer(
    open_run: Callable[..., Any], state: Path
) -> None:
    folder, tracker = open_run()
    tracker.metrics({"loss": 1.0}, step=1)
    tracker.end("FINISHED")
    with (folder / JOURNAL).open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert writer_is_gone(folder / JOURNAL)
        opened: list[Journal] = []
        writer = threading.Thread(target=lambda: opened.append(Journal(folder / JOURNAL)))
        writer.start()
        writer.join(LOCK_SECONDS / 10)
        assert writer.is_alive()  # it waits for who looks
    writer.join()
    (journal,) = opened
    assert not writer_is_gone(folder / JOURNAL)
    journal.close()


def test_a_torn_tail_is_cut_and_nothing_else(open_run: Callable[..., Any]) -> None:
    folder, tracker = open_run()
    tracker.metrics({"loss": 1.0}, step=1)
    journal = folder / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"kind":"metrics","step":2,"val')
    assert [entry["kind"] for entry, _ in read_entries(journal)] == ["start", "metrics"]
    cut_torn_tail(journal)
    assert journal.read_bytes() == whole


def test_a_journal_of_an_older_version(open_run: Callable[..., Any], state: Path) -> None:
    folder, tracker = open_run()
    tracker.end("FINISHED")
    first, *rest = (folder / JOURNAL).read_text().splitlines(keepends=True)
    header = {k: v for k, v in json.loads(first).items() if k not in ("parent_uid", "keep_days")}
    (folder / JOURNAL).write_text("".join([json.dumps(header) + "\n", *rest]))
    (run,) = local_runs(state)
    assert (run.header["parent_uid"], run.header["keep_days"]) == (None, None)
    assert prune(state) == []


@pytest.mark.parametrize("content", [b"", b"\n", b"\x00" * 5000, b'{"kind":"metrics"}\n', b"{\n"])
def test_a_folder_without_a_readable_header_is_no_run(state: Path, content: bytes) -> None:
    folder = make_run_folder(state, "a" * 32)
    (folder / JOURNAL).write_bytes(content)
    assert read_run(folder) is None
    assert local_runs(state) == []


def test_a_line_that_can_not_be_read_is_handed_on_as_damaged(open_run: Callable[..., Any]) -> None:
    folder, tracker = open_run()
    with (folder / JOURNAL).open("ab") as journal:
        journal.write(b'{"kind": "metr\xff\n[1]\n')
    tracker.metrics({"loss": 1.0}, step=0)
    kinds = [entry["kind"] for entry, _ in read_entries(folder / JOURNAL)]
    assert kinds == ["start", "damaged", "damaged", "metrics"]


@pytest.mark.parametrize("length", [10, (1 << 16) - 40, 1 << 16, 1 << 18])
def test_the_last_entry_is_found_from_the_end(open_run: Callable[..., Any], length: int) -> None:
    folder, tracker = open_run()
    tracker.tags({"long": "x" * length})
    assert last_entry(folder / JOURNAL)["values"] == {"long": "x" * length}  # type: ignore[index]
    tracker.metrics({"loss": 1.0}, step=7)
    with (folder / JOURNAL).open("ab") as journal:
        journal.write(b'{"kind": "torn')
    assert last_entry(folder / JOURNAL)["step"] == 7  # type: ignore[index]


def test_only_the_owner_can_read(open_run: Callable[..., Any], tmp_path: Path) -> None:
    folder, tracker = open_run()
    file = tmp_path / "a.txt"
    file.write_text("x")
    tracker.attach(Artifact(file, ""))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(p.stat().st_mode) for p in (folder, folder.parent, folder / "blobs")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_an_attached_file_is_shipped_as_it_was(
    open_run: Callable[..., Any], tmp_path: Path
) -> None:
    folder, tracker = open_run()
    file = tmp_path / "a.txt"
    file.write_text("first")
    tracker.attach(Artifact(file, ""))
    file.write_text("second")
    entry = [entry for entry, _ in read_entries(folder / JOURNAL)][-1]
    assert (folder / "blobs" / entry["sha256"]).read_text() == "first"


def test_finding_runs(open_run: Callable[..., Any], state: Path) -> None:
    open_run(run_uid="abc1" + "0" * 28, start_time=1)
    open_run(run_uid="abc2" + "0" * 28, start_time=2)
    assert find_run(state, "abc1").uid.startswith("abc1")
    assert find_run(state, "latest").uid.startswith("abc2")
    with pytest.raises(RequestError, match=r"'abc' is the beginning of 2 runs: abc10.*, abc20"):
        find_run(state, "abc")
    with pytest.raises(RequestError, match=r"No run 'zzz' in .*The newest there: abc2.*, abc1"):
        find_run(state, "zzz")


def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"can't be written: .*set SHACKDOO_STATE to a folder"):
        make_run_folder(tmp_path / "file" / "state", "a" * 32)
