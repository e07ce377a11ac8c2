"""`data/contract.yaml`: what a batch must be. Read and checked here, used by every room."""

from __future__ import annotations

import difflib
import math
import re
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from ssgan.columns import (
    CategoryColumn,
    ClassLabel,
    Column,
    IgnoredColumn,
    ImageColumn,
    Label,
    NumberColumn,
    TextFiles,
    ValueLabel,
)
from ssgan.errors import ContractError, describe
from ssgan.sections import Section
from ssgan.slips import first_slip, line_of

__all__ = [
    "BATCH_RULES",
    "GROUP",
    "KEEPABLE",
    "MISSING",
    "ORIGIN",
    "REQUEST",
    "RESERVED",
    "ROW_ID",
    "ROW_RULES",
    "CategoryColumn",
    "ClassLabel",
    "Column",
    "Contract",
    "IgnoredColumn",
    "ImageColumn",
    "Label",
    "NumberColumn",
    "Rules",
    "Severity",
    "TextFiles",
    "ValueLabel",
    "read_contract",
    "text_files",
]

ROW_ID = "_id"  # the row's name in accepted data: the id column as text, or a hash of the content
COLUMNS_AT_MOST = 10_000  # of a project; each costs intake 8 ms of processor time, and the estimators know no limit
GROUP = "_group"  # what must not straddle train and test: the group column, or the row's id
REQUEST = ("_uncertainty", "_diversity", "_real", "_reason")  # why a label is asked for; passed over when it comes back
ORIGIN = "_file"  # of a quarantined image: the name that its file had
RESERVED = (ROW_ID, GROUP, ORIGIN, "_row", "_reasons", *REQUEST)  # `_row` and `_reasons` head the quarantine file
MISSING = ("", "NA", "NaN", "nan", "null", "None")  # what CSV writers put where there is no value

NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # BentoML takes no other

Severity = Literal["info", "warning", "critical"]
# What a row may break. warning: the row goes to quarantine; critical: one such row rejects the batch; info: the value
# is kept and the rows are counted, which only a readable value allows.
ROW_RULES = (
    *("not a number", "infinite", "outside range", "not an integer", "unknown value", "missing"),
    *("unknown label", "label outside range", "text too long", "not a PNG of the declared size"),
    *("duplicate id", "duplicate row", "label conflict", "row changed"),
)
KEEPABLE = ("outside range", "not an integer", "label outside range")
# What a batch may break, and how bad that is unless `severity` says otherwise. critical: the batch is rejected;
# warning and info: it is accepted and the page says so.
BATCH_RULES: dict[str, Severity] = {
    "labelled rows": "critical",
    "labels per class": "critical",
    "labels per band": "critical",
    "labelled share": "critical",
    "refused share": "critical",
    "refused rows": "critical",
    "drifted columns": "critical",
    "joint drift": "warning",
    "label drift": "warning",
    "labelled share drift": "warning",
    "near duplicates": "warning",
    "new class": "warning",
}


class Rules(Section):
    """When a batch is accepted, accepted without its bad rows, or rejected. None: not judged."""

    labelled_at_least: int = Field(10, ge=0)
    labelled_per_class_at_least: int = Field(2, ge=0)
    labelled_per_band_at_least: int = Field(0, ge=0)
    batch_labelled_at_least: int = Field(0, ge=0)
    batch_labelled_per_class_at_least: int = Field(0, ge=0)
    batch_labelled_per_band_at_least: int = Field(0, ge=0)
    labelled_share_at_least: float = Field(0.0, ge=0, le=1)
    labelled_share_at_most: float = Field(1.0, ge=0, le=1)
    refused_share_at_most: float = Field(0.2, ge=0, le=1)
    refused_rows_at_most: int | None = Field(None, ge=0)
    drift_distance_at_most: float = Field(0.25, gt=0, le=1)
    drift_psi_at_most: float | None = Field(None, gt=0)
    drifted_share_at_most: float = Field(0.2, ge=0, le=1)
    joint_drift_auc_at_most: float | None = Field(0.8, ge=0.5, le=1)
    label_drift_at_most: float | None = Field(0.25, gt=0, le=1)
    labelled_share_drift_at_most: float | None = Field(None, gt=0, le=1)
    near_duplicate_share_at_most: float | None = Field(None, ge=0, le=1)
    unknown_label_rows_at_most: int = Field(5, ge=0)

    @model_validator(mode="after")
    def _shares_leave_room(self) -> Self:
        if self.labelled_share_at_least > self.labelled_share_at_most:
            raise ValueError(
                f"labelled_share_at_least {self.labelled_share_at_least:g} is above labelled_share_at_most "
                f"{self.labelled_share_at_most:g}; no batch could be accepted"
            )
        return self


