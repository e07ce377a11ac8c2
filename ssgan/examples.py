"""The examples: data that scikit-learn ships, turned into three incoming batches with most labels taken away.

The first batch is good, the second has defects in a few rows, the third comes from a shifted distribution. The labels
that were taken away lie in `.ssgan/truth.parquet`; nothing but the demo's last line ever reads them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssgan.intake.draft import draft_contract
from ssgan.progress import step
from ssgan.project import Project

SEED = 7
ID = "record_id"


@dataclass(frozen=True)
class Example:
    """One example: how it is loaded, cut and spoilt."""

    label: str
    task: str
    rows: tuple[int, int, int]  # in the three batches
    labelled: tuple[int, int, int]
    load: Callable[[], pd.DataFrame]  # the features and the full labels
    spoil: Callable[[pd.DataFrame], pd.DataFrame]  # makes the defects of the second batch
    shift: Callable[[pd.DataFrame], pd.DataFrame]  # moves the third batch
    suffix: str = ".csv"


def truth_file(project: Project) -> Path:
    """The true labels that no stage reads: columns `_id` and `label`."""
    return project.runtime / "truth.parquet"


def make_example(name: str, project: Project) -> None:
    """Writes the batches, the contract and the hidden truth of an example."""
    example = EXAMPLES[name]
    with step("make batches") as current:
        full = example.load().sample(frac=1.0, random_state=SEED).reset_index(drop=True)
        full.insert(0, ID, [f"R{number:05d}" for number in range(1, len(full) + 1)])
        shown = _hide_labels(full, example)
        ends = np.cumsum(example.rows)
        good, defective, shifted = (shown.iloc[end - size : end] for end, size in zip(ends, example.rows, strict=True))
        spoilt, moved = example.spoil(defective.copy()), example.shift(shifted.copy())
        for stem, batch in (("1-good", good), ("2-defects", spoilt), ("3-shifted", moved)):
            _write(batch, project.incoming / f"{stem}{example.suffix}")
        contract = draft_contract(good, example.label, name, id=ID, task=example.task)
        project.contract.write_text(contract, encoding="utf-8")
        _write_truth(full, shown, example.label, truth_file(project))
        kept = int(shown[example.label].notna().sum())
        current.result = f"{' + '.join(map(str, example.rows))} rows, {kept} of {len(full)} with a label"


def _hide_labels(full: pd.DataFrame, example: Example) -> pd.DataFrame:
    """Keeps the labels of a few rows per batch, equally many of each class, and takes all others away."""
    rng = np.random.default_rng(SEED)
    kept = np.zeros(len(full), bool)
    start = 0
    for size, count in zip(example.rows, example.labelled, strict=True):
        block = full.iloc[start : start + size]
        kept[start + _choose(block[example.label], count, example.task, rng)] = True
        start += size
    shown = full.iloc[:start].copy()
    shown[example.label] = shown[example.label].where(kept[:start])
    return shown


def _choose(labels: pd.Series[Any], count: int, task: str, rng: np.random.Generator) -> np.ndarray:
    if task == "regression":
        return rng.choice(len(labels), count, replace=False)
    classes = sorted(labels.unique())
    shares = [count // len(classes) + (number < count % len(classes)) for number in range(len(classes))]
    chosen = [
        rng.choice(np.flatnonzero((labels == each).to_numpy()), share, replace=False)
        for each, share in zip(classes, shares, strict=True)
    ]
    return np.concatenate(chosen)


def _write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)


def _write_truth(full: pd.DataFrame, shown: pd.DataFrame, label: str, path: Path) -> None:
    hidden = full.iloc[: len(shown)][shown[label].isna().to_numpy()]
    path.parent.mkdir(exist_ok=True)
    pd.DataFrame({"_id": hidden[ID], "label": hidden[label]}).to_parquet(path, index=False)


def _cancer() -> pd.DataFrame:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = data.data.rename(columns=lambda name: str(name).replace(" ", "_"))
    return frame.assign(diagnosis=np.where(data.target == 0, "malignant", "benign"))


def _spoil_cancer(batch: pd.DataFrame) -> pd.DataFrame:
    unlabelled = batch.index[batch["diagnosis"].isna()]
    batch.loc[unlabelled[0], "mean_radius"] = -4.0  # impossible
    batch.loc[unlabelled[1], "mean_smoothness"] = 900.0  # impossible
    batch.loc[unlabelled[2], "diagnosis"] = "unclear"  # no class of the contract
    batch.loc[unlabelled[3], "worst_area"] = np.nan  # the contract forbids a missing value here
    return pd.concat([batch, batch.loc[[unlabelled[4]]]])  # the same id twice


def _shift_cancer(batch: pd.DataFrame) -> pd.DataFrame:
    """Another scanner: every size comes out larger, as if measured in another unit."""
    factors = {"radius": 1.35, "perimeter": 1.35, "texture": 1.2, "smoothness": 1.2}
    for name in map(str, batch.columns):
        for word, factor in factors.items():
            if word in name:
                batch[name] = batch[name] * factor
    return batch


def _diabetes() -> pd.DataFrame:
    from sklearn.datasets import load_diabetes

    data = load_diabetes(as_frame=True, scaled=False)
    frame: pd.DataFrame = data.data.rename(columns={"s1": "tc", "s2": "ldl", "s3": "hdl", "s4": "tch", "s5": "ltg"})
    return frame.rename(columns={"s6": "glu"}).assign(progression=data.target)


def _spoil_diabetes(batch: pd.DataFrame) -> pd.DataFrame:
    unlabelled = batch.index[batch["progression"].isna()]
    batch.loc[unlabelled[0], "bmi"] = -1.0
    batch.loc[unlabelled[1], "bp"] = 4000.0
    batch.loc[unlabelled[2], "progression"] = 1e6  # outside the label's range
    batch.loc[unlabelled[3], "hdl"] = np.nan
    return pd.concat([batch, batch.loc[[unlabelled[4]]]])


def _shift_diabetes(batch: pd.DataFrame) -> pd.DataFrame:
    """An older, heavier group of patients; every value stays possible, and whole where it was whole."""
    sugar = (batch["glu"] * 1.2).round()
    return batch.assign(bmi=batch["bmi"] * 1.25, bp=batch["bp"] * 1.2, glu=sugar, age=batch["age"] + 12)


def _digits() -> pd.DataFrame:
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)
    return pd.DataFrame({"image": [_png(each) for each in pixels], "digit": data.target.astype(str)})


def _spoil_digits(batch: pd.DataFrame) -> pd.DataFrame:
    unlabelled = batch.index[batch["digit"].isna()]
    batch.loc[unlabelled[0], "image"] = _png(np.zeros((16, 16), np.uint8))  # another size
    batch.loc[unlabelled[1], "image"] = b"not a picture"
    batch.loc[unlabelled[2], "digit"] = "eleven"
    batch.loc[unlabelled[3], "image"] = None
    return pd.concat([batch, batch.loc[[unlabelled[4]]]])


def _shift_digits(batch: pd.DataFrame) -> pd.DataFrame:
    """Black and white change places."""
    from PIL import Image

    batch["image"] = [_png(255 - np.asarray(Image.open(io.BytesIO(each)))) for each in batch["image"]]
    return batch


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()


EXAMPLES = {
    "cancer": Example(
        label="diagnosis",
        task="classification",
        rows=(280, 180, 109),
        labelled=(24, 12, 4),
        load=_cancer,
        spoil=_spoil_cancer,
        shift=_shift_cancer,
    ),
    "diabetes": Example(
        label="progression",
        task="regression",
        rows=(210, 140, 92),
        labelled=(120, 60, 12),
        load=_diabetes,
        spoil=_spoil_diabetes,
        shift=_shift_diabetes,
    ),
    "digits": Example(
        label="digit",
        task="classification",
        rows=(900, 600, 297),
        labelled=(100, 50, 10),
        load=_digits,
        spoil=_spoil_digits,
        shift=_shift_digits,
        suffix=".parquet",
    ),
}
