"""The one door to Great Expectations: the suite that a contract amounts to, and how it judged a batch.

Import this module late: Great Expectations takes seven seconds and more to load.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.execution_engine import pandas_execution_engine

from ssgan.contract import CategoryColumn, ClassLabel, Contract, NumberColumn, Severity, ValueLabel
from ssgan.errors import ContractError, ToolError
from ssgan.intake.batch import kept_rules, wanted_columns
from ssgan.intake.facts import Fact
from ssgan.intake.keys import Keys
from ssgan.records import ColumnDrift, RuleResult

_FINITE = sys.float_info.max  # as a bound it still refuses infinity


class _Measured(gxe.ExpectColumnMaxToBeBetween):  # type: ignore[misc, unused-ignore]
    """A number that was measured on all parts of a batch lies between its bounds: the one value of a column."""


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


class ExpectKsDistance(_Measured):
    """Numbers are distributed as in the accepted data, by Kolmogorov's and Smirnov's distance."""


class ExpectTotalVariation(_Measured):
    """Words are distributed as in the accepted data, by total variation."""


class ExpectPsi(_Measured):
    """Numbers or words are distributed as in the accepted data, by the population stability index."""


class ExpectFewDriftedColumns(_Measured):
    """The share of columns that drifted is small."""


_HOLDS = {
    "missing": "no value is missing",
    "range": "every value lies in the range",
    "known values": "every value is one of the contract's",
    "unique id": "every name is there once",
    "columns": "the columns are those of the contract",
}
_OF_RULE: dict[str, type[_Measured]] = {
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


def judge_columns(names: Sequence[str], contract: Contract) -> RuleResult:
    """Whether a table has the columns that the contract wants, and no other."""
    (result,) = _validate(pd.DataFrame(columns=list(names)), columns_suite(contract), "SUMMARY")
    return _row_rule(result)


def judge_rows(frame: pd.DataFrame, contract: Contract) -> tuple[RuleResult, ...]:
    """Whether rows that were found good, under the names of the file and with a plain index, really are."""
    return tuple(_row_rule(result) for result in _validate(frame, row_suite(contract), "BOOLEAN_ONLY"))


def broken_rows(frame: pd.DataFrame, contract: Contract) -> dict[tuple[str, str], list[int]]:
    """(rule, column) -> positions of the rows that break it."""
    results = _validate(frame, row_suite(contract), "COMPLETE")
    return {
        (_meta(result)["rule"], _column(result) or ""): sorted(map(int, found))
        for result in results
        if (found := result.result.get("unexpected_index_list"))
    }


def judge_unique(keys: Keys, column: str) -> RuleResult:
    """Whether every row that is accepted has a name of its own."""
    unique = gxe.ExpectColumnValuesToBeUnique(column=column, meta={"rule": "unique id", "limit": 0})
    (result,) = _validate(pd.DataFrame({column: keys}), [unique], "BOOLEAN_ONLY")
    return _row_rule(result)


def together(parts: Iterable[Sequence[RuleResult]]) -> tuple[RuleResult, ...]:
    """The results of all parts of a batch: a rule holds if it holds in every part."""
    found: dict[tuple[str, str | None], RuleResult] = {}
    for rule in (rule for part in parts for rule in part):
        place = (rule.rule, rule.column)
        if place not in found or not rule.passed:
            found[place] = rule
    return tuple(found.values())


def judge_facts(facts: Sequence[Fact], contract: Contract) -> tuple[RuleResult, ...]:
    """Whether each measured number lies between its bounds."""
    frame = pd.DataFrame({str(place): [float(fact.value)] for place, fact in enumerate(facts)})
    suite = [
        _OF_RULE[fact.rule](column=str(place), min_value=fact.low, max_value=fact.high, meta={"place": place})
        for place, fact in enumerate(facts)
    ]
    passed = {_meta(result)["place"]: bool(result.success) for result in _validate(frame, suite, "SUMMARY")}
    return tuple(
        RuleResult(
            rule=fact.rule,
            column=fact.column,
            value=fact.value,
            limit=fact.high if fact.low is None else fact.low if fact.high is None else f"{fact.low:g}..{fact.high:g}",
            severity=contract.severity_of(fact.rule) if fact.rule != "good rows" else "critical",
            passed=passed[place],
            message=fact.message,
        )
        for place, fact in enumerate(facts)
    )


def judge_drift(drift: Sequence[ColumnDrift]) -> tuple[ColumnDrift, ...]:
    """Whether each column lies within its limits."""
    values: list[float] = []
    suite: list[Any] = []
    for place, each in enumerate(drift):
        for rule, value, limit in ((each.statistic, each.distance, each.limit), ("psi", each.psi, each.psi_limit)):
            if value is not None and limit is not None:
                column = str(len(values))
                suite.append(_OF_RULE[rule](column=column, max_value=limit, meta={"place": place}))
                values.append(value)
    frame = pd.DataFrame({str(place): [value] for place, value in enumerate(values)})
    beyond = {_meta(result)["place"] for result in _validate(frame, suite, "SUMMARY") if not result.success}
    return tuple(each.model_copy(update={"drifted": place in beyond}) for place, each in enumerate(drift))


def own_suites(folder: Path) -> list[Any]:
    """The user's own expectations, from every JSON file of a folder.

    Raises:
        ContractError: naming the file that is no suite.
    """
    found: list[Any] = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            suite = gx.ExpectationSuite(**content)
        except Exception as error:  # the suite's own checks raise whatever their parts raise
            said = " ".join(str(error).split())[:200]
            raise ContractError(
                f"{folder.name}/{path.name} is no suite of Great Expectations: {said}; write it with "
                "`ExpectationSuite.to_json_dict`"
            ) from None
        for expectation in suite.expectations:
            expectation.meta = {**(expectation.meta or {}), "suite": path.stem}
            found.append(expectation)
    return found


def columns_of(suite: Sequence[Any]) -> set[str]:
    """The columns that expectations speak of."""
    found: set[str] = set()
    for expectation in suite:
        for name, value in expectation.configuration.kwargs.items():
            if name.startswith("column"):
                found |= {value} if isinstance(value, str) else {each for each in value or () if isinstance(each, str)}
    return found


def judge_own(frame: pd.DataFrame, suite: Sequence[Any]) -> tuple[RuleResult, ...]:
    """The user's expectations, held against the rows that would be accepted."""
    return tuple(_own_rule(result) for result in _validate(frame, suite, "SUMMARY"))


