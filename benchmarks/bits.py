"""What changes the bits of a training on one machine, and what does not.

The first steps of a task in a process each, with one setting changed at a time: threads, oneDNN,
the CPU instructions that oneDNN and XLA may use, XLA's cache. Each is compared with the training
that has none of it changed, once with XLA and once without.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from measure import ROOT, print_machine, print_table, run

from shackdoo.commands.checkup.determinism import TRAINING
from shackdoo.training.bits import Trace, divergence

SHOWN = 8  # digits of a digest


@dataclass(frozen=True)
class Setting:
    """One thing that is changed.

    Attributes:
        name: what is printed.
        overrides: of the configuration.
        environment: variables of the process.
        before: command that starts it.
        warm: with what XLA has compiled in a process before.
    """

    name: str
    overrides: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    warm: bool = False


CACHE = "--tf_xla_persistent_cache_directory={} --tf_xla_persistent_cache_read_only=false"
ONE_CORE = ["taskset", "--cpu-list", "0"]  # of util-linux
THREADS = [Setting(f"determinism.threads={n}", [f"determinism.threads={n}"]) for n in (1, 2, 3, 4)]
SETTINGS = [
    Setting("nothing (a new process)"),
    Setting("XLA's cache is warm", warm=True),
    *THREADS,
    Setting("determinism.threads=2 on one core", ["determinism.threads=2"], before=ONE_CORE),
    Setting("TF_ENABLE_ONEDNN_OPTS=0", environment={"TF_ENABLE_ONEDNN_OPTS": "0"}),
    *(
        Setting(f"ONEDNN_MAX_CPU_ISA={isa}", environment={"ONEDNN_MAX_CPU_ISA": isa})
        for isa in ("AVX512_CORE", "AVX2", "SSE41")
    ),
    *(
        Setting(f"XLA_FLAGS=--xla_cpu_max_isa={isa}", environment={"XLA_FLAGS": flag})
        for isa in ("AVX512", "AVX2", "SSE4_2")
        for flag in (f"--xla_cpu_max_isa={isa}",)
    ),
]


def main() -> None:
    """Train with every setting, with XLA and without, and print where the bits part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--task", default="Mnist_A", help="the task (default: Mnist_A)")
    parser.add_argument("--steps", type=int, default=20, help="steps of each (default: 20)")
    parser.add_argument("overrides", nargs="*", help="key=value for all")
    arguments = parser.parse_args()
    request = [f"task={arguments.task}", *arguments.overrides]
    columns = {
        xla: _column([*request, f"strategy.xla={xla}"], arguments.steps)
        for xla in ("true", "false")
    }
    rows = [
        (setting.name, with_xla, without)
        for setting, with_xla, without in zip(SETTINGS, *columns.values(), strict=True)
    ]
    title = f"{arguments.task}, {arguments.steps} steps: the bits against an unchanged training"
    print_table(title, ("changed", "with XLA", "without XLA"), rows)
    print_machine()


def _column(request: Sequence[str], steps: int) -> list[str]:
    reference = _traced(Setting("unchanged"), request, steps)
    return [_told(reference, _traced(setting, request, steps)) for setting in SETTINGS]


def _traced(setting: Setting, request: Sequence[str], steps: int) -> Trace:
    print(f"{setting.name}, {request[-1]}", file=sys.stderr)
    overrides = [*request, *setting.overrides]
    command = [*setting.before, sys.executable, "-m", TRAINING, str(steps), "1", *overrides]
    with tempfile.TemporaryDirectory() as folder:
        environment = {"SHACKDOO_ROOT": str(ROOT), **setting.environment}
        if setting.warm:
            environment["TF_XLA_FLAGS"] = CACHE.format(folder)
            run(command, environment, Path(folder)).require(0)
        (trace,) = run(command, environment, Path(folder)).result()
    return Trace.of(trace)


def _told(reference: Trace, trace: Trace) -> str:
    parted = divergence(reference, trace)
    if parted is None:
        return f"equal, {trace.digest[:SHOWN]}"
    return f"{trace.digest[:SHOWN]}, from step {parted.step} in `{parted.array}` on"


if __name__ == "__main__":
    main()
