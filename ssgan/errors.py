"""Everything that can go wrong on purpose, as one tree.

    SsganError               exit 1, HTTP 500: our fault, or that of a tool we call
    ├── ToolError            a tool (DVC, git, BentoML, Prefect) failed; carries its last lines
    ├── ArtefactError        a stored model is damaged or does not answer as it did when it was made
    ├── UserError            exit 2, HTTP 400: something the user can mend
    │   ├── ProjectError     the directory is not a project, or already is one
    │   ├── ParamsError      params.yaml
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


class ParamsError(UserError):
    """`params.yaml` says something that cannot be."""


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


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault pydantic found, as one sentence: where, what was found, what would be right."""
    fault = error.errors()[0]
    path, fields = _locate(fault["loc"], model)
    where = ".".join(path) or "the file"
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], fields, n=1, cutoff=0.4)
        if near:
            return f"`{where}` is not a key; did you mean `{'.'.join((*path[:-1], near[0]))}`?"
        return f"`{where}` is not a key; known here: {', '.join(fields) or 'none'}"
    if fault["type"].startswith("union_tag"):
        return _wrong_tag(where, fault.get("ctx", {}))
    if fault["type"] == "missing":
        return f"`{where}` is missing; add it"
    reason = fault["msg"].removeprefix("Value error, ")
    if path:
        return f"`{where}` is {fault['input']!r}: {reason[0].lower()}{reason[1:]}"
    return reason


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
