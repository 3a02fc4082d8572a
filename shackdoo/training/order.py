"""Order and randomness as pure functions of (seed, epoch, position).

Any step of any epoch can be started from nothing but its number: there is no generator whose
state would have to be carried along.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Seeds = npt.NDArray[np.int32]

_AUGMENTATION = 1  # tells the stream of augmentations from the stream of orders


def epoch_order(examples: int, seed: int, epoch: int) -> Positions:
    """Return the order in which an epoch visits the examples.

    Args:
        examples: number of examples in the split.
        seed: the run's seed.
        epoch: number of the epoch, from 0.

    Returns:
        A permutation of ``range(examples)``, shape ``(examples,)``, int64.
    """
    return np.random.default_rng([seed, epoch]).permutation(examples)


def step_seeds(first: int, last: int, seed: int, epoch: int) -> Seeds:
    """Return one seed for the random augmentation of each step in ``range(first, last)``.

    Returns:
        Shape ``(last - first, 2)``, int32: what TensorFlow's stateless random ops take.
    """
    stream = np.random.SeedSequence([seed, epoch, _AUGMENTATION]).generate_state(1)[0]
    seeds = np.empty((last - first, 2), dtype=np.int32)
    seeds[:, 0] = stream.astype(np.int32)
    seeds[:, 1] = np.arange(first, last)
    return seeds