def _own_rule(result: Any) -> RuleResult:
    config = result.expectation_config
    name, column = f"own: {_meta(result)['suite']}", _column(result)
    severity: Severity = getattr(config.severity, "value", config.severity) or "critical"
    value = result.result.get("observed_value", result.result.get("unexpected_count"))
    value = value if isinstance(value, int | float | str) else None if value is None else str(value)[:200]
    said = f"{config.type}{f' of `{column}`' if column else ''}"
    message = f"{said} holds" if result.success else f"{said} does not hold ({value})"
    return RuleResult(
        rule=name, column=column, value=value, severity=severity, passed=bool(result.success), message=message
    )


def _validate(frame: pd.DataFrame, expectations: Sequence[Any], form: str) -> list[Any]:
    """What Great Expectations says, one result per expectation.

    Raises:
        ToolError: if an expectation could not be judged at all; that is not the data's fault.
    """
    if not expectations:
        return []
    batch = _whole_frame().get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("contract", expectations=list(expectations))
    options = {"result_format": form, "return_unexpected_index_query": False}
    results: list[Any] = batch.validate(suite, result_format=options).results
    for result in results:
        _require_judged(result)
    return results


@functools.cache
def _whole_frame() -> Any:
    """The one definition of a batch in the one context of this process; nothing of it is written to the project."""
    pandas_execution_engine.HASH_THRESHOLD = 0  # no fingerprint of every frame, which nobody asks for
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # the only switch that silences them
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole")


def _require_judged(result: Any) -> None:
    """An exception inside an expectation looks like failed data: one flat record, or one for each metric."""
    info: Mapping[str, Any] = result.exception_info or {}
    for each in [info] if "raised_exception" in info else info.values():
        if each["raised_exception"]:
            kind, suite = result.expectation_config.type, _meta(result).get("suite")
            if suite is not None:
                raise ContractError(
                    f"data/expectations/{suite}.json: {kind} cannot be judged: {each['exception_message']}"
                )
            raise ToolError(f"Great Expectations could not judge {kind}: {each['exception_message']}")


def _row_rule(result: Any) -> RuleResult:
    meta, column, passed = _meta(result), _column(result), bool(result.success)
    value = result.result.get("observed_value", result.result.get("unexpected_count"))
    value = f"{len(value)} columns" if isinstance(value, list) else value
    rule = meta["rule"]
    if passed:
        message = f"`{column}`: {_HOLDS[rule]}" if column else _HOLDS[rule]
    else:
        message = f"`{column}`: {rule} is broken in rows that were found good" if column else f"{rule} differ"
    value = value.item() if isinstance(value, np.generic) else value
    return RuleResult(rule=rule, column=column, value=value, limit=meta["limit"], passed=passed, message=message)


def _meta(result: Any) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = result.expectation_config.meta
    return meta


def _column(result: Any) -> str | None:
    column: str | None = result.expectation_config.kwargs.get("column")
    return column
