"""The parts of a contract: what a column, a label, and a file of text may be."""

from __future__ import annotations

import codecs
import itertools
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from ssgan.sections import Part, Section, in_shape

NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"  # as text; for Python's `re` and for Arrow
SIDE_AT_LEAST, SIDE_AT_MOST = 8, 64  # pixels of an image, which the networks are made for


def _all_different(words: tuple[str, ...]) -> tuple[str, ...]:
    twice = [word for number, word in enumerate(words) if word in words[:number]]
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice; every one must be there once")
    return words


def _check_range(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low > high:
        raise ValueError(f"min {low:g} is above max {high:g}; no value lies between them")


class _Described(Part):
    """What a column is. Pydantic allows no validator before its own on `type`, which tells the kinds apart."""

    _shape = field_validator("unit", "min", "max", "values", mode="before", check_fields=False)(in_shape)


class NumberColumn(_Described):
    """A measured number."""

    type: Literal["number"] = "number"
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    integer: bool = False
    nullable: bool = False
    drift_at_most: float | None = Field(None, gt=0, le=1)  # instead of rules.drift_distance_at_most

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        _check_range(self.min, self.max)
        return self


class CategoryColumn(_Described):
    """One of a few known words. Numbers used as words are written as text."""

    type: Literal["category"]
    values: Annotated[tuple[str, ...], AfterValidator(_all_different)] = Field(min_length=1)
    nullable: bool = False
    drift_at_most: float | None = Field(None, gt=0, le=1)


class ImageColumn(_Described):
    """A PNG of fixed size, as bytes."""

    type: Literal["image"]
    height: int = Field(ge=SIDE_AT_LEAST, le=SIDE_AT_MOST)
    width: int = Field(ge=SIDE_AT_LEAST, le=SIDE_AT_MOST)
    channels: Literal[1, 3] = 1
    nullable: Literal[False] = False
    drift_at_most: float | None = Field(None, gt=0, le=1)


class IgnoredColumn(_Described):
    """A column that may be there and that no model sees."""

    type: Literal["ignore"]
    nullable: bool = True


Column = Annotated[NumberColumn | CategoryColumn | ImageColumn | IgnoredColumn, Field(discriminator="type")]


class ClassLabel(Section):
    """The label of a classification: one of the classes. Unlabelled is empty, missing, or a word of `unlabelled`."""

    column: str
    classes: Annotated[tuple[str, ...], AfterValidator(_all_different)] = Field(min_length=2)
    unlabelled: tuple[str, ...] = ("-1",)  # a word that is a class is that class


class ValueLabel(Section):
    """The label of a regression: a number. Unlabelled is empty or missing, or a word of `unlabelled`; -1 is a value."""

    column: str
    unit: str | None = None
    min: float | None = None
    max: float | None = None
    unlabelled: tuple[str, ...] = ()
    bands: tuple[float, ...] = ()  # ascending edges; n edges divide the values into n + 1 bands

    @model_validator(mode="after")
    def _range_is_one(self) -> Self:
        _check_range(self.min, self.max)
        return self

    @field_validator("bands")
    @classmethod
    def _ascending(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(left >= right for left, right in itertools.pairwise(edges)):
            raise ValueError("the edges of bands must ascend, such as [10, 20, 40]")
        return edges


def _label_kind(label: Any) -> str:
    has_classes = "classes" in label if isinstance(label, dict) else isinstance(label, ClassLabel)
    return "classes" if has_classes else "value"


Label = Annotated[
    Annotated[ClassLabel, Tag("classes")] | Annotated[ValueLabel, Tag("value")], Discriminator(_label_kind)
]


class TextFiles(Section):
    """How the project's CSV files are written; nothing of it is guessed."""

    delimiter: str = Field(",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."

    @field_validator("delimiter", mode="before")
    @classmethod
    def _one_mark(cls, mark: Any) -> Any:
        if isinstance(mark, str) and len(mark) != 1:
            raise ValueError('it must be one character, such as ";", or "\\t" in double quotes for a tabulator')
        return mark

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            codecs.lookup(name)
        except LookupError:
            raise ValueError("no such encoding; write utf-8, latin-1, cp1252 or another that Python knows") from None
        return name

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError(
                f"delimiter and decimal are both {self.decimal!r}; files with decimal commas need another delimiter, "
                "such as ';'"
            )
        return self
