"""What `prepare` left, as the judge reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.judge.metrics import Array, Floats
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns, is_labelled, labels
from ssgan.project import Project
from ssgan.records import Evaluation


@dataclass(frozen=True)
class Prepared:
    """The training rows as numbers, the test rows as a table.

    Attributes:
        folder: where `encoder.json` lies too.
        x: float32 `[n, F]` or `[n, H, W, C]`, labelled and unlabelled rows.
        y: int64 `[n]` with -1 for unlabelled, or float64 `[n]` with NaN for unlabelled.
        test: test rows as accepted, labelled or not.
        labelled_test: bool `[len(test)]`.
        truth: int64 class numbers or float64 values `[m]` of the labelled test rows, in their order.
    """

    folder: Path
    contract: Contract
    x: Array
    y: Array
    test: pd.DataFrame
    labelled_test: Array
    truth: Array

    @property
    def labelled(self) -> Array:
        """bool `[n]`: which training rows have a label."""
        return is_labelled(self.y)

    @property
    def labels(self) -> dict[str, int]:
        """Labelled training rows per class; for a regression under the label's name."""
        known = self.y[self.labelled]
        if not self.contract.classes:
            return {self.contract.label.column: len(known)}
        return {name: int((known == index).sum()) for index, name in enumerate(self.contract.classes)}

    def test_columns(self) -> dict[str, Array]:
        """The labelled test rows, a column at a time."""
        return frame_columns(self.test[self.labelled_test], self.contract)


def read_prepared(project: Project) -> Prepared:
    """Reads `data/prepared`.

    Raises:
        DataError: if nothing is prepared, or no test row has a label to judge by.
    """
    folder = project.prepared
    if not (folder / "train.npz").is_file():
        raise DataError("there is no prepared data in data/prepared; run `ssgan prepare` first")
    contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
    with np.load(folder / "train.npz", allow_pickle=False) as stored:
        x, y = stored["x"], stored["y"]
    test = pd.read_parquet(folder / "test.parquet")
    known = labels(test, contract)
    labelled = is_labelled(known)
    if not labelled.any():
        raise DataError(
            f"a model is judged by test rows with a label, and none of the {len(test)} test rows has one; "
            "label more rows, or raise prepare.test_share in params.yaml"
        )
    return Prepared(folder, contract, x, y, test, labelled, known[labelled])


@dataclass(frozen=True)
class Findings:
    """An evaluation and the judged rows behind it, for the report.

    Attributes:
        truth: [m] class numbers or values of the judged rows.
        answers: the SSGAN's calibrated probabilities `[m, K]` or values `[m]` on them.
        fake: P(fake) of each part, such as the "labelled" and "unlabelled" training rows and the "test" rows.
        rows: the judged rows as accepted.
        artefact: of the SSGAN.
        sets: bool `[m, K]`: the classes in each row's set, or None.
        low, high: `[m]` ends of each row's interval, or None.
    """

    evaluation: Evaluation
    prepared: Prepared
    truth: Array
    answers: Floats
    fake: dict[str, Array]
    rows: pd.DataFrame
    artefact: Artefact
    sets: Array | None = None
    low: Array | None = None
    high: Array | None = None
