"""A data set of the catalog as inputs for a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shackdoo.catalog.inputs.arrays import LoadedArrays
from shackdoo.catalog.inputs.batch import ReadData
from shackdoo.errors import DataError

if TYPE_CHECKING:
    from shackdoo.commands.checking import Checked


def from_catalog(checked: Checked, name: str, split: str) -> LoadedArrays:
    """Return a data set as inputs, as the task splits it.

    Args:
        checked: task and catalog.
        name: of the data set.
        split: ``test`` or ``train``.

    Raises:
        CatalogError: if it can't be loaded.
        DataError: if it is neither an array nor what the task can split.
    """
    catalog = checked.catalog
    catalog.check([name])
    raw = catalog.load(name)
    data = ReadData(name, str(catalog.path(name)), catalog.digest(name))
    if isinstance(raw, np.ndarray):
        return LoadedArrays(raw, None, data)
    train, test = checked.task.splits(raw)
    chosen = train if split == "train" else test
    if chosen is None:
        raise DataError(f"The data '{name}' have no {split} split. Set split=train.")
    inputs: Any = chosen.inputs
    if not isinstance(inputs, np.ndarray):
        raise DataError(
            f"An input of the data '{name}' is of several arrays; inference takes models of one "
            f"input."
        )
    return LoadedArrays(inputs, chosen.targets, data)
