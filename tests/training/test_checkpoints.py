"""When a checkpoint is due, which one is good, and how a loop is asked to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shackdoo.training.checkpoint import Position, Snapshot, write_checkpoint
from shackdoo.training.checkpoints import Checkpoints


class Asked(BaseException):
    """What the loop is to be ended with."""


def snapshot(steps: int) -> Snapshot:
    return Snapshot(Position(0, steps), {"0 w": np.full(3, steps)}, {}, steps)


@pytest.fixture
def said() -> list[str]:
    return []


def of(folder: Path | None, said: list[str], seconds: float = 0.0, keep: int = 2) -> Checkpoints:
    return Checkpoints(folder, seconds, keep, said.append)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, *steps: int) -> None:
    folder.mkdir()
    for number in steps:
        write_checkpoint(folder / f"step-{number:010d}.ckpt", snapshot(number))


def test_the_newest_are_kept(tmp_path: Path, said: list[str]) -> None:
    folder = tmp_path / "checkpoints"
    for step in (1, 2, 3):
        with of(folder, said) as checkpoints:
            checkpoints.offer(lambda step=step: snapshot(step))
    assert names(folder) == ["step-0000000002.ckpt", "step-0000000003.ckpt"]
    newest = of(folder, said).newest()
    assert newest is not None and newest.steps == 3
    assert said == []


def test_one_that_is_not_due_is_not_even_taken(tmp_path: Path, said: list[str]) -> None:
    with of(tmp_path / "checkpoints", said, seconds=1000) as checkpoints:
        checkpoints.offer(lambda: pytest.fail("the state was taken"))
        checkpoints.offer(lambda: snapshot(5), boundary=True)  # the next may be far
    assert names(tmp_path / "checkpoints") == ["step-0000000005.ckpt"]


def test_a_damaged_one_falls_back_to_the_one_before(tmp_path: Path, said: list[str]) -> None:
    folder = tmp_path / "checkpoints"
    fill(folder, 10, 20)
    newest = folder / "step-0000000020.ckpt"
    newest.write_bytes(newest.read_bytes()[:-1])
    found = of(folder, said).newest()
    assert found is not None and found.steps == 10
    assert said == [
        f"warning: the checkpoint {newest} is damaged: its content does not match its checksum. "
        f"The one before it is taken."
    ]
    assert names(folder) == ["step-0000000010.ckpt", "step-0000000020.damaged"]
    with of(folder, said) as checkpoints:  # what comes now is younger than the damaged one
        checkpoints.offer(lambda: snapshot(15))
    found = of(folder, said).newest()
    assert found is not None and found.steps == 15


def test_all_damaged_or_none_is_none(tmp_path: Path, said: list[str]) -> None:
    folder = tmp_path / "checkpoints"
    assert of(folder, said).newest() is None
    fill(folder, 1)
    (folder / "step-0000000001.ckpt").write_bytes(b"")
    (folder / ".step-0000000002.ckpt.part").write_bytes(b"half")  # its writer was killed
    assert of(folder, said).newest() is None
    of(folder, said).discard()
    assert names(folder) == []


def test_an_interruption_keeps_the_state_first(tmp_path: Path, said: list[str]) -> None:
    folder, asked = tmp_path / "checkpoints", Asked()
    told: list[tuple[str, bool]] = []
    checkpoints = Checkpoints(
        folder, 1000, 2, said.append, lambda path, last: told.append((path.name, last))
    )
    assert not checkpoints.interrupt(asked)  # no loop is running
    with pytest.raises(Asked), checkpoints:
        assert checkpoints.interrupt(asked)
        assert not checkpoints.interrupt(asked)  # the second time it is not obeyed but raised
        checkpoints.offer(lambda: snapshot(7))
    assert told == [("step-0000000007.ckpt", True)]


def test_an_interruption_after_the_last_step_is_not_lost(said: list[str]) -> None:
    checkpoints = of(None, said)
    with pytest.raises(Asked), checkpoints:
        assert checkpoints.interrupt(Asked())


def test_nothing_is_kept_nowhere(said: list[str]) -> None:
    with of(None, said) as checkpoints:
        checkpoints.offer(lambda: pytest.fail("the state was taken"), boundary=True)
    assert checkpoints.newest() is None
    checkpoints.discard()


def test_a_disk_that_refuses_stops_no_training(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "checkpoints"
    for _ in range(2):
        with of(folder, said) as checkpoints:
            checkpoints.offer(lambda: snapshot(1))
            checkpoints._wait()
            checkpoints.offer(lambda: snapshot(2), boundary=True)
    assert len(said) == 2  # once each time
    assert said[0].startswith(f"warning: no checkpoint can be written to {folder}: ")
    assert said[0].endswith("it would resume from an older one, or its beginning.")
