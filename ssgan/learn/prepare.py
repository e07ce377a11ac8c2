"""The stage `prepare`: accepted batches become a matrix to train on and rows to be judged by."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pandas as pd

from ssgan.config import read_params
from ssgan.contract import GROUP, ROW_ID, ClassLabel, Contract, NumberColumn, read_contract
from ssgan.errors import DataError
from ssgan.learn.encode import Encoder
from ssgan.progress import say
from ssgan.project import Project

UNLABELLED = -1  # in `y` of a classification; NaN in `y` of a regression


def prepare(project: Project) -> None:
    """Divides the accepted rows, fits the encoder on the training rows alone, and writes `data/prepared`.

    Raises:
        DataError: if there is nothing to train on, or nothing to judge by.
    """
    knobs, contract = read_params(project.params).prepare, read_contract(project.contract)
    frame = read_accepted(project, contract)
    testing = np.array([in_test(group, knobs.salt, knobs.test_share) for group in frame[GROUP]], bool)
    train, test = frame[~testing].reset_index(drop=True), frame[testing].reset_index(drop=True)
    y = labels(train, contract)
    _check_train(y, contract)
    _check_test(labels(test, contract), contract)

    columns = frame_columns(train, contract)
    encoder = Encoder.fit(columns, contract)
    shutil.rmtree(project.prepared, ignore_errors=True)
    project.prepared.mkdir(parents=True)
    with (project.prepared / "train.npz").open("wb") as handle:
        np.savez(handle, x=encoder.encode_columns(columns), y=y, id=train[ROW_ID].to_numpy(str))
    test.to_parquet(project.prepared / "test.parquet", index=False)
    (project.prepared / "encoder.json").write_text(encoder.to_json(), encoding="utf-8")
    (project.prepared / "schema.json").write_text(contract.model_dump_json(indent=1) + "\n", encoding="utf-8")
    known = int(is_labelled(y).sum())
    say(f"prepare: {len(train)} training rows ({known} labelled), {len(test)} test rows, {encoder.width} features")


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
    """The label column: int64 place of the class, -1 unlabelled; or float64, NaN unlabelled."""
    column = frame[contract.label.column]
    if isinstance(contract.label, ClassLabel):
        return np.asarray(pd.Categorical(column, categories=list(contract.label.classes)).codes, np.int64)
    values: np.ndarray = column.to_numpy(np.float64, na_value=np.nan)
    return values


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


def _check_test(y: np.ndarray, contract: Contract) -> None:
    if not is_labelled(y).any():
        raise DataError(
            f"at least one test row must have a label in {contract.label.column!r}; of {len(y)} none has: "
            "label more rows, or choose a larger prepare.test_share or another prepare.salt"
        )
