"""Everything that can go wrong on purpose, as one tree.

    SsganError               exit 1, HTTP 500: our fault, or that of a tool we call
    ├── ToolError            a tool (DVC, git, BentoML, Prefect) failed; carries its last lines
    ├── ArtefactError        a stored model is damaged or does not answer as it did when it was made
    ├── UserError            exit 2, HTTP 400: something the user can mend
    │   ├── ProjectError     the directory is not a project, or already is one
    │   ├── ParamsError      params.yaml
    │   ├── ContractError    data/contract.yaml
    │   ├── DataError        a data file, or a record sent to the service
    │   ├── BusyError        another run holds the project
    │   └── PortError        no port to listen on
    ├── RejectedError        exit 3: the batch was refused as a whole
    └── NotPromotedError     exit 4: the challenger stays a challenger

Every message is one sentence that states the rule, the value found, and what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

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


class BusyError(UserError):
    """Another process works on the same project."""


class PortError(UserError):
    """The port asked for is taken, or none is free."""


class RejectedError(SsganError):
    """A batch was refused as a whole; the data set is unchanged."""

    exit_code = 3


class NotPromotedError(SsganError):
    """The gate kept the champion."""

    exit_code = 4


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault pydantic found, as one sentence: where, what was found, what would be right."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        return _unknown_key(where, fault["loc"], model)
    if fault["type"] == "missing":
        return f"`{where}` is missing; add it"
    reason = fault["msg"].removeprefix("Value error, ")
    if fault["loc"]:
        return f"`{where}` is {fault['input']!r}: {reason[0].lower()}{reason[1:]}"
    return reason


def _unknown_key(where: str, location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    fields = dict(model.model_fields)
    for part in location[:-1]:
        inner = fields[str(part)].annotation if str(part) in fields else None
        fields = dict(getattr(inner, "model_fields", {}))
    names = list(fields)
    near = difflib.get_close_matches(str(location[-1]), names, n=1, cutoff=0.4)
    prefix = ".".join(str(part) for part in location[:-1])
    if near:
        return f"`{where}` is not a key; did you mean `{prefix + '.' if prefix else ''}{near[0]}`?"
    return f"`{where}` is not a key; known here: {', '.join(names) or 'none'}"
