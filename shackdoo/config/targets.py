"""Which classes a configuration may name, and with which arguments; checked without imports."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shackdoo.config.static_class import StaticClass, class_names, find_class, find_module
from shackdoo.errors import ConfigError, did_you_mean, listing

if TYPE_CHECKING:
    from shackdoo.config.compose import Composed
    from shackdoo.config.schema import TargetSpec

OPTIMIZER = "keras.optimizers.Optimizer"
SCHEDULE = "keras.optimizers.schedules.LearningRateSchedule"
CALLBACK = "keras.callbacks.Callback"
OWN_SCHEDULES = "shackdoo.training.schedules."
# Callbacks that set the learning rate, which a schedule has set already.
SET_THE_RATE = ("keras.callbacks.ReduceLROnPlateau", "keras.callbacks.LearningRateScheduler")

Place = tuple[str, ...]
Bound = tuple[str, Callable[[float], bool]]
_PART: Bound = ("must be at least 0 and less than 1", lambda value: 0 <= value < 1)
_POSITIVE: Bound = ("must be more than 0", lambda value: value > 0)
_NOT_NEGATIVE: Bound = ("must not be negative", lambda value: value >= 0)
BOUNDS: Mapping[str, Bound] = {
    "momentum": _PART,
    "beta_1": _PART,
    "beta_2": _PART,
    "rho": _PART,
    "epsilon": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "clipnorm": _POSITIVE,
    "clipvalue": _POSITIVE,
    "warmup": _PART,
    "start": _NOT_NEGATIVE,
    "end": _NOT_NEGATIVE,
    "ratio": _POSITIVE,
}


def check_targets(composed: Composed) -> None:
    """Check every class that the configuration names, but for the task's own.

    Raises:
        ConfigError: if a class can't be found, is not admitted where it stands, or does not take
            the arguments given, or an argument is out of range.
    """
    config = composed.config
    _check(composed, ("optimizer",), config.optimizer, OPTIMIZER, {"learning_rate"})
    schedule = config.optimizer.schedule
    if schedule is not None:
        own = schedule.target.startswith(OWN_SCHEDULES)
        supplied = {"peak", "total_steps"} if own else {"initial_learning_rate"}
        _check(composed, ("optimizer", "schedule"), schedule, SCHEDULE, supplied)
    for name, callback in config.callbacks.items():
        found = _check(composed, ("callbacks", name), callback, CALLBACK, set())
        if schedule is not None and any(_is_a(found, setter) for setter in SET_THE_RATE):
            raise ConfigError(
                f"{composed.place(('callbacks', name, '_target_'))}: {callback.target} sets the "
                f"learning rate, and so does optimizer.schedule ({schedule.target}). Keep one: "
                f"optimizer/schedule=constant leaves it to the callback."
            )


def _check(
    composed: Composed, at: Place, spec: TargetSpec, admitted: str, supplied: set[str]
) -> StaticClass:
    """Return the class of ``spec``; ``supplied`` are arguments that the program gives itself."""
    found = _found(composed, at, spec.target, admitted)
    if not _is_a(found, admitted):
        raise ConfigError(
            f"{composed.place((*at, '_target_'))}: '{spec.target}' is not admitted as "
            f"{'.'.join(at)}: it is no subclass of {admitted}."
        )
    constructor = found.constructor()
    for name, value in spec.arguments.items():
        known = [known for known in constructor.names if known not in supplied]
        if name in supplied or (not constructor.open and name not in known):
            raise ConfigError(
                f"{composed.place((*at, name))}: {found.name} takes no '{name}' here."
                f"{did_you_mean(name, known)} Known: {listing(known)}."
            )
        _check_bound(composed, (*at, name), value)
    missing = constructor.required - supplied - set(spec.arguments)
    if missing:
        raise ConfigError(
            f"{composed.place((*at, '_target_'))}: {found.name} needs {listing(missing)}; "
            f"set {', '.join('.'.join((*at, name)) for name in sorted(missing))}."
        )
    return found


def _found(composed: Composed, at: Place, dotted: str, admitted: str) -> StaticClass:
    found = find_class(dotted)
    if found is not None:
        return found
    module, _, name = dotted.rpartition(".")
    place = composed.place((*at, "_target_"))
    if module and (source := find_module(module)):
        known = class_names(source)
        raise ConfigError(
            f"{place}: no class '{name}' in the module '{module}'.{did_you_mean(name, known)} "
            f"Known: {listing(known)}."
        )
    raise ConfigError(
        f"{place}: '{dotted}' can't be imported as {'.'.join(at)}: no source of a module "
        f"'{module or dotted}' is found. Give {'.'.join(at)}._target_ as package.module.Class of "
        f"an installed package; admitted are subclasses of {admitted}."
    )


def _is_a(found: StaticClass, dotted: str) -> bool:
    parent = find_class(dotted)
    return parent is not None and found.is_a(parent)


def _check_bound(composed: Composed, at: Place, value: Any) -> None:
    bound = BOUNDS.get(at[-1])
    if bound is None or value is None or isinstance(value, Mapping):
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(
            f"{composed.place(at)}: {'.'.join(at)} is {value!r}; it must be a number."
        )
    demand, holds = bound
    if not holds(value):
        raise ConfigError(f"{composed.place(at)}: {'.'.join(at)} is {value}; it {demand}.")
