"""The one door to Great Expectations: how it judges a batch by the suite that the contract amounts to.

Import this module late: Great Expectations takes seven seconds and more to load.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import numpy as np
import pandas as pd
from great_expectations.execution_engine import pandas_execution_engine

from ssgan.contract import Contract, Severity
from ssgan.errors import ContractError, ToolError
from ssgan.intake.facts import Fact
from ssgan.intake.keys import Keys
from ssgan.intake.suite import HOLDS, OF_ROWS, OF_RULE, columns_suite, renamed, row_suite, told_apart
from ssgan.records import ColumnDrift, RuleResult

COLUMNS = 200  # judged at once: Great Expectations copies the whole frame for every one of them
UNIQUE_ROWS = 2_000_000  # keys that are judged at once; equal ones are in the same share, whatever the shares


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
    shares = -(-max(len(keys), 1) // UNIQUE_ROWS)
    chosen = (keys[keys % np.uint64(shares) == share] for share in range(shares)) if shares > 1 else [keys]
    results = [_validate(pd.DataFrame({column: some}), [unique], "BOOLEAN_ONLY")[0] for some in chosen]
    return together([[_row_rule(result) for result in results]])[0]


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
        OF_RULE[fact.rule](column=str(place), min_value=fact.low, max_value=fact.high, meta={"place": place})
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
    """Whether each column lies within its limits: those with the same limit are rows of one judgement."""
    alike: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for place, each in enumerate(drift):
        for rule, value, limit in ((each.statistic, each.distance, each.limit), ("psi", each.psi, each.psi_limit)):
            if value is not None and limit is not None:
                alike.setdefault((rule, limit), []).append((place, value))
    frame = pd.DataFrame({str(place): pd.Series([v for _, v in some]) for place, some in enumerate(alike.values())})
    suite = [
        OF_ROWS[rule](column=str(place), max_value=limit, meta={"places": [column for column, _ in some]})
        for place, ((rule, limit), some) in enumerate(alike.items())
    ]
    beyond = {
        _meta(result)["places"][row]
        for result in _validate(frame, suite, "COMPLETE")
        for row in result.result.get("unexpected_index_list") or ()
    }
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
    """What Great Expectations says, one result per expectation, in their order.

    Raises:
        ToolError: if an expectation could not be judged at all; that is not the data's fault.
    """
    definition, options = _whole_frame(), {"result_format": form, "return_unexpected_index_query": False}
    found: list[Any] = [None] * len(expectations)
    called, asked = told_apart(list(frame.columns)), expectations
    if called:
        frame, asked = frame.rename(columns=called), [renamed(each, called) for each in expectations]
    for columns, places in _shares(frame, asked):
        batch = definition.get_batch({"dataframe": frame if columns is None else frame[columns]})
        suite = gx.ExpectationSuite("contract", expectations=[asked[place] for place in places])
        for place, result in zip(places, batch.validate(suite, result_format=options).results, strict=True):
            result.expectation_config = expectations[place].configuration  # under the names of the file
            _require_judged(result)
            found[place] = result
    return found


def _shares(frame: pd.DataFrame, expectations: Sequence[Any]) -> Iterator[tuple[list[str] | None, list[int]]]:
    """Columns and the places of the expectations about them; None: about the table, or all where columns are few."""
    if len(frame.columns) <= COLUMNS:
        if expectations:
            yield None, list(range(len(expectations)))
        return
    share_of = {name: at // COLUMNS for at, name in enumerate(frame.columns)}
    shares: dict[int | None, list[int]] = {}
    for place, expectation in enumerate(expectations):
        about = {share_of.get(name) for name in columns_of([expectation])}
        shares.setdefault(about.pop() if len(about) == 1 else None, []).append(place)
    for share, places in shares.items():
        yield None if share is None else list(frame.columns[share * COLUMNS : (share + 1) * COLUMNS]), places


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
        message = f"`{column}`: {HOLDS[rule]}" if column else HOLDS[rule]
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
