"""The page about a batch: whole, safe, and without a network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.intake.batch import read_batch
from ssgan.intake.data_docs import write_data_docs
from ssgan.intake.page import page
from ssgan.intake.reference import Reference, read_reference
from ssgan.intake.validate import validate
from ssgan.progress import listening

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "task": "classification",
        "id": "id",
        "label": {"column": "y", "classes": ["ill", "well"]},
        "columns": {
            "a<b>": {"type": "number", "min": -10, "max": 10},
            "c": {"type": "category", "values": ["u & v", "w"]},
        },
        "rules": {"labelled_at_least": 2, "labelled_per_class_at_least": 0},
    }
)


def frame(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    columns = {"a<b>": rng.normal(shift, 1, rows), "c": rng.choice(["u & v", "w"], rows)}
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], **columns, "y": ["ill", "well"] * (rows // 2)})


def written(tmp_path, table, reference):
    table.to_csv(tmp_path / "<script>alert(1)</script>.csv".replace("/", "_"), index=False)
    path = next(tmp_path.glob("<script>*"))
    judged = validate(read_batch(path, CONTRACT), CONTRACT, reference)
    path.unlink()
    return judged, "".join(page(judged.verdict, judged.tally))


class Tags(HTMLParser):
    """Which tags a page has, and every attribute."""

    def __init__(self):
        super().__init__()
        self.seen, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs


def test_the_page_says_what_was_decided_and_draws_every_column(tmp_path):
    first, _ = written(tmp_path, frame(100, 1), Reference())
    pq.write_table(first.accepted, tmp_path / "accepted.parquet")
    reference = read_reference([tmp_path / "accepted.parquet"], CONTRACT)
    shifted = frame(100, 2, shift=1.5).astype(object)
    shifted.loc[3, "a<b>"] = "<img src=x>"
    judged, text = written(tmp_path, shifted, reference)
    assert judged.verdict.decision == "reject"
    tags = Tags()
    tags.feed(text)
    assert tags.seen.count("svg") == tags.seen.count("figure") == 3  # two columns and the labels
    assert not {"script", "img", "link", "iframe"} & {*tags.seen}
    assert not [value for _, value in tags.attributes if value and re.search(r"https?:|//", value)]
    assert "url(" not in text
    assert "What keeps it out" in text
    assert "&lt;img src=x&gt;" in text
    assert "drifted" in text
    assert len(text) < 40_000


def test_data_docs_are_written_on_request_and_say_that_they_load_from_a_network(tmp_path):
    (tmp_path / "expectations").mkdir()
    suite = gx.ExpectationSuite("mine", [gx.expectations.ExpectTableRowCountToBeBetween(min_value=500)])
    (tmp_path / "expectations" / "mine.json").write_text(json.dumps(suite.to_json_dict()))
    rows = frame(100, 1).astype(object)
    rows.loc[3, "a<b>"], rows.loc[4, "c"] = 99.5, "strange"
    rows.to_csv(tmp_path / "batch.csv", index=False)
    heard = []
    with listening(lambda event: heard.append(event.text)):
        batch = read_batch(tmp_path / "batch.csv", CONTRACT)
        index = write_data_docs(batch, CONTRACT, tmp_path / "docs", tmp_path / "expectations")
    assert "load scripts, styles, fonts and pictures from servers of others" in heard[-1]
    pages = [path.read_text() for path in (tmp_path / "docs" / "validations").rglob("*.html")]
    assert index.is_file()
    assert len(pages) == 2
    assert any("99.5" in page and "strange" in page for page in pages)  # as they arrived
    with pytest.raises(DataError, match="not empty"):
        write_data_docs(batch, CONTRACT, tmp_path / "docs")


def test_data_docs_tell_columns_apart_whose_names_differ_only_in_case(tmp_path):
    columns = {"b": {"type": "number", "max": 900}, "B": {"type": "number", "max": 1}}
    contract = CONTRACT.model_validate({**CONTRACT.model_dump(), "id": None, "columns": columns})
    rows = pd.DataFrame({"b": [5, 900] * 20, "B": [0, 1] * 20, "y": ["ill", "well"] * 20})
    rows.to_csv(tmp_path / "batch.csv", index=False)
    write_data_docs(read_batch(tmp_path / "batch.csv", contract), contract, tmp_path / "docs")
    (file,) = (tmp_path / "docs" / "validations").rglob("*.html")
    text = re.sub(r"<[^>]*>", "", file.read_text())
    assert "B (2)" in text
    assert "Failed" not in text.replace("Failed Only", "")
