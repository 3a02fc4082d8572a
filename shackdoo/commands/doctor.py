"""``shackdoo doctor``: what this machine has, and what is in the way of a training."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from shackdoo import __version__
from shackdoo.commands.checkup.compute import TensorFlowLook, look_at_cpu, look_at_gpu
from shackdoo.commands.checkup.containers import look_at_docker
from shackdoo.commands.checkup.determinism import STEPS, TASK, check_determinism
from shackdoo.commands.checkup.finding import Finding
from shackdoo.commands.checkup.project import look_at_project, look_at_state
from shackdoo.commands.checkup.store import look_at_own_server, look_at_store
from shackdoo.commands.options import OptionParser
from shackdoo.config.project import Project, find_project, load_dotenv
from shackdoo.errors import RequestError

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked


def main(argv: Sequence[str]) -> int:
    """Print what is found; return 0 if a training would work here, 1 if not."""
    options = _parser().parse_intermixed_args(argv)
    project = find_project()
    load_dotenv(project)
    trained = _to_train(options, project)
    findings = _findings(project)
    works = all(finding.state != "broken" for finding in findings)
    if trained is not None and works:
        findings += check_determinism(trained, options.steps, _say)
        works = all(finding.state != "broken" for finding in findings)
    if options.json:
        print(json.dumps(_object(findings, works), indent=2))
    else:
        _print(findings, works)
    return 0 if works else 1


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        prog="shackdoo doctor",
        description="Show what this machine has: store, state folder, TensorFlow, GPU, Docker and "
        "the image, each with the way out where something is wrong. Exit code 0 if a training "
        "would work here, 1 if something that it needs is broken.",
    )
    parser.add_argument(
        "--determinism",
        action="store_true",
        help="also train a few steps several times and tell where their bits part: in one process, "
        "in a new one, with other threads, with and without XLA (about a minute)",
    )
    parser.add_argument(
        "--steps", type=_count, default=STEPS, help=f"how many steps of it (default: {STEPS})"
    )
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="key=value",
        help="with --determinism: what is trained, as for `shackdoo train` "
        f"(without a task: {TASK})",
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of steps: give 1 or more")
    return int(text)


def _to_train(options: argparse.Namespace, project: Project) -> Checked | None:
    """Return the request whose determinism is to be tested, None if nothing is.

    Raises:
        RequestError: if it is wrong, or without ``--determinism`` there is one.
    """
    if not options.determinism:
        if options.overrides:
            raise RequestError(
                f"'{options.overrides[0]}' says what to train, which `shackdoo doctor` does with "
                f"--determinism only. `shackdoo doctor --help` lists the options."
            )
        return None
    from shackdoo.commands.checking import check
    from shackdoo.commands.train import expand
    from shackdoo.config.compose import compose

    overrides = expand(options.overrides)
    if not any(override.startswith("task=") for override in overrides):
        overrides = [TASK, *overrides]
    return check(compose("train", overrides, project), project)


def _findings(project: Project) -> list[Finding]:
    tensorflow = TensorFlowLook()
    gpu = look_at_gpu()
    return [
        look_at_project(project),
        look_at_state(project),
        look_at_store(project),
        *look_at_own_server(project),
        look_at_cpu(),
        gpu,
        *look_at_docker(project.root, bool(gpu.details["devices"])),
        tensorflow.finding(gpu),
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _object(findings: Sequence[Finding], works: bool) -> dict[str, object]:
    return {
        "shackdoo": __version__,
        "works": works,
        "findings": [asdict(finding) for finding in findings],
    }


def _print(findings: Sequence[Finding], works: bool) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no such characters
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        print(f"{finding.state:<9}  {finding.subject:<{width}}  {finding.fact}")
        if finding.way_out:
            print(f"{'':<{9 + 2 + width}}  → {finding.way_out}")
    print()
    print("a training works here" if works else "a training does not work here: see 'broken'")
