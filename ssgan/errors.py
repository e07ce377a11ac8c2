"""Everything that can go wrong on purpose, as one tree.

    SsganError               exit 1, HTTP 500: our fault, or that of a tool we call
    ├── ToolError            a tool (DVC, git, BentoML, Prefect) failed; carries its last lines
    ├── ArtefactError        a stored model is damaged or does not answer as it did when it was made
    ├── UserError            exit 2, HTTP 400: something the user can mend
    │   ├── ProjectError     the directory is not a project, or already is one
    │   ├── ParamsError      params.yaml, or a parameter of an estimator: a ValueError too
    │   ├── ContractError    data/contract.yaml
    │   ├── DataError        a data file, or a record sent to the service
    │   │   └── InputError   what is given to an estimator: a ValueError too
    │   ├── BusyError        another run holds the project
    │   └── PortError        the port is taken
    ├── RejectedError        exit 3: the batch was refused as a whole
    ├── NotPromotedError     exit 4: the challenger stays a challenger
    └── DiffersError         exit 5: a version does not come out again as it was recorded

Every message is one sentence that states the rule, the value found, and what to do. What the estimators only warn of is
an `SSGANWarning`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails


class SsganError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class ToolError(SsganError):
    """A tool that we call failed."""


class ArtefactError(SsganError):
    """A stored model cannot be trusted."""


class UserError(SsganError):
    """A mistake that the user can mend; safe to show to a client."""

    exit_code = 2


class ProjectError(UserError):
    """The directory is not a project, or already is one."""


class ParamsError(UserError, ValueError):
    """`params.yaml`, or a parameter of an estimator, says something that cannot be; scikit-learn's users catch it."""


class ContractError(UserError):
    """`data/contract.yaml` says something that cannot be."""


class DataError(UserError):
    """A file or a record does not hold what it should."""


class InputError(DataError, ValueError):
    """A `DataError` that scikit-learn takes for its own."""


class BusyError(UserError):
    """Another process works on the same project."""


class PortError(UserError):
    """The port asked for is taken."""


class RejectedError(SsganError):
    """A batch was refused as a whole; the data set is unchanged."""

    exit_code = 3


class NotPromotedError(SsganError):
    """The gate kept the champion."""

    exit_code = 4


class DiffersError(SsganError):
    """What was computed again is not what was recorded."""

    exit_code = 5


class SSGANWarning(UserWarning):
    """What an estimator has found in its data, or in its training, and goes on with."""


_WHOLE = "it must be a whole number in digits, such as 20"
_NUMBER = "it must be a number, such as 0.5"
_FLAG = "it must be true or false, without quotes"
_LIST = "it must be a list, such as [1, 2]"
_KEYS = "it must be a section of its own, with keys and values"
# What Pydantic's kinds of faults are in words of ours; filled in from what it says of the rule.
_RULES = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _FLAG),
    **dict.fromkeys(("tuple_type", "list_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _KEYS),
    "string_type": "it must be a word; put it in quotes",
    "string_too_short": "it must have {min_length} or more characters",
    "string_too_long": "it must have {max_length} or fewer characters",
    "too_short": "it must have {min_length} or more entries",
    "too_long": "it must have {max_length} or fewer entries",
    "finite_number": "it must be a finite number",
    "greater_than": "it must be above {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be below {lt}",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be {expected}",
    "json_invalid": "it is no JSON ({error}); mend it there",
}
_SHOWN = 200  # characters of a value


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault pydantic found, as one sentence: where, what was found, what would be right."""
    fault = error.errors()[0]
    path, fields = _locate(fault["loc"], model)
    where = ".".join(path) or "the file"
    if fault["type"] in ("extra_forbidden", "invalid_key"):
        near = difflib.get_close_matches(path[-1], fields, n=1, cutoff=0.4)
        if near:
            return f"`{where}` is not a key; did you mean `{'.'.join((*path[:-1], near[0]))}`?"
        return f"`{where}` is not a key; known here: {', '.join(fields) or 'none'}"
    if fault["type"].startswith("union_tag"):
        return _wrong_tag(where, fault.get("ctx", {}))
    if fault["type"] == "missing":
        return f"`{where}` is missing; add it"
    reason = _reason(fault)
    if not path:
        return reason
    if path[-1] == "[key]":  # which is how pydantic says that it speaks of a key, not of its value
        return f"the key {fault['input']!r} of `{'.'.join(path[:-2])}` must be a word; put it in quotes"
    found = repr(fault["input"])
    found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
    return f"`{where}` is {found}: {reason[0].lower()}{reason[1:]}"


def told(error: Exception, model: type[BaseModel]) -> str:
    """What is wrong with a record that was stored, in one sentence, whatever reading it has raised."""
    from pydantic import ValidationError

    return describe(error, model) if isinstance(error, ValidationError) else " ".join(str(error).split())


def _reason(fault: ErrorDetails) -> str:
    rule = _RULES.get(fault["type"])
    if rule is None:
        return fault["msg"].removeprefix("Value error, ")
    about = {
        name: f"{value:.12g}" if isinstance(value, float) else value for name, value in fault.get("ctx", {}).items()
    }
    return rule.format_map(about)


def _wrong_tag(where: str, about: dict[str, str]) -> str:
    kinds = "number, category, image or ignore"  # columns are the only parts of a file that are told apart by a tag
    found = f"is {about['tag']!r}" if "tag" in about else "is missing"
    return f"`{where}.type` {found}; it must be {kinds}"


def _locate(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The keys that lead to a fault as they stand in the file, and the keys that are known where it is.

    Between them pydantic puts the name of the member of a union that it has tried, which no file has.
    """
    path: list[str] = []
    known: list[str] = []
    here: object = model
    for part in map(str, location):
        members = _members(here)
        if part in members:
            here = members[part]
            continue
        path.append(part)
        fields = getattr(here, "model_fields", {})
        here = fields[part].annotation if part in fields else (get_args(here) or (None,))[-1]
        known = list(fields)
    return path, known


def _members(kind: object) -> dict[str, object]:
    """The members of a tagged union by their tags; nothing for any other type."""
    found: dict[str, object] = {}
    for member in get_args(get_args(kind)[0] if get_origin(kind) is Annotated else kind):
        inner, *about = get_args(member) if get_origin(member) is Annotated else (member,)
        tags = [each.tag for each in about if hasattr(each, "tag")]
        literal = getattr(inner, "model_fields", {}).get("type")
        tags += get_args(literal.annotation) if literal is not None else ()
        found |= dict.fromkeys(tags, inner)
    return found
