"""What `prepare` left, as the judge reads it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssgan.contract import GROUP, Contract
from ssgan.errors import DataError
from ssgan.judge.metrics import Array, Floats
from ssgan.learn.artefact import Artefact
from ssgan.learn.encode import Encoder
from ssgan.learn.prepare import frame_columns, is_labelled, labels
from ssgan.learn.training_rows import TrainingRows
from ssgan.project import Project
from ssgan.records import Evaluation, Split


@dataclass(frozen=True)
class Prepared:
    """The training rows as numbers, the rows that judge and those that no training sees as tables.

    Attributes:
        folder: where `encoder.json` lies too.
        split: which rows judge.
        x: float32 `[n, F]` or `[n, H, W, C]`, labelled and unlabelled rows.
        y: int64 `[n]` with -1 for unlabelled, or float64 `[n]` with NaN for unlabelled.
        fold: int64 `[n]`, -1 for unlabelled rows.
        ids: str `[n]`.
        test: rows that no training sees, as accepted, labelled or not.
        judged: labelled rows `[m]` that judge: those of the test rows, or with crossfit all of the training rows.
        truth: int64 class numbers or float64 values `[m]` of the judged rows.
    """

    folder: Path
    contract: Contract
    split: Split
    x: Array
    y: Array
    fold: Array
    ids: Array
    test: pd.DataFrame
    judged: pd.DataFrame
    truth: Array

    @property
    def labelled(self) -> Array:
        """bool `[n]`: which training rows have a label."""
        return is_labelled(self.y)

    @property
    def crossfit(self) -> bool:
        """Whether the judged rows are training rows, each answered by a model that had not seen its label."""
        return self.split.method == "crossfit"

    @property
    def groups(self) -> Array:
        """str `[m]`: judged rows of one group stand or fall together."""
        return self.judged[GROUP].to_numpy(str)

    @property
    def groups_per_class(self) -> dict[str, int]:
        """How many groups the judged rows of each class are of; {} where every row stands alone, and for values."""
        groups = self.groups
        if len(np.unique(groups)) == len(groups):
            return {}
        return {name: len(np.unique(groups[self.truth == index])) for index, name in enumerate(self.contract.classes)}

    @property
    def labels(self) -> dict[str, int]:
        """Labelled training rows per class; for a regression under the label's name."""
        known = self.y[self.labelled]
        if not self.contract.classes:
            return {self.contract.label.column: len(known)}
        return {name: int((known == index).sum()) for index, name in enumerate(self.contract.classes)}

    @property
    def encoder(self) -> Encoder:
        """What the rows went through."""
        return Encoder.from_json((self.folder / "encoder.json").read_text(encoding="utf-8"))

    @property
    def met_before(self) -> Array:
        """bool `[m]`: judged rows that, encoded, equal a labelled row which the model that answers them knows."""
        folds: dict[bytes, set[int]] = {}
        known = [_digest(row) for row in self.x[self.labelled]]
        for each, fold in zip(known, self.fold[self.labelled], strict=True):
            folds.setdefault(each, set()).add(int(fold))
        if self.crossfit:
            return np.array([len(folds[each]) > 1 for each in known], bool)
        return np.array([_digest(row) in folds for row in self.encoder.encode_columns(self.judged_columns())], bool)

    def judged_columns(self) -> dict[str, Array]:
        """The judged rows, a column at a time."""
        return frame_columns(self.judged, self.contract)


def read_prepared(project: Project) -> Prepared:
    """Reads `data/prepared`.

    Raises:
        DataError: if nothing is prepared.
    """
    folder = project.prepared
    if not (folder / "split.json").is_file():
        raise DataError("there is no prepared data in data/prepared; run `ssgan prepare` first")
    contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
    rows = TrainingRows.read(folder)
    test, judged = (pd.read_parquet(folder / f"{name}.parquet") for name in ("test", "judged"))
    split = Split.read(folder / "split.json")
    return Prepared(
        folder, contract, split, rows.x, rows.y, rows.fold, rows.ids, test, judged, labels(judged, contract)
    )


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


def _digest(row: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(row, np.float32).tobytes(), digest_size=16).digest()
