"""What a reproduction comes to: identical, or what differs, with its ingredients side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shackdoo.metric_names import STEPS, same_number
from shackdoo.provenance.compare import Difference
from shackdoo.provenance.outcome import Effect, Outcome, Parting
from shackdoo.provenance.ranking import Rank, rank, table

Cells = tuple[str, str, str, str]  # of a row: ingredient, recorded, now, whether they are the same
Word = Literal["identical", "same metrics, other bits", "differs", "not comparable"]

EXIT: Mapping[Word, int] = {
    "identical": 0,
    "same metrics, other bits": 1,
    "differs": 1,
    "not comparable": 3,
}
INGREDIENTS = ("code", "config", "data", "environment", "machine", "determinism", "seed")
SHOWN = 12  # digits of a digest, for people
MOST = 30  # differences that are shown


@dataclass(frozen=True)
class Verdict:
    """What a run that was made again says about the recorded one.

    Attributes:
        uid: of the new run.
        word: in two words or less.
        differences: of what both are made of, the likeliest cause first.
        effect: on what came out.
        first: what came out of the recorded run.
        second: what came out of the new one.
        epochs: how many were compared, None for the whole run.
        made_of: each ingredient of both in few words, for the table.
    """

    uid: str
    differences: Sequence[Difference]
    effect: Effect
    first: Outcome
    second: Outcome
    epochs: int | None = None
    made_of: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})

    @property
    def word(self) -> Word:
        """The verdict.

        Bits decide: what differs on the way to the same bits had no effect. Without the same
        bits another machine leaves nothing to conclude.
        """
        if self.effect.identical:
            return "identical"
        if not self.told or any(_is_of_machine(each) for each in self.differences):
            return "not comparable"
        return "same metrics, other bits" if self.effect.same_metrics else "differs"

    @property
    def told(self) -> bool:
        """Whether there is anything that both runs have."""
        both = bool(self.first.metrics) and bool(self.second.metrics)
        return self.effect.same_weights is not None or both or self.effect.compared > 0

    def headline(self) -> str:
        """Return the verdict with its reason, one line."""
        return f"{self.word}: {self._reason()}"

    def _reason(self) -> str:
        effect, cause = self.effect, self._cause()
        if self.word == "identical":
            return f"{self._compared()} are bit-identical{self._without_effect()}"
        if not self.told:
            return "the recorded run has left nothing to compare with"
        if self.word == "same metrics, other bits":
            return f"{len(effect.arrays)} arrays of weights have other bits{cause}"
        return f"{_parted(effect.parting, effect)}{cause}"

    def _cause(self) -> str:
        if not self.differences:
            return "; no ingredient that is on record differs"
        first, *more = self.differences
        others = f" and {len(more)} more" if more else ""
        return f"; what differs: {first}{others}"

    def _without_effect(self) -> str:
        if not self.differences:
            return ""
        first, *more = self.differences
        others = f" and {len(more)} more" if more else ""
        return f"; without effect differs {first}{others}"

    def _compared(self) -> str:
        if self.epochs is not None:
            return f"the metrics of the first {_counted(self.epochs, 'epoch')}"
        parts = [
            *(["weights"] if self.effect.same_weights else []),
            *(["predictions"] if self.effect.same_predictions else []),
            "metrics",
        ]
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if parts[1:] else parts[0]

    def rows(self) -> list[Cells]:
        """Return the table, a row each."""
        return [*self._differing(), *self._same(), *self._results()]

    def _differing(self) -> Iterator[Cells]:
        """Yield what differs, the likeliest cause first."""
        for row in table(self.differences[:MOST]):
            yield (*row, "NO")
        if (left := len(self.differences) - MOST) > 0:
            yield f"… and {left} more", "", "", "NO"

    def _same(self) -> Iterator[Cells]:
        differing = {each.ingredient for each in self.differences}
        for name in INGREDIENTS:
            if name not in differing:
                recorded, now = (each.get(name, "") for each in self.made_of)
                yield name, recorded, now, "yes"

    def _results(self) -> list[Cells]:
        first, second, effect = self.first, self.second, self.effect
        rows: list[Cells] = []
        for name, one, other, same in (
            ("weights sha256", first.weights, second.weights, effect.same_weights),
            (
                "predictions sha256",
                first.predictions,
                second.predictions,
                effect.same_predictions,
            ),
        ):
            if same is not None:
                rows.append((name, _digits(str(one)), _digits(str(other)), _yes(same)))
        for name, pair in sorted(effect.metrics.items()):
            if None not in pair:
                rows.append((name, repr(pair[0]), repr(pair[1]), _yes(same_number(*pair))))
        if effect.compared:
            parted = effect.parting is not None or bool(effect.lacking)
            where = _parted(effect.parting, effect) if parted else ""
            rows.append(("curves", f"{effect.compared} points", where, _yes(not parted)))
        return rows

    def as_json(self) -> dict[str, Any]:
        """Return all of it for programs."""
        effect, parting = self.effect, self.effect.parting
        return {
            "run": self.uid,
            "verdict": self.word,
            "differences": [
                {
                    "ingredient": each.ingredient,
                    "name": each.name,
                    "recorded": each.recorded,
                    "now": each.now,
                }
                for each in self.differences
            ],
            "weights": {
                "recorded": self.first.weights,
                "now": self.second.weights,
                "same": effect.same_weights,
                "differing": list(effect.arrays),
            },
            "predictions": {
                "recorded": self.first.predictions,
                "now": self.second.predictions,
                "same": effect.same_predictions,
            },
            "metrics": {
                name: {"recorded": one, "now": other, "same": same_number(one, other)}
                for name, (one, other) in effect.metrics.items()
            },
            "points_compared": effect.compared,
            "parts_at": None
            if parting is None
            else {
                "metric": parting.name,
                "step": parting.step,
                "recorded": parting.first,
                "now": parting.second,
            },
        }


def described(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return each ingredient of a run in few words."""
    code, environment, machine = (manifest[k] for k in ("code", "environment", "machine"))
    commit = str(code["commit"] or "no commit")[:SHOWN]
    data = [f"{name} {_digits(entry['sha256'])}" for name, entry in manifest["data"].items()]
    switches = manifest["determinism"]
    threads = _counted(switches.get("threads_used") or 0, "thread")
    return {
        "code": f"{commit}{' and changes' if code['dirty'] else ''}",
        "config": _digits(manifest["config_digest"]),
        "data": ", ".join(data),
        "environment": f"Python {environment['python']}, {len(environment['packages'])} packages",
        "machine": str(machine["cpu"]),
        "determinism": f"{'on' if switches['enabled'] else 'off'}, {threads}",
        "seed": str(manifest["seed"]),
    }


def _is_of_machine(each: Difference) -> bool:
    """Return whether a difference is one of the hardware that numbers may depend on."""
    return each.ingredient == "machine" and rank(each) is not Rank.IDLE


def _parted(parting: Parting | None, effect: Effect) -> str:
    if parting is None and effect.lacking:
        name, epoch = effect.lacking[0]
        return f"the new run has no {name} of epoch {epoch}, which the recorded one has"
    if parting is None:
        wrong = [n for n, (one, other) in effect.metrics.items() if not same_number(one, other)]
        return f"{', '.join(wrong) or 'the predictions'} differ"
    unit = "step" if parting.name.startswith(STEPS) else "epoch"
    return f"{parting.name} parts at {unit} {parting.step}: {parting.first!r} → {parting.second!r}"


def _counted(number: int, what: str) -> str:
    return what if number == 1 else f"{number} {what}s"


def _digits(digest: str) -> str:
    return f"{digest[:SHOWN]}…"


def _yes(same: bool) -> str:
    return "yes" if same else "NO"
