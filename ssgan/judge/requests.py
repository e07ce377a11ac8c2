"""Requests for labels as files that people can fill in, and the way back.

A CSV has the row as it was accepted, an empty label, and why it is asked; filled in, it is a batch. For images it is
a folder with the pictures and `index.csv`. Label Studio gets tasks and their form; what it exports becomes a batch.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ssgan.contract import GROUP, REQUEST, ROW_ID, Contract, read_contract
from ssgan.errors import DataError, UserError
from ssgan.learn.prepare import read_accepted
from ssgan.project import Project

Format = Literal["csv", "label-studio"]
INDEX = "index.csv"  # as intake wants it, with the picture's name in the column `file`
TASK = {"data", "predictions"}  # of a task that nobody has answered


@dataclass(frozen=True)
class Request:
    """A row to be labelled, and why."""

    id: str
    uncertainty: float  # 0..1: share of the pool that the model is surer about
    diversity: float  # distance from the nearest labelled or asked row; 1 is usual
    real: float  # P(real)
    reason: str
    answer: str | float  # what the model says
    sure: float  # 0..1
    model: str  # digest


def write_requests(project: Project, contract: Contract, asked: Sequence[Request], out: Path, form: Format) -> None:
    """Writes the rows that the requests name, in their order.

    Raises:
        UserError: if the name does not fit the format, the place cannot be written or holds what a person may have
            filled in, or the encoding lacks a letter.
    """
    _check_name(out, contract, form)
    rows = _rows(project, contract, [each.id for each in asked])
    with _writing(out):
        if form == "label-studio":
            tasks = [_task(contract, row, each) for row, each in zip(_records(rows), asked, strict=True)]
            content = json.dumps(tasks, indent=1, ensure_ascii=False) + "\n"
            _check_free(out, content.encode(), _holds_bare_tasks)
            out.write_text(content, encoding="utf-8")
            out.with_suffix(".xml").write_text(label_form(contract), encoding="utf-8")
            return
        rows[contract.label.column] = None
        scores = pd.DataFrame([(each.uncertainty, each.diversity, each.real, each.reason) for each in asked])
        rows[list(REQUEST)] = scores.round(4).to_numpy(object)
        _write(rows, contract, out)


def write_answers(project: Project, export: Path, out: Path) -> int:
    """Turns what Label Studio exported (JSON) into a batch of late labels; returns its rows.

    Raises:
        DataError: if it is no such export, has no answer, or names rows that were never accepted.
        UserError: if the name does not fit, the place cannot be written or holds other labels, or the encoding lacks a
            letter.
    """
    contract = read_contract(project.contract)
    _check_name(out, contract, "csv")
    try:
        tasks = json.loads(export.read_text(encoding="utf-8"))
        answers = {str(task["data"]["id"]): answer for task in tasks for answer in _answers(task)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{export} is no JSON export of Label Studio: {error!r}; export the project as JSON") from None
    if not answers:
        raise DataError(f"{export.name} has {len(tasks)} tasks and no answer; label some first")
    rows = _rows(project, contract, list(answers))
    rows[contract.label.column] = list(answers.values())
    with _writing(out):
        _write(rows, contract, out)
    return len(rows)


def _answers(task: Mapping[str, Any]) -> Iterator[str | float]:
    """The newest answer to a task, if there is one."""
    done = [each for each in task["annotations"] if not each.get("was_cancelled") and each["result"]]
    for annotation in done[-1:]:
        value = annotation["result"][0]["value"]
        yield value["choices"][0] if "choices" in value else float(value["number"])


def label_form(contract: Contract) -> str:
    """The form that a Label Studio project needs for these tasks."""
    name = escape(contract.label.column)
    if contract.classes:
        choices = "".join(f'\n    <Choice value="{escape(each)}"/>' for each in contract.classes)
        asked = f'<Choices name="label" toName="row" choice="single" required="true">{choices}\n  </Choices>'
    else:
        asked = '<Number name="label" toName="row" required="true"/>'
    shown = '<Image name="row" value="$image"/>' if contract.image else '<Table name="row" value="$row"/>'
    reason = '<Text name="reason" value="$reason"/>'
    return f'<View>\n  {shown}\n  {reason}\n  <Header value="{name}"/>\n  {asked}\n</View>\n'


def _task(contract: Contract, row: Mapping[str, Any], asked: Request) -> dict[str, Any]:
    """A task with the model's answer filled in as a suggestion; a smaller `score` is asked first."""
    shown = {name: cell for name, cell in row.items() if not isinstance(cell, bytes)}
    data: dict[str, Any] = {"id": asked.id, "row": shown, "reason": asked.reason}
    data |= {"uncertainty": round(asked.uncertainty, 4), "diversity": round(asked.diversity, 4)}
    data |= {"real": round(asked.real, 4)}
    if contract.image:
        (name,) = contract.features
        data["image"] = "data:image/png;base64," + base64.b64encode(row[name]).decode()
    kind, value = ("choices", {"choices": [asked.answer]}) if contract.classes else ("number", {"number": asked.answer})
    result = {"from_name": "label", "to_name": "row", "type": kind, "value": value}
    suggestion = {"model_version": asked.model[:12], "score": round(asked.sure, 4), "result": [result]}
    return {"data": data, "predictions": [suggestion]}


