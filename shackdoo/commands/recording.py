"""The record of one run, from its opening to its close.

Here meet the parts that do not know each other: training, tracking, provenance, report.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from shackdoo.config.record import config_digest, flatten
from shackdoo.errors import ShackdooError
from shackdoo.provenance.capture import capture, git_diff, write_manifest
from shackdoo.tracking.journal import JournalTracker, RunHeader
from shackdoo.tracking.memory import MemoryTracker
from shackdoo.tracking.shipping import start_shipper, wait_shipped
from shackdoo.tracking.state import new_run_uid, run_folder
from shackdoo.tracking.store import check_reachable, resolve_uri
from shackdoo.tracking.tracker import Artifact, DataInput, Figure, Model, Tracker
from shackdoo.training.progress import Progress

if TYPE_CHECKING:
    from shackdoo.config.compose import Composed
    from shackdoo.config.project import Project
    from shackdoo.task import Result, Task

JOINED = "MLFLOW_RUN_ID"  # set by `mlflow run`: the run exists already and is joined
REQUIREMENTS = ("tensorflow", "keras", "numpy", "mlflow")  # what the logged model loads with


class Stopped(BaseException):
    """SIGTERM: like KeyboardInterrupt, it passes through what handles ordinary errors."""
