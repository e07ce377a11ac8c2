"""Sections of `params.yaml` and of a contract, and what is said of a value that has another shape than it must.

Pydantic speaks of tuples and dictionaries where a value has another shape. A user has written YAML, so the commonest
slips are found first and answered in YAML: a bare word in place of a list, `yes` without quotes, a decimal comma. And
it would take `yes` for 1, and 1 for `yes`, which nobody means.
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

SHOWN = 4  # words of a suggestion


class Part(BaseModel):
    """A part of a file in YAML: fixed once read, with no unknown key, and no number that is none or has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def in_shape(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """For a `field_validator` that comes before Pydantic's own: the value, if it has the shape of its field.

    Raises:
        ValueError: saying what to write.
    """
    field = cls.model_fields[str(info.field_name)]
    kind = field.annotation
    wrong = None if value is None and type(None) in get_args(kind) else _wrong_shape(value, _without_none(kind))
    least = max((getattr(rule, "min_length", 0) or 0 for rule in field.metadata), default=0)
    if wrong is None and isinstance(value, list | tuple | dict) and len(value) < least:
        wrong = f"it must have at least {least} {'entry' if least == 1 else 'entries'}"
    if wrong is not None:
        raise ValueError(wrong)
    return value


class Section(Part):
    """A part each of whose values has the shape of its field, or a message says what to write."""

    _shape = field_validator("*", mode="before")(in_shape)


def _without_none(kind: Any) -> Any:
    """`X` for `X | None`; any other type as it is."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    rest = [each for each in get_args(kind) if each is not type(None)]
    return rest[0] if len(rest) == 1 else kind


def _wrong_shape(value: Any, kind: Any) -> str | None:
    """What the value must be, where its shape is another; None where Pydantic may judge it."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is tuple:
        return _no_list(value, get_args(kind)[0])
    if get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return None if isinstance(value, dict | BaseModel) else "it must be a section of its own, with keys and values"
    if kind is str and not isinstance(value, str):
        return _unquoted(value)
    if kind is bool:
        return no_flag(value)
    return no_number(value) if kind in (int, float) else None


def _no_list(value: Any, kind: Any) -> str | None:
    if not isinstance(value, list | tuple):
        return f"it must be a list, such as {_as_list(value, words=kind is str)}"
    return next((wrong for each in value if (wrong := _wrong_shape(each, kind))), None)


def no_flag(value: Any) -> str | None:
    """What to write where true or false is wanted, and this is neither."""
    return None if isinstance(value, bool) else "it must be true or false, without quotes"


def no_number(value: Any) -> str | None:
    """What to write where a number is wanted, and this is none in YAML; None where Pydantic may judge it."""
    if isinstance(value, bool):
        return "a number is wanted, and yes, no, on, off, true and false are none in YAML; write one, such as 1"
    if isinstance(value, str) and "," in value:
        return "a number is wanted, with a decimal point, such as 1.5"
    return None


def _unquoted(value: Any) -> str:
    if isinstance(value, bool):
        return (
            'without quotes, yes, no, on, off, true and false are no words in YAML; quote each of them, such as "yes"'
        )
    if value is None:
        return 'it must be a word; put it in quotes, such as "null", or leave the key out'
    if isinstance(value, list | dict):
        return "it must be one word"
    return f'{value} without quotes is no word; quote it, "{value}"'


def _as_list(value: Any, words: bool) -> str:
    """A bare value as the list that was meant: cut at its commas."""
    if isinstance(value, str) and value.strip():
        parts = [part.strip() for part in value.split(",") if part.strip()][:SHOWN]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        parts = [str(value)]
    else:
        parts = ["red", "green"] if words else ["1", "2"]
    return "[" + ", ".join(f'"{part}"' if words else part for part in parts) + "]"
