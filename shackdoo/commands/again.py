"""A run that ``shackdoo reproduce`` has started: what it is told by the process that compares it.

It comes in one environment variable, so that it is no part of the configuration that is compared.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from shackdoo.commands.run_lookup import REPRODUCES

VARIABLE = "SHACKDOO_REPRODUCES"


class EnoughError(Exception):
    """As many epochs as were asked for are done; the run ends well."""


@dataclass(frozen=True)
class Again:
    """What a reproduction is to do otherwise than the run that it repeats.

    Attributes:
        of: uid of the run that is repeated.
        uid: of the new run.
        output: the project whose ``data`` folder takes the model and the report, since the tree
            that the run is computed from goes when it has ended.
        threads: with how many the recorded run was computed; None for as many as now.
        epochs: how many are done at most; None for all.
    """

    of: str
    uid: str
    output: Path
    threads: int | None = None
    epochs: int | None = None

    def variable(self) -> dict[str, str]:
        """Return the environment variable that tells the process that runs."""
        values = asdict(self) | {"output": str(self.output)}
        return {VARIABLE: json.dumps(values)}

    def tags(self) -> dict[str, str]:
        """Return the tags that link the run to the one that it repeats."""
        tags = {REPRODUCES: self.of}
        if self.epochs is not None:
            tags["shackdoo.reproduced_epochs"] = str(self.epochs)
        return tags


def asked() -> Again | None:
    """Return what this process was told, None if it repeats no run."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    values = json.loads(text)
    return Again(**{**values, "output": Path(values["output"])})
