"""The stage `prepare`: accepted batches become a matrix to train on and rows to be judged by."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.config import read_params
from ssgan.contract import GROUP, ROW_ID, ClassLabel, Contract, NumberColumn, read_contract
from ssgan.errors import DataError
from ssgan.intake.batch import feature_cells
from ssgan.learn import training_rows
from ssgan.learn.encode import Encoder
from ssgan.learn.judging import why_crossfit
from ssgan.learn.looks import looks
from ssgan.learn.ranges import RANGES, Seen
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Split

SPLIT = "split.json"  # of `data/prepared`; written last
UNLABELLED = -1  # in `y` of a classification; NaN in `y` of a regression


def prepare(project: Project) -> None:
    """Divides the accepted rows, fits the encoder on the training rows alone, and writes `data/prepared`.

        x.npy, train.npz  the training rows; see `training_rows.py`
        test.parquet      rows that no training sees
        judged.parquet    labelled rows that judge: those of the test rows, or with crossfit all of the training rows
        quarantined.npz   x of the rows of tables in quarantine, for the question whether P(fake) would have seen them;
                          not declared to DVC, for there may be none: they come and go with accepted rows
        ranges.json       what the training rows hold of each column, or images look like, from which `calibrate` makes
                          limits
        encoder.json, schema.json, split.json

    With crossfit labelled rows are too dear to be held back: each is judged by a model of the folds that had not seen
    it, and only unlabelled rows are held back.

    Raises:
        DataError: if there is nothing to train on, or nothing to judge by.
    """
    params, contract = read_params(project.params), read_contract(project.contract)
    frame = read_accepted(project, contract)
    given = labels(frame, contract)
    known = is_labelled(given)
    knobs = params.prepare
    groups = frame[GROUP].to_numpy(str)
    testing = np.array([in_test(group, knobs.salt, knobs.test_share) for group in groups], bool)
    held = known & testing
    why = "" if params.evaluate.method else why_crossfit(int(known.sum()), given[held], groups[held], contract)
    method = params.evaluate.method or ("crossfit" if why else "holdout")
    if method == "crossfit":
        testing &= ~_of_labelled_groups(groups, known)
    train, test = frame[~testing].reset_index(drop=True), frame[testing].reset_index(drop=True)
    y = labels(train, contract)
    _check_train(y, contract)
    judged = train if method == "crossfit" else test
    judged = judged[is_labelled(labels(judged, contract))].reset_index(drop=True)
    _check_judged(len(judged), len(test), contract)
    fold = _folds(train, y, contract, params.evaluate.folds, knobs.salt)
    split = Split(method=method, folds=int(fold.max()) + 1 if fold.max() > 0 else 0, judged=len(judged))
    if method == "crossfit" and not split.folds:
        raise DataError(_why_no_folds(judged))

    columns = frame_columns(train, contract)
    encoder = Encoder.fit(columns, contract)
    shutil.rmtree(project.prepared, ignore_errors=True)
    project.prepared.mkdir(parents=True)
    training_rows.write(project.prepared, encoder, columns, y, fold, train[ROW_ID].to_numpy(str))
    with (project.prepared / "quarantined.npz").open("wb") as handle:
        np.savez(handle, x=_quarantined(project, contract, encoder))
    test.to_parquet(project.prepared / "test.parquet", index=False)
    judged.to_parquet(project.prepared / "judged.parquet", index=False)
    (project.prepared / "encoder.json").write_text(encoder.to_json(), encoding="utf-8")
    (project.prepared / "schema.json").write_text(contract.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _seen(project, columns, contract, train[GROUP].to_numpy(str)).write(project.prepared / RANGES)
    split.write(project.prepared / SPLIT)
    how = f"{split.folds} folds of them{why}" if method == "crossfit" else f"{len(judged)} labelled test rows"
    say(
        f"prepare: {len(train)} training rows ({int(is_labelled(y).sum())} labelled), {len(test)} test rows, "
        f"{encoder.width} features; judged by {how}"
    )


def _why_no_folds(judged: pd.DataFrame) -> str:
    holdout = "or set evaluate.method to holdout"
    if judged[GROUP].nunique() < 2:
        return (
            f"to be judged by crossfit, labelled rows must belong to at least 2 groups; the {len(judged)} labelled "
            f"rows belong to one: label rows of another, {holdout}"
        )
    return (
        f"to be judged by crossfit, some class must have 2 labelled rows; of the {len(judged)} labelled rows each is "
        f"of another class: label more, {holdout}"
    )


def _seen(project: Project, columns: Mapping[str, np.ndarray], contract: Contract, groups: np.ndarray) -> Seen:
    """What the training rows, whose encoded images are already written, hold."""
    if contract.image is None:
        return Seen.fit(columns, contract.features, groups)
    measured = looks(np.load(project.prepared / training_rows.X, mmap_mode="r", allow_pickle=False))
    return Seen.fit(measured, dict.fromkeys(measured, NumberColumn(type="number")), groups)


def _quarantined(project: Project, contract: Contract, encoder: Encoder) -> np.ndarray:
    """Encoded rows of the quarantine: numbers as they arrived, in range or not; a cell without sense is missing."""
    files = sorted(project.quarantine.glob("*.parquet"))
    if contract.image is not None or not files:
        return np.empty((0, *encoder.shape), np.float32)
    free = {
        name: column.model_copy(update={"min": None, "max": None, "integer": False, "nullable": True})
        if isinstance(column, NumberColumn)
        else column
        for name, column in contract.columns.items()
    }
    lenient = contract.model_copy(update={"columns": free})
    parts = []
    for file in files:
        table = pq.read_table(file)
        cells = {name: feature_cells(table, name, lenient).values for name in lenient.features}  # noqa: PD011
        parts.append(encoder.encode_columns(frame_columns(pa.table(cells).to_pandas(), contract)))
    return np.concatenate(parts)


def _of_labelled_groups(groups: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which rows belong to a group with a labelled row: a patient is never on both sides."""
    return np.isin(groups, np.unique(groups[known]))


