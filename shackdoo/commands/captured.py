"""What a request is made of, read once: for its manifest, its model, and to compare."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shackdoo.config.record import config_digest
from shackdoo.provenance.capture import Capture
from shackdoo.provenance.code import Collected, collect
from shackdoo.provenance.git import Repository

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked


@dataclass(frozen=True)
class Captured:
    """A request as things are at one moment.

    Attributes:
        manifest: as it is recorded, still to be completed while the run goes on.
        code: of the task.
        tree: what git tells of the project.
    """

    manifest: dict[str, Any]
    code: Collected
    tree: Repository


def captured(checked: Checked, uid: str, data: Mapping[str, Any]) -> Captured:
    """Return what a request is made of, as things are at this moment."""
    config, capture = checked.composed.config, Capture(checked.project.root)
    code = collect(type(checked.task))
    manifest, tree = capture.manifest(
        run_uid=uid,
        command=sys.argv,
        overrides=checked.composed.overrides,
        config=checked.composed.values,
        config_digest=config_digest(checked.composed.values),
        data=data,
        determinism={
            **config.determinism.model_dump(),
            "strategy": config.strategy.name,
            "xla": config.strategy.xla,
        },
        seed=config.seed,
        code=code,
        redactor=checked.redactor(),
    )
    return Captured(manifest, code, tree)


def training_data(checked: Checked) -> dict[str, dict[str, Any]]:
    """Return path and digest of the data that a training reads, by name."""
    catalog, name = checked.catalog, checked.composed.config.task.data
    return {name: {"path": str(catalog.path(name)), "sha256": catalog.digest(name)}}
