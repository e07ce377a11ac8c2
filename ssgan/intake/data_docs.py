"""Great Expectations' own pages about a batch, for those who ask for them: our page needs no network, these do.

Import this module late: Great Expectations takes seven seconds and more to load.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import great_expectations as gx
import pyarrow as pa

from ssgan.contract import KEEPABLE, Contract
from ssgan.errors import DataError
from ssgan.intake.batch import Batch, feature_cells, label_cells, wanted_columns
from ssgan.intake.cells import Cells, as_text, column_of
from ssgan.intake.expectations import own_suites
from ssgan.intake.suite import columns_suite, renamed, row_suite, told_apart
from ssgan.progress import say

ROWS = 500_000  # of a batch that the pages are about, from its start; they are for the eye
WARNING = (
    "Data Docs load scripts, styles, fonts and pictures from servers of others, which see whoever opens a page; "
    "the page in data/batches needs none of that"
)


def write_data_docs(batch: Batch, contract: Contract, folder: Path, own: Path | None = None) -> Path:
    """Writes a site about the rows of a batch as they arrived, and says what its pages load.

    Args:
        batch: Judged or not; at most its first `ROWS` rows are shown.
        contract: Whose suite they are held against.
        folder: New or empty.
        own: Folder of the user's own suites, each a page of its own.

    Returns:
        The page to open.

    Raises:
        DataError: if the folder is in use, or the batch lacks a column.
        ContractError: if one of the user's own suites is none.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already and not empty; name a new folder for the Data Docs")
    absent = [name for name in wanted_columns(contract) if name not in batch.source.columns]
    if absent:
        raise DataError(f"{batch.source.path.name} has no column `{absent[0]}`; Data Docs need every one")
    suites = {"contract": [*columns_suite(contract), *row_suite(contract)]}
    for expectation in own_suites(own) if own is not None and own.is_dir() else ():
        suites.setdefault(f"own {expectation.meta['suite']}", []).append(expectation)
    _run(suites, _as_it_arrived(batch, contract), batch.name, folder)
    say(f"{folder / 'index.html'}: {WARNING}")
    return folder / "index.html"


def _as_it_arrived(batch: Batch, contract: Contract) -> pa.Table:
    """The first rows with their broken values: numbers wherever a cell reads as one, words as they stand."""
    lenient = contract.model_copy(update={"severity": {**contract.severity, **dict.fromkeys(KEEPABLE, "info")}})
    tables, rows = [], 0
    for part in batch.source.parts():
        table = part.slice(0, ROWS - rows)
        rows += table.num_rows
        cells = {name: _cells(table, name, lenient) for name in wanted_columns(contract)}
        tables.append(pa.table({name: each.values for name, each in cells.items()}))
        if rows >= ROWS:
            break
    return pa.concat_tables(tables)


def _cells(table: pa.Table, name: str, contract: Contract) -> Cells:
    column, rule = column_of(table, name), contract.features.get(name)
    if name == contract.label.column and not contract.classes:
        return label_cells(table, contract)
    if rule is not None and rule.type == "number":
        return feature_cells(table, name, contract)
    image = pa.types.is_binary(column.type)
    return Cells(pa.array(["image"] * len(column)) if image else _words(column, contract), ())


def _words(column: pa.Array, contract: Contract) -> pa.Array:
    nothing = {*contract.missing, *contract.label.unlabelled}
    return pa.array([None if word in nothing else word for word in as_text(column).to_pylist()], pa.string())


def _run(suites: dict[str, list[Any]], rows: pa.Table, name: str, folder: Path) -> None:
    """Runs each suite in a context of its own, whose one site is the folder."""
    called = told_apart(rows.column_names)
    frame = rows.to_pandas().rename(columns=called)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for site in context.get_site_names():
        context.delete_data_docs_site(site)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder.resolve())}
    site = {"class_name": "SiteBuilder", "store_backend": store, "show_how_to_buttons": False}
    site["site_index_builder"] = {"class_name": "DefaultSiteIndexBuilder"}
    context.add_data_docs_site(site_name="ssgan", site_config=site)
    asset = context.data_sources.add_pandas("batch").add_dataframe_asset(name)
    whole = asset.add_batch_definition_whole_dataframe("rows")
    runs = []
    for title, expectations in suites.items():
        suite = context.suites.add(gx.ExpectationSuite(title, expectations=[renamed(e, called) for e in expectations]))
        definition = gx.ValidationDefinition(name=title, data=whole, suite=suite)
        runs.append(context.validation_definitions.add(definition))
    checkpoint = gx.Checkpoint(name="batch", validation_definitions=runs, actions=[], result_format="SUMMARY")
    context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    context.build_data_docs()