def _rows(project: Project, contract: Contract, ids: Sequence[str]) -> pd.DataFrame:
    """Accepted rows as a file has them: the id and group columns under the contract's names, then the features."""
    frame = read_accepted(project, contract).drop_duplicates(ROW_ID).set_index(ROW_ID, drop=False)
    absent = next((each for each in ids if each not in frame.index), None)
    if absent is not None:
        raise DataError(f"row {absent!r} is not among the accepted rows; ask again with `ssgan labels`")
    chosen = frame.loc[list(ids)].reset_index(drop=True)
    named = {name: chosen[column] for name, column in ((contract.id, ROW_ID), (contract.group, GROUP)) if name}
    return pd.DataFrame({**named, **{name: chosen[name] for name in contract.features}})


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """As JSON has them: None for what is missing."""
    return [
        dict(zip(rows.columns, each, strict=True)) for each in rows.astype(object).where(rows.notna(), None).to_numpy()
    ]


def _check_name(out: Path, contract: Contract, form: Format) -> None:
    if form == "label-studio":
        wanted, right = "a file that ends in .json", out.suffix == ".json"
    elif contract.image:
        wanted, right = "a folder, for the rows are images", out.suffix == ""
    else:
        wanted, right = "a file that ends in .csv", out.suffix == ".csv"
    if not right:
        raise UserError(f"-o must name {wanted}; it is {out}")


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or error}); name another place") from None


def _write(rows: pd.DataFrame, contract: Contract, out: Path) -> None:
    """CSV as the contract declares it, numbers with every digit; images beside it in a folder."""
    pictures: dict[str, bytes] = {}
    if contract.image:
        (image,) = contract.features
        pictures = {f"{place:04}.png": cell for place, cell in enumerate(rows[image])}
        rows, out = rows.drop(columns=image), out / INDEX
        rows.insert(0, "file", list(pictures))
    content, columns = _encoded(rows, contract), list(rows.columns)
    _check_free(out, content, lambda path: _is_unfilled(path, columns, contract))
    out.parent.mkdir(parents=True, exist_ok=True)
    for name, cell in pictures.items():
        (out.parent / name).write_bytes(cell)
    out.write_bytes(content)


def _check_free(out: Path, content: bytes, unfilled: Callable[[Path], bool]) -> None:
    """Labels are the dearest thing here, and a request that was filled in may lie under its own name."""
    if not out.exists() or out.read_bytes() == content or unfilled(out):
        return
    raise UserError(
        f"{out} is there already, and has labels filled in or is no request of `ssgan labels`, so it is left as it is; "
        "take its labels in with `ssgan ingest` and move it away, or name another place"
    )


def _is_unfilled(path: Path, columns: Sequence[str], contract: Contract) -> bool:
    """Whether a CSV is a request with these columns and without a label."""
    text = contract.files
    try:
        found = pd.read_csv(path, sep=text.delimiter, encoding=text.encoding, dtype=str, keep_default_na=False)
    except ValueError:  # no CSV, or of another encoding
        return False
    return list(found.columns) == columns and bool(found[contract.label.column].isin(["", _nothing(contract)]).all())


def _holds_bare_tasks(path: Path) -> bool:
    """Whether a JSON file has tasks as they are written here, and not, say, an export with its annotations."""
    try:
        tasks = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(tasks, list) and all(isinstance(each, dict) and set(each) == TASK for each in tasks)


def _nothing(contract: Contract) -> str:
    """What stands in the file for a missing cell."""
    return "" if "" in contract.missing or not contract.missing else contract.missing[0]


def _encoded(rows: pd.DataFrame, contract: Contract) -> bytes:
    """The CSV as a whole, so that nothing is written of one that the contract's encoding cannot hold."""
    text = contract.files
    content = rows.to_csv(index=False, sep=text.delimiter, decimal=text.decimal, na_rep=_nothing(contract))
    try:
        return content.encode(text.encoding)
    except UnicodeEncodeError as error:
        raise UserError(
            f"the rows hold {error.object[error.start]!r}, which files.encoding {text.encoding} cannot write; "
            "set `encoding: utf-8` under `files` in data/contract.yaml, and save later batches as UTF-8"
        ) from None
