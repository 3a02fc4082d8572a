"""A bar where somebody looks, one line an epoch elsewhere."""

from __future__ import annotations

import io

from shackdoo.training.progress import Progress

LOGS = {"loss": 0.45678, "val_accuracy": 0.9876, "epoch_seconds": 3.21}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def trained(stream: io.StringIO) -> str:
    progress = Progress(epochs=2, stream=stream)
    for epoch in (1, 2):
        progress.epoch_started(epoch, steps=10)
        progress.advanced(4, {"loss": 0.5})
        progress.advanced(10, {"loss": 0.4})
        progress.epoch_ended(epoch, LOGS)
    return stream.getvalue()


def test_one_line_an_epoch_where_nobody_looks() -> None:
    assert trained(io.StringIO()).splitlines() == [
        "epoch 1/2  loss 0.4568  val_accuracy 0.9876  3.2 s",
        "epoch 2/2  loss 0.4568  val_accuracy 0.9876  3.2 s",
    ]


def test_a_bar_on_a_terminal_that_makes_room_for_the_line() -> None:
    shown = trained(Terminal())
    assert "| 0/10 [" in shown
    assert "\repoch 1/2" in shown
    assert shown.endswith("epoch 2/2  loss 0.4568  val_accuracy 0.9876  3.2 s\n")
