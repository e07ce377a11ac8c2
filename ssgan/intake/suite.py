"""The suite that a contract amounts to: Great Expectations' own expectations, and ours where it has none.

Import this module late: Great Expectations takes seven seconds and more to load.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import great_expectations.expectations as gxe

from ssgan.contract import CategoryColumn, ClassLabel, Contract, NumberColumn, ValueLabel
from ssgan.intake.batch import kept_rules, wanted_columns

_FINITE = sys.float_info.max  # as a bound it still refuses infinity


class _Measured(gxe.ExpectColumnMaxToBeBetween):  # type: ignore[misc, unused-ignore]
    """A number that was measured on all parts of a batch lies between its bounds: the one value of a column."""


class _EachMeasured(gxe.ExpectColumnValuesToBeBetween):  # type: ignore[misc, unused-ignore]
    """As `_Measured`, of several numbers with the same bounds: the rows of a column."""


class ExpectLabelledRows(_Measured):
    """At least so many labelled rows."""


class ExpectLabelsPerClass(_Measured):
    """At least so many labelled rows of one class."""


class ExpectLabelsPerBand(_Measured):
    """At least so many labelled rows with a value in one band."""


class ExpectLabelledShare(_Measured):
    """The share of labelled rows lies between two limits."""


class ExpectLabelledShareLikeAccepted(_Measured):
    """The share of labelled rows is near that of the accepted data."""


class ExpectLabelsLikeAccepted(_Measured):
    """The labels are distributed as in the accepted data."""


class ExpectNoNewClass(_Measured):
    """Few rows share one label that is no class."""


class ExpectFewNearDuplicates(_Measured):
    """Few labelled rows equal an unlabelled one to three digits."""


class ExpectRowsLikeAccepted(_Measured):
    """A classifier cannot tell the rows from accepted ones."""


class ExpectFewRefusedRows(_Measured):
    """The number or the share of bad rows is small."""


class ExpectGoodRows(_Measured):
    """There is a row without a fault."""


class ExpectKsDistance(_EachMeasured):
    """Numbers are distributed as in the accepted data, by Kolmogorov's and Smirnov's distance."""


class ExpectTotalVariation(_EachMeasured):
    """Words are distributed as in the accepted data, by total variation."""


class ExpectPsi(_EachMeasured):
    """Numbers or words are distributed as in the accepted data, by the population stability index."""


class ExpectFewDriftedColumns(_Measured):
    """The share of columns that drifted is small."""


HOLDS = {
    "missing": "no value is missing",
    "range": "every value lies in the range",
    "known values": "every value is one of the contract's",
    "unique id": "every name is there once",
    "columns": "the columns are those of the contract",
}
OF_RULE: dict[str, type[_Measured]] = {
    "labelled rows": ExpectLabelledRows,
    "labels per class": ExpectLabelsPerClass,
    "labels per band": ExpectLabelsPerBand,
    "labelled share": ExpectLabelledShare,
    "labelled share drift": ExpectLabelledShareLikeAccepted,
    "label drift": ExpectLabelsLikeAccepted,
    "new class": ExpectNoNewClass,
    "near duplicates": ExpectFewNearDuplicates,
    "joint drift": ExpectRowsLikeAccepted,
    "refused share": ExpectFewRefusedRows,
    "refused rows": ExpectFewRefusedRows,
    "good rows": ExpectGoodRows,
    "drifted columns": ExpectFewDriftedColumns,
}
OF_ROWS: dict[str, type[_EachMeasured]] = {
    "ks": ExpectKsDistance,
    "total_variation": ExpectTotalVariation,
    "psi": ExpectPsi,
}


def columns_suite(contract: Contract) -> list[Any]:
    """The one expectation that a table with wrong columns can be held against."""
    wanted = wanted_columns(contract)
    meta = {"rule": "columns", "limit": f"{len(wanted)} columns"}
    return [gxe.ExpectTableColumnsToMatchSet(column_set=wanted, exact_match=True, meta=meta)]


def row_suite(contract: Contract) -> list[Any]:
    """What must hold in every accepted row."""
    kept = kept_rules(contract)
    suite = [_not_null(name) for name in (contract.id, contract.group) if name is not None]
    for name, column in contract.features.items():
        if not column.nullable:
            suite.append(_not_null(name))
        if isinstance(column, NumberColumn):
            suite += [_range(name, column)] if "outside range" not in kept else []
        elif isinstance(column, CategoryColumn):
            suite.append(_known(name, column.values))
    label = contract.label
    if isinstance(label, ClassLabel):
        return [*suite, _known(label.column, label.classes)]
    return suite if "label outside range" in kept else [*suite, _range(label.column, label)]


def _not_null(column: str) -> Any:
    return gxe.ExpectColumnValuesToNotBeNull(column=column, meta={"rule": "missing", "limit": 0})


def _range(name: str, column: NumberColumn | ValueLabel) -> Any:
    low = -_FINITE if column.min is None else column.min
    high = _FINITE if column.max is None else column.max
    said = f"{'' if column.min is None else f'{column.min:g}'}..{'' if column.max is None else f'{column.max:g}'}"
    meta = {"rule": "range", "limit": said}
    return gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high, meta=meta)


def _known(name: str, words: Sequence[str]) -> Any:
    meta = {"rule": "known values", "limit": ", ".join(words)[:200]}
    return gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(words), meta=meta)


def told_apart(names: Sequence[str]) -> dict[str, str]:
    """Names that Great Expectations would take for an earlier one, and what each is called there.

    It compares without regard to case and to quotes, and takes the first column that fits.
    """
    seen: set[str] = set()
    called: dict[str, str] = {}
    for name in names:
        if _folded(name) in seen:
            aliases = (f"{name} ({number})" for number in itertools.count(2))
            called[name] = next(alias for alias in aliases if _folded(alias) not in seen and alias not in names)
        seen.add(_folded(called.get(name, name)))
    return called


def _folded(name: str) -> str:
    return name.casefold().strip('"`[]')


def renamed(expectation: Any, called: Mapping[str, str]) -> Any:
    """An expectation about the same columns as `told_apart` calls them."""
    fields: dict[str, Any] = {}
    for field, value in expectation.configuration.kwargs.items():
        if field.startswith("column") and isinstance(value, str):
            fields[field] = called.get(value, value)
        elif field.startswith("column") and isinstance(value, list | tuple | set):
            fields[field] = type(value)(called.get(name, name) for name in value)
    return expectation.copy(update=fields)
