"""Tables that no default was chosen by: what the product is worth on tables that nobody has looked at.

The files are those of github.com/jbrownlee/Datasets, most of them from the UCI repository; none has a header. The list,
and what of a file is a feature, were set before the first run, and every set that was run is in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tables


@dataclass(frozen=True)
class File:
    """How a file is read: the column that is to be learned, and those that are left out."""

    name: str
    target: int = -1
    drop: Sequence[int] = ()
    classes: Callable[[pd.Series], pd.Series | np.ndarray] | None = None  # from the target; None: as it is

    def read(self, folder: Path) -> tables.Table:
        """All rows; words in quotes, numbers as numbers."""
        frame = pd.read_csv(
            folder / f"{self.name}.csv", header=None, na_values="?", quotechar="'", skipinitialspace=True
        )
        y = frame.iloc[:, self.target]
        gone = [frame.columns[place] for place in (self.target, *self.drop)]
        known = y.notna().to_numpy()
        X = frame.drop(columns=gone)[known].reset_index(drop=True)
        y = y[known].reset_index(drop=True)
        found = y if self.classes is None else self.classes(y)
        return tables.Table(self.name, X, np.unique(np.asarray(found).astype(str), return_inverse=True)[1])


def _quality(y: pd.Series) -> np.ndarray:
    """Wine: 5 and less, 6, 7 and more."""
    return np.digitize(y, [5.5, 6.5])


FILES = (
    File("german"),
    File("banknote_authentication"),
    File("breast-cancer-wisconsin"),
    File("ionosphere"),
    File("mammography"),
    File("phoneme"),
    File("sonar"),
    File("horse-colic", target=23, drop=(2, 24, 25, 26)),  # surgical or not; the others name the horse and the lesion
    File("haberman"),
    File("wheat-seeds"),
    File("breast-cancer"),
    File("oil-spill", drop=(0,)),  # the number of the patch
    File("winequality-white", classes=_quality),
)
SETS = {file.name: file for file in FILES}


def load(name: str, folder: Path) -> tables.Table:
    """A set by its name, at most 6000 rows of it."""
    return tables.limited(SETS[name].read(folder))
