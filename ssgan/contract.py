"""`data/contract.yaml`: what a batch must be. Read and checked here, used by every room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from ssgan.errors import ContractError, describe

ROW_ID = "_id"  # the row's name in accepted data: the id column as text, or a hash of the content
GROUP = "_group"  # what must not straddle train and test: the group column, or the row's id
RESERVED = (ROW_ID, GROUP, "_row", "_reasons")  # the last two head the quarantine file
MISSING = ("", "NA", "NaN", "nan", "null", "None")  # what CSV writers put where there is no value


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _all_different(words: tuple[str, ...]) -> tuple[str, ...]:
    twice = [word for number, word in enumerate(words) if word in words[:number]]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice; every one must be there once")
    return words


def _check_range(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"min {low:g} is above max {high:g}; no value lies between them")


class NumberColumn(_Part):
    """A measured number."""

    type: Literal["number"] = "number"
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    integer: bool = False
    nullable: bool = False

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        _check_range(self.min, self.max)
        return self


class CategoryColumn(_Part):
    """One of a few known words. Numbers used as words are written as text."""

    type: Literal["category"]
    values: Annotated[tuple[str, ...], AfterValidator(_all_different)] = Field(min_length=1)
    nullable: bool = False


class ImageColumn(_Part):
    """A PNG of fixed size, as bytes."""

    type: Literal["image"]
    height: int = Field(ge=8, le=64)
    width: int = Field(ge=8, le=64)
    channels: Literal[1, 3] = 1
    nullable: Literal[False] = False


class IgnoredColumn(_Part):
    """A column that may be there and that no model sees."""

    type: Literal["ignore"]
    nullable: bool = True


Column = Annotated[NumberColumn | CategoryColumn | ImageColumn | IgnoredColumn, Field(discriminator="type")]


class ClassLabel(_Part):
    """The label of a classification: one of the classes. Unlabelled is empty, missing, or -1."""

    column: str
    classes: Annotated[tuple[str, ...], AfterValidator(_all_different)] = Field(min_length=2)


class ValueLabel(_Part):
    """The label of a regression: a number. Unlabelled is empty or missing; -1 is a value."""

    column: str
    unit: str | None = None
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        _check_range(self.min, self.max)
        return self


def _label_kind(label: Any) -> str:
    has_classes = "classes" in label if isinstance(label, dict) else isinstance(label, ClassLabel)
    return "classes" if has_classes else "value"


Label = Annotated[
    Annotated[ClassLabel, Tag("classes")] | Annotated[ValueLabel, Tag("value")], Discriminator(_label_kind)
]


class Rules(_Part):
    """When a batch is accepted, accepted without its bad rows, or rejected."""

    labelled_at_least: int = Field(10, ge=1)
    labelled_per_class_at_least: int = Field(2, ge=1)
    refused_share_at_most: float = Field(0.2, ge=0, le=1)
    drift_distance_at_most: float = Field(0.25, gt=0, le=1)
    drifted_share_at_most: float = Field(0.2, ge=0, le=1)


class Contract(_Part):
    """What a batch must be.

    `columns` are the features, in the order the model sees them; the id, group and label columns are not among them.
    """

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)
    task: Literal["classification", "regression"]
    id: str | None = None
    group: str | None = None
    label: Label
    columns: dict[str, Column] = Field(min_length=1)
    missing: tuple[str, ...] = MISSING  # these words mean "no value", except where a column lists one as its own
    rules: Rules = Rules()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.task == "classification") != isinstance(self.label, ClassLabel):
            raise ValueError("a classification's label has `classes`, a regression's has none")
        named = [name for name in (self.id, self.group, self.label.column) if name is not None]
        for name in named:
            if name in self.columns:
                raise ValueError(f"column {name!r} is the id, the group or the label, so it cannot be a feature too")
        for name in (*named, *self.columns):
            if name in RESERVED:
                raise ValueError(f"the column name {name!r} is reserved; rename it in the file")
        kinds = {column.type for column in self.features.values()}
        if not kinds:
            raise ValueError("every column is ignored: there is nothing to learn from")
        if "image" in kinds and len(self.features) > 1:
            raise ValueError("an image column must be the only feature")
        return self

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


def read_contract(path: Path) -> Contract:
    """Reads and checks a contract.

    Raises:
        ContractError: naming the key, the value found and what would be right.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ContractError(f"{path.name} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ContractError(f"{path.name} must hold keys such as `name`, `task`, `label` and `columns`; it holds none")
    try:
        return Contract.model_validate(content)
    except ValidationError as error:
        raise ContractError(f"{path.name}: {describe(error, Contract)}") from None
