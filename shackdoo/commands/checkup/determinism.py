"""The self-test of determinism: a small training twice, in fresh processes, to the same bits?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from shackdoo.commands.checkup.finding import Finding
from shackdoo.config.project import ROOT_VARIABLE, STATE_VARIABLE, Project
from shackdoo.errors import RunError
from shackdoo.training.cores import available_cores

TASK = "Mnist_A"
ARGUMENTS = (f"task={TASK}", "debug=quick", "callbacks=none", "report.page=false")
DIGEST = "weights sha256"  # before the digest in what a training prints
SECONDS = 600.0


def check_determinism(project: Project, say: Callable[[str], None]) -> Finding:
    """Train twice and compare the digests of the weights.

    Args:
        project: whose bundle of configuration and data is used; its own has no part in it.
        say: shows a line.

    Returns:
        ``ok`` if they are identical, ``broken`` if they differ or a training failed.
    """
    digests = []
    for number in (1, 2):
        say(f"determinism: training {number} of 2 ({TASK}, a few batches)")
        try:
            digests.append(_trained())
        except RunError as error:
            return Finding("determinism", "broken", str(error))
    first, second = digests
    switches = _switches(project)
    details = {"task": TASK, "weights_sha256": digests, "switches": switches}
    told = ", ".join(f"{name}={json.dumps(value)}" for name, value in switches.items())
    if first == second:
        fact = f"identical: {TASK} twice, weights sha256 {first} ({told})"
        return Finding("determinism", "ok", fact, None, details)
    return Finding(
        "determinism",
        "broken",
        f"differs: {TASK} twice, weights sha256 {first} and {second} ({told})",
        "determinism.threads=1 takes the order of CPU threads out of it; strategy.xla=false takes "
        "the compiler out.",
        details,
    )


def _trained() -> str:
    """Train in a fresh process with folders of its own; return the digest of the weights."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "project")
        (root / "conf").mkdir(parents=True)
        # A state folder of its own, too: what the first has compiled is no help to the second.
        own = {ROOT_VARIABLE: str(root), STATE_VARIABLE: str(Path(scratch, "state"))}
        environment = {name: v for name, v in os.environ.items() if name != "MLFLOW_RUN_ID"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "shackdoo.cli", "train", *ARGUMENTS],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
                env={**environment, **own},
            )
        except subprocess.TimeoutExpired:
            raise RunError(f"the training did not end within {SECONDS:.0f} s") from None
    lines = (line.partition(DIGEST) for line in done.stdout.splitlines())
    digest = next((rest.strip() for _, found, rest in lines if found), None)
    if done.returncode or digest is None:
        raise RunError(f"the training failed: {' '.join(done.stderr.split())[-500:]}")
    return digest


def _switches(project: Project) -> dict[str, object]:
    """Return what such a training sets, as configured."""
    from shackdoo.config.compose import compose

    config = compose("train", ARGUMENTS, Project(project.bundle, project.bundle)).config
    return {
        "determinism.enabled": config.determinism.enabled,
        "threads": config.determinism.threads or available_cores(),
        "strategy.xla": config.strategy.xla,
        "seed": config.seed,
    }
