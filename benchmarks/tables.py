"""The tables that accuracy is measured on: where they come from, how they are split, how rows become numbers.

Protocol: at most 6000 rows of a set, chosen once; per draw 30 % of them (of the groups, where rows belong to groups)
for testing; among the rest a few rows keep their label, the same number of every class; all others are unlabelled.
The encoder is the product's, fitted on the training rows alone. Every method sees the same rows and the same matrix.
No test row takes part in any choice. Nothing is downloaded: `--data` names a folder with the files.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ssgan.learn.encode import Encoder
from ssgan.learn.tabular import Layout

MOST_ROWS = 6000
TEST_SHARE = 0.3
CTG_FEATURES = (
    "LB",
    "AC",
    "FM",
    "UC",
    "ASTV",
    "MSTV",
    "ALTV",
    "MLTV",
    "DL",
    "DS",
    "DP",
)  # DR is constant but for a few rows
CTG_HISTOGRAM = ("Width", "Min", "Max", "Nmax", "Nzeros", "Mode", "Mean", "Median", "Variance", "Tendency")
ICD9 = (  # first and last code of each group of diagnoses
    (390, 459, "circulatory"),
    (785, 785, "circulatory"),
    (460, 519, "respiratory"),
    (786, 786, "respiratory"),
    (520, 579, "digestive"),
    (787, 787, "digestive"),
    (580, 629, "genitourinary"),
    (788, 788, "genitourinary"),
    (800, 999, "injury"),
    (710, 739, "musculoskeletal"),
    (140, 239, "neoplasms"),
)


@dataclass(frozen=True)
class Table:
    """Features (numbers as floats, words as text), what is to be learned, and which rows must stay together."""

    name: str
    X: pd.DataFrame
    y: np.ndarray  # int64 place of the class, or float64
    groups: np.ndarray | None = None

    @property
    def classes(self) -> int:
        """How many; 0 for values."""
        return int(self.y.max()) + 1 if np.issubdtype(self.y.dtype, np.integer) else 0


@dataclass(frozen=True)
class Split:
    """One draw: frames for the estimators, and the encoded matrices of the same rows for everything else."""

    frame: pd.DataFrame  # training rows, labelled or not
    test_frame: pd.DataFrame
    known: np.ndarray  # places of the labelled rows in `frame`
    y: np.ndarray  # labels of those
    truth: np.ndarray  # of the test rows
    encoder: Encoder
    x: np.ndarray
    test_x: np.ndarray
    groups: np.ndarray | None = None  # of the training rows


def split(table: Table, labels: int, draw: int) -> Split:
    """Divides a table.

    Args:
        table: all rows.
        labels: labelled rows per class; for values, in all.
        draw: seed. The test rows of a draw are the same at every number of labels, and so is the order of labelling.
    """
    rng = np.random.default_rng(1000 + draw)
    test = _test_rows(table, rng)
    order = rng.permutation(np.flatnonzero(~test))
    if table.classes:
        chosen = np.concatenate([order[table.y[order] == each][:labels] for each in range(table.classes)])
    else:
        chosen = order[:labels]
    if len(chosen) != labels * max(table.classes, 1):
        raise ValueError(f"{table.name} has too few training rows for {labels} labels per class")
    places = np.cumsum(~test) - 1
    frame, test_frame = table.X[~test].reset_index(drop=True), table.X[test].reset_index(drop=True)
    layout = Layout.of(frame)  # as the estimators look at a frame
    names = tuple(str(each) for each in range(table.classes))
    encoder = Encoder.fit(layout.columns(frame), layout.contract(frame, names or None))
    x, test_x = layout.encode(frame, encoder), layout.encode(test_frame, encoder)
    groups = None if table.groups is None else table.groups[~test]
    return Split(frame, test_frame, places[chosen], table.y[chosen], table.y[test], encoder, x, test_x, groups)


def _test_rows(table: Table, rng: np.random.Generator) -> np.ndarray:
    if table.groups is None:
        return np.asarray(rng.permutation(len(table.y)) < round(TEST_SHARE * len(table.y)))
    names = np.unique(table.groups)
    return np.isin(table.groups, rng.permutation(names)[: round(TEST_SHARE * len(names))])


def limited(table: Table) -> Table:
    """At most 6000 rows, and columns of numbers or of text."""
    table = Table(table.name, _words(table.X), table.y, table.groups)
    if len(table.y) <= MOST_ROWS:
        return table
    rows = np.sort(np.random.default_rng(0).permutation(len(table.y))[:MOST_ROWS])
    groups = None if table.groups is None else table.groups[rows]
    return Table(table.name, table.X.iloc[rows].reset_index(drop=True), table.y[rows], groups)


def _classes(values: pd.Series | np.ndarray) -> np.ndarray:
    return np.unique(np.asarray(values).astype(str), return_inverse=True)[1].astype(np.int64)


def _words(frame: pd.DataFrame) -> pd.DataFrame:
    """Every column that is not of numbers becomes text, with None where it is empty."""
    frame = frame.copy()
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]):
            frame[name] = frame[name].astype(np.float64)
        else:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    return frame


def _thyroid(folder: Path) -> Table:
    files = [folder / "thyroid_ann" / f"ann-{part}.data" for part in ("train", "test")]
    frame = pd.concat([pd.read_csv(file, header=None).dropna(axis=1, how="all") for file in files], ignore_index=True)
    return Table("thyroid", frame.iloc[:, :-1], _classes(frame.iloc[:, -1]))


def _heart(folder: Path) -> Table:
    frame = pd.read_csv(folder / "heart_disease" / "processed.cleveland.data", header=None, na_values="?")
    codes = [2, 6, 10, 11, 12]  # without an order, or with a few values
    frame[codes] = frame[codes].astype(object).map(lambda code: None if pd.isna(code) else f"{code:g}")
    return Table("heart", frame.iloc[:, :-1], (frame.iloc[:, -1] > 0).to_numpy(np.int64))


def _adult(folder: Path) -> Table:
    files = [folder / "adult" / f"adult-{part}.csv" for part in ("train", "test")]
    frame = pd.concat(
        [pd.read_csv(file, header=None, skipinitialspace=True, na_values="?") for file in files], ignore_index=True
    )
    return Table("adult", frame.iloc[:, :-1], _classes(frame.iloc[:, -1].str.rstrip(".")))


def _letter(folder: Path) -> Table:
    frame = pd.read_csv(folder / "letter" / "letter-recognition.data", header=None)
    return Table("letter", frame.iloc[:, 1:], _classes(frame[0]))


def _pima(folder: Path) -> Table:
    frame = pd.read_csv(folder / "pima" / "pima-indians-diabetes.csv", header=None)
    return Table("pima", frame.iloc[:, :-1], _classes(frame.iloc[:, -1]))


def _obesity(folder: Path) -> Table:
    frame = pd.read_csv(folder / "obesity" / "ObesityDataSet_raw_and_data_sinthetic.csv", keep_default_na=False)
    return Table("obesity", frame.iloc[:, :-1], _classes(frame.iloc[:, -1]))


def _ctg(folder: Path) -> Table:
    frame = pd.read_csv(folder / "ctg" / "CTG_rawdata_sheet.csv").dropna(subset=["NSP"])
    return Table("ctg", frame[[*CTG_FEATURES, *CTG_HISTOGRAM]].reset_index(drop=True), _classes(frame["NSP"]))


def _stroke(folder: Path) -> Table:
    frame = pd.read_csv(folder / "stroke" / "healthcare-dataset-stroke-data.csv", na_values="N/A")
    return Table("stroke", frame.drop(columns=["id", "stroke"]), _classes(frame["stroke"]))


def _diabetes130(folder: Path) -> Table:
    with zipfile.ZipFile(folder / "diabetes130" / "dataset_diabetes.zip") as archive:
        name = next(each for each in archive.namelist() if each.endswith("diabetic_data.csv") and "MACOSX" not in each)
        frame = pd.read_csv(archive.open(name), na_values="?", keep_default_na=False, low_memory=False)
    for each in ("diag_1", "diag_2", "diag_3"):
        frame[each] = frame[each].map(_icd9)
    codes = ["admission_type_id", "discharge_disposition_id", "admission_source_id"]
    frame[codes] = frame[codes].astype(str)
    gone = ["encounter_id", "patient_nbr", "readmitted", "weight"]  # weight: 97 % empty
    return Table(
        "diabetes130", frame.drop(columns=gone), _classes(frame["readmitted"]), frame["patient_nbr"].to_numpy()
    )


def _icd9(code: object) -> str | None:
    """A diagnosis code -> its group, as in the paper that published the set (Strack et al. 2014)."""
    if not isinstance(code, str):
        return None
    if code[0] in "EV":
        return "other"
    number = float(code)
    if int(number) == 250:
        return "diabetes"
    return next((name for low, high, name in ICD9 if low <= int(number) <= high), "other")


def _shipped(name: str, loader: str) -> Callable[[Path], Table]:
    def load(folder: Path) -> Table:  # noqa: ARG001
        from sklearn import datasets

        X, y = getattr(datasets, loader)(return_X_y=True)
        return Table(name, pd.DataFrame(X), y.astype(np.float64) if loader == "load_diabetes" else _classes(y))

    return load


def _california(folder: Path) -> Table:
    frame = pd.read_csv(folder / "california_housing" / "housing.csv")
    return Table("california", frame.drop(columns="median_house_value"), frame["median_house_value"].to_numpy(float))


def _abalone(folder: Path) -> Table:
    frame = pd.read_csv(folder / "abalone" / "abalone.csv", header=None)
    return Table("abalone", frame.iloc[:, :-1], frame.iloc[:, -1].to_numpy(float))


def _concrete(folder: Path) -> Table:
    frame = pd.read_csv(folder / "concrete" / "concrete.csv")
    return Table("concrete", frame.drop(columns="strength"), frame["strength"].to_numpy(float))


def _insurance(folder: Path) -> Table:
    frame = pd.read_csv(folder / "insurance" / "insurance.csv")
    return Table("insurance", frame.drop(columns="charges"), frame["charges"].to_numpy(float))


def _parkinsons(folder: Path) -> Table:
    frame = pd.read_csv(folder / "parkinsons_updrs" / "parkinsons_updrs.data")
    features = frame.drop(columns=["subject#", "motor_UPDRS", "total_UPDRS"])
    return Table("parkinsons", features, frame["motor_UPDRS"].to_numpy(float), frame["subject#"].to_numpy())


CLASSES: dict[str, Callable[[Path], Table]] = {
    "thyroid": _thyroid,
    "heart": _heart,
    "adult": _adult,
    "letter": _letter,
    "pima": _pima,
    "obesity": _obesity,
    "ctg": _ctg,
    "stroke": _stroke,
    "diabetes130": _diabetes130,
    "cancer": _shipped("cancer", "load_breast_cancer"),
    "digits": _shipped("digits", "load_digits"),
}
VALUES: dict[str, Callable[[Path], Table]] = {
    "california": _california,
    "abalone": _abalone,
    "concrete": _concrete,
    "insurance": _insurance,
    "diabetes": _shipped("diabetes", "load_diabetes"),
    "parkinsons": _parkinsons,
}


def load(name: str, folder: Path) -> Table:
    """A set by its name, at most 6000 rows of it."""
    return limited((CLASSES | VALUES)[name](folder))
