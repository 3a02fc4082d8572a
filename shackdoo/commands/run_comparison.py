"""Two runs beside each other: what differs, the likeliest cause first, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shackdoo.commands.code_states import CodeDiff, code_diff
from shackdoo.commands.recorded_run import RecordedRun
from shackdoo.config.project import Project
from shackdoo.errors import RequestError
from shackdoo.metric_names import same_number
from shackdoo.provenance.compare import Difference, all_differences, is_inference, unknown_parts
from shackdoo.provenance.outcome import Effect, effect
from shackdoo.provenance.ranking import ranked
from shackdoo.tracking.listing import KIND

FINISHED = "FINISHED"
WEIGHTS = "shackdoo.weights_sha256"  # tag


@dataclass(frozen=True)
class Comparison:
    """Two runs, compared.

    Attributes:
        runs: the two.
        differences: the likeliest cause first.
        unknown: what can't be compared, since it is not on record of one of them.
        code: how their code differs.
        effect: how their results differ.
        notes: what else counts, in sentences.
    """

    runs: tuple[RecordedRun, RecordedRun]
    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]
    code: CodeDiff
    effect: Effect
    notes: tuple[str, ...]

    @property
    def has_results(self) -> bool:
        """Whether there is something that both runs have computed."""
        known = (self.effect.same_weights, self.effect.same_predictions) != (None, None)
        return known or self.effect.compared > 0

    @property
    def results_differ(self) -> bool:
        """Whether something that both runs have computed is not the same to the last bit."""
        pairs = self.effect.metrics.values()
        others = any(None not in pair and not same_number(*pair) for pair in pairs)
        bits = (self.effect.same_weights, self.effect.same_predictions)
        return others or self.effect.parting is not None or False in bits

    @property
    def differs(self) -> bool:
        """Whether an ingredient or a result is known to differ."""
        return bool(self.differences) or self.results_differ


def compared(
    first: RecordedRun, second: RecordedRun, project: Project, scratch: Path
) -> Comparison:
    """Return how two runs differ.

    Args:
        first: a run.
        second: another.
        project: in whose repository their code is looked for.
        scratch: an empty folder of the caller's.

    Raises:
        RequestError: if they are runs of different commands, or one has no record.
    """
    runs = (first, second)
    _check_kinds(runs)
    found = ranked(all_differences(_manifest(first), _manifest(second)))
    modules = [each.name for each in found if each.ingredient == "code"]
    return Comparison(
        runs,
        tuple(found),
        tuple(f"{part} of {run.name}" for run in runs for part in _unknown(run)),
        code_diff(runs, modules, project, scratch),
        effect(first.outcome, second.outcome),
        tuple(note for run in runs for note in _notes(run)),
    )


def _check_kinds(runs: tuple[RecordedRun, RecordedRun]) -> None:
    first, second = (run.run.tags.get(KIND, "train") for run in runs)
    if first != second:
        raise RequestError(
            f"The run {runs[0].name} was made by `shackdoo {first}`, the run {runs[1].name} by "
            f"`shackdoo {second}`: only runs of one command are compared. `shackdoo runs` lists "
            f"them."
        )


def _manifest(run: RecordedRun) -> Mapping[str, Any]:
    """Return the manifest; of an inference the model is told by its weights, whoever trained it."""
    weights = run.run.tags.get(WEIGHTS)
    if weights is None or not is_inference(run.manifest):
        return run.manifest
    return {**run.manifest, "trained_run": weights}


def _unknown(run: RecordedRun) -> list[str]:
    """Return what is not on record of a run; one that has not finished may lack its results."""
    outcome = run.outcome
    ended = run.run.status == FINISHED or outcome.weights or outcome.predictions
    return [*unknown_parts(run.manifest), *([] if ended else ["results"])]


def _notes(run: RecordedRun) -> list[str]:
    """Return what of a run its manifest's ingredients do not show."""
    resumed = run.manifest.get("resumed") or ()
    changes = [str(change) for each in resumed for change in each.get("changes", ())]
    if not changes:
        return []
    return [f"The run {run.name} was resumed with changes: {'; '.join(changes)}."]