def _folds(train: pd.DataFrame, y: np.ndarray, contract: Contract, folds: int, salt: str) -> np.ndarray:
    """The fold of each labelled row, -1 for the others; int64 [n]."""
    known = is_labelled(y)
    seed = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:4], "big") >> 1
    found = np.full(len(y), -1, np.int64)
    found[known] = fold_numbers(y[known], train[GROUP].to_numpy(str)[known], folds, seed, len(contract.classes))
    return found


def fold_numbers(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int, classes: int) -> np.ndarray:
    """Divides labelled rows into folds of about equal size and equal mixture; a group falls into one fold.

    Args:
        labels: numbers of classes [m], or values [m].
        groups: names [m]; rows of one group stay together.
        folds: how many are wanted; there are no more than groups.
        seed: of the division.
        classes: K; 0 for values, whose fifths take the place of classes.

    Returns:
        int64 [m], 0 <= number < folds, none left out; all 0 where there are fewer than two groups, or no class has two
        rows.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.zeros(len(labels), np.int64)
    folds = min(folds, len(np.unique(groups)))
    if folds < 2:
        return found
    strata = labels if classes else np.digitize(labels, np.quantile(labels, [0.2, 0.4, 0.6, 0.8]))
    folds = min(folds, int(np.bincount(strata).max()))  # scikit-learn's condition
    if folds < 2:
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer rows than folds: the judge says so
        divided = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, strata, groups)
        for number, (_, rows) in enumerate(divided):
            found[rows] = number
    numbered: np.ndarray = np.unique(found, return_inverse=True)[1]  # groups may leave a fold empty
    return numbered


def read_accepted(project: Project, contract: Contract) -> pd.DataFrame:
    """All accepted batches, one after another in order of their names.

    Raises:
        DataError: if there are none, or they lack a column of the contract.
    """
    files = sorted(project.accepted.glob("*.parquet"))
    if not files:
        raise DataError("there are no accepted rows: take in a file first with `ssgan ingest FILE`")
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    for name, column in contract.features.items():
        numbers = name in frame and pd.api.types.is_float_dtype(frame[name])
        if name not in frame or numbers != isinstance(column, NumberColumn):
            raise DataError(
                f"the accepted rows have no {column.type} column `{name}`, which the contract asks for; "
                "put the contract back as it was, or make a new project from the files"
            )
    return frame


def in_test(group: str, salt: str, share: float) -> bool:
    """Whether a group's rows are kept for testing: a fixed property of its name, however the data grows."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def frame_columns(frame: pd.DataFrame, contract: Contract) -> dict[str, np.ndarray]:
    """The feature columns as the encoder takes them: float64 with NaN, or objects with None."""
    columns = {}
    for name, column in contract.features.items():
        if isinstance(column, NumberColumn):
            columns[name] = frame[name].to_numpy(np.float64, na_value=np.nan)
        else:
            columns[name] = frame[name].astype(object).where(frame[name].notna(), None).to_numpy(object)
    return columns


def labels(frame: pd.DataFrame, contract: Contract) -> np.ndarray:
    """The label column: int64 place of the class, -1 unlabelled; or float64, NaN unlabelled.

    What the contract does not allow counts as no label, for it may have become narrower since the rows were accepted.
    """
    column = frame[contract.label.column]
    if isinstance(contract.label, ClassLabel):
        return np.asarray(pd.Categorical(column, categories=list(contract.label.classes)).codes, np.int64)
    values: np.ndarray = column.to_numpy(np.float64, na_value=np.nan)
    low, high = contract.label_range
    return np.where((values >= low) & (values <= high), values, np.nan)


def is_labelled(y: np.ndarray) -> np.ndarray:
    """Which rows of what `labels` gives have a label."""
    return np.asarray(y != UNLABELLED if np.issubdtype(y.dtype, np.integer) else ~np.isnan(y), bool)


def _check_train(y: np.ndarray, contract: Contract) -> None:
    if len(y) < 2:
        raise DataError(f"at least 2 training rows are needed; there are {len(y)}: take in more data")
    if not is_labelled(y).any():
        raise DataError(
            f"of {len(y)} training rows none has a label in {contract.label.column!r}: label some, "
            "or choose another prepare.salt if the labelled ones all fell among the test rows"
        )
    for place, name in enumerate(contract.classes):
        if not (y == place).any():
            raise DataError(
                f"every class needs a labelled training row; {name!r} has none: label rows of that class, "
                "take it out of label.classes, or choose another prepare.salt if its rows fell among the test rows"
            )


def _check_judged(judged: int, test: int, contract: Contract) -> None:
    if not judged:
        raise DataError(
            f"at least one test row must have a label in {contract.label.column!r}; of {test} none has: label more "
            "rows, choose a larger prepare.test_share or another prepare.salt, or set evaluate.method to crossfit"
        )
