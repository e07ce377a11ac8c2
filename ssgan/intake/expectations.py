"""The one door to Great Expectations: the suite that a contract amounts to, and how it judged a batch.

Import this module late: Great Expectations takes seven seconds and more to load.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.expectations.expectation import BatchExpectation

from ssgan.contract import CategoryColumn, ClassLabel, Contract, NumberColumn, ValueLabel
from ssgan.errors import ToolError
from ssgan.intake.batch import wanted_columns
from ssgan.intake.drift import (
    NumberSummary,
    WordSummary,
    ks_chance,
    ks_distance,
    total_variation,
    total_variation_chance,
)
from ssgan.intake.reference import Reference
from ssgan.records import ColumnDrift, RuleResult

_FINITE = sys.float_info.max  # as a bound it still refuses infinity
_COUNTS = "column.value_counts"


class _CountsExpectation(BatchExpectation):  # type: ignore[misc, unused-ignore]
    """An expectation about one column that is judged by how often each of its values occurs."""

    column: str
    metric_dependencies: ClassVar[tuple[str, ...]] = (_COUNTS,)
    domain_keys: ClassVar[tuple[str, ...]] = ("batch_id", "table", "column")


class ExpectLabelledRows(_CountsExpectation):
    """At least so many labelled rows in the accepted data and the batch together."""

    already: int
    at_least: int
    success_keys: ClassVar[tuple[str, ...]] = ("already", "at_least")

    def _validate(self, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        labelled = self.already + int(metrics[_COUNTS].sum())
        return {"success": labelled >= self.at_least, "result": {"observed_value": labelled}}


class ExpectLabelsOfClass(_CountsExpectation):
    """At least so many labelled rows of one class in the accepted data and the batch together."""

    name: str
    already: int
    at_least: int
    success_keys: ClassVar[tuple[str, ...]] = ("name", "already", "at_least")

    def _validate(self, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        labelled = self.already + int(metrics[_COUNTS].get(self.name, 0))
        return {"success": labelled >= self.at_least, "result": {"observed_value": labelled}}


class ExpectNumbersLikeAccepted(_CountsExpectation):
    """The Kolmogorov-Smirnov distance to the accepted data is within the limit, or within what chance allows."""

    points: list[float]
    cumulative: list[float]
    rows: int
    limit: float
    success_keys: ClassVar[tuple[str, ...]] = ("points", "cumulative", "rows", "limit")

    def _validate(self, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        counts = metrics[_COUNTS].sort_index()
        if counts.empty:
            return _distance("ks", 0.0, self.limit)
        summary = NumberSummary(tuple(self.points), tuple(self.cumulative), self.rows)
        distance = ks_distance(summary, counts.index.to_numpy(np.float64), counts.to_numpy(np.int64))
        return _distance("ks", distance, max(self.limit, ks_chance(int(counts.sum()), self.rows)))


class ExpectWordsLikeAccepted(_CountsExpectation):
    """The total variation distance to the accepted data is within the limit, or within what chance allows."""

    shares: dict[str, float]
    rows: int
    limit: float
    success_keys: ClassVar[tuple[str, ...]] = ("shares", "rows", "limit")

    def _validate(self, metrics: dict[str, Any], **_: Any) -> dict[str, Any]:
        counts = {str(word): int(count) for word, count in metrics[_COUNTS].items()}
        if not counts:
            return _distance("total_variation", 0.0, self.limit)
        summary = WordSummary(dict(self.shares), self.rows)
        limit = max(self.limit, total_variation_chance(summary, counts))
        return _distance("total_variation", total_variation(summary, counts), limit)


def _distance(statistic: str, distance: float, limit: float) -> dict[str, Any]:
    details = {"statistic": statistic, "limit": min(limit, 1.0)}
    return {"success": distance <= limit, "result": {"observed_value": distance, "details": details}}


@dataclass(frozen=True)
class Judgement:
    """What Great Expectations says about a batch."""

    rules: tuple[RuleResult, ...]
    drift: tuple[ColumnDrift, ...]
    unexpected: dict[tuple[str, str], list[int]]  # (rule, column) -> positions of rows, where they were asked for


def columns_suite(contract: Contract, aspects: Sequence[str] = ()) -> list[Any]:
    """The one expectation that a table with wrong columns can be held against."""
    wanted = [*wanted_columns(contract), *aspects]
    meta = {"rule": "columns", "limit": f"{len(wanted)} columns"}
    return [gxe.ExpectTableColumnsToMatchSet(column_set=wanted, exact_match=True, meta=meta)]


def row_suite(contract: Contract) -> list[Any]:
    """What must hold in every row."""
    suite: list[Any] = []
    if contract.id is not None:
        unique = gxe.ExpectColumnValuesToBeUnique(column=contract.id, meta={"rule": "unique id", "limit": 0})
        suite += [_not_null(contract.id), unique]
    if contract.group is not None:
        suite.append(_not_null(contract.group))
    for name, column in contract.features.items():
        if not column.nullable:
            suite.append(_not_null(name))
        if isinstance(column, NumberColumn):
            suite.append(_range(name, column))
        elif isinstance(column, CategoryColumn):
            suite.append(_known(name, column.values))
    label = contract.label
    suite.append(_known(label.column, label.classes) if isinstance(label, ClassLabel) else _range(label.column, label))
    return suite


def batch_suite(contract: Contract, reference: Reference, aspects: Sequence[str] = ()) -> list[Any]:
    """What must hold of the batch as a whole: columns, label counts, and distributions like the accepted ones.

    Args:
        contract: What to judge by.
        reference: The accepted data.
        aspects: Columns of the frame that the file does not have: what drift of images is measured on.
    """
    column, rules = contract.label.column, contract.rules
    suite = columns_suite(contract, aspects)
    suite.append(
        ExpectLabelledRows(
            column=column,
            already=sum(reference.labelled.values()),
            at_least=rules.labelled_at_least,
            meta={"rule": "labelled rows", "limit": rules.labelled_at_least},
        )
    )
    suite += [
        ExpectLabelsOfClass(
            column=column,
            name=name,
            already=reference.labelled.get(name, 0),
            at_least=rules.labelled_per_class_at_least,
            meta={"rule": "labels per class", "limit": rules.labelled_per_class_at_least, "class": name},
        )
        for name in contract.classes
    ]
    return suite + _drift_suite(reference, rules.drift_distance_at_most)


def _drift_suite(reference: Reference, limit: float) -> list[Any]:
    suite: list[Any] = []
    for name, summary in reference.columns.items():
        common = {"column": name, "rows": summary.rows, "limit": limit, "meta": {"rule": "drift"}}
        if isinstance(summary, NumberSummary):
            points, cumulative = list(summary.points), list(summary.cumulative)
            suite.append(ExpectNumbersLikeAccepted(points=points, cumulative=cumulative, **common))
        else:
            suite.append(ExpectWordsLikeAccepted(shares=summary.shares, **common))
    return suite


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


def judge(frame: pd.DataFrame, expectations: Sequence[Any], *, rows: bool = False) -> Judgement:
    """Holds a frame with a plain index against expectations.

    Args:
        frame: The batch.
        expectations: From the functions above.
        rows: Whether to ask for the position of every unexpected row as well.

    Raises:
        ToolError: if an expectation could not be judged at all; that is not the data's fault.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # the only switch that silences them
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("batch")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch({"dataframe": frame})
    form = {"result_format": "COMPLETE" if rows else "SUMMARY", "return_unexpected_index_query": False}
    suite = gx.ExpectationSuite("contract", expectations=list(expectations))
    results = batch.validate(suite, result_format=form).results
    for result in results:
        _require_judged(result)
    return Judgement(
        rules=tuple(_rule(result) for result in results if _meta(result)["rule"] != "drift"),
        drift=tuple(_drift(result) for result in results if _meta(result)["rule"] == "drift"),
        unexpected={
            (_meta(result)["rule"], _column(result) or ""): sorted(map(int, found))
            for result in results
            if (found := result.result.get("unexpected_index_list"))
        },
    )


