"""The small records that pass between the rooms: frozen, and equal after a JSON round trip."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from ssgan.machine import processor


class Record(BaseModel):
    """A frozen record that can be written to and read from a JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def write(self, path: Path) -> None:
        """Replaces `path` in one step, so that a reader sees the old record or the new one, never half of one."""
        write_atomically(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `write` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def write_atomically(path: Path, text: str) -> None:
    """Writes text beside `path` and renames it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


class BatchManifest(Record):
    """What arrived (written by intake)."""

    batch: str  # first 12 digits of the file's sha256: the same content is the same batch
    source: str  # name of the file, without its folder
    sha256: str
    rows: int
    columns: tuple[str, ...]
    labelled: dict[str, int]  # rows per class; for regression {"labelled": n}
    unlabelled: int
    seen_at: str  # UTC, ISO 8601


class RuleResult(Record):
    """One rule of the contract, as judged on one batch."""

    rule: str
    column: str | None = None
    value: float | str | None = None
    limit: float | str | None = None
    severity: Literal["info", "warning", "critical"] = "critical"
    passed: bool
    message: str


class RefusedRow(Record):
    """One reason why one row went to quarantine; a row may have several."""

    row: int  # 1 = first data row of the file
    id: str
    rule: str
    column: str
    value: str


class ColumnDrift(Record):
    """How far a column of the batch lies from the same column of the accepted data."""

    column: str
    statistic: Literal["ks", "total_variation"]
    distance: float  # between 0 (same distribution) and 1
    limit: float  # above it the column counts as drifted
    drifted: bool
    psi: float | None = None  # population stability index
    psi_limit: float | None = None  # above it too; None: not judged


class Verdict(Record):
    """What intake decided about a batch, and why."""

    manifest: BatchManifest
    decision: Literal["accept", "accept with quarantine", "reject"]
    sentence: str
    rows_accepted: int
    rows_refused: int
    labelled: dict[str, int] = {}  # by how much labelled rows grow, per class or {"labelled": n}; a change counts -1
    rules: tuple[RuleResult, ...]
    refused: tuple[RefusedRow, ...]  # the first 1000; the quarantine file has all
    drift: tuple[ColumnDrift, ...]
    accepted_file: str | None = None  # content-addressed, relative to the project
    quarantine_file: str | None = None
    number: int = 0  # accepted batches count from 1: the order in which they became data
    rows_repeated: int = 0  # accepted before, and passed over
    labels_added: int = 0  # to rows that were accepted unlabelled
    labels_changed: int = 0  # of accepted rows, because the contract says that the newest wins
    rows_replaced: int = 0  # accepted rows with other values, likewise
    rewritten: dict[str, str] = {}  # file -> the file in its place; "" where nothing is left of it
    sizes: dict[str, int] = {}  # bytes of the files it wrote: a shorter one was cut short
    released_from: str | None = None  # the batch whose quarantine these rows come from
    contract: str = ""  # sha256 of the contract that judged it


class DatasetVersion(Record):
    """A version of the accepted data."""

    name: str  # data-<n>, also the git tag
    dvc_hash: str
    git_commit: str
    batches: tuple[str, ...]
    rows: int
    labelled: dict[str, int]


class Split(Record):
    """Which rows judge a model (written by prepare)."""

    method: Literal["holdout", "crossfit"]
    folds: int  # of the labelled training rows; 0: too few groups to divide them
    judged: int  # labelled rows that judge: those of the holdout, or every labelled row


class RunRecord(Record):
    """How a model was trained. Holds nothing that differs between two equal runs: no time, no path, no host."""

    task: str
    backend: str
    precision: str
    seed: int
    data_hash: str  # sha256 over the prepared training rows
    rows: int
    labelled: int
    fakes: str  # as in train.fakes, or "none"
    knobs: dict[str, int | float | str | bool | None]
    warnings: tuple[str, ...] = ()  # about its fakes, and about classes that it never answers with
    parity: float  # largest difference between Keras and the exported ONNX on the probe rows


class ColumnSeen(Record):
    """What the training rows hold of a column; written by `prepare`, read by `calibrate`."""

    column: str
    seen: tuple[float, float] | None = None  # numbers: the smallest and the largest value; None: there is but one
    spreads: tuple[float, float] | None = None  # numbers: from the median down and up to them
    unseen: tuple[str, ...] = ()  # words that the contract allows and no row holds
    never_missing: bool = False  # the contract allows a missing value and no row has one
    alone: tuple[int, ...] = ()  # rows whose word, or missing value, no other row has


class ColumnRange(Record):
    """What a column may hold without making a row unlike the training data."""

    column: str
    seen: tuple[float, float] | None  # numbers: the smallest and the largest value of the training rows
    limits: tuple[float, float] | None  # numbers: the same, each with the margin beyond it
    unseen: tuple[str, ...] = ()  # words that make a row unlike them
    never_missing: bool = False  # whether a missing value does


class Calibration(Record):
    """How a model's raw outputs become the answers that are served.

    Fitted on labelled training rows that were answered by models which had not seen them, fold after fold. Written by
    `calibrate`, applied by `learn/artefact.py`.
    """

    rows: int  # labelled rows that it rests on
    coverage: float  # asked of the sets and intervals
    temperature: float = 1.0  # classes: logits are divided by it (Guo et al. 2017)
    prior: Literal["balanced", "labelled", "unlabelled"] = "balanced"  # the shares of classes that P is for
    offsets: tuple[float, ...] = ()  # classes: added to the logits after the temperature, so that the prior is that one
    thresholds: tuple[float, ...] = ()  # classes: class k is in the set where 1 - P(k) <= thresholds[k]; 1: always
    half_width: float | None = None  # values: of the interval, in the label's unit; None where too few rows say it
    fake_limit: float = 1.0  # a row with a larger P(fake) is unlike the training data
    ranges: tuple[ColumnRange, ...] = ()  # a row with a cell, or an image with a look, outside of them is too
    shares: dict[str, dict[str, float]] = {}  # of each class: "labelled", and by method "unlabelled"


class RunTimes(Record):
    """What a training run cost on which device: in git beside the reports, outside what DVC compares."""

    device: str
    processor: str = Field(default_factory=processor)
    seconds: dict[str, float]  # per part: "ssgan", "twin", "export", ...
    steps_per_second: dict[str, float]


class Score(Record):
    """A metric with its bootstrap interval over test rows."""

    value: float
    low: float
    high: float


class ModelScore(Record):
    """One model on the test rows."""

    name: str
    metrics: dict[str, Score]


class Difference(Record):
    """The model minus a baseline on the same resampled test rows; positive means the model is better."""

    baseline: str
    value: float
    low: float
    high: float
    win_probability: float


class SliceScore(Record):
    """The SSGAN on the judged rows of one slice."""

    column: str
    name: str  # the category, "missing", or a range such as "37 to 52"
    rows: int
    metrics: dict[str, Score]  # empty where the slice has too few rows


class Reliability(Record):
    """One bin of the reliability diagram: rows that were as sure as this, and the share that was right."""

    sure: float  # mean probability of the answered class
    right: float  # share of rows whose answered class is the true one
    rows: int


class CalibrationCheck(Record):
    """What calibration did on judged rows that it was not fitted on."""

    before: dict[str, float]  # classes: log_loss, brier, ece of the raw outputs
    after: dict[str, float]  # the same, calibrated
    bins: tuple[Reliability, ...] = ()
    asked: float  # coverage
    covered: Score | None  # share of rows whose set or interval holds the truth; None: too few rows to make any
    covered_per_class: dict[str, Score] = {}
    size: Score | None = None  # mean classes in a set, or mean width of an interval in the label's unit
    unlike: float = 0.0  # share of judged rows flagged as unlike the training data


class CurvePoint(Record):
    """A model that learned from so many labelled rows."""

    model: str
    labels: int
    score: Score  # of the deciding metric


class Importance(Record):
    """How much log loss (of values the deciding metric) rises when a column is shuffled among the judged rows."""

    column: str
    loss: Score


class Evaluation(Record):
    """What `evaluate` measured. The first score is the SSGAN's, the rest are the others'.

    The judged rows are the labelled ones among the hash holdout, or with crossfit every labelled row, each answered by
    models that had not seen its label.
    """

    task: str
    method: Literal["holdout", "crossfit"] = "holdout"
    folds: int = 0  # of crossfit
    metric: str  # the one that decides
    higher_is_better: bool
    test_rows: int
    test_rows_per_class: dict[str, int]
    test_groups: int = 0  # that the judged rows are of, such as patients; 0: every row stands alone
    alike_are_groups: bool = False  # the contract names no group: those are of rows whose content is the same
    scores: tuple[ModelScore, ...]
    differences: tuple[Difference, ...]
    fake_probability: dict[str, float]  # mean per part, such as "labelled", "unlabelled", "generated"
    sentence: str
    model: str = ""  # digest of the artefact that was judged
    confidence: float = 0.95  # of every interval
    resamples: int = 1000
    left_out: dict[str, str] = {}  # baseline -> why it could not learn from these rows
    capped: dict[str, int] = {}  # baseline that uses unlabelled rows, but not all -> training rows that it learned from
    per_class: dict[str, dict[str, Score]] = {}  # class -> recall, auroc, auprc of the SSGAN
    slices: tuple[SliceScore, ...] = ()
    detection: dict[str, Score] = {}  # AUROC of P(fake) against "quarantined", "shifted", "generated" rows
    calibration: CalibrationCheck | None = None
    curve: tuple[CurvePoint, ...] = ()  # score over number of labels, nested subsets
    importance: tuple[Importance, ...] = ()
    prior_effect: dict[str, dict[str, float]] = {}  # calibrate.prior -> metrics of the SSGAN with it
    prior_effect_unlabelled: dict[str, dict[str, float]] = {}  # the same, classes weighted as among unlabelled rows
    headline: dict[str, float] = {}  # the numbers `dvc metrics diff` shows, which does not look into lists

    def score(self, name: str) -> ModelScore:
        """The scores of the model with that name."""
        return next(each for each in self.scores if each.name == name)


class GateRule(Record):
    """One condition for promotion."""

    rule: str
    value: float | None
    limit: float | None
    passed: bool
    reason: str = ""  # why the rule could not be judged, or what it was judged by


class GateDecision(Record):
    """Whether the challenger replaces the champion."""

    decision: Literal["promote", "keep"]
    challenger: str  # digest
    champion: str | None
    rules: tuple[GateRule, ...]
    sentence: str
    forced: str | None = None  # the reason given with --force
    entrant: str = "ssgan"  # or the baseline that is packaged in its place


class Lineage(Record):
    """Where an answer comes from."""

    model: str  # Bento tag
    digest: str
    data_version: str
    data_hash: str
    git_commit: str
    gate: str


class Champion(Record):
    """The model in service."""

    tag: str  # of the Bento and of its model
    model: str  # folder of the model, relative to the project
    digest: str
    lineage: Lineage
    promoted_at: str  # UTC, ISO 8601
    previous: str | None  # tag of the one before