class Contract(Section):
    """What a batch must be.

    `columns` are the features, in the order the model sees them; the id, group and label columns are not among them.
    """

    name: str = Field(max_length=40)
    task: Literal["classification", "regression"]
    id: str | None = None
    group: str | None = None
    label: Label
    columns: dict[str, Column] = Field(min_length=1)
    missing: tuple[str, ...] = MISSING  # these words mean "no value", except where a column lists one as its own
    files: TextFiles = TextFiles()
    duplicates: Literal["quarantine", "first", "last", "keep"] | None = None  # None: quarantine; without an id: keep
    conflicts: Literal["quarantine", "newest", "oldest"] = "quarantine"
    rules: Rules = Rules()
    severity: dict[str, Severity] = {}
    log_without: tuple[str, ...] = ()  # columns that the service's prediction log leaves out

    @field_validator("name")
    @classmethod
    def _name_is_plain(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError(
                "it names the model, and must be of lower-case letters, digits and hyphens, such as health-north"
            )
        return name

    @field_validator("severity")
    @classmethod
    def _rules_are_known(cls, severity: dict[str, Severity]) -> dict[str, Severity]:
        known = (*ROW_RULES, *BATCH_RULES)
        for rule, degree in severity.items():
            if rule not in known:
                near = difflib.get_close_matches(rule, known, n=1, cutoff=0.4)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
                raise ValueError(f"{rule!r} is no rule; {hint}")
            if rule in ROW_RULES and degree == "info" and rule not in KEEPABLE:
                raise ValueError(f"{rule!r} is info, but such a cell has no value to keep; write warning or critical")
        return severity

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.task == "classification") != isinstance(self.label, ClassLabel):
            raise ValueError("a classification's label has `classes`, a regression's has none")
        named = [name for name in (self.id, self.group, self.label.column) if name is not None]
        if self.id is not None and self.duplicates == "keep":
            raise ValueError("duplicates is 'keep', but an id names one row; write quarantine, first or last")
        if self.label.column in (self.id, self.group):
            raise ValueError(f"column {self.label.column!r} is the label, so it cannot be the id or the group too")
        for name in named:
            if name in self.columns:
                raise ValueError(f"column {name!r} is the id, the group or the label, so it cannot be a feature too")
        for name in (*named, *self.columns):
            if name in RESERVED:
                raise ValueError(f"the column name {name!r} is reserved; rename it in the file")
        for name in self.log_without:
            if name not in self.columns:
                raise ValueError(f"log_without names {name!r}, which is no column; there are {', '.join(self.columns)}")
        kinds = {column.type for column in self.features.values()}
        if not kinds:
            raise ValueError("every column is ignored: there is nothing to learn from")
        if "image" in kinds and len(self.features) > 1:
            raise ValueError("an image column must be the only feature")
        return self

    def severity_of(self, rule: str) -> Severity:
        """How bad it is to break a rule."""
        return self.severity.get(rule, BATCH_RULES.get(rule, "warning"))

    def is_logged(self, name: str) -> bool:
        """Whether the service's log may hold a column; what is measured of images goes with their column."""
        return set(self.log_without).isdisjoint(self.features if self.image is not None else (name,))

    @property
    def label_range(self) -> tuple[float, float]:
        """Where values may lie as labels; without ends where there are none, or `severity` keeps what lies beyond."""
        if isinstance(self.label, ClassLabel) or self.severity_of("label outside range") == "info":
            return -math.inf, math.inf
        low, high = self.label.min, self.label.max
        return -math.inf if low is None else low, math.inf if high is None else high

    @property
    def copies(self) -> str:
        """What becomes of rows that come more than once in a batch."""
        return self.duplicates or ("keep" if self.id is None else "quarantine")

    @property
    def features(self) -> dict[str, NumberColumn | CategoryColumn | ImageColumn]:
        """The columns a model sees."""
        return {name: column for name, column in self.columns.items() if not isinstance(column, IgnoredColumn)}

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names of a classification, none for a regression."""
        return self.label.classes if isinstance(self.label, ClassLabel) else ()

    @property
    def image(self) -> ImageColumn | None:
        """The image column, where the rows are images."""
        (first, *_) = self.features.values()
        return first if isinstance(first, ImageColumn) else None

    @property
    def file_columns(self) -> tuple[str, ...]:
        """Every column a labelled file has."""
        extra = tuple(dict.fromkeys(name for name in (self.id, self.group) if name))
        return (*extra, *self.columns, self.label.column)


def text_files(written: dict[str, str]) -> TextFiles:
    """How CSV files are written, from what a user says about it.

    Raises:
        ContractError: naming what cannot be.
    """
    try:
        return TextFiles.model_validate(written)
    except ValidationError as error:
        raise ContractError(describe(error, TextFiles)) from None


def read_contract(path: Path) -> Contract:
    """Reads and checks a contract.

    Raises:
        ContractError: naming the key, the value found and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ContractError(f"{path.name}{line}: cannot be read as YAML ({error.problem}); mend that line") from None
    except FileNotFoundError:
        raise ContractError(f"there is no contract {path}; give the path of a contract.yaml") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContractError(f"{path.name} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ContractError(f"{path.name} must hold keys such as `name`, `task`, `label` and `columns`; it holds none")
    columns = content.get("columns")
    if isinstance(columns, dict) and len(columns) > COLUMNS_AT_MOST:
        raise ContractError(f"{path.name}: {too_many_columns(len(columns))}")
    slip = first_slip(content, yaml.compose(text))
    if slip is not None:
        raise ContractError(f"{path.name}, line {slip.line}: {slip.said}")
    try:
        return Contract.model_validate(content)
    except ValidationError as error:
        key = error.errors()[0]["loc"]
        line = f", line {line_of(yaml.compose(text), key)}" if key else ""  # else it is about several keys
        raise ContractError(f"{path.name}{line}: {describe(error, Contract)}") from None


def too_many_columns(found: int) -> str:
    """Rule, value found, and what to do."""
    return (
        f"a project's table has at most {COLUMNS_AT_MOST:,} columns, as Great Expectations judges each by itself; "
        f"there are {found:,}: keep those that matter, or put numbers together first, as by a PCA"
    )