def _require_judged(result: Any) -> None:
    """An exception inside an expectation looks like failed data: one flat record, or one for each metric."""
    info: Mapping[str, Any] = result.exception_info or {}
    for each in [info] if "raised_exception" in info else info.values():
        if each["raised_exception"]:
            kind = result.expectation_config.type
            raise ToolError(f"Great Expectations could not judge {kind}: {each['exception_message']}")


def _rule(result: Any) -> RuleResult:
    meta = _meta(result)
    value = result.result.get("observed_value", result.result.get("unexpected_count"))
    if isinstance(value, list):
        value = f"{len(value)} columns"
    passed = bool(result.success)
    return RuleResult(
        rule=meta["rule"],
        column=_column(result),
        value=value,
        limit=meta.get("limit"),
        passed=passed,
        message=_message(meta, _column(result), value, passed),
    )


def _message(meta: Mapping[str, Any], column: str | None, value: object, passed: bool) -> str:
    match meta["rule"]:
        case "labelled rows":
            return f"{value} labelled rows with the accepted data, of at least {meta['limit']}"
        case "labels per class":
            return f"class `{meta['class']}`: {value} labelled rows with the accepted data, of at least {meta['limit']}"
        case rule if passed:
            return f"`{column}`: {rule} holds" if column else f"{rule} hold"
        case rule:
            return f"`{column}`: {rule} is broken in {value} rows" if column else f"{rule} differ"


def _drift(result: Any) -> ColumnDrift:
    details = result.result["details"]
    return ColumnDrift(
        column=_column(result) or "",
        statistic=details["statistic"],
        distance=round(float(result.result["observed_value"]), 6),
        limit=round(float(details["limit"]), 6),
        drifted=not result.success,
    )


def _meta(result: Any) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = result.expectation_config.meta
    return meta


def _column(result: Any) -> str | None:
    column: str | None = result.expectation_config.kwargs.get("column")
    return column
