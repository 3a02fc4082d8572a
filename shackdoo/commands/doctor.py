"""``shackdoo doctor``: what this machine has, and what is in the way of a training."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from shackdoo import __version__
from shackdoo.commands.checkup.compute import TensorFlowLook, look_at_cpu, look_at_gpu
from shackdoo.commands.checkup.containers import look_at_docker
from shackdoo.commands.checkup.finding import Finding
from shackdoo.commands.checkup.project import look_at_project, look_at_state
from shackdoo.commands.checkup.store import look_at_own_server, look_at_store
from shackdoo.commands.options import OptionParser
from shackdoo.config.project import Project, find_project, load_dotenv


def main(argv: Sequence[str]) -> int:
    """Print what is found; return 0 if a training would work here, 1 if not."""
    options = _parser().parse_args(argv)
    project = find_project()
    load_dotenv(project)
    findings = _findings(project)
    works = all(finding.state != "broken" for finding in findings)
    if options.determinism and works:
        from shackdoo.commands.checkup.determinism import check_determinism

        findings.append(check_determinism(project, _say))
        works = findings[-1].state != "broken"
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
        help="also train a small task twice and compare the weights to the bit (about a minute)",
    )
    parser.add_argument("--json", action="store_true", help="all that is known, as JSON")
    return parser


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
